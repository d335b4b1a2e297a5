"""What could not take effect: retried by itself where time heals it, looked at and decided by an operator where it does not.

Replay never publishes again: it runs the same handler under the same rules, opened as of its first arrival.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Row

from shared.audit import AuditEntry, write_audit
from shared.database import NODE_ITSELF, Actor, Database, DatabaseDown, OutcomeUnknown, Session
from shared.envelope import NotYet, Opened, Refused
from shared.messaging.burial import MAX_ERROR_CHARACTERS, next_look, short, storable
from shared.messaging.bus import Record
from shared.messaging.receive import OTHER_CONTENT, RECEIPT_PARTITION, Receiver
from shared.messaging.statements import (
    ALL_WAITING_ARE_DUE,
    APPLY_RECEIPT,
    DUE_RECEIPTS,
    INSERT_RECEIPT,
    ONE_DEAD_LETTER,
    OPEN_DEAD_LETTERS,
    OUTCOME,
    RESOLVE,
    STAYS_OPEN,
    WAITING_LETTERS,
)
from shared.messaging.tables import SkipReason

MOST_AT_ONCE = 100  # letters an operator may replay in one request
CLOSED_BY = frozenset({"applied", "already_applied", "not_yet"})
"""Outcomes that end a letter: "not yet" goes on as a receipt that is retried. "dead" ends one that was not buried from its
receipt: the letter that its receipt was given takes its place; "not kept" says that it was given none."""

logger = structlog.get_logger(__name__)


class NoSuchLetter(Exception):
    """There is no open dead letter of this number."""


class _RolledBack(Exception):
    """Ends a preview."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """What a try of a letter gave. `error` says why it had no effect; `waits`: it may have one later."""

    outcome: str
    error: str = ""
    waits: bool = False


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
    """Open again what could not be judged when it came (a key newer than our list, a clock ahead) and is due, a page of it.

    Whoever was tried longest ago is first. Gives how many took effect."""

    async def due(session: Session) -> Sequence[int]:
        values = {"now": session.node.machine_now(), "most": MOST_AT_ONCE}
        return (await session.execute(WAITING_LETTERS, values)).scalars().all()

    outcomes: list[str] = []
    for letter in await database.run(due, name="letters.find"):
        with suppress(NoSuchLetter):  # an operator has decided it meanwhile
            outcomes.append(await replay(database, receiver, letter, NODE_ITSELF))
    return outcomes.count("applied")


async def try_waiting_soon(session: Session) -> None:
    """All letters that wait are due now, whenever they were tried: what they wait for may have come."""
    await session.execute(ALL_WAITING_ARE_DUE, {"now": session.node.machine_now()})


async def list_open(session: Session, *, after: int = 0, most: int = MOST_AT_ONCE) -> Sequence[Row[Any]]:
    """Open letters, oldest first; `after` is the last id of the page before."""
    return (await session.execute(OPEN_DEAD_LETTERS, {"after": after, "most": most})).all()


async def preview(database: Database, receiver: Receiver, letter: int, actor: Actor) -> str:
    """What a replay would do now, without doing it."""
    told: list[str] = []

    async def unit(session: Session) -> None:
        row = await _open_letter(session, letter)
        told.append((await _again(session, receiver, row)).outcome)
        raise _RolledBack

    try:
        await database.run(unit, name="letters.preview", actor=actor)
    except _RolledBack:
        return told[0]
    except (NoSuchLetter, DatabaseDown, OutcomeUnknown):
        raise
    except Exception as error:
        return _poison(letter, error).outcome
    raise AssertionError("unreachable: a preview always rolls back")


async def replay(database: Database, receiver: Receiver, letter: int, actor: Actor) -> str:
    """Handle one letter again; gives applied, not_yet, dead, not_kept, already_applied, conflict, poison (cannot even be
    receipted), or the code of the check that refuses it. Raises NoSuchLetter, DatabaseDown, OutcomeUnknown."""

    async def unit(session: Session) -> str:
        row = await _open_letter(session, letter)
        tried = await _again(session, receiver, row)
        session.info["actor"] = actor
        if tried.outcome in CLOSED_BY or (tried.outcome == "dead" and row.partition != RECEIPT_PARTITION):
            await _resolve(session, letter, how=f"replayed: {tried.outcome}")
        else:
            await _stays_open(session, row, tried)
        await _note_try(session, row, tried)
        return tried.outcome

    try:
        return await database.run(unit, name="letters.replay", actor=actor)
    except (NoSuchLetter, DatabaseDown, OutcomeUnknown):
        raise
    except Exception as error:
        poison = _poison(letter, error)

    async def note(session: Session) -> str:
        row = await _open_letter(session, letter)
        await _stays_open(session, row, poison)
        await _note_try(session, row, poison)
        return poison.outcome

    return await database.run(note, name="letters.poison", actor=actor)


async def skip(session: Session, letter: int, *, reason: str) -> None:
    """Close a letter without effect; the sender's next repeat heals what still matters.

    The reason is kept encrypted, as long as the letter: it may name people, and no audit row can be deleted."""
    await _open_letter(session, letter)
    await _resolve(session, letter, how="skipped", words=SkipReason(text=reason))
    await write_audit(session, AuditEntry(action="operations.skip", object_kind="dead_letter", object_id=str(letter)))


async def _open_letter(session: Session, letter: int) -> Row[Any]:
    row = (await session.execute(ONE_DEAD_LETTER, {"letter": letter})).first()
    if row is None or row.resolved_at is not None:
        raise NoSuchLetter(str(letter))
    return row


async def _resolve(session: Session, letter: int, *, how: str, words: SkipReason | None = None) -> None:
    now = session.node.machine_now()
    await session.execute(RESOLVE, {"letter": letter, "now": now, "by": session.actor.name, "how": how, "words": words})


def _poison(letter: int, error: Exception) -> _Tried:
    logger.exception("poison", letter=letter)
    return _Tried("poison", short(error))


async def _stays_open(session: Session, row: Row[Any], tried: _Tried) -> None:
    """The letter says what it is open for now: one that is refused waits no longer, and an operator sees why."""
    values = {"letter": row.id, "why": row.reason, "text": row.error, "next": None}
    if tried.error:
        values |= {"why": tried.outcome, "text": storable(tried.error[:MAX_ERROR_CHARACTERS])}
    if tried.waits:
        values["next"] = next_look(session, row.first_seen)
    await session.execute(STAYS_OPEN, values)


async def _note_try(session: Session, row: Row[Any], tried: _Tried) -> None:
    """Audited, unless it is the node's own and has changed nothing: these come by the hour, and no audit row can be deleted."""
    changed = tried.outcome != row.reason or tried.waits != (row.next_try_at is not None)
    if session.actor != NODE_ITSELF or changed:
        entry = AuditEntry(action="operations.replay", object_kind="dead_letter", object_id=str(row.id), reason=tried.outcome)
        await write_audit(session, entry)


