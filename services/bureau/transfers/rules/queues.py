"""The queues of each role: which cases stand in them, what their time means, until when, and the one thing to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Final, Literal

from services.bureau.access.callers import Role
from services.bureau.transfers.rules.application import PERMIT_VALID_DAYS
from services.bureau.transfers.states import CERTIFICATE_VALIDITY, Side, State
from shared.database import CHINA
from shared.identifiers.texts import N_
from shared.identifiers.working_days import add_working_days

DECISION_WORKING_DAYS: Final = 20  # AS01
ORIGIN_WORKING_DAYS: Final = 1  # T1, T2
END_OF_DAY: Final = time(23, 59, 59)

Only = Literal["", "talent", "reissue", "restoration"]
Until = Literal["", "decision", "origin", "permit", "certificate"]


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue. `label`, `time_label` and `action` are msgids; `page` is what of the case the action opens."""

    name: str
    label: str
    side: Side
    states: tuple[State, ...]
    time_label: str
    action: str
    page: str = ""
    until: Until = ""
    only: Only = ""
    paused: bool = False


D, O = Side.DESTINATION, Side.ORIGIN  # noqa: E741  # the protocol's own letters
DRAFTS = Queue("drafts", N_("To accept"), D, (State.DRAFT,), N_("Saved at"), N_("Accept"), page="/accept")
CORRECTIONS = Queue(
    "corrections", N_("Waiting for a supplement"), D, (State.SUPPLEMENT_REQUIRED,), N_("Told at"), N_("Take supplement"),
    page="/supplemented",
    until="decision", paused=True,
)  # fmt: skip
ACCEPTED = Queue(
    "accepted", N_("In acceptance"), D, (State.ACCEPTED,), N_("Accepted at"), N_("Submit"), page="/submit", until="decision"
)  # fmt: skip
PEER = Queue("peer", N_("At the origin"), D, (State.APPROVED,), N_("Sent at"), N_("Follow"), page="/trace", until="permit")
SETTLE = Queue(
    "settle", N_("To settle"), D, (State.CERTIFIED,), N_("Certificate came at"), N_("Settle"), page="/settle", until="certificate"
)  # fmt: skip
SETTLING = Queue("settling", N_("Settlement unconfirmed"), D, (State.SETTLING,), N_("Signed at"), N_("Follow"), page="/trace")
REVIEW = Queue(
    "review", N_("To decide"), D, (State.UNDER_REVIEW,), N_("Submitted at"), N_("Decide"), page="/decide", until="decision"
)  # fmt: skip
REVIEW_TALENT = Queue(
    "review", N_("To decide"), D, (State.UNDER_REVIEW,), N_("Submitted at"), N_("Decide"), page="/decide", until="decision",
    only="talent",
)  # fmt: skip
VERIFY = Queue(
    "verify", N_("To verify"), O, (State.RECEIVED,), N_("Received at"), N_("Verify"), page="/review", until="origin"
)  # fmt: skip
REISSUE = Queue(
    "reissue", N_("Reissue asked"), O, (State.SEALED,), N_("Certificate sent at"), N_("Reissue"), page="/reissue", only="reissue"
)
RESTORE = Queue(
    "restore", N_("Restoration to enter"), O, (State.RESTORED,), N_("Restored at"), N_("Enter restoration"), page="/restore",
    only="restoration",
)  # fmt: skip
TRANSIT = Queue(
    "transit", N_("In transit"), O, (State.SEALED, State.CANCELLING), N_("Certificate sent at"), N_("Follow"), page="/trace"
)

QUEUES: Final[Mapping[str, Sequence[Queue]]] = MappingProxyType(
    {
        Role.COUNTER: (SETTLE, DRAFTS, ACCEPTED, CORRECTIONS, PEER, SETTLING),
        Role.POPULATION_OFFICE: (REVIEW,),
        Role.HRSS: (REVIEW_TALENT,),
        Role.VERIFIER: (VERIFY, REISSUE, RESTORE, TRANSIT),
    }
)
"""By role, in the order of the workbench."""


def queue_of(role: str, name: str) -> Queue | None:
    return next((one for one in QUEUES.get(role, ()) if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Dates:
    """Of a case, what its deadlines are made of."""

    since: datetime
    accepted_on: date | None
    permit_valid_until: date | None
    certificate_valid_until: date | None


def deadline_of(until: Until, dates: Dates) -> datetime | None:
    """When a case's time in a queue ends (business time); None where nothing ends."""
    day: date | None = None
    if until == "decision":
        day = None if dates.accepted_on is None else add_working_days(dates.accepted_on, DECISION_WORKING_DAYS)
    elif until == "origin":
        day = add_working_days(dates.since.astimezone(CHINA).date(), ORIGIN_WORKING_DAYS)
    elif until == "permit":
        day = dates.permit_valid_until
    elif until == "certificate":
        day = dates.certificate_valid_until
    return None if day is None else datetime.combine(day, END_OF_DAY, CHINA).astimezone(UTC)


def begins_at(until: Until, dates: Dates) -> datetime:
    """When the time began that ends at the deadline: for the bar."""
    if until == "decision" and dates.accepted_on is not None:
        return datetime.combine(dates.accepted_on, time(), CHINA)
    if until == "permit" and dates.permit_valid_until is not None:
        return datetime.combine(dates.permit_valid_until - timedelta(days=PERMIT_VALID_DAYS), time(), CHINA)
    if until == "certificate" and dates.certificate_valid_until is not None:
        return datetime.combine(dates.certificate_valid_until - CERTIFICATE_VALIDITY, time(), CHINA)
    return dates.since
