"""`quanyu bench growth`: what one message costs, from the officer's act to the commit of its effect at the peer, when there are
more bureaus, more residents, more finished cases.

Six beds (bed.py) stand side by side. Each makes one transfer (four messages) after the other bed, in turning order, and medians
are compared: what disturbs the machine disturbs all. A bed differs from its floor in one thing:

- 4, 8, 16 bureaus, beside a federation of two, in which there is only one to write to. The further bureaus are simulated
  (crowd.py): they are in the trust list with roots and keys, their stations in every directory, and they write to each other on
  the same bus.
- 10^6 residents in both registers, beside 10^4 (and four bureaus).
- 10^5 finished cases at both sides, with register rows, audit, sent outbox and receipts, beside none but the bench's own.

Cost is processor time: of this process, in which both nodes run, and of the PostgreSQL backends that work for them. The time on
the clock stands beside it; part of it is the disk's. Large tables that are read as a whole are counted: time might hide them.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from uuid import UUID

from services.harness.bench import loads
from services.harness.bench.bed import PAIR, Bed, Cost
from services.harness.bench.figures import Figures
from services.harness.interrupts import run_interruptibly
from services.harness.stack import start_all, stop_all
from shared.identifiers.texts import N_

RESIDENTS, MANY_RESIDENTS = 10_000, 1_000_000
FINISHED = 100_000
IN_A_ROUND, WARM_UP = 30, 10
BUREAUS_AT_MOST, SIZE_AT_MOST = 1.05, 1.1
COUNTED = ("resident", "transfer_case", "audit", "outbox", "receipt")

Told = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Size:
    """What is large on a bed, beside which other bed it is measured, and how much more a message may cost there."""

    name: str
    label: str
    members: int = 4
    residents: int = RESIDENTS
    finished: int = 0
    floor: str | None = None
    at_most: float | None = None

    @property
    def is_large(self) -> bool:
        """Whether there are tables that must not be read whole."""
        return self.residents > RESIDENTS or self.finished > 0


SIZES = (
    Size("two", "2 bureaus", members=2),
    Size("four", "4 bureaus", floor="two", at_most=BUREAUS_AT_MOST),
    Size("eight", "8 bureaus", members=8, floor="two", at_most=BUREAUS_AT_MOST),
    Size("sixteen", "16 bureaus", members=16, floor="two", at_most=BUREAUS_AT_MOST),
    Size("residents", "10^6 residents", residents=MANY_RESIDENTS, floor="four", at_most=SIZE_AT_MOST),
    Size("cases", "10^5 finished cases", finished=FINISHED, floor="four", at_most=SIZE_AT_MOST),
)


@dataclass(slots=True)
class Costs:
    """What each message has cost, by bed."""

    by_bed: dict[str, list[Cost]] = field(default_factory=dict)

    def add(self, bed: str, cost: Cost) -> None:
        self.by_bed.setdefault(bed, []).append(cost)

    def cpu(self, bed: str) -> float:
        return median(one.cpu for one in self.by_bed[bed])

    def wall(self, bed: str) -> float:
        return median(one.wall for one in self.by_bed[bed])


def growth(folder: Path, figures: Figures, *, rounds: int, tell: Told, sizes: Sequence[Size] = SIZES) -> None:
    """Prepare the beds in `folder` and measure. Raises StackError; nothing is left running."""
    beds = {size.name: Bed(folder, size.name, members=size.members) for size in sizes}
    servers = [bed.server for bed in beds.values()]
    tell(N_("starting {count} PostgreSQL servers, one for each size"), count=len(servers))
    start_all(servers)
    try:
        for bed in beds.values():
            bed.prepare()
        run_interruptibly(_measured(beds, figures, rounds=rounds, tell=tell, sizes=sizes))
    finally:
        stop_all(servers)


async def _measured(beds: Mapping[str, Bed], figures: Figures, *, rounds: int, tell: Told, sizes: Sequence[Size]) -> None:
    try:
        cases = {size.name: await _filled(beds[size.name], size, count=rounds * IN_A_ROUND, tell=tell) for size in sizes}
        before = {name: await bed.whole_reads(above=loads.LARGE_ROWS) for name, bed in beds.items()}
        costs = Costs()
        for number in range(rounds):
            tell(N_("round {number} of {rounds}: {count} transfers on each of {beds} beds in turn"),
                 number=number + 1, rounds=rounds, count=IN_A_ROUND, beds=len(beds))  # fmt: skip
            of_round = {name: of_bed[number * IN_A_ROUND : (number + 1) * IN_A_ROUND] for name, of_bed in cases.items()}
            await _round(beds, of_round, costs)
        show(figures, sizes, costs)
        await _show_sizes(beds, figures, sizes)
    finally:
        for bed in beds.values():
            await bed.close()
    # Now the backends have ended, and with that told the server all that they have counted.
    reads = {name: await bed.whole_reads(above=loads.LARGE_ROWS) - before[name] for name, bed in beds.items()}
    for size in sizes:
        if size.is_large:
            figures.add(f"{size.label}: tables read whole", reads[size.name], "times", at_most=0)


async def _filled(bed: Bed, size: Size, *, count: int, tell: Told) -> list[UUID]:
    """The bed at its size and warm, with `count` cases under review."""
    tell(N_("filling the bed of {what}: {residents} residents, {cases} finished cases at either side"),
         what=size.label, residents=size.residents, cases=size.finished)  # fmt: skip
    await bed.open()
    await bed.fill(RESIDENTS)
    people = await bed.registered(WARM_UP + count)
    first = await bed.under_review(people[:WARM_UP])
    for case in first:
        await bed.transferred(case)
    statements = list(loads.AFTERWARDS)
    if size.residents > RESIDENTS:
        statements = loads.residents(size.residents - RESIDENTS)
    if size.finished:
        statements = loads.finished_cases(size.finished, like=str(first[-1]))
    await asyncio.gather(*(asyncio.to_thread(bed.server.execute, bureau, statements) for bureau in PAIR))
    cases = await bed.under_review(people[WARM_UP:])
    await bed.watch_backends()
    return cases


async def _round(beds: Mapping[str, Bed], cases: Mapping[str, Sequence[UUID]], costs: Costs) -> None:
    """One transfer on each bed, then the next; every bed is first, second and so on equally often."""
    gc.collect()
    names = list(beds)
    for number in range(IN_A_ROUND):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            await beds[name].crowd.talk()
            costs.add(name, await beds[name].transferred(cases[name][number]))
    for bed in beds.values():
        await bed.network.tick()


def show(figures: Figures, sizes: Sequence[Size], costs: Costs) -> None:
    """A message's processor time on each bed, judged beside its floor, and its time on the clock."""
    for size in sizes:
        cpu_floor = None if size.floor is None else 1000 * costs.cpu(size.floor)
        figures.add(f"{size.label}: a message", 1000 * costs.cpu(size.name), "ms CPU", floor=cpu_floor, at_most=size.at_most)
    for size in sizes:
        wall_floor = None if size.floor is None else 1000 * costs.wall(size.floor)
        at_most = size.at_most if size.is_large else None  # what is read from the disk costs no processor
        figures.add(f"{size.label}: on the clock", 1000 * costs.wall(size.name), "ms", floor=wall_floor, at_most=at_most)


async def _show_sizes(beds: Mapping[str, Bed], figures: Figures, sizes: Sequence[Size]) -> None:
    """What was really there, at the origin."""
    for size in sizes:
        if size.is_large:
            connection = await beds[size.name].look(PAIR[-1])
            for table in COUNTED if size.finished else COUNTED[:1]:
                rows = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608  # names of our own tables
                figures.add(f"{size.label}: rows of {table}", rows, "rows")
            await connection.close()
