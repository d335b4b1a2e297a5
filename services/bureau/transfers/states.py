"""The transfer protocol: who answers for a person while two registers, which cannot commit together, hand that person over.

    destination                                        origin
    APPROVED    -- PermitIssued ------------------>    RECEIVED
    CERTIFIED   <-- MigrationCertificateIssued ----    SEALED      row IN_TRANSIT: cancelled out by law, still answers here
    SETTLING    -- TransferSettled --------------->    GONE        row MOVED: the commit point
    HERE        <-- TransferClosed ----------------                row at the destination ACTIVE, epoch + 1

Three ideas carry it. Moved out but not yet settled is a state of the origin's row, never an absence. The step to GONE is the
one commit point, so that at every instant at most one register answers, and following the signed answers leads to exactly one.
And only the destination voids, only before the citizen has signed; an origin that has sealed may only ask. No clock changes a
state: at the end of a limit an officer gets a queue item.

Each line of `DESTINATION` and `ORIGIN` is ONE local transaction of one bureau: rows, audit, outbox and receipt together. Nothing
but `step` decides a member's state. `tests/model` tries it with every interleaving of messages lost, late, repeated or out of
order, of officers' acts and of restores, and breaks the tables on purpose to see that it would notice.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from shared.identifiers.texts import N_


class TableError(ValueError):
    """The tables of the transfer protocol contradict themselves."""


# ---- words -----------------------------------------------------------------------------------------------------------
class Side(StrEnum):
    DESTINATION = "destination"
    ORIGIN = "origin"

    @property
    def other(self) -> "Side":
        return Side.ORIGIN if self is Side.DESTINATION else Side.DESTINATION


class State(StrEnum):
    """What one bureau knows of one member of a case."""

    UNKNOWN = "-"
    # destination, while no message has left yet
    DRAFT = "DRAFT"
    ACCEPTED = "ACCEPTED"
    SUPPLEMENT_REQUIRED = "SUPPLEMENT_REQUIRED"
    UNDER_REVIEW = "UNDER_REVIEW"
    REFUSED = "REFUSED"
    WITHDRAWN = "WITHDRAWN"
    # destination
    APPROVED = "APPROVED"
    CERTIFIED = "CERTIFIED"
    SETTLING = "SETTLING"
    HERE = "HERE"
    # origin
    RECEIVED = "RECEIVED"
    RETURNED = "RETURNED"
    SEALED = "SEALED"
    CANCELLING = "CANCELLING"
    GONE = "GONE"
    RESTORED = "RESTORED"
    # either: a tombstone, kept for ever; the destination keeps the reason beside it
    VOID = "VOID"


class On(StrEnum):
    """What moves a member: an act (capitals) or a message (the name of its class in the contract)."""

    # of officers and citizens at the destination
    ACCEPT = "accept"
    ASK_SUPPLEMENT = "ask supplement"
    SUPPLEMENTED = "supplemented"
    SUBMIT = "submit"
    APPROVE = "approve"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"
    VOID = "void"
    SIGN = "sign"
    # of officers at the origin
    CERTIFY = "certify"
    RETURN = "return"
    ASK_CANCEL = "ask cancel"
    # destination -> origin
    PermitIssued = "PermitIssued"
    TransferSettled = "TransferSettled"
    TransferVoided = "TransferVoided"
    # origin -> destination
    MigrationCertificateIssued = "MigrationCertificateIssued"
    PermitReturned = "PermitReturned"
    CancellationRequested = "CancellationRequested"
    TransferClosed = "TransferClosed"

    @property
    def is_message(self) -> bool:
        return self.name == self.value


class RowKind(StrEnum):
    """What the register says of a person: ACTIVE and IN_TRANSIT answer "registered here"."""

    ABSENT = "ABSENT"
    ACTIVE = "ACTIVE"
    IN_TRANSIT = "IN_TRANSIT"
    MOVED = "MOVED"


class Row(NamedTuple):
    """The register row of a person at one bureau; `epoch` counts the person's registrations, 0 at a bureau without one."""

    kind: RowKind
    epoch: int


