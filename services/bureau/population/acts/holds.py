"""Holds: why other business must leave a person alone (domain.md 4.8, R04, R05, R10)."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update
from uuid_utils.compat import uuid7

from services.bureau.population.acts.residents import get_resident
from services.bureau.population.rules import HoldRefused, HoldRow, NotInRegister
from services.bureau.population.tables import HoldKind, HoldReason, hold
from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.identifiers.texts import N_

OPEN = select(hold).where(hold.c.resident_id == bindparam("resident_id"), hold.c.lifted_at.is_(None)).order_by(hold.c.id)
GET_LOCKED = select(hold).where(hold.c.id == bindparam("hold_id")).with_for_update()
PERSON_HELD = select(hold.c.resident_id).where(hold.c.id == bindparam("hold_id"))
INSERT = insert(hold)
LIFT = update(hold).where(hold.c.id == bindparam("hold_id")).values(lifted_by=bindparam("by"), lifted_at=bindparam("at"))


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    """A fact for other slices."""

    resident_id: UUID
    kind: HoldKind


class Consequences(Protocol):
    """What other slices do about a fact, in the same transaction; app and worker hand it in."""

    async def happened(self, session: Session, fact: object) -> None: ...


async def holds_of(session: Session, resident_id: UUID) -> list[HoldRow]:
    """The holds in force, oldest first."""
    return [
        HoldRow(row.id, row.resident_id, HoldKind(row.kind), row.reason.reason, row.placed_by, row.placed_at)
        for row in await session.execute(OPEN, {"resident_id": resident_id})
    ]


async def person_held(session: Session, hold_id: UUID) -> UUID:
    """Whose hold that is, lifted or not. Raises NotInRegister."""
    found: UUID | None = (await session.execute(PERSON_HELD, {"hold_id": hold_id})).scalar_one_or_none()
    if found is None:
        raise _unknown_hold()
    return found


async def place_hold(session: Session, resident_id: UUID, *, kind: HoldKind, reason: str, consequences: Consequences) -> HoldRow:
    """Hold a person's row for other business. Raises NotInRegister, HoldRefused when that kind is in force already."""
    person = await get_resident(session, resident_id, lock=True)
    if any(one.kind is kind for one in await holds_of(session, resident_id)):
        raise HoldRefused("held_already", N_("a hold of kind {kind} is in force already"), field="kind", kind=kind.value)
    placed = HoldRow(uuid7(), resident_id, kind, reason, session.actor.name, session.node.machine_now())
    await session.execute(
        INSERT,
        {
            "id": placed.id,
            "resident_id": resident_id,
            "kind": kind.value,
            "reason": HoldReason(reason=reason),
            "placed_by": placed.placed_by,
            "placed_at": placed.placed_at,
        },
    )
    await _audit(session, "population.hold", person.citizen_id_index, kind)
    await consequences.happened(session, HoldPlaced(resident_id, kind))
    return placed


async def lift_hold(session: Session, hold_id: UUID) -> None:
    """End a hold. Raises NotInRegister, HoldRefused when it is lifted already."""
    found = (await session.execute(GET_LOCKED, {"hold_id": hold_id})).one_or_none()
    if found is None:
        raise _unknown_hold()
    if found.lifted_at is not None:
        raise HoldRefused("lifted_already", N_("the hold is lifted already"), field="hold_id")
    await session.execute(LIFT, {"hold_id": hold_id, "by": session.actor.name, "at": session.node.machine_now()})
    person = await get_resident(session, found.resident_id)
    await _audit(session, "population.lift_hold", person.citizen_id_index, HoldKind(found.kind))


def _unknown_hold() -> NotInRegister:
    return NotInRegister("unknown_hold", N_("the hold is not known"), field="hold_id")


async def _audit(session: Session, action: str, index: bytes, kind: HoldKind) -> None:
    entry = AuditEntry(action=action, object_kind="resident", object_id=index.hex(), change={"hold": kind.value})
    await write_audit(session, entry)
