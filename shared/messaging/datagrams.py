"""The doorbell of a reader of the local bus: a datagram to its port on this machine says "look now"."""

import asyncio
from contextlib import suppress
from typing import Any


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._transport: asyncio.BaseTransport | None = None
        self.port = 0

    async def bind(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._rung.set()

    def clear(self) -> None:
        self._rung.clear()

    async def wait(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), timeout_s)

    def close(self) -> int:
        if self._transport is not None:
            self._transport.close()
        return self.port
