"""What this node knows of one peer: whether it answers, its trust list, its clock, and what ends first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row

from shared.envelope import LEEWAY_SECONDS, TrustList
from shared.peers import LOOK_EVERY_SECONDS

SOON = timedelta(days=14)
CLOCK_MAX_SECONDS = LEEWAY_SECONDS  # beyond it neither bureau takes the other's questions and answers
CLOCK_WARNS_SECONDS = CLOCK_MAX_SECONDS / 2
CERTIFICATE = "tls"  # what ends, beside the uses of keys in the trust list

Grade = Literal["good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class End:
    """What of a peer must be renewed first, and by when."""

    what: str
    at: datetime

    def grade(self, now: datetime) -> Grade:
        return "bad" if self.at <= now else ("warn" if self.at - now < SOON else "good")


@dataclass(frozen=True, slots=True)
class PeerState:
    """One peer; `last_error`: why it passes for unreachable now; `is_up` is None while nothing was tried or heard."""

    bureau: str
    last_heard: datetime | None
    last_attempt: datetime | None
    last_error: str | None
    waiting: int
    oldest: datetime | None
    attempts: int
    send_error: str | None
    p95: float | None
    received: int
    owed_by_them: int
    next_ask: datetime | None
    list_version: int | None
    list_at: datetime | None
    list_grade: Grade | None
    clock_ahead: float | None
    clock_within: float | None
    clock_at: datetime | None
    certificate_ends_at: datetime | None
    first_end: End

    @property
    def is_up(self) -> bool | None:
        if self.last_error:
            return False
        return None if self.last_heard is None and self.last_attempt is None else True

    @property
    def next_look(self) -> datetime | None:
        """When its door is tried again, where it was shut when it was tried last."""
        known = self.is_up is False and self.last_attempt is not None
        return self.last_attempt + timedelta(seconds=LOOK_EVERY_SECONDS) if known and self.last_attempt else None

    @property
    def clock_grade(self) -> Grade | None:
        """By what the envelope tolerates."""
        if self.clock_ahead is None:
            return None
        apart = abs(self.clock_ahead)
        return "bad" if apart > CLOCK_MAX_SECONDS else ("warn" if apart > CLOCK_WARNS_SECONDS else "good")


def peer_state(
    code: str,
    trust: TrustList,
    *,
    heard: Row[Any] | None,
    unsent: Row[Any] | None,
    delay: Row[Any] | None,
    owed: Mapping[str, Row[Any]],
) -> PeerState:
    """`owed`: what the peers owe us, by peer."""
    theirs, ends_at = owed.get(code), _of(heard, "certificate_ends_at")
    return PeerState(
        bureau=code,
        last_heard=_of(heard, "last_heard"),
        last_attempt=_of(heard, "last_attempt"),
        last_error=_of(heard, "last_error"),
        waiting=_of(unsent, "messages") or 0,
        oldest=_of(unsent, "oldest"),
        attempts=_of(unsent, "attempts") or 0,
        send_error=_of(unsent, "last_error"),
        p95=None if delay is None else float(delay.p95),
        received=_of(delay, "messages") or 0,
        owed_by_them=_of(theirs, "owed") or 0,
        next_ask=_of(theirs, "next_ask"),
        list_version=_of(heard, "list_version"),
        list_at=_of(heard, "list_at"),
        list_grade=_list_grade(heard, trust),
        clock_ahead=_seconds(_of(heard, "clock_ahead_ms")),
        clock_within=_seconds(_of(heard, "clock_within_ms")),
        clock_at=_of(heard, "clock_at"),
        certificate_ends_at=ends_at,
        first_end=first_end(trust, code, ends_at),
    )


def first_end(trust: TrustList, bureau: str, certificate_ends_at: datetime | None) -> End:
    """Of each use the key that lives longest counts: one that its successor is listed for already hurts nobody."""
    last: dict[str, int] = {}
    for key in trust.keys:
        if key.bureau == bureau and key.revoked_at is None:
            last[key.use] = max(key.exp, last.get(key.use, 0))
    ends = [End(use, datetime.fromtimestamp(at, UTC)) for use, at in last.items()]
    if certificate_ends_at is not None:
        ends.append(End(CERTIFICATE, certificate_ends_at))
    return min(ends, key=lambda end: end.at)  # a member has a root at least


def _list_grade(heard: Row[Any] | None, trust: TrustList) -> Grade | None:
    """Two lists of one version are a fork, which a person must decide; another version will come right by itself."""
    if heard is None or heard.list_version is None:
        return None
    if heard.list_version != trust.version:
        return "warn"
    return "good" if heard.list_digest == trust.digest else "bad"


def _of(row: Row[Any] | None, name: str) -> Any:
    return None if row is None else getattr(row, name)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
