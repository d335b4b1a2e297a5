"""From the bus to its effect: limits, open, once only, act.

One message, one transaction: receipt, the handler's change, what it answers, the offset. Under load up to CHUNK_MESSAGES share
one transaction, without savepoints; a chunk that fails is done again one by one, each handler in a savepoint, so that one
poisonous message holds up nobody. The receipt's key is (sender, event id): a redelivery is dropped here, before any handler.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row

from shared.contract.messages import Message
from shared.contract.registry import ContentError, UnknownContent, UnknownMessage, decode, require_schema
from shared.database import NODE_ITSELF, Actor, Database, DatabaseDown, OutcomeUnknown, Session, is_infrastructure
from shared.envelope import NotYet, Opened, Place, Proof, Refused, open_envelope
from shared.messaging import owed
from shared.messaging.burial import Burial, Letter, offset_of, offset_of_receipt, short
from shared.messaging.bus import Delivered, Record
from shared.messaging.statements import (
    BURY_RECEIPT,
    INSERT_RECEIPTS,
    KEEP_OFFSET,
    KNOWN_HASH,
    PEER_HEARD,
    PEERS,
    POSTPONE,
    WAITING_RECEIPTS,
)
from shared.telemetry import trace_from

CHUNK_MESSAGES = 20  # 1,233 instead of 461 messages a second under backlog (messaging.md 14)
RETRY_AFTER = (1, 5, 30, 300, 3600)  # seconds; the last one repeats
MOST_UNKNOWN = 200  # messages of one sender that wait for a later program; more are dead letters, to be replayed by a person
ATTEMPTS_BEFORE_DEAD = 8  # about two hours of a handler that raises; then a person looks
SILENCE_SECONDS = 60  # a peer not heard for longer is asked at once when it is back
HEARD_EVERY_SECONDS = 1  # the peer's row is touched at most so often
IN_THREAD_BYTES = 64 * 1024  # larger envelopes are opened beside the loop: 8 ms for a full one
OTHER_CONTENT = "same sender and event id, other content"
ANSWER_PARTITION = -1  # of what came inside an answer instead of from the bus
RECEIPT_PARTITION = -2  # of a letter that is buried from its receipt

logger = structlog.get_logger(__name__)


class NotYetApplicable(Exception):
    """A fact must come first; the message is kept and tried again. The text says which fact."""


@dataclass(frozen=True, slots=True)
class Received:
    """What a handler may want of its message beyond the content; `proof` is evidence for others."""

    sender: str
    event_id: UUID
    key: str
    sent_at: datetime
    received_at: datetime
    proof: Proof


Handler = Callable[[Session, Any, Received], Awaitable[None]]
Receipt = tuple[str, UUID]
"""(sender, event id): the receipt's key."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record and what opening it gave."""

    delivered: Delivered
    opened: Opened | Refused | NotYet
    received_at: datetime

    @property
    def sender(self) -> str | None:
        """Who has signed it; None when nothing proves that anybody of ours has."""
        return self.opened.iss if isinstance(self.opened, Opened) else None

    def letter(self, reason: str, error: str, *, waits: bool = False) -> Letter:
        return Letter(self.delivered, reason, error, self.received_at, waits)


def read_content(opened: Opened) -> Message:
    """Check 9 (trust.md 3.3): the message, of the capability and about the object that were signed in clear for it.

    Raises UnknownContent (a later version may know it) or ContentError."""
    capability = opened.type.rpartition(".")[0]
    require_schema(opened.schema, capability)
    message = decode(opened.content)
    if message.capability != capability:  # else an ACL by topic would protect nothing
        raise ContentError(f"{type(message).__name__} does not belong to {opened.type}")
    if message.key != opened.key:
        raise ContentError(f"{type(message).__name__} is about another object than its key")
    return message


async def _keep_offsets(session: Session, keep: Mapping[tuple[str, int], int]) -> None:
    for (topic, partition), next_offset in keep.items():
        await session.execute(KEEP_OFFSET, {"topic": topic, "partition": partition, "next_offset": next_offset})


