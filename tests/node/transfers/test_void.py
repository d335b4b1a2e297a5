"""作废 by the destination, which alone may, and only before anybody has signed."""

from uuid import UUID

import pytest

from shared.contract.codes import VoidReason
from shared.contract.messages import TransferVoided
from tests.node.bureau import Bureau, faults
from tests.node.people import WANG, ZHOU_SON
from tests.node.transfers.cases import COUNTER, OFFICE, application, approved, at_destination, certificate_for, certified
from tests.node.transfers.traces import assert_audited


@pytest.mark.parametrize("state", ["APPROVED", "CERTIFIED"])
@pytest.mark.parametrize("reason", ["WITHDRAWN", "EXPIRED", "INVALID"])
@pytest.mark.parametrize("officer", [COUNTER, OFFICE])
async def test_the_origin_is_told_why(shanghai: Bureau, state: str, reason: str, officer: str) -> None:
    case = await at_destination(shanghai, state)
    told = await shanghai.done(officer, case, "void", {"reason_code": reason, "reason_text": "演示"})
    assert (told["states"], told["members"][0]["void_reason"]) == (["VOID"], reason)
    sent = await shanghai.said(TransferVoided, to="zhejiang")
    assert (sent.case, sent.places, sent.reason_code, sent.reason_text) == (UUID(case), (1,), VoidReason(reason), "演示")
    assert sent.voided_on == shanghai.clock.now().date()
    assert await shanghai.owed(case) == {}
    await assert_audited(shanghai, "void", case, by=officer, members={1: "VOID"}, peer="zhejiang")


async def test_one_message_speaks_of_all_members(shanghai: Bureau) -> None:
    case, _ = await certified(shanghai, application(WANG, ZHOU_SON))
    await shanghai.done(COUNTER, case, "void", {"reason_code": "WITHDRAWN"})
    assert (await shanghai.said(TransferVoided, to="zhejiang")).places == (1, 2)


@pytest.mark.parametrize("reason", ["RETURNED", "CANCELLED", "UNKNOWN_CASE", "NOT_SIGNED"])
async def test_reasons_of_the_protocol_are_no_officers_choice(shanghai: Bureau, reason: str) -> None:
    case, _ = await approved(shanghai)
    answer = await shanghai.act(COUNTER, case, "void", {"reason_code": reason})
    assert (answer.status_code, faults(answer)) == (422, [("reason_code", "void_reason")])
    assert await shanghai.states(case) == {1: "APPROVED"}
    assert await shanghai.news() == []


async def test_an_unknown_reason_is_refused(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    answer = await shanghai.act(COUNTER, case, "void", {"reason_code": "BORED"})
    assert (answer.status_code, faults(answer)) == (422, [("reason_code", "enum")])


async def test_a_certificate_after_the_void_is_answered_by_the_void_again(shanghai: Bureau) -> None:
    case, permit = await approved(shanghai)
    await shanghai.done(COUNTER, case, "void", {"reason_code": "WITHDRAWN", "reason_text": "演示"})
    first = await shanghai.said(TransferVoided, to="zhejiang")
    await shanghai.told(certificate_for(permit), by="zhejiang")
    assert await shanghai.states(case) == {1: "VOID"}
    assert await shanghai.said(TransferVoided, to="zhejiang") == first


async def test_once_somebody_has_signed_nothing_is_voided(shanghai: Bureau) -> None:
    case, _ = await certified(shanghai, application(WANG, ZHOU_SON))
    shanghai.on(2021, 1, 1)
    await shanghai.done(COUNTER, case, "settle", {"signed": [1], "not_signing": [2], "not_signing_reason": "未到场"})
    await shanghai.news()
    answer = await shanghai.act(COUNTER, case, "void", {"reason_code": "WITHDRAWN"})
    assert answer.status_code == 409
    assert await shanghai.states(case) == {1: "SETTLING", 2: "VOID"}
    assert await shanghai.news() == []
