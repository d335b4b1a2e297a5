"""What the origin finds when it holds a permit against its register: R01-R10, each from the register alone."""

from datetime import date
from typing import Any

import pytest

from tests.node.bureau import Bureau
from tests.node.people import AT_XINDAI, STRANGER, WANG, ZHOU, ZHOU_SON, Person
from tests.node.transfers.cases import O_VERIFIER, permit_for, received, sealed

CASES = "/api/v1/transfers"


async def findings(zhejiang: Bureau, case: str) -> list[tuple[str, int]]:
    answer = await zhejiang.ask(O_VERIFIER, "GET", f"{CASES}/{case}/findings")
    assert answer.status_code == 200, answer.text
    found = answer.json()["findings"]
    for one in found:
        assert one["zh"] != one["en"]
        assert one["rule"] == one["code"]
        assert one["source"]
    return [(one["code"], one["place"]) for one in found]


async def test_a_permit_that_fits_has_none(zhejiang: Bureau) -> None:
    assert await findings(zhejiang, await received(zhejiang)) == []


async def test_r01_nobody_of_that_number(zhejiang: Bureau) -> None:
    assert await findings(zhejiang, await received(zhejiang, permit_for(STRANGER))) == [("R01", 1)]


async def test_r08_another_division_than_the_dated_rules_were_judged_by(zhejiang: Bureau) -> None:
    permit = permit_for(origin_division_code="330421")
    assert await findings(zhejiang, await received(zhejiang, permit)) == [("R08", 1)]


async def test_r02_another_name(zhejiang: Bureau) -> None:
    misspelt = Person(WANG.citizen_id_no, "汪演示")
    assert await findings(zhejiang, await received(zhejiang, permit_for(misspelt))) == [("R02", 1)]


async def test_r03_the_registration_ended(zhejiang: Bureau) -> None:
    await zhejiang.rows("UPDATE resident SET kind = 'CANCELLED' WHERE id = :r RETURNING id",
                        r=(await zhejiang.resident(WANG.citizen_id_no)).id)  # fmt: skip
    assert await findings(zhejiang, await received(zhejiang)) == [("R03", 1)]


@pytest.mark.parametrize(
    ("hold", "code"),
    [("RESTRICTED_PERSON", "R05"), ("OTHER_BUSINESS", "R04"), ("RECORD_LOCKED", "R04"), ("DUPLICATE_NUMBER", "R10")],
)
async def test_each_kind_of_hold_has_its_code(zhejiang: Bureau, hold: str, code: str) -> None:
    case = await received(zhejiang)
    body = {"citizen_id_no": WANG.citizen_id_no, "kind": hold, "reason": "演示"}
    placed = await zhejiang.ask(O_VERIFIER, "POST", "/api/v1/holds", body)
    assert await findings(zhejiang, case) == [(code, 1)]
    await zhejiang.ask(O_VERIFIER, "DELETE", f"/api/v1/holds/{placed.json()['id']}")
    assert await findings(zhejiang, case) == []


async def test_r04_moved_out_for_another_case(zhejiang: Bureau) -> None:
    await sealed(zhejiang)
    assert await findings(zhejiang, await received(zhejiang, permit_for())) == [("R04", 1)]


@pytest.mark.parametrize(("day", "found"), [(date(2021, 2, 6), []), (date(2021, 2, 7), [("R07", 1)])])
async def test_r07_the_permit_has_ended(zhejiang: Bureau, day: date, found: Any) -> None:
    case = await received(zhejiang)
    zhejiang.on(day.year, day.month, day.day)
    assert await findings(zhejiang, case) == found


async def test_r08_registered_at_another_station(zhejiang: Bureau) -> None:
    assert await findings(zhejiang, await received(zhejiang, permit_for(AT_XINDAI))) == [("R08", 1)]


async def test_r09_members_of_different_households(zhejiang: Bureau) -> None:
    assert await findings(zhejiang, await received(zhejiang, permit_for(WANG, ZHOU_SON))) == [("R09", 1)]
    assert await findings(zhejiang, await received(zhejiang, permit_for(ZHOU, ZHOU_SON))) == []


async def test_reading_them_is_audited_with_the_case(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    await findings(zhejiang, case)
    row = (await zhejiang.audit("transfers.read"))[-1]
    assert (row.actor, row.object_id, row.purpose) == (O_VERIFIER, case, "household_transfer")
