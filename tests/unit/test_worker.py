"""The loops of a node: their supervisor, and what they take from a peer."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import pytest

from services.bureau import worker as loops
from services.bureau.worker import Worker
from shared.database import DatabaseDown
from shared.envelope import TooLarge, TrustListRefused
from shared.envelope.trust_list import LIST_LIMIT_BYTES
from shared.peers import ListTold, fetch_list, newest_list

CHUNK_BYTES = 64 * 1024

LIMIT_SECONDS = 5.0


class Endless(httpx.AsyncByteStream):
    """A body without an end; says how much of it was taken."""

    def __init__(self) -> None:
        self.taken_bytes = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.taken_bytes += CHUNK_BYTES
            yield bytes(CHUNK_BYTES)


async def test_a_trust_list_without_an_end_is_cut_at_the_limit() -> None:
    body = Endless()
    transport = httpx.MockTransport(lambda request: httpx.Response(200, stream=body))
    async with httpx.AsyncClient(transport=transport, base_url="http://peer.invalid") as client:
        with pytest.raises(TooLarge):
            await fetch_list(client, 2)
    assert LIST_LIMIT_BYTES < body.taken_bytes <= LIST_LIMIT_BYTES + CHUNK_BYTES


@pytest.mark.parametrize("body", [b"", b"[]", b'{"payload":"e30","signatures":[]}', b"x" * (LIST_LIMIT_BYTES + 1)])
async def test_what_is_no_trust_list_tells_no_version(body: bytes) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    async with httpx.AsyncClient(transport=transport, base_url="http://peer.invalid") as client:
        with pytest.raises((TrustListRefused, TooLarge)):
            await newest_list(client)


async def test_a_trust_list_that_was_packed_is_not_unpacked() -> None:
    transport = httpx.MockTransport(
        lambda request: httpx.Response(
            200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(gzip.compress(bytes(9)))
        )
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://peer.invalid") as client:
        with pytest.raises(httpx.DecodingError, match="packed"):
            await fetch_list(client, 2)


@pytest.mark.parametrize(("status", "found"), [(200, b"a list"), (404, None), (500, None)])
async def test_a_peer_that_has_no_such_list_is_asked_no_further(status: int, found: bytes | None) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(status, content=b"a list"))
    async with httpx.AsyncClient(transport=transport, base_url="http://peer.invalid") as client:
        assert await fetch_list(client, 2) == found


async def test_a_loop_whose_clean_up_fails_still_ends_when_it_is_told_to() -> None:
    # A relay gives its lease back; with the database away that fails, and the node must stop all the same.
    async def loop() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise DatabaseDown("relay.free: away")

    node = SimpleNamespace(trust=SimpleNamespace(current=SimpleNamespace(version=1)))
    wiring: Any = SimpleNamespace(node=node, health=SimpleNamespace(failed=lambda name, error: None))
    task = asyncio.create_task(Worker(wiring)._supervise("prepare", loop))
    await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=LIMIT_SECONDS)
    assert done == {task}


async def test_a_peer_is_asked_for_its_list_again_until_it_is_known_to_have_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"TRUST_PAUSE_SECONDS": 0.001, "TRUST_AGAIN_SECONDS": 0.01, "TRUST_LOOK_SECONDS": LIMIT_SECONDS}.items():
        monkeypatch.setattr(loops, name, seconds)
    ours = ListTold(2, "ours")
    trust = SimpleNamespace(version=2, digest="ours", peers_of=lambda bureau: [SimpleNamespace(code="zhejiang")])
    quiet = SimpleNamespace(unknown_key=asyncio.Event())
    wiring: Any = SimpleNamespace(
        node=SimpleNamespace(trust=SimpleNamespace(current=trust)),
        settings=SimpleNamespace(bureau="shanghai"),
        receiver=quiet,
        peer_server=quiet,
        health=SimpleNamespace(progressed=lambda name: None),
    )
    worker, told = Worker(wiring), iter([None, ListTold(1, "older"), ListTold(2, "fork"), ours])
    asked: list[ListTold | None] = []
    last = asyncio.Event()

    async def ask() -> None:
        asked.append(answer := next(told, None))
        if answer is not None:
            worker._told["zhejiang"] = answer
        if answer == ours:
            last.set()

    monkeypatch.setattr(worker, "_ask_peers", ask)
    task = asyncio.create_task(worker._trust())
    async with asyncio.timeout(LIMIT_SECONDS):
        await last.wait()
    await asyncio.sleep(0.1)  # ten times as long as it waited before
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(asked) == 4
