"""O -> D: the origin has let go; from this commit on our register answers."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from services.bureau.population.tables import resident
from tests.node.bureau import Bureau
from tests.node.people import LI, WANG, ZHOU_SON
from tests.node.transfers.cases import COUNTER, application, at_destination, certified, closed, settling
from tests.node.transfers.traces import assert_message_audited, stored_case


async def row_of(shanghai: Bureau, number: str) -> Any:
    found = await shanghai.resident(number)
    return await shanghai.one(select(resident).where(resident.c.id == found.id))


async def test_the_register_answers_at_the_next_epoch_in_the_household_chosen(shanghai: Bureau) -> None:
    case = await settling(shanghai)
    await shanghai.told(closed(case, shanghai), by="zhejiang")
    assert await shanghai.states(case) == {1: "HERE"}
    row = await row_of(shanghai, WANG.citizen_id_no)
    assert (row.kind, row.epoch, row.case_id, row.counterpart, row.version) == ("ACTIVE", 2, None, None, 1)
    assert (row.station_code, row.relation_code) == ("310116910000", "10")
    assert row.household_id == (await shanghai.resident(LI.citizen_id_no)).household_id
    assert await shanghai.news() == []
    assert await shanghai.owed(case) == {}
    await assert_message_audited(shanghai, "TransferClosed", case, by="zhejiang", members={1: "HERE"})


async def test_the_sheet_says_when_and_from_where(shanghai: Bureau) -> None:
    case = await settling(shanghai)
    shanghai.on(2021, 1, 2)  # the close comes a day late: the day of the signature counts
    await shanghai.told(closed(case, shanghai), by="zhejiang")
    record = (await row_of(shanghai, WANG.citizen_id_no)).personal
    assert (record.name, record.occupation, record.religion) == (WANG.name, "教师", None)
    assert (record.moved_in_on, record.registered_on) == (date(2021, 1, 1), date(2021, 1, 1))
    assert record.moved_in_from == "浙江省嘉兴市平湖市演示路1号"


async def test_all_who_signed_enter_together(shanghai: Bureau) -> None:
    case = await settling(shanghai, application(WANG, ZHOU_SON))
    await shanghai.told(closed(case, shanghai, places=(1, 2)), by="zhejiang")
    assert await shanghai.states(case) == {1: "HERE", 2: "HERE"}
    assert (await row_of(shanghai, ZHOU_SON.citizen_id_no)).relation_code == "20"


async def test_who_did_not_sign_does_not_enter(shanghai: Bureau) -> None:
    case, _ = await certified(shanghai, application(WANG, ZHOU_SON))
    shanghai.on(2021, 1, 1)
    await shanghai.done(COUNTER, case, "settle", {"signed": [1], "not_signing": [2]})
    await shanghai.told(closed(case, shanghai, places=(1, 2)), by="zhejiang")
    assert await shanghai.states(case) == {1: "HERE", 2: "VOID"}
    assert await shanghai.resident(ZHOU_SON.citizen_id_no) is None


async def test_said_again_it_changes_nothing(shanghai: Bureau) -> None:
    case = await settling(shanghai)
    message = closed(case, shanghai)
    await shanghai.told(message, by="zhejiang")
    before = await stored_case(shanghai, case)
    await shanghai.told(message, by="zhejiang")
    assert await stored_case(shanghai, case) == before
    assert (await row_of(shanghai, WANG.citizen_id_no)).version == 1
    assert await shanghai.news() == []


@pytest.mark.parametrize("epoch", [1, 3])
async def test_a_close_of_another_registration_changes_nothing(shanghai: Bureau, epoch: int) -> None:
    case = await settling(shanghai)
    await shanghai.told(closed(case, shanghai, epoch=epoch), by="zhejiang")
    assert await shanghai.states(case) == {1: "SETTLING"}
    assert await shanghai.resident(WANG.citizen_id_no) is None


@pytest.mark.parametrize("state", ["DRAFT", "APPROVED", "CERTIFIED", "VOID"])
async def test_before_the_citizen_signs_nobody_is_here(shanghai: Bureau, state: str) -> None:
    case = await at_destination(shanghai, state)
    await shanghai.told(closed(case, shanghai), by="zhejiang")
    assert await shanghai.states(case) == {1: state}
    assert await shanghai.resident(WANG.citizen_id_no) is None


async def test_only_the_counterpart_closes(shanghai: Bureau) -> None:
    case = await settling(shanghai)
    await shanghai.told(closed(case, shanghai), by="anhui")
    assert await shanghai.states(case) == {1: "SETTLING"}
    assert await shanghai.resident(WANG.citizen_id_no) is None


async def test_a_household_that_was_dissolved_meanwhile_is_replaced_by_a_new_one(shanghai: Bureau) -> None:
    case = await settling(shanghai)
    chosen = (await stored_case(shanghai, case)).household_id
    await shanghai.rows("UPDATE household SET dissolved_on = '2021-01-01' WHERE id = :h RETURNING id", h=chosen)
    await shanghai.told(closed(case, shanghai), by="zhejiang")
    row = await row_of(shanghai, WANG.citizen_id_no)
    assert row.household_id != chosen
    assert row.relation_code == "02"  # nobody else is in the new one
    made = await shanghai.one("SELECT * FROM household WHERE id = :h", h=row.household_id)
    assert (made.head_resident_id, made.station_code) == (row.id, "310116910000")


async def test_a_row_of_a_later_registration_is_left_alone(shanghai: Bureau) -> None:
    case = await settling(shanghai)
    await shanghai.told(closed(case, shanghai), by="zhejiang")
    row = await shanghai.resident(WANG.citizen_id_no)
    await shanghai.rows("UPDATE resident SET epoch = 5, version = 9 WHERE id = :r RETURNING id", r=row.id)
    # As after a restore of the transfer's rows: the case waits again, and the close comes again.
    await shanghai.rows("UPDATE transfer_member SET state = 'SETTLING' WHERE state = 'HERE' RETURNING place")
    await shanghai.told(closed(case, shanghai), by="zhejiang")
    row = await shanghai.resident(WANG.citizen_id_no)
    assert (row.epoch, row.version) == (5, 9)
    assert await shanghai.states(case) == {1: "HERE"}
