"""What `quanyu bench growth` stands on: transfers on a bed are whole, copies of a finished one hinder no other."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.harness.bench import loads
from services.harness.bench.bed import PAIR, Bed
from services.harness.stack import start_all, stop_all

COPIES = 40


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path, "small", members=5)
    start_all([made.server])
    try:
        made.prepare()
        yield made
    finally:
        stop_all([made.server])


async def test_a_transfer_costs_something_and_its_copies_are_as_many_as_wanted(bed: Bed) -> None:
    await bed.open()
    try:
        people = await bed.registered(2)
        first, second = await bed.under_review(people)
        await bed.watch_backends()
        cost = await bed.transferred(first)
        assert cost.cpu > 0
        statements = loads.finished_cases(COPIES, like=str(first))
        await asyncio.gather(*(asyncio.to_thread(bed.server.execute, bureau, statements) for bureau in PAIR))
        await bed.crowd.talk()
        await bed.transferred(second)
        for bureau in PAIR:
            look = await bed.look(bureau)
            assert await look.fetchval("SELECT count(*) FROM transfer_case") == COPIES + 2
            gone = "SELECT count(*) FROM resident AS r JOIN transfer_member AS m ON m.citizen_index = r.citizen_id_index"
            assert await look.fetchval(gone) == COPIES + 2
            assert await look.fetchval("SELECT count(*) FROM directory") == len(bed.members)
            await look.close()
    finally:
        await bed.close()
