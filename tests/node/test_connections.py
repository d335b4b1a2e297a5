"""What a connection may cost before anybody knows who is there: bytes and seconds of a head, bytes of a whole request."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from itertools import chain, repeat

import pytest
from fastapi import FastAPI, Request

from services.bureau import process
from services.bureau.process import HEAD_LIMIT_BYTES, REQUEST_LIMIT_BYTES, bind, server_of
from shared.web import BodyLimitMiddleware

KIB = 1024
PATIENCE_SECONDS = 0.4
HEAD = b"POST /size HTTP/1.1\r\nHost: here\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = 64 * REQUEST_LIMIT_BYTES // (64 * KIB)  # pieces
Say = Callable[..., Awaitable[bytes]]


@pytest.fixture
async def say() -> AsyncIterator[Say]:
    """Send these pieces on a new connection, with pauses, until they end or it does; what was answered until it was closed."""
    app = FastAPI()
    app.add_middleware(BodyLimitMiddleware)

    @app.post("/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    sock, server = bind("127.0.0.1", 0), server_of(app)
    serving = asyncio.create_task(server.serve([sock]))

    async def exchange(pieces: Iterable[bytes], pause: float = 0.0) -> bytes:
        reader, writer = await asyncio.open_connection(*sock.getsockname()[:2])
        told = bytearray()

        async def listen() -> None:
            with contextlib.suppress(ConnectionError):
                while piece := await reader.read(64 * KIB):
                    told.extend(piece)

        listening = asyncio.create_task(listen())
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                if listening.done():
                    break
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        await asyncio.wait_for(listening, 10)
        writer.close()
        return bytes(told)

    yield exchange
    server.should_exit = True
    await serving


def counted(pieces: Iterable[bytes], sent: list[int]) -> Iterable[bytes]:
    for piece in pieces:
        sent.append(len(piece))
        yield piece


@pytest.mark.parametrize(
    "begin",
    [b"POST /size", HEAD + b"X-Long: ", HEAD + b"X-", HEAD + CHUNKED + b"1;", HEAD + CHUNKED + b"0\r\nX-Trailer: "],
    ids=["address", "value", "name", "chunk extension", "trailer"],
)
async def test_a_head_that_does_not_end_is_cut(say: Say, begin: bytes) -> None:
    sent: list[int] = []
    await say(counted(chain([begin], repeat(b"a" * 64 * KIB, ENDLESS)), sent))
    assert sum(sent) < 2 * REQUEST_LIMIT_BYTES + 8 * 1024 * KIB  # what the network itself holds comes on top


async def test_a_long_head_is_read_and_a_longer_one_is_told_so(say: Say) -> None:
    close = b"Connection: close\r\nContent-Length: 1\r\n\r\n"
    fits = HEAD + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 900) for number in range(50)) + close + b"x"
    assert (await say([fits])).startswith(b"HTTP/1.1 200")
    piece = b"X-Long: " + b"a" * 8 * KIB + b"\r\n"
    assert (await say([HEAD, *[piece] * (4 * HEAD_LIMIT_BYTES // len(piece))])).startswith(b"HTTP/1.1 431")


async def test_a_head_that_comes_slowly_is_cut(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "HEAD_LIMIT_SECONDS", PATIENCE_SECONDS)
    for begin in (HEAD, b"\r\n"):
        sent: list[int] = []
        told = await say(counted([begin, *[b"X-A: b\r\n" if begin == HEAD else b"\r\n"] * 100], sent), PATIENCE_SECONDS / 10)
        assert (told[:12], len(sent) < 50) == (b"HTTP/1.1 408", True)
    assert await say([]) == b""


async def test_a_slow_body_and_a_second_request_are_waited_for(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "HEAD_LIMIT_SECONDS", PATIENCE_SECONDS)
    first = HEAD + b"Content-Length: 8\r\n\r\n"
    second = HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n"
    told = await say([first, *[b"x"] * 8, second], PATIENCE_SECONDS / 4)
    assert (told.count(b"HTTP/1.1 200"), told.count(b"408")) == (2, 0)