async def _again(session: Session, receiver: Receiver, row: Row[Any]) -> _Tried:
    record, now = Record(row.topic, row.raw_key, row.raw_headers, row.raw_value), session.node.machine_now()
    match receiver.try_open(record, now, row.first_seen):
        case NotYet() as not_yet:
            return _Tried(not_yet.reason, str(not_yet), waits=True)
        case Refused() as refused:
            return _Tried(refused.code, str(refused))
        case Opened() as opened:
            return await _apply(session, receiver, opened, record, row)


async def _apply(session: Session, receiver: Receiver, opened: Opened, record: Record, row: Row[Any]) -> _Tried:
    now, key = session.node.machine_now(), {"a_sender": opened.iss, "an_event": opened.jti}
    fresh = {
        "sender": opened.iss, "event_id": opened.jti, "content_hash": opened.content_hash, "type": opened.type,
        "key": opened.key, "topic": record.topic, "outcome": "applied", "received_at": row.first_seen, "applied_at": now,
    }  # fmt: skip
    if (await session.execute(INSERT_RECEIPT, fresh)).first() is None:
        there = (await session.execute(OUTCOME, key)).one()
        if there.content_hash != opened.content_hash:
            return _Tried("conflict", OTHER_CONTENT)
        if there.outcome == "applied":
            return _Tried("already_applied")
    outcome = await receiver.handle(session, opened, record, received_at=row.first_seen, attempts=0, apart=True)
    if outcome == "applied":
        await session.execute(APPLY_RECEIPT, key | {"now": now})
    return _Tried(outcome)
