"""恢复户口: responsibility came back at once with the void; the legal entry is an officer's act."""

from typing import Any

import pytest

from services.bureau.population import acts as population
from services.bureau.population.acts import NewHousehold
from shared.database import Session
from tests.node.bureau import Bureau, faults
from tests.node.people import FAMILY, WANG, ZHAPU, ZHOU, ZHOU_WIFE
from tests.node.transfers.cases import O_VERIFIER, at_origin, permit_for, sealed, settled, voided
from tests.node.transfers.traces import assert_audited

REASON = {"reason": "迁入地作废"}


async def test_the_entry_frees_the_row_for_other_business(zhejiang: Bureau) -> None:
    case = await at_origin(zhejiang, "RESTORED")
    row = await zhejiang.resident(WANG.citizen_id_no)
    assert (row.kind, row.epoch, row.case_id, row.restoration_due) == ("ACTIVE", 1, None, True)
    told = await zhejiang.done(O_VERIFIER, case, "restore", REASON)
    assert told["states"] == ["RESTORED"]
    row = await zhejiang.resident(WANG.citizen_id_no)
    assert (row.kind, row.epoch, row.restoration_due) == ("ACTIVE", 1, False)
    assert await zhejiang.news() == []
    await assert_audited(zhejiang, "restore", case, by=O_VERIFIER, members={}, peer="shanghai")
    assert len(await zhejiang.audit("population.confirm_restoration", actor=O_VERIFIER)) == 1


async def test_a_whole_household_is_restored_with_its_head(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang, permit_for(*(one for one, _ in FAMILY)))
    await zhejiang.told(voided(case, places=(1, 2, 3, 4)), by="shanghai")
    await zhejiang.done(O_VERIFIER, case, "restore", REASON)
    rows = [await zhejiang.resident(one.citizen_id_no) for one, _ in FAMILY]
    assert [row.relation_code for row in rows] == [relation for _, relation in FAMILY]
    assert not any(row.restoration_due for row in rows)


async def test_it_is_entered_once(zhejiang: Bureau) -> None:
    case = await at_origin(zhejiang, "RESTORED")
    await zhejiang.done(O_VERIFIER, case, "restore", REASON)
    answer = await zhejiang.act(O_VERIFIER, case, "restore", REASON)
    assert answer.status_code == 409


async def test_a_head_who_comes_back_to_a_household_with_a_new_head_says_in_which_relation(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang, permit_for(ZHOU), new_head=ZHOU_WIFE.citizen_id_no)
    await zhejiang.told(voided(case), by="shanghai")
    row = await zhejiang.resident(ZHOU.citizen_id_no)
    assert row.relation_code != "02"  # what he is to the new head
    await zhejiang.done(O_VERIFIER, case, "restore", REASON)
    wife = await zhejiang.resident(ZHOU_WIFE.citizen_id_no)
    household = await zhejiang.one("SELECT * FROM household WHERE id = :h", h=wife.household_id)
    assert household.head_resident_id == wife.id


async def dissolved(zhejiang: Bureau) -> str:
    """Of a family of four, three have settled elsewhere and the father is restored, alone in a household that stays; the
    household of Ms Wang is dissolved by hand, as by an officer's act of a later issue."""
    case = await at_origin(zhejiang, "RESTORED")
    row = await zhejiang.resident(WANG.citizen_id_no)
    statement = "UPDATE household SET dissolved_on = '2020-12-30' WHERE id = :h RETURNING id"
    await zhejiang.rows(statement, h=row.household_id)
    return case


async def test_into_a_dissolved_household_nobody_is_restored(zhejiang: Bureau) -> None:
    case = await dissolved(zhejiang)
    before = await zhejiang.fingerprint()
    answer = await zhejiang.act(O_VERIFIER, case, "restore", REASON)
    assert (answer.status_code, faults(answer)) == (409, [("household_no", "dissolved")])
    assert await zhejiang.fingerprint() == before


async def test_the_officer_names_another_household_of_the_station(zhejiang: Bureau) -> None:
    case = await dissolved(zhejiang)

    async def empty(session: Session) -> None:
        made = NewHousehold(station_code=ZHAPU, division_code="330482", address="演示路7号", household_no="900000007")
        await population.create_household(session, made)

    await zhejiang.wiring.database.run(empty, name="test")
    await zhejiang.done(O_VERIFIER, case, "restore", REASON | {"household_no": "900000007"})
    row = await zhejiang.resident(WANG.citizen_id_no)
    household = await zhejiang.one("SELECT * FROM household WHERE id = :h", h=row.household_id)
    assert (household.household_no, household.head_resident_id, row.relation_code) == ("900000007", row.id, "02")


