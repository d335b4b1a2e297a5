"""撤回: the applicant takes the application back before anything has been said to the origin."""

import pytest

from tests.node.bureau import Bureau, faults
from tests.node.transfers.cases import COUNTER, at_destination
from tests.node.transfers.traces import assert_audited


@pytest.mark.parametrize("state", ["DRAFT", "ACCEPTED", "SUPPLEMENT_REQUIRED", "UNDER_REVIEW"])
async def test_each_state_before_approval_can_be_withdrawn_and_nobody_is_told(shanghai: Bureau, state: str) -> None:
    case = await at_destination(shanghai, state)
    told = await shanghai.done(COUNTER, case, "withdraw", {"reason": "申请人撤回"})
    assert told["states"] == ["WITHDRAWN"]
    assert await shanghai.sent() == []
    assert await shanghai.owed(case) == {}
    await assert_audited(shanghai, "withdraw", case, by=COUNTER, members={1: "WITHDRAWN"}, peer="zhejiang")


async def test_a_withdrawal_has_a_reason(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "DRAFT")
    answer = await shanghai.act(COUNTER, case, "withdraw", {"reason": ""})
    assert answer.status_code == 422
    assert faults(answer) == [("reason", "string_too_short")]
    assert await shanghai.states(case) == {1: "DRAFT"}


async def test_after_approval_it_is_not_withdrawn_but_voided(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "APPROVED")
    answer = await shanghai.act(COUNTER, case, "withdraw", {"reason": "申请人撤回"})
    assert answer.status_code == 409
    assert answer.json()["states"] == ["APPROVED"]
    assert answer.json()["detail"].startswith("现在不能办理：撤回申请；案件状态：准予迁入，已推送 / ")