class Step(NamedTuple):
    """What one transition makes of a member; `row` None: the register stays as it is, else the caller fills in the case."""

    state: State
    row: Row | None
    epoch: int  # that the settled registration will have; 0 until the seal


class Awaited(StrEnum):
    """What a state waits for, by the word that the owed rows of both bureaus use."""

    CERTIFICATE = "certificate"
    SETTLEMENT = "settlement"
    CLOSE = "close"
    CANCELLATION = "cancellation"
    REISSUE = "reissue"


class Counted(StrEnum):
    """How the time of a limit runs."""

    MACHINE_TIME = "machine time"
    CALENDAR_DAYS = "calendar days"  # business clock
    WORKING_DAYS = "working days"  # business clock


class Owed(NamedTuple):
    """An answer that one bureau owes: what, and how long before an officer is warned. No limit changes a state."""

    what: Awaited
    limit: timedelta
    counted: Counted


class Await(NamedTuple):
    """An answer that a state waits for, and how often it asks: after `first`, then twice as long each time, up to `longest`."""

    owed: Owed
    first: timedelta
    longest: timedelta


Where = tuple[Side, State]
Table = Mapping[tuple[State, On], tuple[State, RowKind | None]]

# ---- transitions: (state, on): (new state, what the register row becomes) ---------------------------------------------
# Columns are what makes a table readable, so the formatter stays away.
# fmt: off
DESTINATION: Final[Table] = {
    (State.DRAFT,               On.ACCEPT):                     (State.ACCEPTED,            None),
    (State.ACCEPTED,            On.ASK_SUPPLEMENT):             (State.SUPPLEMENT_REQUIRED, None),
    (State.SUPPLEMENT_REQUIRED, On.SUPPLEMENTED):               (State.ACCEPTED,            None),
    (State.ACCEPTED,            On.SUBMIT):                     (State.UNDER_REVIEW,        None),
    (State.UNDER_REVIEW,        On.APPROVE):                    (State.APPROVED,            None),
    (State.UNDER_REVIEW,        On.REFUSE):                     (State.REFUSED,             None),
    (State.DRAFT,               On.WITHDRAW):                   (State.WITHDRAWN,           None),
    (State.ACCEPTED,            On.WITHDRAW):                   (State.WITHDRAWN,           None),
    (State.SUPPLEMENT_REQUIRED, On.WITHDRAW):                   (State.WITHDRAWN,           None),
    (State.UNDER_REVIEW,        On.WITHDRAW):                   (State.WITHDRAWN,           None),

    (State.APPROVED,            On.MigrationCertificateIssued): (State.CERTIFIED,           None),
    (State.CERTIFIED,           On.SIGN):                       (State.SETTLING,            None),  # bound, not yet answered for
    (State.SETTLING,            On.TransferClosed):             (State.HERE,                RowKind.ACTIVE),  # epoch + 1
    (State.APPROVED,            On.VOID):                       (State.VOID,                None),
    (State.CERTIFIED,           On.VOID):                       (State.VOID,                None),
    (State.APPROVED,            On.PermitReturned):             (State.VOID,                None),
    (State.APPROVED,            On.CancellationRequested):      (State.VOID,                None),
    (State.CERTIFIED,           On.CancellationRequested):      (State.VOID,                None),
    (State.UNKNOWN,             On.MigrationCertificateIssued): (State.VOID,                None),  # a case unknown here
    (State.UNKNOWN,             On.PermitReturned):             (State.VOID,                None),
    (State.UNKNOWN,             On.CancellationRequested):      (State.VOID,                None),
}
ORIGIN: Final[Table] = {
    (State.UNKNOWN,             On.PermitIssued):               (State.RECEIVED,            None),
    (State.RECEIVED,            On.CERTIFY):                    (State.SEALED,              RowKind.IN_TRANSIT),  # if ACTIVE
    (State.RECEIVED,            On.RETURN):                     (State.RETURNED,            None),
    (State.SEALED,              On.ASK_CANCEL):                 (State.CANCELLING,          None),  # the destination decides
    (State.SEALED,              On.TransferSettled):            (State.GONE,                RowKind.MOVED),  # the commit point
    (State.CANCELLING,          On.TransferSettled):            (State.GONE,                RowKind.MOVED),
    (State.SEALED,              On.TransferVoided):             (State.RESTORED,            RowKind.ACTIVE),  # same epoch
    (State.CANCELLING,          On.TransferVoided):             (State.RESTORED,            RowKind.ACTIVE),
    (State.RECEIVED,            On.TransferVoided):             (State.VOID,                None),  # leaves the officer's queue
    (State.UNKNOWN,             On.TransferVoided):             (State.VOID,                None),  # a later permit is refused
}
# fmt: on
BEGINS: Final = {Side.DESTINATION: State.DRAFT, Side.ORIGIN: State.UNKNOWN}
TERMINAL: Final[Mapping[Side, Set[State]]] = {
    Side.DESTINATION: frozenset({State.REFUSED, State.WITHDRAWN, State.HERE, State.VOID}),
    Side.ORIGIN: frozenset({State.RETURNED, State.GONE, State.RESTORED, State.VOID}),
}