@pytest.mark.parametrize(
    ("body", "status", "field", "rule"),
    [
        (REASON | {"household_no": "900000099"}, 422, "household_no", "unknown_household"),
        (REASON | {"household_no": "900000099", "new_household_address": "演示路9号"}, 422, "", "two_households"),
        (REASON | {"new_household_address": ""}, 422, "new_household_address", "string_too_short"),
        (REASON | {"household_no": "a\x00b"}, 422, "household_no", "control_character"),
        ({"reason": ""}, 422, "reason", "string_too_short"),
        ({}, 422, "reason", "missing"),
    ],
)
async def test_what_is_wrong_is_named(zhejiang: Bureau, body: dict[str, Any], status: int, field: str, rule: str) -> None:
    case = await at_origin(zhejiang, "RESTORED")
    before = await zhejiang.fingerprint()
    answer = await zhejiang.act(O_VERIFIER, case, "restore", body)
    assert (answer.status_code, faults(answer)) == (status, [(field, rule)])
    assert await zhejiang.fingerprint() == before


async def test_only_those_who_were_not_settled_are_restored(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang, permit_for(*(one for one, _ in FAMILY)))
    await zhejiang.told(settled(case, zhejiang, signed=(1, 2, 3), not_signed=(4,)), by="shanghai")
    assert await zhejiang.states(case) == {1: "GONE", 2: "GONE", 3: "GONE", 4: "RESTORED"}
    await zhejiang.done(O_VERIFIER, case, "restore", REASON)
    father = await zhejiang.resident(FAMILY[3][0].citizen_id_no)
    household = await zhejiang.one("SELECT * FROM household WHERE id = :h", h=father.household_id)
    assert (father.kind, father.restoration_due, father.relation_code) == ("ACTIVE", False, "02")
    assert (household.head_resident_id, household.dissolved_on) == (father.id, None)
    assert (await zhejiang.resident(ZHOU.citizen_id_no)).kind == "MOVED"


async def test_a_family_whose_household_was_dissolved_gets_a_new_one_with_its_relations(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang, permit_for(*(one for one, _ in FAMILY)))
    await zhejiang.told(voided(case, places=(1, 2, 3, 4)), by="shanghai")
    old = (await zhejiang.resident(ZHOU.citizen_id_no)).household_id
    await zhejiang.rows("UPDATE household SET dissolved_on = '2020-12-30' WHERE id = :h RETURNING id", h=old)
    await zhejiang.done(O_VERIFIER, case, "restore", REASON | {"new_household_address": "乍浦镇演示路9号"})
    rows = [await zhejiang.resident(one.citizen_id_no) for one, _ in FAMILY]
    assert [row.relation_code for row in rows] == [relation for _, relation in FAMILY]
    assert len({row.household_id for row in rows}) == 1
    made = await zhejiang.one("SELECT * FROM household WHERE id = :h", h=rows[0].household_id)
    heads = [row.id for row in rows if row.relation_code == "02"]
    assert (made.station_code, made.division_code, [made.head_resident_id]) == (ZHAPU, "330482", heads)
    assert made.id != old


async def test_no_other_household_while_the_own_one_stands(zhejiang: Bureau) -> None:
    case = await at_origin(zhejiang, "RESTORED")
    before = await zhejiang.fingerprint()
    for elsewhere in ({"household_no": "000000002"}, {"new_household_address": "乍浦镇演示路9号"}):
        answer = await zhejiang.act(O_VERIFIER, case, "restore", REASON | elsewhere)
        assert (answer.status_code, faults(answer)) == (409, [("household_no", "not_needed")])
    assert await zhejiang.fingerprint() == before


async def test_a_household_that_has_a_head_gets_no_second_one(zhejiang: Bureau) -> None:
    case = await dissolved(zhejiang)
    answer = await zhejiang.act(O_VERIFIER, case, "restore", REASON | {"household_no": "000000002"})  # the Zhous have a head
    assert (answer.status_code, faults(answer)) == (409, [("relation_to_head_code", "second_head")])
