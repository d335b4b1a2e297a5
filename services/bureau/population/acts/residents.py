"""Finding residents, reading them for a purpose, and what becomes of a row."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, select, update
from uuid_utils.compat import uuid7

from services.bureau.population.acts.changes import write_changes
from services.bureau.population.rules import (
    Change,
    HouseholdRefused,
    NotInRegister,
    ResidentRow,
    RowState,
    changes_between,
    require_row_change,
)
from services.bureau.population.rules.register import PRESENT
from services.bureau.population.tables import CITIZEN_INDEX_LABEL, HEAD_RELATION, ResidentRecord, RowKind, household, resident
from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.database.types import vault_of
from shared.identifiers.texts import N_

FIND = select(resident).where(resident.c.citizen_id_index == bindparam("index"))
FIND_LOCKED = FIND.with_for_update()
GET = select(resident).where(resident.c.id == bindparam("resident_id"))
GET_LOCKED = GET.with_for_update()
STATE_LOCKED = (
    select(
        resident.c.citizen_id_index,
        resident.c.kind,
        resident.c.epoch,
        resident.c.counterpart,
        resident.c.case_id,
        resident.c.restoration_due,
        resident.c.version,
    )
    .where(resident.c.id == bindparam("resident_id"))
    .with_for_update()
)
MEMBERS = (  # in the order of ids: whoever locks several members locks them in this order
    select(resident)
    .where(resident.c.household_id == bindparam("household"), resident.c.kind.in_(sorted(PRESENT)))
    .order_by(resident.c.id)
)
MEMBERS_LOCKED = MEMBERS.with_for_update()
SET_STATE = (
    update(resident)
    .where(resident.c.id == bindparam("resident_id"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in ("kind", "epoch", "counterpart", "case_id", "restoration_due", "version", "updated_at")
        }
    )
)
INSERT = insert(resident)
REUSE = (
    update(resident)
    .where(resident.c.id == bindparam("resident_id"))
    .values(
        {
            name: bindparam(f"new_{name}")
            for name in (
                "household_id",
                "station_code",
                "relation_code",
                "personal",
                "kind",
                "epoch",
                "counterpart",
                "case_id",
                "restoration_due",
                "version",
                "updated_at",
            )
        }
    )
)
PLACE_OF_HOUSEHOLD = (
    select(household.c.station_code, household.c.head_resident_id, household.c.dissolved_on)
    .where(household.c.id == bindparam("household"))
    .with_for_update()
)
SET_HEAD = update(household).where(household.c.id == bindparam("household")).values(head_resident_id=bindparam("head"))


def citizen_index(session: Session, citizen_id_no: str) -> bytes:
    """The blind index by which a person is found: also the person's name in audit rows, as hex."""
    return vault_of(session.get_bind().dialect).blind_index(CITIZEN_INDEX_LABEL, citizen_id_no)


def as_resident(row: Row[Any]) -> ResidentRow:
    values = row._mapping
    return ResidentRow(**{**values, "kind": RowKind(values["kind"])})


async def find_resident(session: Session, citizen_id_no: str, *, lock: bool = False) -> ResidentRow | None:
    """The person's row, present or not; the caller accounts for the read (`read_resident` does both)."""
    statement = FIND_LOCKED if lock else FIND
    found = (await session.execute(statement, {"index": citizen_index(session, citizen_id_no)})).one_or_none()
    return None if found is None else as_resident(found)


async def get_resident(session: Session, resident_id: UUID, *, lock: bool = False) -> ResidentRow:
    """Raises NotInRegister."""
    found = (await session.execute(GET_LOCKED if lock else GET, {"resident_id": resident_id})).one_or_none()
    if found is None:
        raise _unknown()
    return as_resident(found)


async def members_of_household(session: Session, household_id: UUID, *, lock: bool = False) -> list[ResidentRow]:
    """Who is registered in it, in transit included, in the order of ids; `booklet_order` sorts them for people."""
    rows = await session.execute(MEMBERS_LOCKED if lock else MEMBERS, {"household": household_id})
    return [as_resident(row) for row in rows]


async def read_resident(
    session: Session, citizen_id_no: str, *, purpose: str, case: UUID | None, fields: Sequence[str] = ()
) -> ResidentRow | None:
    """The person's row for an officer or a peer: the same transaction says who read which fields, and why; a miss too."""
    found = await find_resident(session, citizen_id_no)
    await write_audit(
        session,
        AuditEntry(
            action="population.read",
            object_kind="resident",
            object_id=citizen_index(session, citizen_id_no).hex(),
            reason="" if found else "not in this register",
            purpose=purpose,
            case=case,
            fields=tuple(fields),
        ),
    )
    return found


