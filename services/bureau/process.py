"""One node as one process: web door, peer door and worker in one loop, or one of them alone."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import asyncpg
import structlog
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.bureau.app import build_peer_door, build_web
from services.bureau.folder import Folder
from services.bureau.settings import Settings
from services.bureau.wiring import Overrides, SettingsError, Wiring, wire
from services.bureau.worker import Worker
from shared.messaging import doorbell
from shared.telemetry import configure_logs, logging_as

Part = Literal["all", "web", "peer", "worker"]
SHUTDOWN_SECONDS = 5
STOP_LIMIT_SECONDS = 24.0  # messaging.md 10: at most 25, whatever hangs
CUT_SECONDS = 0.05
ENDED_BY_ITSELF = 1  # exit code
BACKLOG = 512
RING_PAUSE_SECONDS = 1.0
HEAD_LIMIT_BYTES = 64 * 1024  # cookies of four bureaus and a long search are 8 KiB; the parser below has no limit of its own
HEAD_LIMIT_SECONDS = 20.0  # from the first byte, or from the connection, to the end of the headers
REQUEST_LIMIT_BYTES = 8 * 1024 * 1024  # all of it, with what a chunked body has around its bytes; bodies have their own limit


class PortTaken(Exception):
    """The address is in use or not ours; the text names it."""


class _Connection(HttpToolsProtocol):
    """uvicorn's, which would keep headers of any length, and wait for their end for ever."""

    _reads_head = True
    _head_bytes = 0
    _request_bytes = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._request_bytes += len(data)
        if self._reads_head:
            self._head_bytes += len(data)
            self._wait_for_head()
        super().data_received(data)
        if self._reads_head and self._head_bytes > HEAD_LIMIT_BYTES:
            self._cut(b"431 Request Header Fields Too Large")
        elif self._request_bytes > REQUEST_LIMIT_BYTES:
            self._cut(b"413 Content Too Large")

    def on_headers_complete(self) -> None:
        self._reads_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._reads_head, self._head_bytes, self._request_bytes = True, 0, 0
        super().on_message_complete()

    def _wait_for_head(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(HEAD_LIMIT_SECONDS, self._cut, b"408 Request Timeout")

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _cut(self, status: bytes) -> None:
        """Say why, if something was asked and nothing else is being said."""
        if self.transport.is_closing():
            return
        if self._request_bytes and (self.cycle is None or self.cycle.response_complete):
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: two servers and a worker share one process, which handles them once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but connections with nothing left to say are cut: a peer's pool would never answer TLS's goodbye."""
        self._cut_quiet()  # before uvicorn closes them: a TLS connection that is closed twice cannot be cut any more
        cutting = asyncio.create_task(self._cut_as_they_end())
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()

    async def _cut_as_they_end(self) -> None:
        while True:
            await asyncio.sleep(CUT_SECONDS)
            self._cut_quiet()

    def _cut_quiet(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpToolsProtocol) and _is_quiet(connection):
                connection.transport.abort()


def _is_quiet(connection: HttpToolsProtocol) -> bool:
    """No request is being answered and every byte of the last answer has left."""
    if connection.cycle is not None and not connection.cycle.response_complete:
        return False
    try:
        return not connection.transport.get_write_buffer_size()
    except AttributeError:  # CPython's TLS transport after a second close(): nothing can be said of it, or done
        return False


def run_node(profile_folder: Path, *, only: Part = "all", overrides: Overrides | None = None, **settings: Any) -> None:
    """Run the node of one bureau until SIGTERM or SIGINT. Raises SettingsError, PortTaken, KeyFileError, TrustListRefused.

    Raises SystemExit with ENDED_BY_ITSELF when a part has ended without being told to: whoever supervises us starts us again."""
    made = _settings(bureau=profile_folder.name, profile_folder=profile_folder, **settings)
    configure_logs(made.log_level)
    giving_up = threading.Timer(STOP_LIMIT_SECONDS, _give_up)
    giving_up.daemon = True
    with logging_as(made.bureau):
        was_told = asyncio.run(serve(wire(made, overrides), only=only, ending=giving_up.start))
    giving_up.cancel()
    if not was_told:
        sys.exit(ENDED_BY_ITSELF)


def _settings(**given: Any) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as error:  # its own text shows what was given, which may hold a password
        faults = [f"QUANYU_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        raise SettingsError("; ".join(faults)) from None


def _give_up() -> None:
    """What still waits (a database that hangs) will wait on; everything is right after kill -9, so also after this."""
    structlog.get_logger(__name__).warning("node_stopped_hard", after_seconds=STOP_LIMIT_SECONDS)
    os._exit(1)


async def serve(wiring: Wiring, *, only: Part = "all", ending: Callable[[], None] = lambda: None) -> bool:
    """Serve the wanted parts until a signal comes, then end in order; `ending` is called when that begins.

    False: a part ended without a signal, which ends the others, too; why is in the log."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    folder = Folder(wiring, serves_peers=only in ("all", "peer"), has_worker=only in ("all", "worker"))
    servers, sockets = _servers(wiring, only, folder)
    worker = Worker(wiring, alone=only == "worker") if only in ("all", "worker") else None
    helpers = [asyncio.create_task(folder.watch(), name="folder")]
    tasks = [
        asyncio.create_task(server.serve([sock]), name=f"port {sock.getsockname()[1]}")
        for server, sock in zip(servers, sockets, strict=True)
    ]
    if worker is not None:
        tasks.append(asyncio.create_task(worker.run(), name="worker"))
    else:
        helpers.append(asyncio.create_task(_ring(wiring), name="doorbell"))
    logger = structlog.get_logger(__name__)
    logger.info("node_started", bureau=wiring.settings.bureau, pid=os.getpid(), parts=only)
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    was_told = stopping.is_set()
    ended = [task for task in tasks if task.done()]
    ending()
    for helper in (stopped, *helpers):
        helper.cancel()
    for server in servers:
        server.should_exit = True
    if worker is not None:
        await worker.stop()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for task, result in zip(tasks, results, strict=True):
        if isinstance(result, BaseException):
            logger.error("part_failed", part=task.get_name(), exc_info=result)
        elif task in ended and not was_told:
            logger.error("part_ended", part=task.get_name())
    await wiring.close()
    logger.info("node_stopped", bureau=wiring.settings.bureau)
    return was_told


async def _ring(wiring: Wiring) -> None:
    """A door without a worker: ring for the worker's process; while the database is away the relay's sweep does."""
    while True:
        try:
            await doorbell.ring(wiring.settings.database_url, wiring.relay.wake)
        except (
            OSError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ):  # the last: a farewell half heard
            await asyncio.sleep(RING_PAUSE_SECONDS)


def _servers(wiring: Wiring, only: Part, folder: Folder) -> tuple[list[_Server], list[socket.socket]]:
    settings, profile = wiring.settings, wiring.profile
    servers, sockets = [], []
    if only in ("all", "web"):
        servers.append(server_of(build_web(wiring), proxies=settings.proxies()))
        sockets.append(bind(settings.host, settings.web_port or profile.web_port))
    if folder.door is not None:
        servers.append(server_of(build_peer_door(wiring), folder.door.context))
        sockets.append(bind(settings.host, settings.peer_port or profile.peer_port))
    return servers, sockets


def server_of(app: FastAPI, context: ssl.SSLContext | None = None, *, proxies: Sequence[str] = ()) -> _Server:
    """`proxies`: whose X-Forwarded-For and X-Forwarded-Proto count. uvicorn's own defaults would believe loopback, and the
    environment's FORWARDED_ALLOW_IPS."""
    return _Server(
        uvicorn.Config(
            app,
            http=_Connection,
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            ssl_context_factory=None if context is None else lambda config, default: context,
        )
    )


def bind(host: str, port: int) -> socket.socket:
    """Bind before anything else, so that a taken port is one clear sentence."""
    # The protocol by name: asyncio switches Nagle's algorithm off only where it reads TCP, and with it on every answer on a kept
    # connection waits 40 ms for the client's delayed acknowledgement.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return bound
