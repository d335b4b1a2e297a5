"""What can happen: a few bureaus, a bus, and every act, message and fault that the transfer protocol must survive.

The transitions are those of `services.bureau.transfers.states`, handed in as `Tables` so that a test can break one line of them.
Around them stands what the node does for any message: rule 0 (only the counterpart speaks about a case), the outbox, the journal
(nothing is told before it is journaled), the restore (the newer of backup and journal).

A message on the bus stays there until it is lost, so it comes late, twice and in any order. An officer or a citizen may do
whatever the tables permit at any moment, which covers every wrong clock. One person, who lives at bureau 0.

For speed, a bureau with its outbox, journal and backup is known by a number, and what it can do next is worked out once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from services.bureau.transfers.states import BEGINS, HEARD_BY, TRANSFER, On, Row, RowKind, Side, State, Tables, epoch_of

THIRD = 2  # the bureau that has no part in a transfer from 0 to 1, and lies about it when the scenario says so
ACTS = tuple(on for on in On if not on.is_message)
APPLICATION = (On.ACCEPT, On.SUBMIT, On.APPROVE)  # nothing is heard of a case before: one move from nothing to approved
TELLS_THE_END = (On.TransferVoided, On.PermitReturned)


@dataclass(frozen=True)
class Scenario:
    """`cases`: for each, the origins that its applicant may name, and the destination. Then how much may go wrong."""

    cases: tuple[tuple[tuple[int, ...], int], ...]
    bureaus: int = 3
    restores: int = 0
    backups: int = 0
    losses: int = 0
    rogue: bool = False  # a third bureau has put every kind of message about case 0 on the bus
    rule_0: bool = True  # only the counterpart may speak about a case
    journal_first: bool = True  # nothing is told before it is journaled


class Case(NamedTuple):
    """One bureau's view of a case; `epoch` is that of the registration which it will create."""

    side: Side
    state: State
    peer: int
    epoch: int


class Record(NamedTuple):
    """What a bureau answers for: exactly what its journal keeps. `version` counts its changes."""

    version: int
    row: Row
    row_case: int | None
    cases: tuple[Case | None, ...]


class Message(NamedTuple):
    on: On
    case: int
    sender: int
    to: int
    epoch: int


class Bureau(NamedTuple):
    number: int
    record: Record
    outbox: frozenset[Message]
    journal: Record
    backup: Record | None

    @property
    def journaled(self) -> bool:
        return self.journal == self.record


class By(IntEnum):
    """Whose move it is."""

    PERSON = 0
    MACHINE = 1
    FAULT = 2


class Move(NamedTuple):
    """A change of a bureau and of the flags, possible while no `blocked` flag is set and, if `needs` has any, one of those is."""

    by: By
    bureau: int
    label: str
    blocked: int = 0
    needs: int = 0
    sets: int = 0
    takes: int = 0  # subtracted: flags that are set, one of a counter
    shows: bool = True  # whether it may change what somebody is told


# The rest of the world is one integer: applications made, cases told void, faults left, and a bit for each message on the bus.
MOST_CASES = 4
VOIDS_AT, RESTORES_AT, BACKUPS_AT, LOSSES_AT, BUS_AT = 4, 8, 11, 14, 17  # counters of 3 bits
ONE_RESTORE, ONE_BACKUP, ONE_LOSS = 1 << RESTORES_AT, 1 << BACKUPS_AT, 1 << LOSSES_AT
ANY = 0b111  # ANY * ONE_LOSS: at least one of the counter is left
VOIDS = ((1 << MOST_CASES) - 1) << VOIDS_AT


