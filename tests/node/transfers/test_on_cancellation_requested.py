"""O -> D, for the citizen: voided at once, unless somebody has signed."""

from uuid import UUID

import pytest

from shared.contract.codes import VoidReason
from shared.contract.messages import TransferVoided
from tests.node.bureau import Bureau
from tests.node.transfers.cases import at_destination, cancellation
from tests.node.transfers.traces import assert_message_audited


@pytest.mark.parametrize("state", ["APPROVED", "CERTIFIED"])
async def test_it_is_voided_at_once(shanghai: Bureau, state: str) -> None:
    case = await at_destination(shanghai, state)
    await shanghai.told(cancellation(case), by="zhejiang")
    assert await shanghai.states(case) == {1: "VOID"}
    sent = await shanghai.said(TransferVoided, to="zhejiang")
    assert (sent.case, sent.reason_code) == (UUID(case), VoidReason.CANCELLED)
    assert await shanghai.owed(case) == {}
    await assert_message_audited(shanghai, "CancellationRequested", case, by="zhejiang", members={1: "VOID"})


@pytest.mark.parametrize("state", ["SETTLING", "HERE"])
async def test_once_somebody_has_signed_the_settlement_is_the_answer(shanghai: Bureau, state: str) -> None:
    case = await at_destination(shanghai, state)
    await shanghai.news()
    await shanghai.told(cancellation(case), by="zhejiang")
    assert await shanghai.states(case) == {1: state}
    assert await shanghai.news() == []


async def test_a_void_case_is_told_again(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "VOID")
    first = await shanghai.said(TransferVoided, to="zhejiang")
    await shanghai.told(cancellation(case), by="zhejiang")
    assert await shanghai.said(TransferVoided, to="zhejiang") == first


async def test_an_unknown_case_becomes_a_tombstone(shanghai: Bureau) -> None:
    unknown = UUID("01936e00-0000-7000-8000-000000000001")
    await shanghai.told(cancellation(unknown, places=(1, 2)), by="zhejiang")
    assert await shanghai.states(unknown) == {1: "VOID", 2: "VOID"}
    sent = await shanghai.said(TransferVoided, to="zhejiang")
    assert (sent.places, sent.reason_code) == ((1, 2), VoidReason.UNKNOWN_CASE)
