"""一次性告知: everything that is missing, told once."""

import pytest

from tests.node.bureau import Bureau, faults
from tests.node.transfers.cases import COUNTER, at_destination
from tests.node.transfers.traces import assert_audited


async def test_what_is_missing_is_kept_beside_the_case(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    told = await shanghai.done(COUNTER, case, "ask-supplement", {"missing": "结婚证原件"})
    assert told["states"] == ["SUPPLEMENT_REQUIRED"]
    assert [(note["kind"], note["text"]) for note in told["notes"]] == [("supplement", "结婚证原件")]
    assert await shanghai.sent() == []
    members = {1: "SUPPLEMENT_REQUIRED"}
    await assert_audited(shanghai, "ask supplement", case, by=COUNTER, members=members, peer="zhejiang")


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({"missing": ""}, "missing", "string_too_short"),
        ({}, "missing", "missing"),
        ({"missing": "x" * 501}, "missing", "string_too_long"),
        ({"missing": "a\x00b"}, "missing", "control_character"),
        ({"missing": "结婚证原件", "more": 1}, "more", "extra_forbidden"),
    ],
)
async def test_it_must_be_said_what_is_missing(shanghai: Bureau, body: dict[str, object], field: str, rule: str) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    answer = await shanghai.act(COUNTER, case, "ask-supplement", body)
    assert answer.status_code == 422
    assert faults(answer) == [(field, rule)]
    assert await shanghai.states(case) == {1: "ACCEPTED"}
