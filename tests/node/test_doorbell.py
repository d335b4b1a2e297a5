"""Where doors and worker are split, an act wakes the relay of the other process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import asyncpg
import pytest

from services.harness.stack import node_role
from shared.messaging import doorbell
from tests.conftest import Ground

WAIT_SECONDS = 5.0


@contextlib.asynccontextmanager
async def running(coroutine: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(coroutine)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_what_one_process_has_written_wakes_the_relay_of_the_other(ground: Ground) -> None:
    url = ground.postgres.url("template_shanghai", node_role("shanghai"))
    written, wake = asyncio.Event(), asyncio.Event()
    async with running(doorbell.listen(url, wake)), running(doorbell.ring(url, written)):
        await asyncio.wait_for(wake.wait(), WAIT_SECONDS)  # once at the beginning: for what was rung while nobody listened
        for _ in range(3):
            wake.clear()
            written.set()
            await asyncio.wait_for(wake.wait(), WAIT_SECONDS)
            assert not written.is_set()


async def test_a_listener_whose_connection_is_cut_says_so_within_its_heartbeat(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbell, "HEARTBEAT_SECONDS", 0.1)
    url, wake = ground.postgres.url("template_shanghai", node_role("shanghai")), asyncio.Event()
    task = asyncio.create_task(doorbell.listen(url, wake))
    await asyncio.wait_for(wake.wait(), WAIT_SECONDS)
    ground.postgres.execute(
        "postgres", ["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'template_shanghai'"]
    )
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
        await asyncio.wait_for(task, WAIT_SECONDS)
