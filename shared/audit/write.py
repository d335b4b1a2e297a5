"""Writing an audit row: no audit, no data."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from shared.audit.tables import audit, audit_salt
from shared.database import Session

Decision = Literal["allowed", "denied", "refused"]
SALT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What is written beside actor and times, which come from the session; so do purpose and case where none are given here.

    `object_id` is an id or a blind index, never a name or id number. `change` rebuilds protocol events: case, member place,
    state from and to, row, epoch, version. `detail` (personal data) is not stored: only SHA-256(salt | detail) is.
    """

    action: str
    object_kind: str = ""
    object_id: str = ""
    decision: Decision = "allowed"
    reason: str = ""
    purpose: str = ""
    case: UUID | None = None
    fields: tuple[str, ...] = ()
    peer: str = ""
    jti: UUID | None = None
    change: Mapping[str, Any] | None = None
    detail: bytes | None = None


INSERT = audit.insert()
INSERT_RETURNING_ID = audit.insert().returning(audit.c.id)
INSERT_SALT = audit_salt.insert()


async def write_audit(session: Session, entry: AuditEntry) -> None:
    """Add one row to the audit log in the caller's transaction; without a detail it is written at the end of the unit."""
    row = _row(session, entry)
    if entry.detail is None:
        session.write_later(INSERT, row)
        return
    salt = os.urandom(SALT_BYTES)
    row["commitment"] = hashlib.sha256(salt + entry.detail).digest()
    audit_id = (await session.execute(INSERT_RETURNING_ID, row)).scalar_one()
    await session.execute(INSERT_SALT, {"audit_id": audit_id, "salt": salt})


def _row(session: Session, entry: AuditEntry) -> dict[str, Any]:
    actor = session.actor
    return {
        "at": session.node.machine_now(),
        "business_at": session.node.business_now(),
        "actor_kind": actor.kind,
        "actor": actor.name,
        "role": actor.role,
        "station": actor.station,
        "action": entry.action,
        "decision": entry.decision,
        "reason": entry.reason,
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "purpose": entry.purpose or actor.purpose,
        "case_id": entry.case or actor.case,
        "fields": list(entry.fields),
        "peer": entry.peer,
        "jti": entry.jti,
        "change": entry.change,
        "commitment": None,
    }