class World:
    """All bureaus and messages of one scenario, by number, and the moves from each."""

    def __init__(self, scenario: Scenario, tables: Tables = TRANSFER) -> None:
        self.scenario = scenario
        self.tables = tables
        self.bureaus: list[Bureau] = []
        self._number_of: dict[Bureau, int] = {}
        self._flag_of: dict[Message, int] = {}
        self._addressed = [0] * scenario.bureaus
        self._moves: dict[tuple[int, int], tuple[Move, ...]] = {}

    def start(self) -> tuple[tuple[int, ...], int]:
        """(the bureaus by number, the flags)"""
        nobody = (None,) * len(self.scenario.cases)
        records = [Record(0, Row(RowKind.ABSENT, 0), None, nobody) for _ in range(self.scenario.bureaus)]
        records[0] = Record(0, Row(RowKind.ACTIVE, 1), None, nobody)
        flags = self.scenario.restores << RESTORES_AT | self.scenario.backups << BACKUPS_AT | self.scenario.losses << LOSSES_AT
        if self.scenario.rogue:
            for on, side in HEARD_BY.items():
                if on is not On.PermitIssued:  # a permit of its own would be an application like any other
                    flags |= self._flag(Message(on, 0, THIRD, 0 if side is Side.ORIGIN else 1, 2))
        return tuple(self._number(Bureau(n, record, frozenset(), record, None)) for n, record in enumerate(records)), flags

    def moves(self, bureau: int, flags: int) -> tuple[Move, ...]:
        """All moves of the bureau with this number, given the messages on the bus; the caller looks at `blocked` and `needs`."""
        key = (bureau, flags & self._addressed[self.bureaus[bureau].number])
        found = self._moves.get(key)
        if found is None:
            b = self.bureaus[bureau]
            found = self._moves[key] = (
                *self._of_people(b),
                *self._of_machines(b),
                *self._of_faults(b),
                *self._of_messages(b, key[1]),
            )
        return found

    # ---- the moves, by who makes them
    def _of_people(self, b: Bureau) -> Iterator[Move]:
        for c, (origins, destination) in enumerate(self.scenario.cases):
            case = b.record.cases[c]
            if case is not None:
                for act in ACTS:
                    new = self._take(b, c, case, act)
                    if new is not None:
                        yield Move(By.PERSON, self._number(new), f"{act} {c} at {b.number}")
            elif destination == b.number:
                for origin in origins:
                    approved = self._number(self._approve(b, c, origin))
                    yield Move(By.PERSON, approved, f"approve {c} at {b.number} from {origin}", blocked=1 << c, sets=1 << c)

    def _of_machines(self, b: Bureau) -> Iterator[Move]:
        for said in sorted(self._asked_again(b, b.record) - b.outbox):
            again = self._number(b._replace(outbox=b.outbox | {said}))
            label = f"ask again {said.on} {said.case} at {b.number}"
            yield Move(By.MACHINE, again, label, blocked=self._flag(said), shows=False)
        if not b.journaled:
            yield Move(By.MACHINE, self._number(b._replace(journal=b.record)), f"journal {b.number}")
        if b.journaled or not self.scenario.journal_first:
            for m in sorted(b.outbox):
                sent = self._number(b._replace(outbox=b.outbox - {m}))
                void = 1 << VOIDS_AT + m.case if m.on in TELLS_THE_END else 0
                label = f"send {m.on} {m.case} {b.number}->{m.to}"
                yield Move(By.MACHINE, sent, label, sets=self._flag(m) | void, shows=bool(void))

    def _of_faults(self, b: Bureau) -> Iterator[Move]:
        if b.backup is None:
            kept = self._number(b._replace(backup=b.record))
            yield Move(By.FAULT, kept, f"backup {b.number}", needs=ANY * ONE_BACKUP, takes=ONE_BACKUP, shows=False)
        else:
            newest = max(b.backup, b.journal, key=lambda record: record.version)  # rule J2
            restored = self._number(b._replace(record=newest, outbox=self._asked_again(b, newest)))
            yield Move(By.FAULT, restored, f"RESTORE {b.number}", needs=ANY * ONE_RESTORE, takes=ONE_RESTORE)

    def _of_messages(self, b: Bureau, bus: int) -> Iterator[Move]:
        for m, flag in tuple(self._flag_of.items()):
            if flag & bus:
                label = f"{m.on} {m.case} {m.sender}->{m.to}"
                yield Move(By.FAULT, self._number(b), f"LOSE {label}", needs=ANY * ONE_LOSS, takes=ONE_LOSS | flag, shows=False)
                new = self._hear(b, m)
                if new is not None:
                    yield Move(By.MACHINE, self._number(new), f"deliver {label}")

    # ---- what a node does around `step`
    def _take(self, b: Bureau, c: int, case: Case, on: On) -> Bureau | None:
        done = self.tables.step(case.side, case.state, b.record.row, case.epoch, on)
        if done is None:
            return None
        new = Case(case.side, done.state, case.peer, done.epoch)
        row, row_case = b.record.row, b.record.row_case
        if done.row is not None:
            row, row_case = done.row, None if done.row.kind is RowKind.ACTIVE else c
        record = Record(b.record.version + 1, row, row_case, (*b.record.cases[:c], new, *b.record.cases[c + 1 :]))
        said = {self._said(b.number, c, new)} if self.tables.says(new.side, new.state) else set()
        return b._replace(record=record, outbox=b.outbox | said)

    def _approve(self, b: Bureau, c: int, origin: int) -> Bureau:
        """The whole application as one change of what the bureau answers for: none of it is heard of elsewhere before the end."""
        state = BEGINS[Side.DESTINATION]
        for act in APPLICATION[:-1]:
            done = self.tables.step(Side.DESTINATION, state, b.record.row, 0, act)
            assert done is not None
            state = done.state
        approved = self._take(b, c, Case(Side.DESTINATION, state, origin, 0), APPLICATION[-1])
        assert approved is not None
        return approved

    def _hear(self, b: Bureau, m: Message) -> Bureau | None:
        side = HEARD_BY[m.on]
        case = b.record.cases[m.case] or Case(side, State.UNKNOWN, m.sender, m.epoch)
        if case.side is not side or (self.scenario.rule_0 and case.peer != m.sender):
            return None
        epoch = epoch_of(case.state, case.epoch, m.on, m.epoch)
        if epoch is None:
            return None
        new = self._take(b, m.case, case._replace(epoch=epoch), m.on)
        if new is None and self.tables.answers_again(side, case.state, m.on):
            new = b._replace(outbox=b.outbox | {self._said(b.number, m.case, case)})
        return None if new == b else new

    def _said(self, n: int, c: int, case: Case) -> Message:
        on = self.tables.says(case.side, case.state)
        assert on is not None
        return Message(on, c, n, case.peer, case.epoch)

    def _asked_again(self, b: Bureau, record: Record) -> frozenset[Message]:
        waiting = ((c, case) for c, case in enumerate(record.cases) if case and self.tables.awaits(case.side, case.state))
        return frozenset(self._said(b.number, c, case) for c, case in waiting)

    # ---- numbers
    def _number(self, b: Bureau) -> int:
        number = self._number_of.setdefault(b, len(self.bureaus))
        if number == len(self.bureaus):
            self.bureaus.append(b)
        return number

    def _flag(self, m: Message) -> int:
        if m not in self._flag_of:
            self._flag_of[m] = 1 << BUS_AT + len(self._flag_of)
            self._addressed[m.to] |= self._flag_of[m]
        return self._flag_of[m]