# ---- what is said, asked again, answered again ------------------------------------------------------------------------
# Said once, when the state is entered; after a restore only the open cases (those that ask) say it again.
SAYS: Final[Mapping[Where, On]] = {
    (Side.DESTINATION, State.APPROVED): On.PermitIssued,
    (Side.DESTINATION, State.SETTLING): On.TransferSettled,
    (Side.DESTINATION, State.VOID): On.TransferVoided,
    (Side.ORIGIN, State.RETURNED): On.PermitReturned,
    (Side.ORIGIN, State.SEALED): On.MigrationCertificateIssued,
    (Side.ORIGIN, State.CANCELLING): On.CancellationRequested,
    (Side.ORIGIN, State.GONE): On.TransferClosed,
}

ONE_WORKING_DAY: Final = (timedelta(days=1), Counted.WORKING_DAYS)  # T1: each bureau works on what has come within a day
CERTIFICATE_VALIDITY: Final = timedelta(days=30)  # T4, 1994 notice: the citizen has so long to come and sign
COUNTER_PATIENCE: Final = (timedelta(minutes=10), Counted.MACHINE_TIME)  # somebody stands at the counter: an operator looks

AT_ONCE: Final = timedelta(seconds=1)  # a close takes milliseconds: one not here after a second is late or lost
SOON: Final = timedelta(seconds=60)  # longer than a node or a broker takes to restart, so that a restart makes no repeats
HOURLY: Final = timedelta(hours=1)  # a peer away for weeks costs 24 messages a day and case, and is asked when it is back
DAILY: Final = timedelta(days=1)  # a state that waits for a citizen, who does not come sooner for being asked more often

# States that await an answer say their message again, as a new message, on a timer and on "ask again". Nobody else repeats.
ASKS_AGAIN: Final[Mapping[Where, Await]] = {
    (Side.DESTINATION, State.APPROVED): Await(Owed(Awaited.CERTIFICATE, *ONE_WORKING_DAY), SOON, HOURLY),
    (Side.DESTINATION, State.SETTLING): Await(Owed(Awaited.CLOSE, *COUNTER_PATIENCE), AT_ONCE, HOURLY),
    (Side.ORIGIN, State.SEALED): Await(Owed(Awaited.SETTLEMENT, CERTIFICATE_VALIDITY, Counted.CALENDAR_DAYS), DAILY, DAILY),
    (Side.ORIGIN, State.CANCELLING): Await(Owed(Awaited.CANCELLATION, *ONE_WORKING_DAY), SOON, HOURLY),
}
# No state of its own: a certificate that CERTIFIED has asked to be issued again (ReissueRequested), until the new one is there.
REISSUE: Final = Await(Owed(Awaited.REISSUE, *ONE_WORKING_DAY), SOON, HOURLY)

