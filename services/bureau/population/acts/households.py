"""Households: making and finding them, their head, their end, and the entry that restores a person to one."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, exists, func, insert, select, update
from uuid_utils.compat import uuid7

from services.bureau.population.acts.changes import write_changes
from services.bureau.population.acts.residents import SET_HEAD, get_resident, members_of_household
from services.bureau.population.rules import (
    Change,
    HouseholdRefused,
    HouseholdRow,
    NotInRegister,
    ResidentRow,
    RowRefused,
    can_be_head,
    next_household_no,
    relation_to_new_head,
)
from services.bureau.population.rules.register import PRESENT
from services.bureau.population.tables import HEAD_RELATION, NUMBERED_BY_US, HouseholdAddress, HouseholdType, household, resident
from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.identifiers.texts import N_

GET = select(household).where(household.c.id == bindparam("household"))
GET_LOCKED = GET.with_for_update()
BY_NO = select(household).where(
    household.c.station_code == bindparam("station"), household.c.household_no == bindparam("household_no")
)
NUMBERS_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("station"), 0)))
HIGHEST_NO = select(func.max(household.c.household_no)).where(household.c.station_code == bindparam("station"), NUMBERED_BY_US)
INSERT = insert(household)
IS_INHABITED = select(exists().where(resident.c.household_id == bindparam("household"), resident.c.kind.in_(sorted(PRESENT))))
DISSOLVE = update(household).where(household.c.id == bindparam("household")).values(dissolved_on=bindparam("on"))
MOVE = (
    update(resident)
    .where(resident.c.id == bindparam("resident_id"))
    .values(
        household_id=bindparam("new_household_id"),
        station_code=bindparam("new_station_code"),
        relation_code=bindparam("new_relation_code"),
        restoration_due=bindparam("new_restoration_due"),
        version=resident.c.version + 1,
        updated_at=bindparam("now"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHousehold:
    """What an officer enters for a new booklet; without a number the station's next one is taken."""

    station_code: str
    division_code: str
    address: str
    household_type: HouseholdType = HouseholdType.FAMILY
    household_no: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a restored person goes when the old household is no longer there."""

    household_id: UUID
    relation_code: str


async def get_household(session: Session, household_id: UUID, *, lock: bool = False) -> HouseholdRow:
    """Raises NotInRegister."""
    found = (await session.execute(GET_LOCKED if lock else GET, {"household": household_id})).one_or_none()
    if found is None:
        raise NotInRegister("unknown_household", N_("the household is not in this register"), field="household_id")
    return _as_household(found)


async def household_by_no(session: Session, station_code: str, household_no: str) -> HouseholdRow | None:
    """A household by its number, which is unique in the station; dissolved ones too."""
    found = (await session.execute(BY_NO, {"station": station_code, "household_no": household_no})).one_or_none()
    return None if found is None else _as_household(found)


async def create_household(session: Session, new: NewHousehold) -> HouseholdRow:
    """A booklet without members; the first to arrive with relation 02 is its head. Raises HouseholdRefused (number taken)."""
    number = new.household_no or await _next_no(session, new.station_code)
    if await household_by_no(session, new.station_code, number) is not None:
        message = N_("household number {number} is taken in this station")
        raise HouseholdRefused("household_no_taken", message, field="household_no", number=number)
    made = HouseholdRow(
        id=uuid7(),
        household_no=number,
        household_type=new.household_type,
        station_code=new.station_code,
        division_code=new.division_code,
        address=new.address,
        head_resident_id=None,
        dissolved_on=None,
    )
    await session.execute(
        INSERT,
        {
            "id": made.id,
            "household_no": number,
            "household_type": new.household_type.value,
            "station_code": new.station_code,
            "division_code": new.division_code,
            "address": HouseholdAddress(address=new.address),
            "created_at": session.node.machine_now(),
        },
    )
    await _audit(session, "population.create_household", made.id)
    return made


async def change_head(session: Session, household_id: UUID, new_head_resident_id: UUID, *, reason: str) -> None:
    """Name a new head; the members' relations follow (97 where the old ones do not say it). Raises HouseholdRefused."""
    await members_of_household(session, household_id, lock=True)  # persons before households, as everywhere
    await get_household(session, household_id, lock=True)
    members = await members_of_household(session, household_id)  # nobody enters any more
    new_head = next((member for member in members if member.id == new_head_resident_id), None)
    if new_head is None or not can_be_head(new_head):
        message = N_("the new head must be registered in this household and not be moving out")
        raise HouseholdRefused("not_a_member", message, field="new_head")
    for member in members:
        relation = relation_to_new_head(member, new_head)
        if relation != member.relation_code:
            await _place(session, member, Placement(household_id, relation), reason=reason)
    await session.execute(SET_HEAD, {"household": household_id, "head": new_head.id})
    await _audit(session, "population.change_head", household_id)


