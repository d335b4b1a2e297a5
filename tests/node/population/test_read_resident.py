"""Reading a person: only for a purpose and an open case of one's own area, and every look, a miss too, is a row."""

from typing import Any
from uuid import UUID

import pytest

from tests.node.bureau import Bureau, faults
from tests.node.people import AT_XINDAI, STRANGER, WANG, ZHOU
from tests.node.transfers.cases import O_COUNTER, O_OFFICE, O_VERIFIER, at_origin, permit_for, received, sealed

RESIDENTS = "/api/v1/residents"
PURPOSE = "household_transfer"


async def look(bureau: Bureau, officer: str, number: str, case: str | None, purpose: str | None = PURPOSE) -> Any:
    headers = ({} if case is None else {"Quanyu_Case": case}) | ({} if purpose is None else {"Quanyu_Purpose": purpose})
    return await bureau.ask(officer, "GET", f"{RESIDENTS}?citizen_id_no={number}", **headers)


@pytest.mark.parametrize("officer", [O_COUNTER, O_VERIFIER, O_OFFICE])
async def test_for_an_open_case_the_sheet_is_shown_and_the_read_written_down(zhejiang: Bureau, officer: str) -> None:
    case = await received(zhejiang)
    answer = await look(zhejiang, officer, ZHOU.citizen_id_no, case)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["kind"], told["epoch"], told["relation_code"]) == ("ACTIVE", 1, "02")
    assert (told["personal"]["name"], told["household"]["household_no"]) == (ZHOU.name, "000000002")
    (row,) = await zhejiang.audit("population.read")
    assert (row.actor, row.purpose, row.case_id, row.decision) == (officer, PURPOSE, UUID(case), "allowed")
    assert {"name", "address_since", "father_name"} <= set(row.fields)
    assert row.object_id == (await zhejiang.resident(ZHOU.citizen_id_no)).citizen_id_index.hex()


async def test_religion_is_never_shown(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    answer = await look(zhejiang, O_VERIFIER, WANG.citizen_id_no, case)
    assert "religion" not in answer.json()["personal"]
    assert "演示信仰" not in answer.text
    assert "religion" not in (await zhejiang.audit("population.read"))[-1].fields


async def test_a_miss_is_not_found_and_written_down_too(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    answer = await look(zhejiang, O_VERIFIER, STRANGER.citizen_id_no, case)
    assert (answer.status_code, faults(answer)) == (404, [("citizen_id_no", "unknown_resident")])
    (row,) = await zhejiang.audit("population.read")
    assert (row.reason, row.case_id) == ("not in this register", UUID(case))


@pytest.mark.parametrize(("purpose", "status"), [(None, 400), ("operations", 403)])
async def test_without_its_purpose_nobody_reads(zhejiang: Bureau, purpose: str | None, status: int) -> None:
    case = await received(zhejiang)
    answer = await look(zhejiang, O_VERIFIER, WANG.citizen_id_no, case, purpose)
    assert answer.status_code == status
    assert purpose or faults(answer) == [("Quanyu-Purpose", "missing")]
    assert (await zhejiang.audit("population.read"))[-1].decision == "denied"
    assert WANG.name not in answer.text


async def refused_for(zhejiang: Bureau, case: str | None) -> None:
    answer = await look(zhejiang, O_VERIFIER, WANG.citizen_id_no, case)
    assert answer.status_code == (403 if case else 400), answer.text
    (row,) = await zhejiang.audit("population.read")
    assert (row.decision, row.reason) == ("denied", "no open case is named")


async def test_without_a_case_nobody_reads(zhejiang: Bureau) -> None:
    await refused_for(zhejiang, None)


async def test_for_an_unknown_case_nobody_reads(zhejiang: Bureau) -> None:
    await refused_for(zhejiang, "01936e00-0000-7000-8000-000000000001")


@pytest.mark.parametrize("state", ["RETURNED", "GONE", "RESTORED", "VOID"])
async def test_for_a_case_that_has_ended_nobody_reads(zhejiang: Bureau, state: str) -> None:
    await refused_for(zhejiang, await at_origin(zhejiang, state))


async def test_for_another_stations_case_nobody_reads(zhejiang: Bureau) -> None:
    case = await received(zhejiang, permit_for(AT_XINDAI, origin_station_code=AT_XINDAI_STATION))
    await refused_for(zhejiang, case)
    answer = await look(zhejiang, O_OFFICE, WANG.citizen_id_no, case)  # the office of the county has the case in its region
    assert answer.status_code == 200


AT_XINDAI_STATION = "330482920000"


async def test_a_stranger_is_not_told_apart_from_a_resident_without_a_case(zhejiang: Bureau) -> None:
    answers = [await look(zhejiang, O_VERIFIER, one.citizen_id_no, None) for one in (WANG, STRANGER)]
    bodies = [answer.json() | {"instance": ""} for answer in answers]
    assert bodies[0] == bodies[1]


async def test_another_stations_resident_is_not_shown_to_a_station(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    answer = await look(zhejiang, O_VERIFIER, AT_XINDAI.citizen_id_no, case)
    assert answer.status_code == 403
    (row,) = await zhejiang.audit("population.read")
    assert (row.decision, row.actor) == ("denied", O_VERIFIER)
    assert (await look(zhejiang, O_OFFICE, AT_XINDAI.citizen_id_no, case)).status_code == 200


async def test_who_is_in_transit_is_shown_with_the_destination(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    told = (await look(zhejiang, O_VERIFIER, WANG.citizen_id_no, case)).json()
    assert (told["kind"], told["counterpart"], told["case_id"]) == ("IN_TRANSIT", "shanghai", case)


async def test_holds_are_shown_with_the_person(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    body = {"citizen_id_no": WANG.citizen_id_no, "kind": "OTHER_BUSINESS", "reason": "变更姓名"}
    await zhejiang.ask(O_VERIFIER, "POST", "/api/v1/holds", body)
    told = (await look(zhejiang, O_VERIFIER, WANG.citizen_id_no, case)).json()
    assert [(hold["kind"], hold["reason"], hold["placed_by"]) for hold in told["holds"]] == [
        ("OTHER_BUSINESS", "变更姓名", O_VERIFIER)
    ]


async def test_the_number_is_checked_before_anything_is_read(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    answer = await look(zhejiang, O_VERIFIER, WANG.citizen_id_no[:-1] + "0", case)
    assert (answer.status_code, faults(answer)) == (422, [("citizen_id_no", "check_digit")])
    assert await zhejiang.audit("population.read") == []
