"""O -> D: not sealed, with the reason; the case is void."""

from uuid import UUID

import pytest

from shared.contract.codes import ReturnCode, VoidReason
from shared.contract.messages import TransferVoided
from tests.node.bureau import Bureau
from tests.node.people import WANG, ZHOU_SON
from tests.node.transfers.cases import COUNTER, application, approved, at_destination, opened, returned
from tests.node.transfers.traces import assert_message_audited


async def test_the_case_is_void_and_the_counter_sees_why(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai, application(WANG, ZHOU_SON))
    await shanghai.told(returned(case, places=(1, 2), code=ReturnCode.R06), by="zhejiang")
    assert await shanghai.states(case) == {1: "VOID", 2: "VOID"}
    sent = await shanghai.said(TransferVoided, to="zhejiang")
    assert (sent.case, sent.places, sent.reason_code) == (UUID(case), (1, 2), VoidReason.RETURNED)
    assert await shanghai.owed(case) == {}
    read = (await shanghai.ask(COUNTER, "GET", f"/api/v1/transfers/{case}")).json()
    assert (read["returned"]["code"], read["returned"]["reason_text"]) == ("R06", "本人否认")
    assert read["members"][0]["label_zh"]
    await assert_message_audited(shanghai, "PermitReturned", case, by="zhejiang", members={1: "VOID", 2: "VOID"})
    shanghai.on(2021, 1, 4)
    await opened(shanghai)  # the person is free for a corrected application


@pytest.mark.parametrize("state", ["CERTIFIED", "SETTLING", "HERE", "VOID"])
async def test_after_approval_it_comes_too_late(shanghai: Bureau, state: str) -> None:
    case = await at_destination(shanghai, state)
    await shanghai.news()
    await shanghai.told(returned(case), by="zhejiang")
    assert await shanghai.states(case) == {1: state}
    assert await shanghai.news() == []


async def test_an_unknown_case_becomes_a_tombstone(shanghai: Bureau) -> None:
    unknown = UUID("01936e00-0000-7000-8000-000000000001")
    await shanghai.told(returned(unknown), by="zhejiang")
    assert await shanghai.states(unknown) == {1: "VOID"}
    assert (await shanghai.said(TransferVoided, to="zhejiang")).reason_code is VoidReason.UNKNOWN_CASE


async def test_only_the_counterpart_may_return_it(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    await shanghai.told(returned(case), by="jiangsu")
    read = (await shanghai.ask(COUNTER, "GET", f"/api/v1/transfers/{case}")).json()
    assert read["states"] == ["APPROVED"]
