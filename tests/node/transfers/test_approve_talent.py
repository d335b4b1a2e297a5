"""准予迁入 of a talent: on the approval number of the human resources department, by its window or the branch."""

from typing import Any

import pytest

from shared.contract.messages import PermitIssued
from tests.node.bureau import Bureau, faults
from tests.node.transfers.cases import COUNTER, HRSS, OFFICE, opened, reviewed, talent
from tests.node.transfers.traces import assert_audited, stored_case

NUMBER = "沪人社〔2021〕0042号"


async def talent_under_review(shanghai: Bureau) -> str:
    shanghai.on(2021, 3, 1)
    case = await opened(shanghai, talent())
    for act in ("accept", "submit"):
        await shanghai.done(COUNTER, case, act)
    return case


@pytest.mark.parametrize(("officer", "act"), [(HRSS, "approve-talent"), (OFFICE, "approve-talent"), (OFFICE, "approve")])
async def test_the_permit_leaves_on_the_approval_number(shanghai: Bureau, officer: str, act: str) -> None:
    case = await talent_under_review(shanghai)
    told = await shanghai.done(officer, case, act, {"hrss_approval_no": NUMBER})
    assert told["application"]["hrss_approval_no"] == NUMBER
    permit = (await shanghai.said(PermitIssued, to="zhejiang")).permit
    assert permit.reason_code == "TALENT_INTRODUCED"
    await assert_audited(shanghai, "approve", case, by=officer, members={1: "APPROVED"}, peer="zhejiang")


@pytest.mark.parametrize("body", [{}, {"hrss_approval_no": None}])
async def test_without_the_number_a_talent_is_not_approved(shanghai: Bureau, body: dict[str, Any]) -> None:
    case = await talent_under_review(shanghai)
    before = await shanghai.fingerprint()
    answer = await shanghai.act(HRSS, case, "approve-talent", body)
    assert answer.status_code == 422
    assert faults(answer) == [("hrss_approval_no", "missing")]
    assert await shanghai.fingerprint() == before


async def test_the_window_for_talents_does_not_approve_relatives(shanghai: Bureau) -> None:
    case = await reviewed(shanghai)
    answer = await shanghai.act(HRSS, case, "approve-talent", {"hrss_approval_no": NUMBER})
    assert answer.status_code == 403
    assert await shanghai.states(case) == {1: "UNDER_REVIEW"}
    assert (await stored_case(shanghai, case)).permit_no is None
    assert (await shanghai.audit(decision="denied"))[-1].actor == HRSS
