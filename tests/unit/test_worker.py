"""The supervisor of a node's loops."""

import asyncio
from types import SimpleNamespace
from typing import Any

from services.bureau.worker import Worker
from shared.database import DatabaseDown

LIMIT_SECONDS = 5.0


async def test_a_loop_whose_clean_up_fails_still_ends_when_it_is_told_to() -> None:
    # A relay gives its lease back; with the database away that fails, and the node must stop all the same.
    async def loop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise DatabaseDown("relay.free: away")

    wiring: Any = SimpleNamespace(health=SimpleNamespace(failed=lambda name, error: None))
    task = asyncio.create_task(Worker(wiring)._supervise("prepare", loop))
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=LIMIT_SECONDS)
    assert done == {task}
