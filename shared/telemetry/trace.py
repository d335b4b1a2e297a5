"""Which request or message are we working for? W3C Trace Context (https://www.w3.org/TR/trace-context/), through HTTP and bus."""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "traceparent"
TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace (what a citizen's or officer's act caused, over all bureaus) and our step in it."""

    trace_id: str
    span_id: str
    flags: str = "00"

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def child(self) -> "Trace":
        """A step below this one."""
        return replace(self, span_id=secrets.token_hex(SPAN_ID_BYTES))


NO_TRACE = Trace("0" * 32, "0" * 16)
_current: ContextVar[Trace] = ContextVar("quanyu_trace", default=NO_TRACE)


def new() -> Trace:
    return Trace(secrets.token_hex(TRACE_ID_BYTES), secrets.token_hex(SPAN_ID_BYTES))


def parse(header: str | None) -> Trace | None:
    """Read a traceparent header; None where it is missing or not valid (the standard says: start anew)."""
    found = _FORM.fullmatch(header or "")
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return Trace(trace_id, span_id, flags)


def current() -> Trace:
    """The trace we work in; NO_TRACE (all zeros) outside of any."""
    return _current.get()


def current_traceparent() -> str:
    """The traceparent to send on, or to keep with an outgoing message: a step below ours, or of a new trace outside of any."""
    trace = current()
    return str(new() if trace is NO_TRACE else trace.child())


@contextmanager
def trace_from(traceparent: str | None) -> Iterator[Trace]:
    """Work in a step below the given traceparent, or in a new trace where there is none."""
    parent = parse(traceparent)
    trace = parent.child() if parent else new()
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


class TraceMiddleware:
    """Continues the caller's trace, or starts one; the answer says which it was."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with trace_from(Headers(scope=scope).get(HEADER)) as trace:

            async def send_with_trace(message: Message) -> None:
                if message["type"] == "http.response.start":
                    MutableHeaders(scope=message)[HEADER] = str(trace)
                await send(message)

            await self.app(scope, receive, send_with_trace)