# The same debts seen by the one who owes them, with the same limits. What a node answers by itself, at once, is not listed.
OWES: Final[Mapping[Where, Owed]] = {
    (Side.ORIGIN, State.RECEIVED): Owed(Awaited.CERTIFICATE, *ONE_WORKING_DAY),
    (Side.DESTINATION, State.CERTIFIED): Owed(Awaited.SETTLEMENT, CERTIFICATE_VALIDITY, Counted.CALENDAR_DAYS),
}

# A message that changes nothing, from a counterpart that waits and cannot have heard what this state says: it is said again.
ANSWERS_AGAIN: Final[Set[tuple[Side, State, On]]] = frozenset(
    {
        (Side.ORIGIN, State.RETURNED, On.PermitIssued),
        (Side.ORIGIN, State.GONE, On.TransferSettled),
        (Side.DESTINATION, State.VOID, On.MigrationCertificateIssued),
        (Side.DESTINATION, State.VOID, On.CancellationRequested),
    }
)

# ---- who hears a message, and the epoch it names ----------------------------------------------------------------------
HEARD_BY: Final[Mapping[On, Side]] = {on: side.other for (side, _), on in SAYS.items()}
NAMES_THE_EPOCH: Final = frozenset({On.TransferSettled, On.TransferClosed})  # the member's own, or the message changes nothing
BRINGS_THE_EPOCH: Final = On.MigrationCertificateIssued  # to a member that has none yet

# ---- what officers and citizens read; why a case is VOID says the contract's VOID_TEXTS ---------------------------------
LABELS: Final[Mapping[Where, str]] = {
    (Side.DESTINATION, State.DRAFT): N_("Draft"),
    (Side.DESTINATION, State.ACCEPTED): N_("Accepted"),
    (Side.DESTINATION, State.SUPPLEMENT_REQUIRED): N_("Supplement required"),
    (Side.DESTINATION, State.UNDER_REVIEW): N_("Under review"),
    (Side.DESTINATION, State.REFUSED): N_("Not approved"),
    (Side.DESTINATION, State.WITHDRAWN): N_("Application withdrawn"),
    (Side.DESTINATION, State.APPROVED): N_("Move-in approved, permit sent"),
    (Side.DESTINATION, State.CERTIFIED): N_("Certificate matched, to be settled"),
    (Side.DESTINATION, State.SETTLING): N_("Settlement being confirmed"),
    (Side.DESTINATION, State.HERE): N_("Settled"),
    (Side.DESTINATION, State.VOID): N_("Void"),
    (Side.ORIGIN, State.RECEIVED): N_("Move-out being verified"),
    (Side.ORIGIN, State.RETURNED): N_("Returned"),
    (Side.ORIGIN, State.SEALED): N_("Cancelled on move-out, certificate sent"),
    (Side.ORIGIN, State.CANCELLING): N_("Withdrawal asked, destination to confirm"),
    (Side.ORIGIN, State.GONE): N_("Moved out and moved in"),
    (Side.ORIGIN, State.RESTORED): N_("Registration restored"),
    (Side.ORIGIN, State.VOID): N_("Voided by the destination"),
}


