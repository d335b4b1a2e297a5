"""A node reads at most 500 KiB, declared or not, and waits for them only so long."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from shared.web import BODY_LIMIT_BYTES, BodyLimitMiddleware, limits

KIB = 1024
HEADERS = [(b"content-length", b"10")]


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.add_middleware(BodyLimitMiddleware)

    @app.post("/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    return TestClient(app)


def chunks(kib: int) -> Iterator[bytes]:
    for _ in range(kib):
        yield b"x" * KIB


@pytest.mark.parametrize("kib", [0, 1, 499, 500])
def test_body_within_the_limit_arrives_whole(client: TestClient, kib: int) -> None:
    assert client.post("/size", content=b"x" * kib * KIB).json() == kib * KIB
    assert client.post("/size", content=chunks(kib)).json() == kib * KIB


@pytest.mark.parametrize("kib", [501, 600, 8000])
def test_larger_body_is_refused_with_and_without_length(client: TestClient, kib: int) -> None:
    for content in (b"x" * kib * KIB, chunks(kib)):
        answer = client.post("/size", content=content)
        assert answer.status_code == 413
        assert answer.headers["connection"] == "close"
        [error] = answer.json()["errors"]
        assert (error["rule"], error["en"]) == ("body_too_large", "the body has more than 500 KiB")


def test_one_byte_too_many_is_too_many(client: TestClient) -> None:
    assert client.post("/size", content=b"x" * (BODY_LIMIT_BYTES + 1)).status_code == 413


class Called(Exception):
    """The application was reached."""


async def never_called(scope: Any, receive: Any, send: Any) -> None:
    raise Called


async def send_to(middleware: BodyLimitMiddleware, receive: Any) -> list[Any]:
    """What the middleware sends for a POST whose body comes from `receive`."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await middleware({"type": "http", "method": "POST", "path": "/", "headers": HEADERS}, receive, send)
    return sent


async def test_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_LIMIT_SECONDS", 0.01)

    async def receive() -> Any:
        await asyncio.sleep(60)

    sent = await send_to(BodyLimitMiddleware(never_called), receive)
    assert sent[0]["status"] == 408


async def test_client_that_goes_away_gets_no_answer() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    assert await send_to(BodyLimitMiddleware(never_called), receive) == []


async def test_endless_body_is_not_read_to_its_end() -> None:
    read = 0

    async def receive() -> Any:
        nonlocal read
        read += 64 * KIB
        return {"type": "http.request", "body": b"x" * 64 * KIB, "more_body": True}

    sent = await send_to(BodyLimitMiddleware(never_called), receive)
    assert sent[0]["status"] == 413
    assert read <= BODY_LIMIT_BYTES + limits.DRAIN_LIMIT_BYTES + 64 * KIB


async def test_application_learns_that_the_client_left_after_its_body() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend([(await receive())["type"], (await receive())["type"]])

    messages = iter([{"type": "http.request", "body": b"x" * 10}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    await send_to(BodyLimitMiddleware(app), receive)
    assert seen == ["http.request", "http.disconnect"]


async def test_only_http_is_limited() -> None:
    with pytest.raises(Called):
        await BodyLimitMiddleware(never_called)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # never used