async def dissolve_household_if_empty(session: Session, household_id: UUID) -> bool:
    """End the booklet when nobody is registered in it any more, in transit included; says whether it did."""
    found = await get_household(session, household_id, lock=True)
    if found.dissolved_on is not None or (await session.execute(IS_INHABITED, {"household": household_id})).scalar_one():
        return False
    await session.execute(DISSOLVE, {"household": household_id, "on": session.node.business_today()})
    await _audit(session, "population.dissolve_household", household_id)
    return True


async def confirm_restoration(session: Session, resident_id: UUID, *, placement: Placement | None = None, reason: str) -> None:
    """The legal entry 恢复户口: until it is made, other business on the row is held.

    Without `placement` the person stays in the household; who returns to one without a head becomes its head. Raises RowRefused
    when no entry is due, HouseholdRefused when the household was dissolved and no other is named, or stands and one is."""
    member = await get_resident(session, resident_id, lock=True)
    if not member.restoration_due:
        raise RowRefused("restoration_due", N_("no restoration is waiting to be entered for this person"))
    target = await get_household(session, placement.household_id if placement else member.household_id, lock=True)
    if target.dissolved_on is not None:
        message = N_("the household was dissolved on {on}: name another one")
        raise HouseholdRefused("dissolved", message, field="household_no", on=target.dissolved_on.isoformat())
    if placement is not None and (await get_household(session, member.household_id)).dissolved_on is None:
        message = N_("the person's own household still stands: no other one is needed")
        raise HouseholdRefused("not_needed", message, field="household_no")
    others = [one for one in await members_of_household(session, target.id) if one.id != resident_id]
    relation = placement.relation_code if placement else member.relation_code
    has_head = any(one.id == target.head_resident_id for one in others)
    if has_head and relation == HEAD_RELATION:
        raise HouseholdRefused("second_head", N_("the household has a head already"), field="relation_to_head_code")
    await _place(
        session,
        replace(member, restoration_due=False),
        Placement(target.id, relation if has_head else HEAD_RELATION),
        reason=reason,
    )
    await write_changes(session, member.id, [Change("restoration", None, None, "entered")], reason=reason)
    if not has_head:
        await session.execute(SET_HEAD, {"household": target.id, "head": resident_id})
    index = member.citizen_id_index.hex()
    await write_audit(session, AuditEntry(action="population.confirm_restoration", object_kind="resident", object_id=index))


async def _place(session: Session, member: ResidentRow, to: Placement, *, reason: str) -> None:
    """Write household, relation and `restoration_due` of a member."""
    target = await get_household(session, to.household_id)
    await session.execute(
        MOVE,
        {
            "resident_id": member.id,
            "new_household_id": target.id,
            "new_station_code": target.station_code,
            "new_relation_code": to.relation_code,
            "new_restoration_due": member.restoration_due,
            "now": session.node.machine_now(),
        },
    )
    changes = []
    if to.relation_code != member.relation_code:
        changes.append(Change("relation_code", None, member.relation_code, to.relation_code))
    if target.id != member.household_id:
        changes.append(Change("household_id", None, str(member.household_id), str(target.id)))
    await write_changes(session, member.id, changes, reason=reason)


async def _next_no(session: Session, station_code: str) -> str:
    # One station numbers its booklets one after another; two officers at once wait for each other here.
    await session.execute(NUMBERS_LOCK, {"station": station_code})
    highest = (await session.execute(HIGHEST_NO, {"station": station_code})).scalar_one()
    return next_household_no([] if highest is None else [highest])


async def _audit(session: Session, action: str, household_id: UUID) -> None:
    # An officer's reason may name people: it is in the change log, encrypted, and not here.
    await write_audit(session, AuditEntry(action=action, object_kind="household", object_id=str(household_id)))


def _as_household(row: Row[Any]) -> HouseholdRow:
    return HouseholdRow(
        id=row.id,
        household_no=row.household_no,
        household_type=HouseholdType(row.household_type),
        station_code=row.station_code,
        division_code=row.division_code,
        address=row.address.address,
        head_resident_id=row.head_resident_id,
        dissolved_on=row.dissolved_on,
    )
