"""不予批准, with its reason."""

import pytest

from tests.node.bureau import Bureau, faults
from tests.node.transfers.cases import HRSS, OFFICE, at_destination, opened, reviewed
from tests.node.transfers.traces import assert_audited, receipts


@pytest.mark.parametrize("officer", [OFFICE, HRSS])
async def test_a_refused_case_ends_and_nobody_is_told(shanghai: Bureau, officer: str) -> None:
    case = await reviewed(shanghai)
    told = await shanghai.done(officer, case, "refuse", {"reason": "不符合条件"})
    assert told["states"] == ["REFUSED"]
    assert told["members"][0]["label_zh"] == "不予批准"
    assert await shanghai.sent() == []
    assert await shanghai.owed(case) == {}
    assert await receipts(shanghai, case) == []
    await assert_audited(shanghai, "refuse", case, by=officer, members={1: "REFUSED"}, peer="zhejiang")


async def test_a_refusal_has_a_reason(shanghai: Bureau) -> None:
    case = await reviewed(shanghai)
    answer = await shanghai.act(OFFICE, case, "refuse", {"reason": ""})
    assert (answer.status_code, faults(answer)) == (422, [("reason", "string_too_short")])


async def test_a_refused_person_may_apply_again(shanghai: Bureau) -> None:
    await at_destination(shanghai, "REFUSED")
    await opened(shanghai)
