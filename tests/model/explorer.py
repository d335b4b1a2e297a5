"""Visits every world that a scenario can reach, breadth first, and says what is wrong in the nearest one that breaks a promise.

Of every world, over the bureaus that may answer (their record is journaled):
  ONE       at most one bureau answers "registered here"
  NONE      when all may answer, exactly one holder is found (following the origin's signed close to SETTLING)
  BACK      no "registered here" is older than an answer already given
  VOID      a case that anybody was told is void or returned never settles
Of the graph:
  ALIVE     from every world the cases can still end well (nobody is stuck)
  FINISH    once signed, asked to cancel, returned or void, machines alone end the case: no officer's act is needed
  SUCCESS   while neither side has refused, the person can still be settled
"""

import gc
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from functools import cache

from services.bureau.transfers.states import TRANSFER, RowKind, Side, State, Tables
from tests.model.world import VOIDS, VOIDS_AT, Bureau, By, Case, Scenario, World

ANSWERS_HERE = (RowKind.ACTIVE, RowKind.IN_TRANSIT)
UNFINISHED = {Side.DESTINATION: (State.SETTLING, State.CERTIFIED), Side.ORIGIN: (State.SEALED, State.CANCELLING, State.RECEIVED)}
OWED = ((State.SEALED, State.APPROVED), (State.SEALED, State.VOID), (State.RETURNED, State.APPROVED))  # (origin, destination)
HOPEFUL = {
    Side.DESTINATION: (State.APPROVED, State.CERTIFIED, State.SETTLING),
    Side.ORIGIN: (State.UNKNOWN, State.RECEIVED, State.SEALED),
}

Told = tuple[int, int]  # (epoch, bureau) of the newest answer that anybody was given
Bureaus = tuple[int, ...]
Node = tuple[Bureaus, int, Told]  # the bureaus by number, the flags, told


@dataclass(frozen=True)
class Result:
    """`wrong` is empty when all promises hold, else the promise and what was seen; `trace` leads there by the fewest moves."""

    states: int
    wrong: str
    trace: tuple[str, ...]

    @property
    def promise(self) -> str:
        return self.wrong.partition(":")[0]


class Mark(IntFlag):
    """What a world is, for the promises about the graph."""

    ENDED = 1  # one ACTIVE row, no case between its seal and its end, nobody waiting for an answer already given
    OWED = 2  # one side has decided, the other has not heard it: machines alone must end it
    HOPEFUL = 4  # a case that nobody refused, at an origin that holds the person
    SETTLED = 8


