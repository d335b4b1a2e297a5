"""Calls into a library that may hang, or cancel itself: each in a task of its own, each with an end."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from shared.messaging.bus import BusDown

CANCEL_WAIT_S = 0.5
CANCEL_ATTEMPTS = 4  # aiokafka's sender catches the first cancellation to wait for its requests, one by one

T = TypeVar("T")
log = logging.getLogger(__name__)


async def within(timeout_s: float, work: Coroutine[Any, Any, T], *, what: str) -> T:
    """The result of `work`; BusDown when it fails, cancels itself or takes longer than `timeout_s`."""
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task], timeout=timeout_s)
    except BaseException:  # we are cancelled, not the library
        await cancelled(task)
        raise
    if not task.done():
        await cancelled(task)
        raise BusDown(f"{what}: no answer within {timeout_s:.0f} s")
    if task.cancelled():
        raise BusDown(f"{what}: cancelled from inside")
    error = task.exception()
    if error is not None:
        raise BusDown(f"{what}: {type(error).__name__}: {error}") from error
    return task.result()


async def ended(timeout_s: float, work: Coroutine[Any, Any, Any]) -> None:
    """Run `work` for at most `timeout_s`; however it ends, there is nothing more to do about it."""
    try:
        await within(timeout_s, work, what="end")
    except BusDown as error:
        log.debug("not ended in order: %s", error)


async def cancelled(task: "asyncio.Task[Any] | None") -> None:
    """Cancel until it is done, a few times, each with a short wait."""
    for _ in range(CANCEL_ATTEMPTS):
        if task is None or task.done():
            break
        task.cancel()
        await asyncio.wait([task], timeout=CANCEL_WAIT_S)
    if task is not None and task.done() and not task.cancelled():
        task.exception()  # taken note of: asyncio complains about an error that nobody looked at
