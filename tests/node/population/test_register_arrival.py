"""Registering a person who has arrived: a new row, or the one from before at its next epoch; never a step back."""

from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from services.bureau.population import acts
from services.bureau.population.rules import HouseholdRefused, RowState
from services.bureau.population.tables import RowKind, resident
from shared.database import Session
from tests.node.bureau import Bureau
from tests.node.people import LI, STRANGER, WANG, ZHOU, Person


async def arrive(bureau: Bureau, who: Person, *, epoch: int, household: UUID, relation: str = "97", **changes: Any) -> UUID:
    async def unit(session: Session) -> UUID:
        record = who.record().model_copy(update=changes)
        return await acts.register_arrival(session, record, epoch=epoch, household_id=household, relation_code=relation)

    return await bureau.wiring.database.run(unit, name="test")


async def set_row(bureau: Bureau, number: UUID, kind: RowKind, *, case: UUID) -> None:
    async def unit(session: Session) -> None:
        await acts.set_row(session, number, RowState(kind, 1, "shanghai", case), reason="演示")

    await bureau.wiring.database.run(unit, name="test")


async def household_of(bureau: Bureau, who: Person) -> UUID:
    found: UUID = (await bureau.resident(who.citizen_id_no)).household_id
    return found


async def test_who_was_never_here_gets_a_row(zhejiang: Bureau) -> None:
    made = await arrive(zhejiang, STRANGER, epoch=4, household=await household_of(zhejiang, ZHOU))
    row = await zhejiang.resident(STRANGER.citizen_id_no)
    assert (row.id, row.kind, row.epoch, row.version, row.station_code) == (made, "ACTIVE", 4, 1, "330482910000")


async def test_who_comes_back_gets_the_row_from_before_with_what_is_new(zhejiang: Bureau) -> None:
    before = await zhejiang.resident(WANG.citizen_id_no)
    case = uuid4()
    for kind in (RowKind.IN_TRANSIT, RowKind.MOVED):
        await set_row(zhejiang, before.id, kind, case=case)
    made = await arrive(zhejiang, WANG, epoch=3, household=await household_of(zhejiang, ZHOU), occupation="会计")
    assert made == before.id
    row = await zhejiang.one(select(resident).where(resident.c.id == made))
    assert (row.kind, row.epoch, row.version, row.case_id, row.counterpart) == ("ACTIVE", 3, 4, None, None)
    assert row.personal.occupation == "会计"
    fields = {one.field for one in await zhejiang.rows("SELECT field FROM resident_change WHERE resident_id = :r", r=made)}
    assert {"kind", "occupation"} <= fields


@pytest.mark.parametrize("epoch", [1, 2])
async def test_a_row_of_the_same_or_a_later_registration_is_left_alone(zhejiang: Bureau, epoch: int) -> None:
    home = await household_of(zhejiang, ZHOU)
    made = await arrive(zhejiang, STRANGER, epoch=2, household=home)
    before = await zhejiang.fingerprint()
    assert await arrive(zhejiang, STRANGER, epoch=epoch, household=home, occupation="会计") == made
    assert await zhejiang.fingerprint() == before


async def test_a_household_has_one_head(shanghai: Bureau) -> None:
    home = await household_of(shanghai, LI)
    with pytest.raises(HouseholdRefused):
        await arrive(shanghai, STRANGER, epoch=1, household=home, relation="02")
    assert await shanghai.resident(STRANGER.citizen_id_no) is None


async def test_nobody_enters_a_household_that_was_dissolved(zhejiang: Bureau) -> None:
    home = await household_of(zhejiang, WANG)
    await zhejiang.rows("UPDATE household SET dissolved_on = '2020-11-01' WHERE id = :h RETURNING id", h=home)
    with pytest.raises(HouseholdRefused):
        await arrive(zhejiang, STRANGER, epoch=1, household=home)


async def test_the_arrival_is_audited_by_blind_index(zhejiang: Bureau) -> None:
    await arrive(zhejiang, STRANGER, epoch=2, household=await household_of(zhejiang, ZHOU))
    row = (await zhejiang.audit("population.set_row"))[-1]
    assert row.change == {"row_from": None, "row": "ACTIVE", "epoch": 2, "counterpart": None, "version": 1}
    assert row.object_id == (await zhejiang.resident(STRANGER.citizen_id_no)).citizen_id_index.hex()


async def test_what_was_registered_can_be_proven_by_the_log_without_being_in_it(zhejiang: Bureau) -> None:
    await arrive(zhejiang, STRANGER, epoch=2, household=await household_of(zhejiang, ZHOU))
    row = (await zhejiang.audit("population.set_row"))[-1]
    salt = (await zhejiang.one("SELECT salt FROM audit_salt WHERE audit_id = :a", a=row.id)).salt

    async def stored(session: Session) -> bytes:
        found = await acts.find_resident(session, STRANGER.citizen_id_no)
        assert found is not None
        return found.personal.model_dump_json().encode()

    record = await zhejiang.wiring.database.run(stored, name="test")
    assert row.commitment == sha256(salt + record).digest()
