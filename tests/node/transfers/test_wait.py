"""The permit's 40 days have ended without a certificate: the officer waits on, with a reason. No clock changes a state."""

from tests.node.bureau import Bureau, faults
from tests.node.transfers.cases import COUNTER, approved, at_destination
from tests.node.transfers.traces import assert_audited


async def test_waiting_on_is_a_note_with_its_reason(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    shanghai.on(2021, 2, 7)
    told = await shanghai.done(COUNTER, case, "wait", {"reason": "迁出地正在核验"})
    assert told["states"] == ["APPROVED"]
    assert [(note["kind"], note["text"]) for note in told["notes"]] == [("wait", "迁出地正在核验")]
    assert await shanghai.news() == []
    assert set(await shanghai.owed(case)) == {"transfers.certificate"}
    await assert_audited(shanghai, "wait", case, by=COUNTER, members={}, peer="zhejiang")


async def test_while_the_permit_is_valid_there_is_nothing_to_decide(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    shanghai.on(2021, 2, 6)  # its last day
    answer = await shanghai.act(COUNTER, case, "wait", {"reason": "再等等"})
    assert (answer.status_code, faults(answer)) == (422, [("reason", "not_expired")])
    assert "2021-02-06" in answer.json()["errors"][0]["zh"]


async def test_a_reason_is_needed(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    shanghai.on(2021, 2, 7)
    answer = await shanghai.act(COUNTER, case, "wait", {"reason": ""})
    assert (answer.status_code, faults(answer)) == (422, [("reason", "string_too_short")])


async def test_once_the_certificate_is_there_the_permits_clock_has_no_meaning(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "CERTIFIED")
    shanghai.on(2021, 2, 7)
    assert (await shanghai.act(COUNTER, case, "wait", {"reason": "再等等"})).status_code == 409
