"""Calls into a library that hangs or cancels itself end in time, and only our own cancellation is passed on."""

import asyncio
import time

import pytest

from shared.messaging.bounded import cancelled, ended, within
from shared.messaging.bus import BusDown


async def answers() -> str:
    return "answer"


async def hangs() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise KeyError("inside")


async def cancels_itself() -> None:
    raise asyncio.CancelledError


async def swallows_cancellations(times: int) -> None:
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


async def test_the_answer_comes_through() -> None:
    assert await within(1, answers(), what="ask") == "answer"


async def test_what_hangs_is_cut_off() -> None:
    with pytest.raises(BusDown, match="ask: no answer"):
        await within(0.05, hangs(), what="ask")


async def test_an_error_is_named() -> None:
    with pytest.raises(BusDown, match="ask: KeyError: 'inside'"):
        await within(1, fails(), what="ask")


async def test_a_library_that_cancels_itself_does_not_cancel_us() -> None:
    with pytest.raises(BusDown, match="cancelled from inside"):
        await within(1, cancels_itself(), what="ask")


async def test_our_own_cancellation_is_passed_on_and_ends_the_work() -> None:
    before = asyncio.all_tasks()
    caller = asyncio.create_task(within(60, hangs(), what="ask"))
    await asyncio.sleep(0.01)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("work", [answers, hangs, fails, cancels_itself])
async def test_ending_never_raises_and_never_waits_longer(work: type) -> None:
    started = time.monotonic()
    await ended(0.05, work())
    assert time.monotonic() - started < 1


async def test_a_task_that_catches_cancellations_is_cancelled_again() -> None:
    task = asyncio.create_task(swallows_cancellations(2))
    await asyncio.sleep(0)
    await cancelled(task)
    assert task.done()


async def test_a_task_that_is_not_there_needs_no_cancelling() -> None:
    await cancelled(None)
