"""Keeping what cannot take effect: a dead letter with everything needed to look at it and try again, up to a limit."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.messaging.bus import Delivered
from shared.messaging.statements import INSERT_DEAD_LETTER, OPEN_LETTERS
from shared.telemetry import masked

MOST_OPEN_LETTERS = 10_000  # a topic; up to 1 MiB each. What is not kept is healed by the sender's next repeat
TELL_FULL_AFTER = timedelta(minutes=1)  # that a topic's letters are not kept is logged and audited at most so often
FIRST_LOOK_AFTER, LONGEST_LOOK_AFTER = timedelta(minutes=1), timedelta(hours=1)  # at a letter that may be right later
MAX_ERROR_CHARACTERS = 500
MAX_CLAIMED_CHARACTERS = 60

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to be kept. `waits`: it may be right later, and the node itself looks at it again."""

    delivered: Delivered
    reason: str
    error: str
    first_seen: datetime
    waits: bool = False

    @property
    def claimed(self) -> str:
        """Whom the transport names as its sender; nobody has verified that."""
        return storable(self.delivered.record.headers.get("ce_source", ""))[:MAX_CLAIMED_CHARACTERS]

    def row(self, session: Session) -> dict[str, Any]:
        record = self.delivered.record
        return {
            "topic": record.topic,
            "partition": self.delivered.partition,
            "offset": self.delivered.offset,
            "raw_key": storable(record.key),
            "raw_value": record.value,
            "raw_headers": {storable(name): storable(value) for name, value in record.headers.items()},
            "reason": self.reason,
            "error": storable(self.error[:MAX_ERROR_CHARACTERS]),
            "first_seen": self.first_seen,
            "next_try_at": next_look(session, self.first_seen) if self.waits else None,
        }

    def entry(self) -> AuditEntry:
        place = f"{self.delivered.record.topic}/{self.delivered.partition}/{self.delivered.offset}"
        return AuditEntry(action="messaging.receive", decision="refused", reason=self.reason, object_kind="dead_letter",
                          object_id=place, peer=self.claimed)  # fmt: skip


class Burial:
    """Buries for one receiver."""

    def __init__(self) -> None:
        self._told_at: dict[str, datetime] = {}  # by topic: when it was last said that its letters are not kept

    async def bury(self, session: Session, letter: Letter) -> bool:
        """Keep it as an open letter, audited; False when the topic has so many that this one is not kept."""
        return await self.bury_all(session, [letter]) == 1

    async def bury_all(self, session: Session, letters: Sequence[Letter]) -> int:
        """As many as the topics may have, in few statements: what a flood brings must cost less than what it holds up."""
        kept: list[Letter] = []
        room: dict[str, int] = {}
        for letter in letters:
            topic = letter.delivered.record.topic
            if topic not in room:
                room[topic] = MOST_OPEN_LETTERS - (await session.execute(OPEN_LETTERS, {"a_topic": topic})).scalar_one()
            if room[topic] <= 0:
                await self._tell_full(session, topic, letter.claimed)
                continue
            room[topic] -= 1
            kept.append(letter)
        if kept:
            await session.execute(INSERT_DEAD_LETTER, [letter.row(session) for letter in kept])
            for letter in kept:
                await write_audit(session, letter.entry())
            about = kept[-1]
            logger.warning("message_buried", reason=about.reason, topic=about.delivered.record.topic,
                           claimed_source=about.claimed, count=len(kept))  # fmt: skip
        return len(kept)

    async def _tell_full(self, session: Session, topic: str, claimed: str) -> None:
        now, told_at = session.node.machine_now(), self._told_at.get(topic)
        if told_at is not None and now - told_at < TELL_FULL_AFTER:
            return
        self._told_at[topic] = now  # not after the commit: if this is rolled back, it is told a minute later
        entry = AuditEntry(action="messaging.receive", decision="refused", reason="not_kept", object_kind="topic",
                           object_id=topic, peer=claimed)  # fmt: skip
        await write_audit(session, entry)
        logger.error("letters_not_kept", topic=topic, most=MOST_OPEN_LETTERS, claimed_source=claimed)


def next_look(session: Session, first_seen: datetime) -> datetime:
    """When to look again at a letter that may be right later: the pause is its age, so it doubles, within its limits."""
    now = session.node.machine_now()
    return now + min(max(now - first_seen, FIRST_LOOK_AFTER), LONGEST_LOOK_AFTER)


def offset_of(content: bytes) -> int:
    """What stands for the offset where the bus gave none: the same for the same content, so that it is kept once."""
    return int.from_bytes(hashlib.sha256(content).digest()[:8]) >> 1  # a bigint of PostgreSQL has a sign


def offset_of_receipt(sender: str, event_id: UUID) -> int:
    """As the receipt's key: with the sender, so that one bureau cannot bury its letter in the place of another's."""
    return offset_of(f"{sender}/{event_id}".encode())


def storable(text: str) -> str:
    """PostgreSQL keeps neither NUL nor lone surrogates; what anybody may write to the bus can hold both."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def short(error: Exception) -> str:
    """What operators read of it: an error may repeat a person's number."""
    return storable(str(masked(f"{type(error).__name__}: {error}")))[:MAX_ERROR_CHARACTERS]
