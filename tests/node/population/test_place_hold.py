"""Holding a person's row for other business: one of a kind, by the station that keeps the row."""

from typing import Any

import pytest

from tests.node.bureau import Bureau, faults
from tests.node.people import AT_XINDAI, STRANGER, WANG
from tests.node.transfers.cases import O_VERIFIER, received

HOLDS = "/api/v1/holds"
KINDS = ("RESTRICTED_PERSON", "OTHER_BUSINESS", "RECORD_LOCKED", "DUPLICATE_NUMBER")


def hold(kind: str = "RESTRICTED_PERSON", **changes: Any) -> dict[str, Any]:
    return {"citizen_id_no": WANG.citizen_id_no, "kind": kind, "reason": "缓刑考验期内"} | changes


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hold_is_in_force_at_once(zhejiang: Bureau, kind: str) -> None:
    answer = await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold(kind))
    assert answer.status_code == 201, answer.text
    placed = answer.json()
    assert (placed["kind"], placed["placed_by"], placed["reason"]) == (kind, O_VERIFIER, "缓刑考验期内")
    row = await zhejiang.one("SELECT * FROM hold")
    assert (str(row.id), row.kind, row.placed_by, row.lifted_at) == (placed["id"], kind, O_VERIFIER, None)
    assert "缓刑".encode() not in bytes(row.reason)
    assert (await zhejiang.resident(WANG.citizen_id_no)).kind == "ACTIVE"


async def test_it_is_audited_without_its_reason(zhejiang: Bureau) -> None:
    await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold())
    (row,) = await zhejiang.audit("population.hold")
    assert (row.actor, row.station, row.change) == (O_VERIFIER, "330482910000", {"hold": "RESTRICTED_PERSON"})
    assert row.object_id == (await zhejiang.resident(WANG.citizen_id_no)).citizen_id_index.hex()
    assert (row.purpose, row.case_id) == ("supervision", None)  # what the rule assumes when no purpose is named
    assert "缓刑" not in str(row)


async def test_the_purpose_and_the_case_that_are_named_are_written_down(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    headers = {"Quanyu_Purpose": "household_transfer", "Quanyu_Case": case}
    assert (await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold(), **headers)).status_code == 201
    (row,) = await zhejiang.audit("population.hold")
    assert (row.purpose, str(row.case_id)) == ("household_transfer", case)


async def test_one_of_a_kind_is_enough_and_another_kind_may_join(zhejiang: Bureau) -> None:
    await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold())
    answer = await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold())
    assert (answer.status_code, faults(answer)) == (409, [("kind", "held_already")])
    assert (await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold("RECORD_LOCKED"))).status_code == 201
    assert len(await zhejiang.rows("SELECT * FROM hold")) == 2


@pytest.mark.parametrize("number", [AT_XINDAI.citizen_id_no, STRANGER.citizen_id_no])
async def test_nobody_holds_a_person_of_another_station_or_of_none(zhejiang: Bureau, number: str) -> None:
    answer = await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold(citizen_id_no=number))
    assert answer.status_code == 403
    (row,) = await zhejiang.audit("population.hold")
    assert (row.decision, row.actor) == ("denied", O_VERIFIER)
    assert await zhejiang.rows("SELECT * FROM hold") == []


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "citizen_id_no", "missing"),
        (hold(citizen_id_no=WANG.citizen_id_no[:-1] + "0"), "citizen_id_no", "check_digit"),
        (hold("DISLIKED"), "kind", "enum"),
        (hold(reason=""), "reason", "string_too_short"),
        (hold(reason="x" * 501), "reason", "string_too_long"),
        (hold(reason="a\x00b"), "reason", "control_character"),
        (hold(until="2021-01-01"), "until", "extra_forbidden"),
    ],
)
async def test_what_is_wrong_is_named(quiet_zhejiang: Bureau, body: dict[str, Any], field: str, rule: str) -> None:
    answer = await quiet_zhejiang.ask(O_VERIFIER, "POST", HOLDS, body)
    assert answer.status_code == 422
    assert (field, rule) in faults(answer)
    assert await quiet_zhejiang.rows("SELECT * FROM hold") == []


async def test_sent_twice_with_its_key_it_is_placed_once(zhejiang: Bureau) -> None:
    first = await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold(), Idempotency_Key="hold-1")
    again = await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold(), Idempotency_Key="hold-1")
    assert (again.status_code, again.content) == (201, first.content)
    assert len(await zhejiang.rows("SELECT * FROM hold")) == 1
