"""Ctrl-C, SIGTERM and a closed terminal end a run in order: the first one interrupts, none breaks off the stopping."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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
    if threading.current_thread() is not threading.main_thread():  # signals interrupt the main thread only
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda sent, frame: came.append(sent)) for number in _heard()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for sent in came:
        signal.raise_signal(sent)


def _heard() -> list[signal.Signals]:
    """All of SIGNALS, but under nohup a closed terminal ends nothing."""
    return [number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
