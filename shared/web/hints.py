"""Hints for pages that follow what happens: "something changed", never what. The page fetches its state by its own rules.

A hint is sent after a commit and may be lost (another process, a cut stream): pages fetch again when the stream is back, when
they are looked at, and now and then.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from shared.web.problems import TooManyRequests

ALIVE_SECONDS = 5.0
STREAM_SECONDS = 600.0  # then the browser asks again, and whether it may is judged anew
STREAMS_OF_ONE = 32  # windows of one listener; each costs a connection and a task
CHANGING = ("transfers.", "population.", "receive ", "operations.", "peers.door")
READS = (".read", ".look_up_origin", ".verify", ".bound", ".track", ".prove", ".end")  # who only looks wakes nobody


class Hints:
    """Of one process. `committed` is told the name of each unit of work that has been committed."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()
        self._streams: Counter[str] = Counter()

    def committed(self, unit: str) -> None:
        if unit.startswith(CHANGING) and not unit.endswith(READS):
            for event in self._waiting:
                event.set()

    def stream(self, listener: str) -> AsyncIterator[bytes]:
        """Server-sent events `changed` and `alive`, until STREAM_SECONDS are over. Raises TooManyRequests."""
        if self._streams[listener] >= STREAMS_OF_ONE:
            raise TooManyRequests
        return self._stream(listener)

    async def _stream(self, listener: str) -> AsyncIterator[bytes]:
        changed, ends_at = asyncio.Event(), asyncio.get_running_loop().time() + STREAM_SECONDS
        self._waiting.add(changed)
        self._streams[listener] += 1
        try:
            yield b"event: alive\ndata: .\n\n"
            while asyncio.get_running_loop().time() < ends_at:
                try:
                    await asyncio.wait_for(changed.wait(), ALIVE_SECONDS)
                except TimeoutError:
                    yield b"event: alive\ndata: .\n\n"
                else:
                    changed.clear()
                    yield b"event: changed\ndata: .\n\n"
        finally:
            self._waiting.discard(changed)
            self._streams[listener] -= 1
            self._streams += Counter()  # forgets who listens no more
