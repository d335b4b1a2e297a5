"""What could not take effect: retried by itself where time heals it, looked at and decided by an operator where it does not.

Replay never publishes again: it runs the same handler under the same rules, opened as of its first arrival.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from shared.audit import AuditEntry, write_audit
from shared.database import NODE_ITSELF, Actor, Database, Session
from shared.envelope import NotYet, Opened, Refused
from shared.messaging.bus import Record
from shared.messaging.receive import RECEIPT_PARTITION, Receiver
from shared.messaging.statements import (
    APPLY_RECEIPT,
    DUE_RECEIPTS,
    INSERT_RECEIPT,
    ONE_DEAD_LETTER,
    OPEN_DEAD_LETTERS,
    OUTCOME,
    RESOLVE,
    WAITING_LETTERS,
)

MOST_AT_ONCE = 100  # letters an operator may replay in one request
CLOSED_BY = frozenset({"applied", "already_applied", "not_yet"})
"""Outcomes that end a letter: "not yet" goes on as a receipt that is retried. "dead" ends one that was not buried from its
receipt: the letter that its receipt was given takes its place."""


class NoSuchLetter(Exception):
    """There is no open dead letter of this number."""


class _RolledBack(Exception):
    """Ends a preview."""


async def retry_due(database: Database, receiver: Receiver) -> int:
    """Try again the receipts 'not yet' whose time has come, each in a transaction of its own; gives how many."""

    async def one(session: Session) -> bool:
        now = session.node.machine_now()
        row = (await session.execute(DUE_RECEIPTS, {"now": now})).first()
        if row is None:
            return False
        record = Record(row.topic, row.key, {}, row.sealed)
        match receiver.try_open(record, now, row.received_at, seen={}):  # its receipt says that no higher one had been seen
            case Opened() as opened:
                outcome = await receiver.handle(
                    session, opened, record, received_at=row.received_at, attempts=row.attempts, apart=True
                )
                if outcome == "applied":
                    await session.execute(APPLY_RECEIPT, {"a_sender": row.sender, "an_event": row.event_id, "now": now})
            case Refused() | NotYet() as why:
                await receiver.not_opened(session, row, why)
        return True

    tried = 0
    while tried < MOST_AT_ONCE and await database.run(one, name="receive.retry"):
        tried += 1
    return tried


async def retry_waiting(database: Database, receiver: Receiver) -> int:
    """Open again what could not be judged when it came (a key newer than our list, a clock ahead); gives how many took effect."""

    async def waiting(session: Session) -> Sequence[int]:
        return (await session.execute(WAITING_LETTERS, {"most": MOST_AT_ONCE})).scalars().all()

    outcomes = [
        await replay(database, receiver, letter, NODE_ITSELF) for letter in await database.run(waiting, name="letters.find")
    ]
    return outcomes.count("applied")


async def list_open(session: Session, *, after: int = 0, most: int = MOST_AT_ONCE) -> Sequence[Row[Any]]:
    """Open letters, oldest first; `after` is the last id of the page before."""
    return (await session.execute(OPEN_DEAD_LETTERS, {"after": after, "most": most})).all()


async def preview(database: Database, receiver: Receiver, letter: int, actor: Actor) -> str:
    """What a replay would do now, without doing it."""
    told: list[str] = []

    async def unit(session: Session) -> None:
        row = await _open_letter(session, letter)
        told.append(await _again(session, receiver, row))
        raise _RolledBack

    try:
        await database.run(unit, name="letters.preview", actor=actor)
    except _RolledBack:
        return told[0]
    raise AssertionError("unreachable: a preview always rolls back")


async def replay(database: Database, receiver: Receiver, letter: int, actor: Actor) -> str:
    """Handle one letter again; gives applied, not_yet, dead, already_applied, or the code of the check that refuses it."""

    async def unit(session: Session) -> str:
        row = await _open_letter(session, letter)
        outcome = await _again(session, receiver, row)
        session.info["actor"] = actor
        if outcome in CLOSED_BY or (outcome == "dead" and row.partition != RECEIPT_PARTITION):
            await _resolve(session, letter, how=f"replayed: {outcome}")
        entry = AuditEntry(action="operations.replay", object_kind="dead_letter", object_id=str(letter), reason=outcome)
        await write_audit(session, entry)
        return outcome

    return await database.run(unit, name="letters.replay", actor=actor)


async def skip(session: Session, letter: int, *, reason: str) -> None:
    """Close a letter without effect; the sender's next repeat heals what still matters."""
    await _open_letter(session, letter)
    await _resolve(session, letter, how=f"skipped: {reason}")
    await write_audit(
        session, AuditEntry(action="operations.skip", object_kind="dead_letter", object_id=str(letter), reason=reason)
    )


async def _open_letter(session: Session, letter: int) -> Row[Any]:
    row = (await session.execute(ONE_DEAD_LETTER, {"letter": letter})).first()
    if row is None or row.resolved_at is not None:
        raise NoSuchLetter(str(letter))
    return row


async def _resolve(session: Session, letter: int, *, how: str) -> None:
    values = {"letter": letter, "now": session.node.machine_now(), "by": session.actor.name, "how": how}
    await session.execute(RESOLVE, values)


async def _again(session: Session, receiver: Receiver, row: Row[Any]) -> str:
    record, now = Record(row.topic, row.raw_key, row.raw_headers, row.raw_value), session.node.machine_now()
    match receiver.try_open(record, now, row.first_seen):
        case NotYet() as not_yet:
            return not_yet.reason
        case Refused() as refused:
            return refused.code
        case Opened() as opened:
            return await _apply(session, receiver, opened, record, row)


async def _apply(session: Session, receiver: Receiver, opened: Opened, record: Record, row: Row[Any]) -> str:
    now, key = session.node.machine_now(), {"a_sender": opened.iss, "an_event": opened.jti}
    fresh = {
        "sender": opened.iss, "event_id": opened.jti, "content_hash": opened.content_hash, "type": opened.type,
        "key": opened.key, "topic": record.topic, "outcome": "applied", "received_at": row.first_seen, "applied_at": now,
    }  # fmt: skip
    if (await session.execute(INSERT_RECEIPT, fresh)).first() is None:
        there = (await session.execute(OUTCOME, key)).one()
        if there.outcome == "applied":
            return "already_applied"
    outcome = await receiver.handle(session, opened, record, received_at=row.first_seen, attempts=0, apart=True)
    if outcome == "applied":
        await session.execute(APPLY_RECEIPT, key | {"now": now})
    return outcome