async def set_row(session: Session, resident_id: UUID, new: RowState, *, reason: str) -> int:
    """Make the row answer `new`: the only way in which kind, counterpart and case change at the same epoch.

    Gives the row's version. Setting what is there already changes nothing. A row that returns from IN_TRANSIT to ACTIVE waits for
    its restoration entry. Raises NotInRegister, RowRefused."""
    found = (await session.execute(STATE_LOCKED, {"resident_id": resident_id})).one_or_none()
    if found is None:
        raise _unknown()
    old = RowState(RowKind(found.kind), found.epoch, found.counterpart, found.case_id)
    if old == new:
        return int(found.version)
    require_row_change(old, new, restoration_due=found.restoration_due)
    version: int = found.version + 1
    await session.execute(
        SET_STATE,
        {
            "resident_id": resident_id,
            "new_kind": new.kind.value,
            "new_epoch": new.epoch,
            "new_counterpart": new.counterpart,
            "new_case_id": new.case_id,
            "new_restoration_due": old.kind is RowKind.IN_TRANSIT and new.kind is RowKind.ACTIVE,
            "new_version": version,
            "new_updated_at": session.node.machine_now(),
        },
    )
    await write_changes(session, resident_id, [Change("kind", None, old.kind.value, new.kind.value)], reason=reason)
    await _audit_row(session, found.citizen_id_index, old=old, new=new, version=version)
    return version


async def register_arrival(
    session: Session, record: ResidentRecord, *, epoch: int, household_id: UUID, relation_code: str
) -> UUID:
    """Register the person here with this epoch; a row that the person has from before is used again.

    A row of the same or a higher epoch is left alone: the person has moved on. Raises NotInRegister, HouseholdRefused."""
    existing = await find_resident(session, record.citizen_id_no, lock=True)
    if existing is not None and existing.epoch >= epoch:
        return existing.id
    resident_id = uuid7() if existing is None else existing.id
    station_code = await _take_place(session, household_id, resident_id, relation_code)
    values = {
        "household_id": household_id,
        "station_code": station_code,
        "relation_code": relation_code,
        "personal": record,
        "kind": RowKind.ACTIVE.value,
        "epoch": epoch,
        "counterpart": None,
        "case_id": None,
        "restoration_due": False,
        "version": 1 if existing is None else existing.version + 1,
        "updated_at": session.node.machine_now(),
    }
    if existing is None:
        index = citizen_index(session, record.citizen_id_no)
        await session.execute(INSERT, {"id": resident_id, "citizen_id_index": index, **values})
    else:
        await session.execute(REUSE, {"resident_id": resident_id, **{f"new_{name}": value for name, value in values.items()}})
    if relation_code == HEAD_RELATION:
        await session.execute(SET_HEAD, {"household": household_id, "head": resident_id})
    await write_changes(session, resident_id, _arrived(existing, record), reason="settled")
    await _audit_row(
        session,
        citizen_index(session, record.citizen_id_no),
        old=None if existing is None else existing.state,
        new=RowState(RowKind.ACTIVE, epoch),
        version=int(str(values["version"])),
        detail=record.model_dump_json().encode(),  # what was registered can be proven later, without being in the log
    )
    return resident_id


def _arrived(existing: ResidentRow | None, record: ResidentRecord) -> list[Change]:
    if existing is None:
        return [Change("kind", None, None, RowKind.ACTIVE.value)]
    return [Change("kind", None, existing.kind.value, RowKind.ACTIVE.value), *changes_between(existing.personal, record)]


async def _take_place(session: Session, household_id: UUID, resident_id: UUID, relation_code: str) -> str:
    """Lock the household that somebody enters; gives its station."""
    place = (await session.execute(PLACE_OF_HOUSEHOLD, {"household": household_id})).one_or_none()
    if place is None:
        raise NotInRegister("unknown_household", N_("the household is not in this register"), field="household_id")
    if place.dissolved_on is not None:
        raise HouseholdRefused("dissolved", N_("the household was dissolved on {on}"), on=place.dissolved_on.isoformat())
    if relation_code == HEAD_RELATION and place.head_resident_id not in (None, resident_id):
        head = await get_resident(session, place.head_resident_id)
        if head.is_present and head.household_id == household_id:
            raise HouseholdRefused("second_head", N_("the household has a head already"), field="relation_code")
    return str(place.station_code)


async def _audit_row(
    session: Session, index: bytes, *, old: RowState | None, new: RowState, version: int, detail: bytes | None = None
) -> None:
    await write_audit(
        session,
        AuditEntry(
            action="population.set_row",
            object_kind="resident",
            object_id=index.hex(),
            case=new.case_id or (None if old is None else old.case_id),
            change={
                "row_from": None if old is None else old.kind.value,
                "row": new.kind.value,
                "epoch": new.epoch,
                "counterpart": new.counterpart,
                "version": version,
            },
            detail=detail,
        ),
    )


def _unknown() -> NotInRegister:
    return NotInRegister("unknown_resident", N_("the person is not in this register"))
