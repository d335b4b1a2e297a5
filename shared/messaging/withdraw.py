"""What must not leave any more: unsent messages that a key of ours signed which has been revoked.

Everybody who has the new list would refuse them, and they cannot be sealed again: no plaintext is kept. So they are withdrawn,
each with a row in the audit log, and what their case's state says is said once more, as a new message under a key that counts.
The relay does it, at the moment of sending: a row that another process wrote while it still had the old list is met here, too.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import Row, bindparam, delete, func
from sqlalchemy.exc import DBAPIError

from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.envelope import signed_by
from shared.messaging.tables import outbox

SayAnew = Callable[[Session, str, str], Awaitable[None]]
"""(session, key, peer): record anew what the state of the case or object `key` says to `peer`; nothing when it says nothing."""

WITHDRAW = delete(outbox).where(outbox.c.seq == func.any(bindparam("seqs")), outbox.c.sent_at.is_(None)).returning(outbox.c.seq)

logger = structlog.get_logger(__name__)


def revoked_keys(session: Session) -> frozenset[str]:
    """Our own signing keys that the trust list in force has revoked."""
    node = session.node
    return frozenset(
        one.kid for one in node.trust.current.keys if (one.bureau, one.use) == (node.bureau, "sig") and one.revoked_at is not None
    )


def may_leave(session: Session, unsent: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Of the rows `unsent`, those that no revoked key of ours has signed."""
    revoked = revoked_keys(session)
    return [row for row in unsent if not revoked or signed_by(row.sealed) not in revoked]


async def withdraw_revoked(session: Session, unsent: Sequence[Row[Any]], say_anew: Mapping[str, SayAnew]) -> bool:
    """Of the rows `unsent`, withdraw those under a revoked key of ours; says whether there were any. `say_anew`: by capability.

    What cannot be said anew (we have no key yet, or the peer has none) is kept, and tried again with the next pass."""
    revoked = revoked_keys(session)
    held: dict[tuple[str, str, str], list[Row[Any]]] = {}
    for row in unsent if revoked else ():
        if signed_by(row.sealed) in revoked:
            peer, _, capability = row.topic.partition(".")
            held.setdefault((capability, row.key, peer), []).append(row)
    for (capability, key, peer), rows in held.items():
        try:
            async with session.savepoint():
                await _withdraw(session, rows, peer)
                await say_anew[capability](session, key, peer)
        except DBAPIError:
            raise  # a lost race or server: the whole unit is run again
        except Exception as error:
            logger.warning("not_withdrawn", key=key, peer=peer, error=f"{type(error).__name__}: {error}")
    return bool(held)


async def _withdraw(session: Session, rows: Sequence[Row[Any]], peer: str) -> None:
    there = set((await session.execute(WITHDRAW, {"seqs": [row.seq for row in rows]})).scalars())
    for row in (row for row in rows if row.seq in there):
        entry = AuditEntry(
            action="messages.withdrawn",
            object_kind="message",
            object_id=row.key,
            reason=f"{signed_by(row.sealed)} is revoked",
            peer=peer,
            jti=row.event_id,
        )
        await write_audit(session, entry)
