"""The newest exchange of messages: one that we recorded and sent, and what the peer said about the same case after it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, text

from shared.database import Session

# An event's id is a UUIDv7 that the sender draws when it records the fact: its first 48 bits are that moment in milliseconds.
RECORDED_AT = "('x' || left(replace(event_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0"
LOOKED_AT = 200  # of the newest receipts; each costs one look-up by its key

# A reply is told by the time at which it was recorded. What we had recorded last by then, for that bureau about that case, is
# what it answers; only what came first after it is the reply, not what was said again.
# OFFSET 0: of the indexes only that of keys may be read for it; those of sender and time hold a good part of the table.
NEWEST = text(
    "WITH newest AS (SELECT sender, key, type, outcome, received_at, applied_at,"  # noqa: S608  # a constant of ours
    f" to_timestamp({RECORDED_AT}) AS replied_at"
    " FROM receipt WHERE received_at <= CAST(:now AS timestamptz) ORDER BY received_at DESC LIMIT CAST(:looked AS int))"
    " SELECT r.sender, r.key, r.replied_at, r.received_at, r.applied_at, o.created_at, o.sent_at FROM newest AS r"
    " CROSS JOIN LATERAL (SELECT created_at, sent_at FROM outbox WHERE key = r.key AND split_part(topic, '.', 1) = r.sender"
    " AND created_at <= r.replied_at AND sent_at IS NOT NULL ORDER BY seq DESC LIMIT 1) AS o"
    " WHERE r.outcome = 'applied' AND r.type LIKE '%.message' AND NOT EXISTS (SELECT 1 FROM"
    " (SELECT sender, type, received_at FROM receipt WHERE key = r.key OFFSET 0) AS e WHERE e.sender = r.sender"
    " AND e.type LIKE '%.message' AND e.received_at > o.created_at AND e.received_at < r.received_at)"
    " ORDER BY r.received_at DESC LIMIT 1"
)

Kind = Literal["outbox", "there", "reply", "effect"]


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of the way at one bureau; `begins` from the recording on. Times of two clocks may overlap: never below nothing."""

    kind: Kind
    bureau: str
    begins: timedelta
    lasts: timedelta


@dataclass(frozen=True, slots=True)
class Exchange:
    """`case` is the key of both messages."""

    peer: str
    case: str
    at: datetime
    whole: timedelta
    legs: tuple[Leg, ...]


async def newest_exchange(session: Session) -> Exchange | None:
    """None while nothing that we sent was answered, or not among the newest receipts."""
    values = {"now": session.node.machine_now(), "looked": LOOKED_AT}
    row = (await session.execute(NEWEST, values)).first()
    return None if row is None else _exchange(row, session.node.bureau)


def _exchange(row: Row[Any], own: str) -> Exchange:
    ends: list[tuple[Kind, str, datetime]] = [
        ("outbox", own, row.sent_at),
        ("there", row.sender, row.replied_at),
        ("reply", row.sender, row.received_at),
    ]
    if row.applied_at > row.received_at:  # else it took effect in the transaction of its receipt: one time
        ends.append(("effect", own, row.applied_at))
    legs, begins = list[Leg](), row.created_at
    for kind, bureau, at in ends:
        ends_at = max(begins, at)
        legs.append(Leg(kind, bureau, begins - row.created_at, ends_at - begins))
        begins = ends_at
    return Exchange(row.sender, row.key, row.created_at, begins - row.created_at, tuple(legs))
