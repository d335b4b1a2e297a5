"""What the queues of an officer say: as many as are listed, each with its own time, the oldest first."""

import asyncio
import re
from collections.abc import Sequence

from services.bureau.access.callers import Role
from services.bureau.transfers.rules.queues import QUEUES
from shared.web.texts import _chinese
from tests.browser.look import Person

ROLES = {"1": Role.COUNTER, "2": Role.VERIFIER, "3": Role.POPULATION_OFFICE, "4": Role.HRSS}  # by the badge's last digit
COUNTED = re.compile(r'data-queue="(\w+)" data-count="(\d+)"')
ROW = re.compile(r'<tr>\s*<td class="mono nowrap">(QY\w+)</td>.*?<time datetime="([^"]+)"', re.S)
NEXT = re.compile(r'href="(/w/queue/\w+\?after=\d+)"')
TIME_COLUMN = 4  # after number, name, direction and status
MESSAGES_SECONDS, PAUSE_SECONDS = 5.0, 0.2  # what is under way when a count is taken can be there when the rows are


async def _get(officer: Person, bureau: str, path: str) -> str:
    answer = await officer.context.request.get(officer.webs[bureau] + path)
    assert answer.status == 200, path
    return await answer.text()


async def _listed(officer: Person, bureau: str, name: str, time_label: str | None) -> list[str]:
    """The cases of one queue in its order, over all its pages."""
    path, rows = f"/w/queue/{name}", list[tuple[str, str]]()
    while path:
        page = await _get(officer, bureau, path)
        rows += ROW.findall(page)
        heads = re.findall(r'<th scope="col">(.*?)</th>', page)
        if heads and time_label is not None:
            assert heads[TIME_COLUMN] == _chinese()[time_label], name
        onward = NEXT.search(page)
        path = onward.group(1) if onward else ""
    times = [since for _, since in rows]
    assert times == sorted(times), f"{name} does not begin with the oldest: {times}"
    return [number for number, _ in rows]


async def queues_of(officer: Person, bureau: str, badge: str) -> dict[str, list[str]]:
    """The cases by queue. Soon every count on the workbench equals the rows that its queue lists."""
    labels = {one.name: one.time_label for one in QUEUES[ROLES[badge[-1]]]}
    ends_at = asyncio.get_running_loop().time() + MESSAGES_SECONDS
    while True:
        counts = {name: int(count) for name, count in COUNTED.findall(await _get(officer, bureau, "/w"))}
        assert counts.keys() == {*labels, "mine"}, badge
        rows = {name: await _listed(officer, bureau, name, labels.get(name)) for name in counts}
        if counts == {name: len(numbers) for name, numbers in rows.items()}:
            return rows
        assert asyncio.get_running_loop().time() < ends_at, f"{badge}: {counts} are counted, listed are {rows}"
        await asyncio.sleep(PAUSE_SECONDS)


async def stands_in(number: str, officers: Sequence[tuple[Person, str, str]]) -> set[tuple[str, str]]:
    """Whose queues a case stands in: (badge, queue). `officers`: each with the bureau and the badge."""
    found = set()
    for officer, bureau, badge in officers:
        queues = await queues_of(officer, bureau, badge)
        found |= {(badge, name) for name, numbers in queues.items() if number in numbers}
    return found
