"""Limits before work: how much a node reads, how long it waits for it, and what happens when something breaks unexpectedly.

And what every answer says to who would keep it."""

import asyncio

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.web.problems import BodyTooLarge, BodyTooSlow, InvalidInput, ProblemError, Unexpected
from shared.web.texts import preferred_language

BODY_LIMIT_BYTES = 500 * 1024  # the envelope's limit too: what an officer may enter can always be sent on
BODY_LIMIT_SECONDS = 30  # 500 KiB over 20 KiB/s; a slower client holds a connection for nothing
DRAIN_LIMIT_BYTES = 4 * 1024 * 1024  # read and thrown away, so that a client still sending can read its 413


FILES = "multipart/"  # nobody sends files here, and its parser decodes by whatever charset the sender names, in its own time


class BodyLimitMiddleware:
    """Reads the whole body before anything is parsed, with or without Content-Length; the application gets it in one piece."""

    def __init__(self, app: ASGIApp, *, limit_bytes: int = BODY_LIMIT_BYTES) -> None:
        self.app = app
        self.limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        if Headers(scope=scope).get("content-type", "").lower().startswith(FILES):
            await _answer(_no_files(), scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_LIMIT_SECONDS):
                body = await self._read(scope, receive)
        except TimeoutError:
            await _answer(BodyTooSlow(), scope, receive, send)
        except BodyTooLarge as problem:
            await _answer(problem, scope, receive, send)
        else:
            if body is not None:
                await self.app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body, or None when the client went away; raises BodyTooLarge."""
        declared = Headers(scope=scope).get("content-length", "")
        size, chunks, more = 0, [], True
        too_large = declared.isdecimal() and int(declared) > self.limit_bytes
        while more and size <= self.limit_bytes + DRAIN_LIMIT_BYTES:
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunk = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(chunk)
            too_large = too_large or size > self.limit_bytes
            if not too_large:
                chunks.append(chunk)
        if too_large:
            raise self._too_large()
        return b"".join(chunks)

    def _too_large(self) -> BodyTooLarge:
        message = N_("the body has more than {limit} KiB")
        values = {"limit": self.limit_bytes // 1024}
        return BodyTooLarge(faults=[Fault("", "body_too_large", "Quanyu API", message, values)])


def _no_files() -> InvalidInput:
    return InvalidInput(faults=[Fault("Content-Type", "content_type", "RFC 9110", N_("forms with files are not taken here"), {})])


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


class UnexpectedErrorMiddleware:
    """Logs what nobody foresaw and answers 500 without details; outside of it the server would log with less care."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except ClientDisconnect:
            return  # nobody is there to answer, and nothing of ours is wrong
        except Exception:
            if scope["type"] != "http":
                raise
            log = structlog.get_logger(__name__)
            await log.aexception("unexpected error", method=scope["method"], path=scope["path"])
            if started:  # the client must not take half an answer for a whole one
                raise
            await _answer(Unexpected(), scope, receive, send)


class UnkeptMiddleware:
    """What says nothing else is kept nowhere and taken for nothing but what it says it is: answers hold persons' data."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unkept(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        await self.app(scope, receive, send_unkept)


async def _answer(problem: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    language = preferred_language(Headers(scope=scope).get("accept-language"))
    await problem.response(language=language)(scope, receive, send)
