"""Ctrl-C, SIGTERM and a closed terminal end a run in order: the first one interrupts, none breaks off the stopping."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, TypeVar

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
T = TypeVar("T")
Handler = Callable[[int, FrameType | None], Any] | int | None


class Interrupts:
    """`with Interrupts() as interrupts:` in the main thread. The first signal raises KeyboardInterrupt, later ones do nothing."""

    def __init__(self) -> None:
        self._before: Mapping[signal.Signals, Handler] = {}
        self._held = False

    def __enter__(self) -> "Interrupts":
        self._before = {number: signal.signal(number, self._interrupt) for number in _heard()}
        return self

    def hold(self) -> None:
        """From now on nothing interrupts: what follows is stopping, and bounded."""
        self._held = True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if not self._held:
            self._held = True
            raise KeyboardInterrupt


@contextmanager
def finished_first() -> Iterator[None]:
    """What begins in here is finished before a signal interrupts: a child that was started is always known to who stops it."""
    came: list[int] = []
    with _heard_by(came.append):
        yield
    for sent in came:
        signal.raise_signal(sent)


def run_interruptibly(work: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, but a signal cancels the work and interrupts when that has ended.

    An exception in whatever code the signal meets, say an extension in C that answers the loop, can crash the process."""
    came: list[int] = []
    cancelling: list[Callable[[], object]] = []

    async def watched() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise AssertionError("a coroutine runs in a task")
        cancelling.append(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            return await work
        finally:
            cancelling.clear()

    def interrupt(sent: int) -> None:
        came.append(sent)
        for cancel in cancelling:
            cancel()

    try:
        with _heard_by(interrupt):
            return asyncio.run(watched())
    finally:
        for sent in came:
            signal.raise_signal(sent)


@contextmanager
def _heard_by(handler: Callable[[int], object]) -> Iterator[None]:
    before = {number: signal.signal(number, lambda sent, frame: handler(sent)) for number in _heard()}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _heard() -> list[signal.Signals]:
    """All of SIGNALS, but under nohup a closed terminal ends nothing; none outside of the main thread, where none interrupts."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
