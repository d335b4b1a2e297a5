"""`quanyu bench pages`: how long the node takes for each page of officers, with 10^6 residents and 10^5 finished cases in its
database, beside the same pages with 10^4 residents and none but open cases.

Two beds (bed.py) of two nodes stand side by side. On both, every queue of the counter, the branch and the origin has a page full
of cases, brought there by the officers' acts; on the large one hundreds more wait for a decision. Each officer logs in by the
real code flow; then every page is asked for on one bed after the other, in turning order: what disturbs the machine disturbs
both. The time is the server's, from the request to the last byte, without socket and HTTP parser.

Then the large bed's web part runs as a process, and Chromium, if there is one, says when it has painted something of a page that
it has never seen (paint.py).
"""

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from services.harness.bench import loads
from services.harness.bench.bed import PAIR, Bed
from services.harness.bench.desks import GROUPS, IN_A_QUEUE, Asked, Desk, asked_of, desks_of, open_cases
from services.harness.bench.figures import Figures, p50, p99
from services.harness.bench.ground import COUNTER, DESTINATION
from services.harness.bench.paint import can_paint, painted
from services.harness.interrupts import run_interruptibly
from services.harness.stack import start_all, stop_all
from shared.identifiers.texts import N_

RESIDENTS, MANY_RESIDENTS = 10_000, 1_000_000
FINISHED, WAITING = 100_000, 300
SMALL, LARGE = "small", "large"
IN_A_ROUND, WARM_UP, TRIAL = 25, 3, 10
GROWTH_AT_MOST, P50_AT_MOST_MS, P99_AT_MOST_MS, PAINTED_AT_MOST_MS = 1.3, 60, 250, 400
COUNTED = ("resident", "transfer_case", "audit")

Told = Callable[..., None]


@dataclass(slots=True)
class Times:
    """Milliseconds that each page has taken, by label."""

    large: dict[str, list[float]] = field(default_factory=dict)
    small: dict[str, list[float]] = field(default_factory=dict)

    def add(self, bed: str, page: str, seconds: float) -> None:
        of_bed = self.large if bed == LARGE else self.small
        of_bed.setdefault(page, []).append(1000 * seconds)


@dataclass(frozen=True, slots=True)
class Side:
    """One bed, its officers, and what they ask for."""

    bed: Bed
    desks: Mapping[str, Desk]
    asked: Sequence[Asked]


def pages(folder: Path, figures: Figures, *, rounds: int, tell: Told) -> None:
    """Prepare both beds in `folder` and measure. Raises StackError; nothing is left running."""
    beds = {name: Bed(folder, name, members=4) for name in (SMALL, LARGE)}
    servers = [bed.server for bed in beds.values()]
    tell(N_("starting {count} PostgreSQL servers, one for each size"), count=len(servers))
    start_all(servers)
    try:
        for bed in beds.values():
            bed.prepare()
        case = run_interruptibly(_measured(beds, figures, rounds=rounds, tell=tell))
        _paint(beds[LARGE], {"workbench": "/w", "case": case}, figures, tell)
    finally:
        stop_all(servers)


async def _measured(beds: Mapping[str, Bed], figures: Figures, *, rounds: int, tell: Told) -> str:
    """The server's times; gives the path of a case."""
    try:
        sides = {name: await _filled(name, bed, tell) for name, bed in beds.items()}
        times = Times()
        await _asked(sides, WARM_UP, Times())
        for number in range(rounds):
            tell(N_("round {number} of {rounds}: {count} times {pages} pages on each bed in turn"),
                 number=number + 1, rounds=rounds, count=IN_A_ROUND, pages=len(sides[LARGE].asked))  # fmt: skip
            await _asked(sides, IN_A_ROUND, times)
        show(figures, times)
        await _show_sizes(beds[LARGE], figures)
        return next(one.paths[0] for one in sides[LARGE].asked if one.label == "case")
    finally:
        for bed in beds.values():
            await bed.close()


async def _filled(name: str, bed: Bed, tell: Told) -> Side:
    """The bed at its size, its queues full, its officers logged in."""
    large = name == LARGE
    tell(N_("filling the bed of {what}: {residents} residents, {cases} finished cases at either side"),
         what=name, residents=MANY_RESIDENTS if large else RESIDENTS, cases=FINISHED if large else 0)  # fmt: skip
    await bed.open()
    await bed.fill(RESIDENTS)
    people = await bed.registered(TRIAL + len(GROUPS) * IN_A_QUEUE + (WAITING if large else 0))
    first = await bed.under_review(people[:TRIAL])
    for case in first:
        await bed.transferred(case)
    people = people[TRIAL:]
    cases = await open_cases(bed, people)
    await bed.under_review(people[len(GROUPS) * IN_A_QUEUE :])
    statements = list(loads.AFTERWARDS)
    if large:
        filling = loads.residents(MANY_RESIDENTS - RESIDENTS)[: -len(loads.AFTERWARDS)]
        statements = [*filling, "DROP TABLE bench_person, bench_copy", *loads.finished_cases(FINISHED, like=str(first[-1]))]
    await asyncio.gather(*(asyncio.to_thread(bed.server.execute, bureau, statements) for bureau in PAIR))
    desks = await desks_of(bed)
    return Side(bed, desks, await asked_of(bed, desks, cases))


async def _asked(sides: Mapping[str, Side], count: int, times: Times) -> None:
    """Every page so often on either bed, one after the other; each bed is first equally often."""
    for turn in range(count):
        gc.collect()
        order = (SMALL, LARGE) if turn % 2 else (LARGE, SMALL)
        for of_small, of_large in zip(sides[SMALL].asked, sides[LARGE].asked, strict=True):
            for name in order:
                page = of_large if name == LARGE else of_small
                seconds, _ = await sides[name].desks[page.bureau].get(page.officer, page.paths[turn % len(page.paths)])
                times.add(name, page.label, seconds)


def show(figures: Figures, times: Times) -> None:
    """Each page beside the small bed's; then the slowest of all."""
    middle = {page: p50(taken) for page, taken in times.large.items()}
    late = {page: p99(taken) for page, taken in times.large.items()}
    for page in times.large:
        figures.add(f"{page}: p50", middle[page], "ms", floor=p50(times.small[page]), at_most=GROWTH_AT_MOST)
    for page in times.large:
        figures.add(f"{page}: p99", late[page], "ms", at_most=P99_AT_MOST_MS)
    slowest = max(middle, key=lambda page: middle[page])
    figures.add(f"slowest p50, {slowest}", middle[slowest], "ms", at_most=P50_AT_MOST_MS)


async def _show_sizes(bed: Bed, figures: Figures) -> None:
    """What was really there, at the destination."""
    connection = await bed.look(DESTINATION)
    for table in COUNTED:
        figures.add(f"rows of {table}", await connection.fetchval(f"SELECT count(*) FROM {table}"), "rows")  # noqa: S608  # our own
    await connection.close()


def _paint(bed: Bed, wanted: Mapping[str, str], figures: Figures, tell: Told) -> None:
    if not can_paint():
        tell(N_("no Chromium here: what it paints is not measured"))
        return
    node = bed.process("web")
    tell(N_("Chromium opens {pages}, with nothing kept of them"), pages=", ".join(wanted))
    node.start()
    try:
        found = run_interruptibly(painted(node.web, COUNTER, list(wanted.values())))
    finally:
        node.stop()
    for label, path in wanted.items():
        figures.add(f"{label}: first contentful paint", median(found[path]), "ms", at_most=PAINTED_AT_MOST_MS)
