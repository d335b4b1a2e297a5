"""The change log of a person (登记事项变更和更正记载): append-only, values encrypted."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, insert, select
from uuid_utils.compat import uuid7

from services.bureau.population.rules import Change
from services.bureau.population.tables import ChangeDetails, resident_change
from shared.database import Session

INSERT = insert(resident_change)
CHANGES = select(resident_change).where(resident_change.c.resident_id == bindparam("resident_id")).order_by(resident_change.c.id)


async def write_changes(session: Session, resident_id: UUID, changes: Sequence[Change], *, reason: str) -> None:
    """Add what changed of one person, in the caller's transaction; the officer is the session's actor."""
    if not changes:
        return
    at, business_at = session.node.machine_now(), session.node.business_now()
    await session.execute(
        INSERT,
        [
            {
                "id": uuid7(),
                "resident_id": resident_id,
                "at": at,
                "business_at": business_at,
                "field": change.field,
                "change_code": change.code,
                "details": ChangeDetails(old=change.old, new=change.new, reason=reason),
                "officer": session.actor.name,
            }
            for change in changes
        ],
    )


async def changes_of(session: Session, resident_id: UUID) -> list[Change]:
    """The log of one person, oldest first."""
    rows = await session.execute(CHANGES, {"resident_id": resident_id})
    return [Change(row.field, row.change_code, row.details.old, row.details.new) for row in rows]