# ---- the functions ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Tables:
    """The protocol as one value, so that a test can exchange a line of it and run the same `step`."""

    destination: Table
    origin: Table
    said: Mapping[Where, On]
    asked_again: Mapping[Where, Await]
    answered_again: Set[tuple[Side, State, On]]

    def of(self, side: Side) -> Table:
        return self.destination if side is Side.DESTINATION else self.origin

    def step(self, side: Side, state: State, row: Row, epoch: int, on: On) -> Step | None:
        """One transition, or None: the table has no such pair, or the row to be sealed is not ACTIVE.

        `row` is the person's row at this bureau, `epoch` what the case will create (for a message: what `epoch_of` gave).
        """
        found = self.of(side).get((state, on))
        if found is None or (on is On.CERTIFY and row.kind is not RowKind.ACTIVE):
            return None
        new_state, kind = found
        if on is On.CERTIFY:
            epoch = row.epoch + 1
        if kind is None:
            return Step(new_state, None, epoch)
        if side is Side.ORIGIN:
            return Step(new_state, Row(kind, row.epoch), epoch)
        # A row's epoch never goes down: a close that comes after the person has moved on leaves the row alone.
        return Step(new_state, Row(kind, epoch) if row.epoch < epoch else None, epoch)

    def says(self, side: Side, state: State) -> On | None:
        """The message by which this state speaks to the counterpart; its value is the name of a class of the contract."""
        return self.said.get((side, state))

    def awaits(self, side: Side, state: State) -> Await | None:
        """What this state waits for: such a state asks again, and nobody else does."""
        return self.asked_again.get((side, state))

    def answers_again(self, side: Side, state: State, on: On) -> bool:
        """Whether a message that changed nothing here is answered by what the state says."""
        return (side, state, on) in self.answered_again


def epoch_of(state: State, epoch: int, on: On, named: int | None) -> int | None:
    """The epoch to step with when message `on` names the epoch `named`; None: not about this registration, nothing happens."""
    if on in NAMES_THE_EPOCH and named != epoch:
        return None
    if on is BRINGS_THE_EPOCH and state in (State.UNKNOWN, State.APPROVED):
        return named
    return epoch


def _wrong_moves(tables: Tables, side: Side) -> Iterator[str]:
    table = tables.of(side)
    leads_on = {state for state, _ in table}
    for (state, on), (target, _) in table.items():
        if state in TERMINAL[side]:
            yield f"{side} {state} is terminal, yet {on} leads out of it"
        if target not in leads_on | TERMINAL[side]:
            yield f"{side} becomes {target}, which neither ends nor leads on"
        if (side, target) not in LABELS:
            yield f"{side} becomes {target}, which has no label"
        if on.is_message and HEARD_BY.get(on) is not side:
            yield f"{side} hears {on}, which nobody says to it"


def _wrong_speech(tables: Tables) -> Iterator[str]:
    for side, state in tables.said:
        if state not in {target for target, _ in tables.of(side).values()}:
            yield f"{side} {state} says something, and is never entered"
    for side, state in tables.asked_again:
        if tables.says(side, state) is None:
            yield f"{side} {state} asks again, and says nothing"
    heard_again = {on for _, _, on in tables.answered_again}
    for side, state, on in tables.answered_again:
        answer = tables.says(side, state)
        if answer is None:
            yield f"{side} {state} answers {on} again, and says nothing"
        if answer in heard_again:
            yield f"{side} {state} answers {on} again by what is answered again: two bureaus would talk in circles"
        if (state, on) in tables.of(side):
            yield f"{side} {state} answers {on} again, which changes its state"
    awaited = {(side, waits.owed) for (side, _), waits in tables.asked_again.items()}
    for (side, state), owed in OWES.items():
        if (side.other, owed) not in awaited:
            yield f"{side} {state} owes a {owed.what}, for which nobody waits"


def check(tables: Tables) -> None:
    """Raise TableError when the tables contradict themselves."""
    wrong = [*_wrong_moves(tables, Side.DESTINATION), *_wrong_moves(tables, Side.ORIGIN), *_wrong_speech(tables)]
    if wrong:
        raise TableError("; ".join(wrong))


TRANSFER: Final = Tables(DESTINATION, ORIGIN, said=SAYS, asked_again=ASKS_AGAIN, answered_again=ANSWERS_AGAIN)
check(TRANSFER)

step = TRANSFER.step
says = TRANSFER.says
awaits = TRANSFER.awaits
answers_again = TRANSFER.answers_again
