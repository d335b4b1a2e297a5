"""Ctrl-C, SIGTERM and a closed terminal end a run in order: the first one interrupts, none breaks off the stopping."""

import signal
from collections.abc import Callable, Mapping
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
        heard = [number for number in SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]  # nohup
        self._before = {number: signal.signal(number, self._interrupt) for number in heard}
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
