"""提交审批: from the counter to the branch."""

from tests.node.bureau import Bureau
from tests.node.people import WANG, ZHOU_SON
from tests.node.transfers.cases import COUNTER, application, at_destination
from tests.node.transfers.traces import assert_audited


async def test_a_submitted_case_is_under_review_with_all_its_members(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "ACCEPTED", application(WANG, ZHOU_SON))
    told = await shanghai.done(COUNTER, case, "submit")
    assert told["states"] == ["UNDER_REVIEW"]
    assert await shanghai.states(case) == {1: "UNDER_REVIEW", 2: "UNDER_REVIEW"}
    assert await shanghai.sent() == []
    members = {1: "UNDER_REVIEW", 2: "UNDER_REVIEW"}
    await assert_audited(shanghai, "submit", case, by=COUNTER, members=members, peer="zhejiang")
