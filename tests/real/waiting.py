"""Waiting, always bounded; and noting how long it took."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

STATE_SECONDS = 45.0  # less than the 60 s after which a permit is asked for again: what was lost is not healed unseen
POLL_SECONDS = 0.03


class Measured(Protocol):
    """Notes a figure for the end of the run: what, and how much (seconds, unless it says otherwise)."""

    def __call__(self, what: str, value: float) -> None: ...


async def until(true: Callable[..., bool | Awaitable[bool]], *of: Any, seconds: float = STATE_SECONDS) -> float:
    """Return when `true(*of)` is; gives the seconds it took. AssertionError when it does not become so."""
    started = time.monotonic()
    while time.monotonic() < started + seconds:
        found = true(*of)
        if found if isinstance(found, bool) else await found:
            return time.monotonic() - started
        await asyncio.sleep(POLL_SECONDS)
    raise AssertionError(f"not so after {seconds:.0f} s: {getattr(true, '__name__', true)} {of}")


async def ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
