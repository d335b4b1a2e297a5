"""落户 at the counter, its answer in the same view, and what is printed."""

from typing import Any

import pytest

from shared.contract.questions import PlaceState, TransferState, TransferStateAnswer
from tests.node.browser import form_to
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.people import WANG, ZHOU_SON
from tests.node.transfers.cases import COUNTER, OFFICE, VERIFIER, application, at_destination, certified, closed


async def at_the_counter(shanghai: Bureau, browse: Browse, form: Any = None) -> tuple[str, Any]:
    case, _ = await certified(shanghai, form)
    shanghai.on(2021, 1, 1)
    return case, await browse(shanghai, COUNTER, step_up=True)


async def test_before_the_signature_it_says_who_answers(shanghai: Bureau, browse: Browse) -> None:
    case, browser = await at_the_counter(shanghai, browse)
    answer = await browser.get(f"/w/case/{case}/settle")
    assert answer.status_code == 200, answer.text
    for told in ("浙江", "有应答", "总线正常", "最近收到", "签字落户", "浙迁00000001", WANG.name):
        assert told in answer.text, told
    assert "先签字，后领取" not in answer.text
    assert [type(asked.question) for _, asked in shanghai.peers.asked] == [TransferState]


async def test_settled_once_and_being_confirmed_in_the_same_view(shanghai: Bureau, browse: Browse) -> None:
    case, browser = await at_the_counter(shanghai, browse)
    path = f"/w/case/{case}/settle"
    form = form_to(await browser.get(path), path).fields
    assert form["member-1"] == "signed"
    await shanghai.news()
    for _ in range(2):
        answer = await browser.send(path, form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path}?done=settle"), answer.text
    assert [type(one.message).__name__ for one in await shanghai.news()] == ["TransferSettled"]
    waiting = await browser.get(f"{path}?done=settle")
    for told in ("落户确认中", "2021年1月1日 10:00 已签字", "临时回执", 'hx-get="', 'hx-sse:connect="/events"'):
        assert told in waiting.text, told
    await shanghai.told(closed(case, shanghai), by="zhejiang")
    done = await browser.get(path)
    assert "办结单" in done.text
    assert "临时回执" not in done.text


async def test_a_lost_close_comes_with_the_answer_to_the_question(shanghai: Bureau, browse: Browse) -> None:
    """The origin has let go, its close never came by the bus: looking is enough."""
    case, browser = await at_the_counter(shanghai, browse)
    path = f"/w/case/{case}/settle"
    form = form_to(await browser.get(path), path).fields
    let_go = shanghai.sealed(closed(case, shanghai), by="zhejiang").value.decode()
    states = (PlaceState(place=1, state="GONE", epoch=2),)
    shanghai.peers.answers[TransferState] = lambda question: TransferStateAnswer(side="origin", states=states, sealed=(let_go,))
    await browser.send(path, form)
    shown = await browser.get(f"{path}?done=settle")
    assert "已落户" in shown.text
    assert "办结单" in shown.text
    assert set((await shanghai.states(case)).values()) == {"HERE"}


async def test_with_the_origin_silent_it_is_said_first_and_the_interim_receipt_prints(shanghai: Bureau, browse: Browse) -> None:
    case, browser = await at_the_counter(shanghai, browse)
    shanghai.peers.down.add("zhejiang")
    path = f"/w/case/{case}/settle"
    shown = await browser.get(path)
    for told in ("无应答", "先签字，后领取", "改日再来"):
        assert told in shown.text, told
    assert (await browser.send(path, form_to(shown, path).fields)).status_code == 303
    waiting = await browser.get(f"{path}?done=settle")
    assert "落户确认中" in waiting.text
    slip = await browser.get(f"/w/case/{case}/slip/interim")
    for told in ("临时回执", "样本", "等待浙江", "2021年1月1日 10:00", "业务日期 2021-01-01"):
        assert told in slip.text, told


async def test_who_does_not_sign_is_named(shanghai: Bureau, browse: Browse) -> None:
    case, browser = await at_the_counter(shanghai, browse, application(WANG, ZHOU_SON))
    path = f"/w/case/{case}/settle"
    form = form_to(await browser.get(path), path).fields
    nobody = await browser.send(path, form | {"member-1": "not_signing", "member-2": "not_signing"})
    assert nobody.status_code == 422
    assert 'href="#signed"' in nobody.text
    assert 'value="not_signing" checked' in nobody.text
    typed = form | {"member-2": "not_signing", "not_signing_reason": "未到场"}
    assert (await browser.send(path, typed)).status_code == 303
    assert await shanghai.states(case) == {1: "SETTLING", 2: "VOID"}


async def test_an_ended_certificate_needs_a_reason(shanghai: Bureau, browse: Browse) -> None:
    case, browser = await at_the_counter(shanghai, browse)
    shanghai.on(2021, 3, 1)
    path = f"/w/case/{case}/settle"
    form = form_to(await browser.get(path), path).fields
    wrong = await browser.send(path, form | {"household_no": "000000001"})
    assert wrong.status_code == 422
    assert 'href="#late_reason"' in wrong.text
    assert 'value="000000001"' in wrong.text
    assert (await browser.send(path, form | {"late_reason": "因病"})).status_code == 303


async def test_settling_needs_the_second_factor(shanghai: Bureau, browse: Browse) -> None:
    case, _ = await certified(shanghai)
    shanghai.on(2021, 1, 1)
    browser = await browse(shanghai, COUNTER)
    path = f"/w/case/{case}/settle"
    shown = await browser.get(path)
    assert "先进行二次认证" in shown.text
    assert (await browser.send(path, form_to(shown, path).fields)).status_code == 401
    assert set((await shanghai.states(case)).values()) == {"CERTIFIED"}


@pytest.mark.parametrize("officer", [OFFICE, VERIFIER])
async def test_only_the_counter_settles(shanghai: Bureau, browse: Browse, officer: str) -> None:
    case, _ = await certified(shanghai)
    answer = await (await browse(shanghai, officer)).get(f"/w/case/{case}/settle")
    assert answer.status_code == 403
    assert "窗口民警" in answer.text


async def test_before_the_certificate_there_is_nothing_to_settle(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "APPROVED")
    assert (await (await browse(shanghai, COUNTER)).get(f"/w/case/{case}/settle")).status_code == 409


@pytest.mark.parametrize(
    ("state", "there"),
    [
        ("DRAFT", set()),
        ("ACCEPTED", {"acceptance"}),
        ("APPROVED", {"acceptance", "permit"}),
        ("CERTIFIED", {"acceptance", "permit", "certificate"}),
        ("SETTLING", {"acceptance", "permit", "certificate", "interim"}),
        ("HERE", {"acceptance", "permit", "certificate", "completion"}),
    ],
)
async def test_slips_that_there_are(shanghai: Bureau, browse: Browse, state: str, there: set[str]) -> None:
    case = await at_destination(shanghai, state)
    browser = await browse(shanghai, COUNTER)
    overview = (await browser.get(f"/w/case/{case}")).text
    for name in ("acceptance", "permit", "certificate", "interim", "completion", "other"):
        answer = await browser.get(f"/w/case/{case}/slip/{name}")
        assert (answer.status_code == 200, answer.status_code) == (name in there, 200 if name in there else 404), name
        assert (f"/slip/{name}" in overview) is (name in there)
        if name in there:
            assert "样本" in answer.text
            assert WANG.citizen_id_no not in answer.text
