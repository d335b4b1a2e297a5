"""审批 at the branch."""

import pytest

from shared.contract.codes import Standing
from shared.contract.questions import PersonStatus, PersonStatusAnswer
from tests.node.browser import form_to
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.transfers.cases import COUNTER, HRSS, OFFICE, VERIFIER, at_destination, talent


async def test_application_and_dated_rule_are_shown(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "UNDER_REVIEW")
    answer = await (await browse(shanghai, OFFICE)).get(f"/w/case/{case}/decide")
    assert answer.status_code == 200, answer.text
    for told in ("适用政策", "2020-10-14", "pilot-zhejiang-shanghai", "夫妻投靠", "李演示", "准予迁入并推送至浙江"):
        assert told in answer.text, told
    english = await (await browse(shanghai, OFFICE)).get(f"/w/case/{case}/decide?lang=en")
    assert "in force from 2020-10-14" in english.text


async def test_approved_once(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "UNDER_REVIEW")
    browser = await browse(shanghai, OFFICE)
    path = f"/w/case/{case}/approve"
    form = form_to(await browser.get(f"/w/case/{case}/decide"), path).fields
    await shanghai.news()
    for _ in range(2):
        answer = await browser.send(path, form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/w/case/{case}?done=approve")
    assert [type(one.message).__name__ for one in await shanghai.news()] == ["PermitIssued"]
    assert (await browser.send(path, form | {"once": "other"})).status_code == 409
    assert (await browser.get(f"/w/case/{case}/decide")).status_code == 409


async def test_not_approved_needs_a_reason(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "UNDER_REVIEW")
    browser = await browse(shanghai, OFFICE)
    path = f"/w/case/{case}/refuse"
    form = form_to(await browser.get(f"/w/case/{case}/decide"), path).fields
    wrong = await browser.send(path, form | {"reason": " "})
    assert wrong.status_code == 422
    assert 'href="#reason"' in wrong.text
    done = await browser.send(path, form | {"reason": "不符合条件"})
    assert done.status_code == 303
    assert "不符合条件" in (await browser.get(f"/w/case/{case}")).text


async def test_a_talent_needs_the_hrss_number(shanghai: Bureau, browse: Browse) -> None:
    shanghai.on(2021, 3, 1)
    answer = await shanghai.ask(COUNTER, "POST", "/api/v1/transfers", talent())
    case = str(answer.json()["case"])
    for act in ("accept", "submit"):
        await shanghai.done(COUNTER, case, act)
    browser = await browse(shanghai, HRSS)
    path = f"/w/case/{case}/approve-talent"
    form = form_to(await browser.get(f"/w/case/{case}/decide"), path).fields
    wrong = await browser.send(path, form)
    assert wrong.status_code == 422
    assert 'href="#hrss_approval_no"' in wrong.text
    bad = await browser.send(path, form | {"hrss_approval_no": "??"})
    assert bad.status_code == 422
    assert 'value="??"' in bad.text
    assert (await browser.send(path, form | {"hrss_approval_no": "沪人社〔2021〕0042号"})).status_code == 303
    assert set((await shanghai.states(case)).values()) == {"APPROVED"}


@pytest.mark.parametrize("officer", [COUNTER, VERIFIER, HRSS])
async def test_others_are_told_who_may(shanghai: Bureau, browse: Browse, officer: str) -> None:
    case = await at_destination(shanghai, "UNDER_REVIEW")
    browser = await browse(shanghai, officer)
    wanted = 200 if officer == HRSS else 403  # the HRSS window refuses, and does not approve a spouse
    shown = await browser.get(f"/w/case/{case}/decide")
    assert shown.status_code == wanted
    assert "准予迁入并推送" not in shown.text
    refused = await browser.send(f"/w/case/{case}/approve", {"version": "3"})
    assert refused.status_code == 403
    assert "分局人口办" in refused.text


async def test_what_the_origins_register_says_is_advice_on_the_same_page(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "UNDER_REVIEW")
    shanghai.peers.answers[PersonStatus] = lambda question: PersonStatusAnswer(kind=Standing.HERE, epoch=1)
    browser = await browse(shanghai, OFFICE)
    answer = await browser.send(f"/w/case/{case}/look-up", {"on": "decide"})
    assert answer.status_code == 200, answer.text
    assert "在该地登记" in answer.text
    assert "不予批准" in answer.text
    assert [str(row.case_id) for row in await shanghai.audit("transfers.look_up_origin")] == [case]
    shanghai.peers.down.add("zhejiang")
    silent = await browser.send(f"/w/case/{case}/look-up", {"on": "decide"})
    assert silent.status_code == 200
    assert "无应答" in silent.text


async def test_the_counter_looks_up_beside_the_case(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "DRAFT")
    answer = await (await browse(shanghai, COUNTER)).send(f"/w/case/{case}/look-up")
    assert answer.status_code == 200
    assert "该地查无登记" in answer.text
    assert "办理人" in answer.text
