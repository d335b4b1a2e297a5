"""The cut checker: what the audit logs of all bureaus say together, after any run (protocol.md 6.3).

Each log is in its own order and under its own clock; nothing but the cases that both ends write about joins them. So the events
are rebuilt by (case, member) and held against each other by what caused what: a "here" span at the origin ends with GONE, the one
at the destination begins with HERE. Times are compared only where the caller says that the clocks agree.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from services.bureau.transfers.states import TERMINAL, On, Side, State

# What a checker needs of one bureau's log, in the order in which it was written.
CUT = (
    "SELECT at, case_id, peer, action, object_id, change FROM audit WHERE change IS NOT NULL"
    " AND (action = 'population.set_row' OR (action LIKE 'transfers.%' AND case_id IS NOT NULL)) ORDER BY id"
)
ROW = "population.set_row"
LOOPS = frozenset({State.ACCEPTED, State.SUPPLEMENT_REQUIRED})  # an application goes back and forth before anything is said
# member's state -> what the register row does in the same transaction
ROW_OF = {State.SEALED: "ACTIVE -> IN_TRANSIT", State.GONE: "IN_TRANSIT -> MOVED", State.RESTORED: "IN_TRANSIT -> ACTIVE"}


@dataclass(frozen=True, slots=True)
class Event:
    """One member's change of state at one bureau; `action` is the act or the message that made it."""

    at: datetime
    bureau: str
    peer: str
    case: str
    place: int
    side: Side
    action: str
    state: State
    epoch: int

    @property
    def member(self) -> tuple[str, int]:
        return self.case, self.place

    def __str__(self) -> str:
        return f"{self.state} of member {self.place} of case {self.case} at {self.bureau}"


@dataclass(frozen=True, slots=True)
class RowEvent:
    """One change of what a register says of a person, whom it names by its own index; `case` only while one is running."""

    bureau: str
    person: str
    case: str | None
    before: str | None
    kind: str
    epoch: int
    version: int

    def __str__(self) -> str:
        return f"row {self.person[:8]} at {self.bureau}: {self.before} -> {self.kind}, epoch {self.epoch}, version {self.version}"


@dataclass(frozen=True)
class History:
    """What one log tells, in its order."""

    events: Sequence[Event]
    rows: Sequence[RowEvent]


def history(bureau: str, log: Sequence[Any]) -> History:
    """From the rows that `CUT` finds in a bureau's database; `change` as parsed JSON."""
    events, rows = [], []
    for line in log:
        case = None if line.case_id is None else str(line.case_id)
        change = line.change
        if line.action == ROW:
            state = change["row_from"], change["row"], change["epoch"], change["version"]
            rows.append(RowEvent(bureau, line.object_id, case, *state))
            continue
        for one in change.get("members", ()):
            state_now, side, action = State(one["state"]), Side(change["side"]), line.action.removeprefix("transfers.")
            event = Event(line.at, bureau, line.peer, str(case), one["place"], side, action, state_now, one["epoch"])
            events.append(event)
    return History(events, rows)


def cut_faults(histories: Mapping[str, History], *, clocks_agree: bool = True) -> list[str]:
    """What is wrong, in words; [] when the logs agree that nobody was ever answered for twice."""
    events = [event for one in histories.values() for event in one.events]
    faults = [*_wrong_paths(events), *_wrong_hand_overs(events, clocks_agree=clocks_agree)]
    for one in histories.values():
        faults += [*_broken_chains(one.rows), *_rows_apart_from_states(one)]
    return faults


def _wrong_paths(events: Sequence[Event]) -> Iterator[str]:
    """At one bureau a member enters each state once, and none after an end."""
    paths: dict[tuple[str, str, str, int], list[Event]] = defaultdict(list)
    for event in events:
        paths[event.bureau, event.peer, *event.member].append(event)
    for path in paths.values():
        entered = Counter(event.state for event in path if event.state not in LOOPS)
        for event in path:
            if entered[event.state] > 1:
                yield f"entered {entered[event.state]} times: {event}"
        for before, after in pairwise(path):
            if before.state in TERMINAL[before.side]:
                yield f"{after}, after the end: {before}"
            if after.epoch < before.epoch:
                yield f"the epoch went down: {after}"


def _wrong_hand_overs(events: Sequence[Event], *, clocks_agree: bool) -> Iterator[str]:
    """Every activation follows its close, and nothing else ends or begins a span of "here"."""
    closed = {(event.bureau, event.peer, *event.member): event for event in events if event.state is State.GONE}
    here: dict[tuple[str, int], Event] = {}
    for event in events:
        if event.state is not State.HERE:
            continue
        if event.member in here:
            yield f"two spans of one case: {event}, and {here[event.member]}"
        here[event.member] = event
        close = closed.get((event.peer, event.bureau, *event.member))
        if close is None:
            yield f"activated and never closed, two spans overlap: {event}"
            continue
        if close.epoch != event.epoch:
            yield f"closed for epoch {close.epoch}, activated as {event.epoch}: {event}"
        if event.action != On.TransferClosed.value:
            yield f"activated by {event.action}, before anybody could know of the close: {event}"
        if clocks_agree and close.at > event.at:
            yield f"closed after its activation: {event}"
    signed = {(event.peer, event.bureau, *event.member) for event in events if event.state is State.SETTLING}
    for key, close in closed.items():
        if key not in signed:
            yield f"closed, and nobody had signed: {close}"


def _broken_chains(rows: Sequence[RowEvent]) -> Iterator[str]:
    """The rows of a person at one bureau: each begins where the one before ended, and none goes back.

    Versions may skip: a new head or the entry of a restoration counts too, and changes nothing that is answered."""
    last: dict[str, RowEvent] = {}
    for row in rows:
        before = last.get(row.person)
        if row.before != (None if before is None else before.kind):
            yield f"does not begin where the last one ended: {row}"
        if before is not None and (row.epoch < before.epoch or row.version <= before.version):
            yield f"epoch or version out of order: {row}"
        if row.before == "MOVED" and row.kind == "ACTIVE" and before is not None and row.epoch <= before.epoch:
            yield f"answers again without a new registration: {row}"
        last[row.person] = row


def _rows_apart_from_states(one: History) -> Iterator[str]:
    """At the origin the row changes with the member's state, in the same transaction: as many of the one as of the other."""
    states = Counter((event.case, ROW_OF[event.state]) for event in one.events if event.state in ROW_OF)
    moves = Counter((row.case, f"{row.before} -> {row.kind}") for row in one.rows if row.case is not None)
    for case in {case for case, _ in states} | {str(case) for case, _ in moves}:
        for move in ROW_OF.values():
            if states[case, move] != moves[case, move]:
                yield f"case {case}: {states[case, move]} members and {moves[case, move]} rows went {move}"
