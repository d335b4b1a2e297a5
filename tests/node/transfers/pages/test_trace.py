"""流转: letters of both bureaus with their times, what is owed, and asking how it stands there."""

from shared.contract.questions import PlaceState, TransferState, TransferStateAnswer
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.transfers.cases import COUNTER, O_VERIFIER, OPERATOR, at_destination, at_origin, certified


async def test_what_is_owed_and_what_waits_to_be_sent(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "APPROVED")
    answer = await (await browse(shanghai, COUNTER)).get(f"/w/case/{case}/trace")
    assert answer.status_code == 200, answer.text
    for told in ("迁移证或退回", "浙江", "准迁证</td>", "等待中", "2020年12月29日 23:59", f'action="/w/case/{case}/ask-again"'):
        assert told in answer.text, told


async def test_what_has_come_is_named_with_its_times(shanghai: Bureau, browse: Browse) -> None:
    case, _ = await certified(shanghai)
    answer = await (await browse(shanghai, COUNTER)).get(f"/w/case/{case}/trace")
    received = answer.text.partition("对端发来")[2]
    assert "迁移证</td>" in received
    assert 'class="pill green"' in received


async def test_the_origins_letters(zhejiang: Bureau, browse: Browse) -> None:
    case = await at_origin(zhejiang, "GONE")
    answer = (await (await browse(zhejiang, O_VERIFIER)).get(f"/w/case/{case}/trace")).text
    sent, _, received = answer.partition("对端发来")
    assert "迁移证</td>" in sent
    assert "办结确认</td>" in sent
    assert "准迁证</td>" in received
    assert "签字落户</td>" in received


async def test_how_it_stands_there_is_asked_on_demand(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "APPROVED")
    browser = await browse(shanghai, COUNTER)
    await browser.get(f"/w/case/{case}/trace")
    assert shanghai.peers.asked == []
    states = (PlaceState(place=1, state="RECEIVED", epoch=None),)
    shanghai.peers.answers[TransferState] = lambda question: TransferStateAnswer(side="origin", states=states)
    told = await browser.get(f"/w/case/{case}/trace?ask=yes")
    assert "迁出核验中" in told.text
    shanghai.peers.down.add("zhejiang")
    silent = await browser.get(f"/w/case/{case}/trace?ask=yes")
    assert silent.status_code == 200
    assert "无应答" in silent.text


async def test_the_operator_sees_the_letters_and_no_person(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "APPROVED")
    answer = await (await browse(shanghai, OPERATOR)).get(f"/w/case/{case}/trace")
    assert answer.status_code == 200
    assert "王演示" not in answer.text