class Explorer:
    """One exploration of one scenario; `run` once."""

    def __init__(self, scenario: Scenario, tables: Tables = TRANSFER) -> None:
        self.world = World(scenario, tables)
        self.marks = cache(self._marks)
        self.look = cache(self._look)
        self.order: list[tuple[int, str]] = [(0, "")]  # of each world, from which and by what it was first reached
        self.back: list[list[int]] = [[]]  # of each world, those that lead to it: i by a machine, ~i by a person
        self.marked: list[Mark] = []

    def run(self) -> Result:
        """Explore all, then judge the graph. The garbage collector rests: there are millions of tuples and no cycle."""
        gc.disable()
        try:
            return self._explore() or self._judge()
        finally:
            gc.enable()

    def _explore(self) -> Result | None:
        moves, look, marks, order, back = self.world.moves, self.look, self.marks, self.order, self.back
        nodes: list[Node] = [(*self.world.start(), (1, 0))]
        number: dict[Node, int] = {nodes[0]: 0}
        for i, (bureaus, flags, told) in enumerate(nodes):  # grows while it is walked: breadth first
            self.marked.append(marks(bureaus))
            sources = (~i, i)
            for at, bureau in enumerate(bureaus):
                for by, to, label, blocked, needs, sets, takes, shows in moves(bureau, flags):
                    if flags & blocked or (needs and not flags & needs):
                        continue
                    new_bureaus = (*bureaus[:at], to, *bureaus[at + 1 :])
                    new_flags = (flags | sets) - takes
                    wrong, new_told = look(new_bureaus, new_flags & VOIDS, told) if shows else ("", told)
                    node = (new_bureaus, new_flags, new_told)
                    j = number.get(node)
                    if j is None:
                        j = number[node] = len(nodes)
                        nodes.append(node)
                        order.append((i, label))
                        back.append([])
                        if wrong:
                            return Result(j + 1, wrong, self._trace(j))
                    if by is not By.FAULT:
                        back[j].append(sources[by])
        return None

    def _look(self, bureaus: Bureaus, voids: int, told: Told) -> tuple[str, Told]:
        """(the first broken promise, or ""; the newest answer given)"""
        all_of_them = [self.world.bureaus[number] for number in bureaus]
        may = [b for b in all_of_them if b.journaled]
        here = [(b.record.row.epoch, b.number) for b in may if b.record.row.kind in ANSWERS_HERE]
        gone = [(b, all_of_them[_moved_to(b)]) for b in may if b.record.row.kind is RowKind.MOVED]
        coming = [to.number for b, to in gone if _state(to, b.record.row_case) is State.SETTLING]
        newest = max([told, *here, *((b.record.row.epoch + 1, to.number) for b, to in gone)], key=lambda answer: answer[0])
        if len(here) > 1:
            return f"ONE: {here} answer", newest
        if len(may) == len(bureaus) and len(here) + len(coming) != 1:
            return f"NONE: {here} answer, {coming} will", newest
        for answer in here:
            if answer[0] < told[0] or (answer[0] == told[0] and answer[1] != told[1]):
                return f"BACK: {answer} answers after {told}", newest
        for c in range(len(self.world.scenario.cases)):
            if voids >> VOIDS_AT + c & 1 and any(_state(b, c) is State.HERE for b in all_of_them):
                return f"VOID: case {c} settled", newest
        return "", newest

    def _marks(self, bureaus: Bureaus) -> Mark:
        all_of_them = [self.world.bureaus[number] for number in bureaus]
        kinds = [b.record.row.kind for b in all_of_them]
        mark = Mark.ENDED if kinds.count(RowKind.ACTIVE) == 1 and RowKind.IN_TRANSIT not in kinds else Mark(0)
        for c, (_, destination) in enumerate(self.world.scenario.cases):
            states = {case.side: case.state for b in all_of_them if (case := b.record.cases[c])}
            origin, d = states.get(Side.ORIGIN), states.get(Side.DESTINATION)
            if origin in UNFINISHED[Side.ORIGIN] or d in UNFINISHED[Side.DESTINATION] or (d is State.APPROVED and origin):
                mark &= ~Mark.ENDED
            if d is State.SETTLING or origin is State.CANCELLING or (origin, d) in OWED:
                mark |= Mark.OWED
            if d is State.HERE:
                mark |= Mark.SETTLED
            if self._hopeful(all_of_them, c, all_of_them[destination].record.cases[c]):
                mark |= Mark.HOPEFUL
        return mark

    @staticmethod
    def _hopeful(bureaus: list[Bureau], c: int, case: Case | None) -> bool:
        if case is None or case.state not in HOPEFUL[case.side] or case.side is not Side.DESTINATION:
            return False
        record = bureaus[case.peer].record
        holds = record.row.kind is RowKind.ACTIVE or (record.row.kind is RowKind.IN_TRANSIT and record.row_case == c)
        return holds and _state(bureaus[case.peer], c) in HOPEFUL[Side.ORIGIN]

    # ---- the promises about the graph
    def _judge(self) -> Result:
        everywhere = range(len(self.order))
        ended, owed, hopeful, settled = (self._with(mark) for mark in (Mark.ENDED, Mark.OWED, Mark.HOPEFUL, Mark.SETTLED))
        calm = [i for i in everywhere if not self.marked[i] & Mark.OWED]
        for promise, starts, goals, machines_only in (
            ("ALIVE", everywhere, ended, False),
            ("FINISH", owed, calm, True),
            ("SUCCESS", hopeful, settled, False),
        ):
            reached = self._reaching(goals, machines_only=machines_only)
            stuck = [i for i in starts if not reached[i]]
            if stuck:
                return Result(len(self.order), f"{promise}: {len(stuck)} stuck", self._trace(stuck[0]))
        return Result(len(self.order), "", ())

    def _with(self, mark: Mark) -> list[int]:
        return [i for i, marked in enumerate(self.marked) if marked & mark]

    def _reaching(self, goals: Iterable[int], *, machines_only: bool) -> bytearray:
        """For each world, 1 if a goal can be reached from it."""
        todo = list(goals)
        reached = bytearray(len(self.order))
        for i in todo:
            reached[i] = 1
        while todo:
            for source in self.back[todo.pop()]:
                if source < 0:
                    if machines_only:
                        continue
                    source = ~source
                if not reached[source]:
                    reached[source] = 1
                    todo.append(source)
        return reached

    def _trace(self, i: int) -> tuple[str, ...]:
        labels = []
        while i:
            i, label = self.order[i]
            labels.append(label)
        return tuple(reversed(labels))


def _state(b: Bureau, c: int | None) -> State:
    case = None if c is None else b.record.cases[c]
    return State.UNKNOWN if case is None else case.state


def _moved_to(b: Bureau) -> int:
    """Where a MOVED row leads: to the destination of the case that moved it."""
    case = None if b.record.row_case is None else b.record.cases[b.record.row_case]
    assert case is not None
    return case.peer