class Receiver:
    """Receives for one bureau. `handlers` maps a message class to its slice's `on_<message>`."""

    def __init__(
        self, database: Database, handlers: Mapping[type[Message], Handler], counted: Callable[[str], None] = lambda outcome: None
    ) -> None:
        """`counted` is told the outcome of each record after its commit: applied, duplicate, not_yet, dead, refused, or
        not_kept (it would be a dead letter, of which its topic has too many)."""
        self._database = database
        self._handlers = handlers
        self._counted = counted
        self.seen: dict[str, int] = {}  # highest incarnation by bureau; shared with the peer door
        self._burial = Burial()
        self._heard: dict[str, datetime] = {}
        self.unknown_key = asyncio.Event()  # set when a peer used a key that our trust list lacks

    async def load(self) -> None:
        """Read the highest incarnation seen of each peer; before the first message, and where another process hears them."""

        async def read(session: Session) -> dict[str, int]:
            return {row.bureau: row.incarnation for row in await session.execute(PEERS)}

        for bureau, incarnation in (await self._database.run(read, name="receive.load")).items():
            self.seen[bureau] = max(incarnation, self.seen.get(bureau, 0))  # a door may have heard of a higher one meanwhile

    async def receive(self, delivered: Sequence[Delivered]) -> None:
        """Take all of `delivered`, in order; raises DatabaseDown or OutcomeUnknown with nothing half done: deliver again."""
        for start in range(0, len(delivered), CHUNK_MESSAGES):
            chunk = delivered[start : start + CHUNK_MESSAGES]
            last = {(one.record.topic, one.partition): one.offset + 1 for one in chunk if one.partition != ANSWER_PARTITION}
            await self.take([await self.open(one) for one in chunk], keep=last)

    async def take(self, chunk: Sequence[Arrival], *, keep: Mapping[tuple[str, int], int]) -> None:
        """Take a chunk in one transaction, or one by one where that fails; `keep`: the offsets to begin at after it.

        Raises DatabaseDown or OutcomeUnknown with nothing half done: deliver again."""
        try:
            if any(arrival.sender for arrival in chunk):
                await self._take(chunk, keep, each_apart=False)
            else:
                await self._bury_chunk(chunk, keep)
        except (DatabaseDown, OutcomeUnknown):
            raise
        except Exception as error:
            logger.warning("chunk_failed", size=len(chunk), error=type(error).__name__)
            for arrival in chunk:
                await self._take_apart(arrival)

    async def receive_envelope(self, envelope: bytes, *, topic: str) -> None:
        """Take a message that came inside an answer, exactly as if the bus had brought it."""
        await self.receive([Delivered(Record(topic, "", {}, envelope), ANSWER_PARTITION, offset_of(envelope))])

    async def open(self, delivered: Delivered) -> Arrival:
        """Checks 1 to 8, nothing written; what is large is opened beside the loop."""
        now = self._database.node.machine_now()
        if len(delivered.record.value) > IN_THREAD_BYTES:
            return Arrival(delivered, await asyncio.to_thread(self.try_open, delivered.record, now, None), now)
        return Arrival(delivered, self.try_open(delivered.record, now, None), now)

    def try_open(
        self, record: Record, now: datetime, received_at: datetime | None, *, seen: Mapping[str, int] | None = None
    ) -> Opened | Refused | NotYet:
        """`received_at`: first arrival of what was kept; waiting never makes a message too old, expired or revoked.

        `seen`: incarnations to judge by, if not those seen until now."""
        node, capability = self._database.node, record.topic.partition(".")[2]
        try:
            return open_envelope(
                record.value,
                place=Place("message", capability, topic=record.topic, key=record.key),
                headers=record.headers or None,
                ring=node.ring,
                trust=node.trust.current,
                seen=self.seen if seen is None else seen,
                now=int(now.timestamp()),
                received_at=None if received_at is None else int(received_at.timestamp()),
            )
        except (Refused, NotYet) as outcome:
            return outcome
        except Exception as error:  # a fault of ours, found by somebody's bytes: they must not stop the partition
            logger.exception("envelope_not_read", topic=record.topic)
            return Refused(1, "not_an_envelope", type(error).__name__)

    async def _take(self, chunk: Sequence[Arrival], keep: Mapping[tuple[str, int], int], *, each_apart: bool) -> None:
        names = sorted({self._name(arrival) for arrival in chunk})

        async def unit(session: Session) -> list[str]:
            new = await self._receipts(session, chunk)
            outcomes = [await self._take_one(session, arrival, new, each_apart=each_apart) for arrival in chunk]
            await _keep_offsets(session, keep)
            return outcomes

        for outcome in await self._database.run(unit, name=f"receive {' '.join(names)}"):
            self._counted(outcome)

    async def _bury_chunk(self, chunk: Sequence[Arrival], keep: Mapping[tuple[str, int], int]) -> None:
        """Nobody of ours is proven to have sent any of these: kept together, so that a flood of them is soon over."""

        async def unit(session: Session) -> int:
            session.info["actor"] = NODE_ITSELF
            kept = await self._burial.bury_all(session, [self._refusal(arrival) for arrival in chunk])
            await _keep_offsets(session, keep)
            return kept

        kept = await self._database.run(unit, name="receive Refused")
        for number, arrival in enumerate(chunk):
            outcome = "not_yet" if isinstance(arrival.opened, NotYet) else "refused"
            self._counted(outcome if number < kept else "not_kept")

    def _refusal(self, arrival: Arrival) -> Letter:
        match arrival.opened:
            case NotYet() as not_yet:  # no receipt: an unverified sender could use up another's event ids
                if not_yet.reason == "unknown_key":
                    self.unknown_key.set()
                return arrival.letter(not_yet.reason, str(not_yet), waits=True)
            case Refused() as refused:
                return arrival.letter(refused.code, str(refused))
        raise AssertionError("unreachable: what was opened is taken")

    async def _take_apart(self, arrival: Arrival) -> None:
        """One arrival alone. What cannot even be receipted (a rogue member's key with a NUL) must not stop the partition."""
        try:
            await self._take([arrival], {}, each_apart=True)
        except (DatabaseDown, OutcomeUnknown):
            raise
        except Exception as error:
            reason = short(error)
            logger.exception("poison", topic=arrival.delivered.record.topic)
            await self._database.run(
                lambda session: self._burial.bury(session, arrival.letter("poison", reason)), name="receive poison"
            )

    @staticmethod
    def _name(arrival: Arrival) -> str:
        if not isinstance(arrival.opened, Opened):
            return type(arrival.opened).__name__
        try:
            return type(decode(arrival.opened.content)).__name__
        except (UnknownMessage, ContentError) as error:
            return type(error).__name__

    async def _receipts(self, session: Session, chunk: Sequence[Arrival]) -> set[Receipt]:
        """Write the receipts of what may have an effect; gives those that were not there before. Each counts once."""
        rows: list[tuple[str, UUID, str, str, str, str, datetime]] = []
        highest: dict[str, int] = {}
        for arrival in chunk:
            opened = arrival.opened
            if not isinstance(opened, Opened):
                continue
            highest[opened.iss] = max(opened.incarnation, highest.get(opened.iss, self.seen.get(opened.iss, 0)))
            if opened.incarnation == highest[opened.iss]:
                row = (opened.iss, opened.jti, opened.content_hash, opened.type, opened.key, arrival.delivered.record.topic)
                rows.append((*row, arrival.received_at))
        if not rows:
            return set()
        names = ("senders", "event_ids", "hashes", "types", "keys", "topics", "times")
        columns = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        return {(row.sender, row.event_id) for row in await session.execute(INSERT_RECEIPTS, columns)}

    async def _take_one(self, session: Session, arrival: Arrival, new: set[Receipt], *, each_apart: bool) -> str:
        session.info["actor"] = NODE_ITSELF
        if isinstance(arrival.opened, Opened):
            return await self._take_opened(session, arrival, arrival.opened, new, each_apart=each_apart)
        kept = await self._burial.bury(session, self._refusal(arrival))
        return ("not_yet" if isinstance(arrival.opened, NotYet) else "refused") if kept else "not_kept"

    async def _take_opened(
        self, session: Session, arrival: Arrival, opened: Opened, new: set[Receipt], *, each_apart: bool
    ) -> str:
        if opened.incarnation < self._highest(session, opened.iss):  # a newer one was heard of since it was opened
            old = Refused(6, "old_incarnation", str(opened.incarnation))
            return "refused" if await self._burial.bury(session, arrival.letter(old.code, str(old))) else "not_kept"
        if (opened.iss, opened.jti) not in new:
            known = (await session.execute(KNOWN_HASH, {"sender": opened.iss, "event_id": opened.jti})).scalar_one()
            if known != opened.content_hash:
                kept = await self._burial.bury(session, arrival.letter("conflict", OTHER_CONTENT))
                return "refused" if kept else "not_kept"
            return "duplicate"
        new.remove((opened.iss, opened.jti))  # twice in one chunk: the second is a duplicate
        await self._heard_of(session, opened, arrival.received_at)
        record = arrival.delivered.record
        return await self.handle(session, opened, record, received_at=arrival.received_at, attempts=0, apart=each_apart)

    async def handle(
        self, session: Session, opened: Opened, record: Record, *, received_at: datetime, attempts: int, apart: bool
    ) -> str:
        """Run the handler of an opened message whose receipt exists; gives the outcome: applied, not_yet, dead or not_kept.

        `apart`: in a savepoint, so that what it raises becomes the receipt's outcome instead of an exception.
        """
        try:
            message = read_content(opened)  # 9 content; outside of the savepoint: it writes nothing
        except UnknownContent as reason:
            return await self._postpone_unknown(session, opened, record, received_at, attempts=attempts, reason=reason)
        except ContentError as error:
            return await self._give_up(session, opened, record, received_at, error=error)
        if not apart:
            await self._act(session, message, opened, record, received_at)
            return "applied"
        try:
            async with session.savepoint():
                await self._act(session, message, opened, record, received_at)
            return "applied"
        except (DatabaseDown, OutcomeUnknown):
            raise
        except (UnknownContent, NotYetApplicable) as reason:
            return await self._postpone(session, opened, record, attempts=attempts, reason=reason)
        except Exception as error:
            if is_infrastructure(error):  # nobody's poison: the unit as a whole is run again, and no attempt is counted
                raise
            logger.exception("handler_failed", type=opened.type, sender=opened.iss, event_id=str(opened.jti))
            if attempts + 1 < ATTEMPTS_BEFORE_DEAD and not isinstance(error, ContentError):
                return await self._postpone(session, opened, record, attempts=attempts, reason=error)
            return await self._give_up(session, opened, record, received_at, error=error)

    async def _give_up(self, session: Session, opened: Opened, record: Record, received_at: datetime, *, error: Exception) -> str:
        """A receipt that is dead, and the letter that a person looks at."""
        await session.execute(BURY_RECEIPT, {"a_sender": opened.iss, "an_event": opened.jti, "error": short(error)})
        buried = Delivered(record, RECEIPT_PARTITION, offset_of_receipt(opened.iss, opened.jti))
        why = "content" if isinstance(error, ContentError) else "handler"
        if isinstance(error, UnknownContent):
            why = "too_many_unknown"
        return "dead" if await self._burial.bury(session, Letter(buried, why, short(error), received_at)) else "not_kept"

    async def _postpone_unknown(
        self, session: Session, opened: Opened, record: Record, received_at: datetime, *, attempts: int, reason: UnknownContent
    ) -> str:
        """Kept until a later program knows it; of one sender only so many, or their retries would hold up everybody's."""
        if not attempts:
            waiting: dict[str, int] = session.info.setdefault("waiting", {})
            if opened.iss not in waiting:
                waiting[opened.iss] = (await session.execute(WAITING_RECEIPTS, {"a_sender": opened.iss})).scalar_one()
            if waiting[opened.iss] >= MOST_UNKNOWN:
                return await self._give_up(session, opened, record, received_at, error=reason)
            waiting[opened.iss] += 1
        return await self._postpone(session, opened, record, attempts=attempts, reason=reason)

    async def _act(self, session: Session, message: Message, opened: Opened, record: Record, received_at: datetime) -> None:
        handler = self._handlers.get(type(message))
        if handler is None:
            raise UnknownMessage(type(message).__name__, message.wire_version)
        sent_at = datetime.fromtimestamp(opened.iat, UTC)
        received = Received(opened.iss, opened.jti, opened.key, sent_at, received_at, Proof.of(record.value, opened))
        session.info["actor"] = Actor("peer", opened.iss)
        with trace_from(record.headers.get("traceparent")):
            await handler(session, message, received)

    async def _postpone(self, session: Session, opened: Opened, record: Record, *, attempts: int, reason: Exception) -> str:
        values = {"a_sender": opened.iss, "an_event": opened.jti, "sealed": record.value, "next": self._next_try(attempts)}
        await session.execute(POSTPONE, values | {"error": short(reason)})
        return "not_yet"

    def _next_try(self, attempts: int) -> datetime:
        wait = RETRY_AFTER[min(attempts, len(RETRY_AFTER) - 1)]
        return self._database.node.machine_now() + timedelta(seconds=wait)

    async def not_opened(self, session: Session, row: Row[Any], why: Refused | NotYet) -> None:
        """A kept message (`row`: its receipt) that could be opened when it came and cannot any more.

        Its sender's key was revoked as of an earlier time: dead. Our own key is not on this node: tried again."""
        key = {"a_sender": row.sender, "an_event": row.event_id, "error": short(why)}
        if isinstance(why, NotYet):
            await session.execute(POSTPONE, key | {"sealed": row.sealed, "next": self._next_try(row.attempts)})
            return
        await session.execute(BURY_RECEIPT, key)
        record = Record(row.topic, row.key, {}, row.sealed)
        buried = Delivered(record, RECEIPT_PARTITION, offset_of_receipt(row.sender, row.event_id))
        await self._burial.bury(session, Letter(buried, why.code, short(why), row.received_at))

    def _highest(self, session: Session, bureau: str) -> int:
        """The highest incarnation heard of, in this unit too."""
        _, seen = session.info.get("heard", {}).get(bureau, (None, 0))
        return max(int(seen), self.seen.get(bureau, 0))

    async def _heard_of(self, session: Session, opened: Opened, now: datetime) -> None:
        here = session.info.setdefault("heard", {})  # by this unit; what it rolls back nobody has heard
        before, seen = here.get(opened.iss) or (self._heard.get(opened.iss), self.seen.get(opened.iss, 0))
        higher = opened.incarnation > seen
        if before is not None and not higher and (now - before).total_seconds() < HEARD_EVERY_SECONDS:
            return
        here[opened.iss] = now, max(opened.incarnation, seen)
        session.after_commit.append(lambda: self._has_heard(opened.iss, opened.incarnation, now))
        await session.execute(PEER_HEARD, {"bureau": opened.iss, "incarnation": opened.incarnation, "now": now})
        if before is None or (now - before).total_seconds() > SILENCE_SECONDS:
            await owed.peer_is_back(session, opened.iss)

    def _has_heard(self, bureau: str, incarnation: int, now: datetime) -> None:
        self._heard[bureau] = now
        self.seen[bureau] = max(incarnation, self.seen.get(bureau, 0))
