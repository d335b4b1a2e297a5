"""Asking another bureau. A question changes nothing at the peer but receipt and audit, so asking again is safe.

PeerError
 ├─ PeerDown      no answer: it cannot be asked, is unreachable, too slow, or sent an unsigned problem ("no answer" is never "no")
 └─ PeerRefused   the peer answered, sealed, that it will not, or not now
"""

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit
from uuid import UUID

import httpx2 as httpx  # the maintained continuation of httpx
import structlog
from sqlalchemy import CursorResult, TextClause
from uuid_utils.compat import uuid7

from shared.contract.questions import Answer, Asked, Asker, Problem, Question
from shared.contract.registry import ContentError, decode_answer, encode_question, schema_of
from shared.database import Database, DatabaseDown, Session
from shared.envelope import ENVELOPE_LIMIT_BYTES, EnvelopeError, Opened, Place, Refused, TooLarge, open_envelope, seal
from shared.envelope.form import read_base64_object
from shared.messaging.statements import PEER_ANSWERED, PEER_CERTIFICATE, PEER_CLOCK, PEER_LIST, PEER_OPENED, PEER_TRIED
from shared.telemetry import current_traceparent

CONNECT_SECONDS = 2.0
HTTPS_PORT = 443
WHOLE_SECONDS = 5.0  # somebody stands at the counter
REPEATS = 2  # a restarting peer or a lost connection; each repeat is a new question
PAUSE_SECONDS = 0.1
CONTENT_TYPE = "application/jose"
AS_SENT = {"accept-encoding": "identity"}  # what unpacks to a thousand times its size would not be cut in time
DOOR_CHANGED = "peers.door"  # what pages want to hear of, as if it were a unit's name
DOOR_ERROR = "its door did not open"
LOOK_EVERY_SECONDS = 5.0  # an operator sees within ten seconds that a peer's door is shut
LOOK_SECONDS = 2.0  # TCP and TLS; a door that needs longer is as good as shut
MAX_ERROR_CHARACTERS = 200
CLOCK_NOTED_SECONDS = 60.0  # at most so often a peer: clocks drift slowly, and questions may be many
STALE = "stale"  # the code of a signed answer whose time differs too much from ours

A = TypeVar("A", bound=Answer)
Transport = Callable[[str], httpx.AsyncBaseTransport | None]

logger = structlog.get_logger(__name__)


class PeerError(Exception):
    """The peer's answer is not to be had."""


class PeerDown(PeerError):
    """The peer gave no answer."""

    def __init__(self, bureau: str, reason: str) -> None:
        super().__init__(f"{bureau}: {reason}")
        self.bureau = bureau
        self.reason = reason


class PeerRefused(PeerError):
    """The peer answered that it will not tell, or not now (`problem.retry_after`)."""

    def __init__(self, bureau: str, problem: Problem) -> None:
        super().__init__(f"{bureau}: {problem.status} {problem.code}: {problem.title}")
        self.bureau = bureau
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Clock:
    """How far a peer's clock is ahead of ours; the truth lies within `within_ms` of it on either side."""

    ahead_ms: int
    within_ms: int
    at: datetime

    @classmethod
    def read(cls, iat: int, *, asked: datetime, answered: datetime) -> "Clock":
        """An answer was signed between `asked` and `answered`, at a time that its whole second `iat` cuts off."""
        least = iat * 1000 - answered.timestamp() * 1000
        most = (iat + 1) * 1000 - asked.timestamp() * 1000
        return cls(round((least + most) / 2), max(0, round((most - least) / 2)), answered)


class PeerClient:
    """Asks for one bureau; keeps one connection pool a peer. `transport_to` replaces the network in tests."""

    def __init__(
        self,
        database: Database,
        tls: Callable[[], ssl.SSLContext],
        transport_to: Transport | None = None,
        counted: Callable[[str, str, str], None] = lambda peer, question, outcome: None,
    ) -> None:
        """`counted` is told of each question: peer, name, and answered, refused or no_answer."""
        self._database = database
        self._tls = tls
        self._transport_to = transport_to
        self._counted = counted
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._doors_open: set[str] = set()  # whose door opened when this process looked last
        self._answering: set[str] = set()  # who has answered this process: what an earlier one noted of it is over
        self._certificates: dict[str, int] = {}  # by bureau: when the one that its door showed ends
        self._clock_noted: dict[str, datetime] = {}
        self.clocks: dict[str, Clock] = {}  # by bureau, of its last signed answer
        self.errors: dict[str, str] = {}  # by bureau: why the last question got no answer

    async def ask(self, bureau: str, question: Question, *, asker: Asker, answer: type[A], key: str = "") -> A:
        """The peer's answer to `question`; `answer` is the class it must have, `key` the case. Raises PeerDown, PeerRefused."""
        name = type(question).__name__
        try:
            told = await self._ask_patiently(bureau, question, asker, answer, key)
        except PeerRefused:
            self._counted(bureau, name, "refused")
            raise
        except PeerDown as down:
            self._counted(bureau, name, "no_answer")
            await self._note(bureau, down.reason)
            raise
        self._counted(bureau, name, "answered")
        if self.errors.pop(bureau, None) or bureau not in self._answering:
            self._answering.add(bureau)
            await self._change(PEER_ANSWERED, {"bureau": bureau})
        return told

    async def look(self, bureau: str) -> None:
        """Whether the peer's door opens, TCP and TLS; noted while it does not, and when it does again. Asks nothing.

        Without it a peer that nobody asks would pass for reachable. Where there is no TLS (all in one process) nobody looks."""
        listed = self._database.node.trust.current.bureau(bureau)
        address = urlsplit("" if listed is None else listed.peer)
        if self._transport_to is not None or address.scheme != "https" or address.hostname is None:
            return
        error, ends_at = None, None
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                _, writer = await asyncio.open_connection(
                    address.hostname, address.port or HTTPS_PORT, ssl=self._tls(), server_hostname=address.hostname
                )
                ends_at = _end_of_certificate(writer.get_extra_info("ssl_object"))
                writer.close()
        except TimeoutError:
            error = f"{DOOR_ERROR} within {LOOK_SECONDS:.0f} s"
        except (OSError, EnvelopeError) as refused:
            error = f"{DOOR_ERROR}: {type(refused).__name__}"
        if error is not None:
            self._doors_open.discard(bureau)
            await self._keep(bureau, error)
        elif bureau not in self._doors_open:
            self._doors_open.add(bureau)
            row = {"bureau": bureau, "error": self.errors.get(bureau), "door_error": DOOR_ERROR}
            await self._change(PEER_OPENED, row)
        if ends_at is not None and self._certificates.get(bureau) != ends_at:
            self._certificates[bureau] = ends_at
            ends = datetime.fromtimestamp(ends_at, UTC)
            await self._write(PEER_CERTIFICATE, {"bureau": bureau, "ends_at": ends}, name="peers.certificate")

    async def note_list(self, bureau: str, *, version: int, digest: str) -> None:
        """Which trust list the peer serves now."""
        row = {"bureau": bureau, "version": version, "digest": digest, "now": self._database.node.machine_now()}
        await self._write(PEER_LIST, row, name="peers.list")

    async def _ask_patiently(self, bureau: str, question: Question, asker: Asker, answer: type[A], key: str) -> A:
        """The answer within WHOLE_SECONDS, asked again when the connection breaks. Raises PeerDown, PeerRefused."""
        problem = "never tried"
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                for attempt in range(1 + REPEATS):
                    if attempt:
                        await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
                    try:
                        return await self._ask_once(bureau, question, asker, answer, key)
                    except (httpx.HTTPError, OSError) as error:
                        # A TLS refusal after the handshake shows only as a lost connection: say both.
                        problem = f"{type(error).__name__} (unreachable, or it refused our certificate)"
        except TimeoutError:
            problem = f"no answer within {WHOLE_SECONDS:.0f} s"
        raise PeerDown(bureau, problem)

    async def _ask_once(self, bureau: str, question: Question, asker: Asker, answer: type[A], key: str) -> A:
        node = self._database.node
        trust, jti, capability, asked = node.trust.current, uuid7(), question.capability, node.machine_now()
        try:
            envelope = seal(
                encode_question(Asked(question, asker)),
                place=Place("question", capability, path=question.path, key=key),
                to=bureau,
                ring=node.ring,
                trust=trust,
                now=int(node.machine_now().timestamp()),
                jti=jti,
                incarnation=node.incarnation,
                schema=schema_of(capability),
            )
            client = self._client(bureau)
        except EnvelopeError as error:  # no usable key of ours or for it, no certificate, a question over the limit
            raise PeerDown(bureau, f"it cannot be asked: {error}") from error
        try:
            raw = await self._exchange(client, bureau, question.path, envelope)
            opened = await self._open(raw, bureau, Place("answer", capability, path=question.path, key=key), jti, asked)
            told = decode_answer(opened.content, question=type(question))
        except (EnvelopeError, ContentError) as error:
            raise PeerDown(bureau, f"its answer was refused: {error}") from error
        if isinstance(told, Problem):
            raise PeerRefused(bureau, told)
        if not isinstance(told, answer):
            raise PeerDown(bureau, f"its answer is a {type(told).__name__}")
        return told

    async def _open(self, raw: bytes, bureau: str, place: Place, jti: UUID, asked: datetime) -> Opened:
        """The answer to the question `jti`, asked at `asked`. Raises EnvelopeError. Its time tells the peer's clock."""
        node, answered = self._database.node, self._database.node.machine_now()
        try:
            opened = open_envelope(
                raw,
                place=place,
                ring=node.ring,
                trust=node.trust.current,
                seen={},
                now=int(answered.timestamp()),
                expect_re=jti,
                expect_iss=bureau,
            )
        except Refused as refused:
            if refused.code == STALE:  # its signature was verified: a clock that is as wrong as that is worth knowing
                iat = int(read_base64_object(raw.split(b".")[1])["h"]["iat"])
                await self._note_clock(bureau, Clock.read(iat, asked=asked, answered=answered))
            raise
        await self._note_clock(bureau, Clock.read(opened.iat, asked=asked, answered=answered))
        return opened

    @staticmethod
    async def _exchange(client: httpx.AsyncClient, bureau: str, path: str, envelope: bytes) -> bytes:
        """The bytes that come back for the envelope, as yet believed by nobody. Raises PeerDown, TooLarge."""
        headers = {"content-type": CONTENT_TYPE, "traceparent": current_traceparent()} | AS_SENT
        async with client.stream("POST", path, content=envelope, headers=headers) as response:
            if response.headers.get("content-type", "") != CONTENT_TYPE:
                raise PeerDown(bureau, f"unsigned problem {response.status_code}")
            return await read_at_most(response, ENVELOPE_LIMIT_BYTES)

    def _client(self, bureau: str) -> httpx.AsyncClient:
        if bureau not in self._clients:
            listed = self._database.node.trust.current.bureau(bureau)
            if listed is None:
                raise PeerDown(bureau, "not in the trust list")
            transport = None if self._transport_to is None else self._transport_to(bureau)
            timeout = httpx.Timeout(WHOLE_SECONDS, connect=CONNECT_SECONDS)
            verify: ssl.SSLContext | bool = False if transport is not None else self._tls()
            # No proxy out of the environment: whom we talk to stands in the trust list, and nothing but settings reads it.
            self._clients[bureau] = httpx.AsyncClient(
                base_url=listed.peer, transport=transport, timeout=timeout, verify=verify, trust_env=False
            )
        return self._clients[bureau]

    async def _note(self, bureau: str, error: str) -> None:
        """Why a question got no answer."""
        self.errors[bureau] = error
        logger.warning("peer_gave_no_answer", peer=bureau, error=error)
        await self._keep(bureau, error)

    async def _keep(self, bureau: str, error: str) -> None:
        """Keep the last attempt for the operators' pages."""
        now = self._database.node.machine_now()
        await self._change(PEER_TRIED, {"bureau": bureau, "now": now, "error": error[:MAX_ERROR_CHARACTERS]})

    async def _change(self, statement: TextClause, row: Mapping[str, Any]) -> None:
        """Whether the peer passes for reachable: open pages hear of it when that changes, not of each look."""
        if await self._write(statement, row, name="peers.note"):
            self._database.committed(DOOR_CHANGED)

    async def _note_clock(self, bureau: str, clock: Clock) -> None:
        self.clocks[bureau] = clock
        noted = self._clock_noted.get(bureau)
        if noted is None or abs((clock.at - noted).total_seconds()) >= CLOCK_NOTED_SECONDS:
            self._clock_noted[bureau] = clock.at
            row = {"bureau": bureau, "ahead_ms": clock.ahead_ms, "within_ms": clock.within_ms, "now": clock.at}
            await self._write(PEER_CLOCK, row, name="peers.clock")

    async def _write(self, statement: TextClause, row: Mapping[str, Any], *, name: str) -> Any:
        """What the statement tells, if it tells anything. A database that is down too must not hide the peer's fault."""

        async def unit(session: Session) -> Any:
            done = cast(CursorResult[Any], await session.execute(statement, row))
            return done.scalar_one_or_none() if done.returns_rows else None

        try:
            return await self._database.run(unit, name=name)
        except DatabaseDown:
            logger.warning("peer_not_kept", peer=row["bureau"], what=name)
            return None

    async def renew(self) -> None:
        """After a new trust list: forget connections and certificates, the next question makes new ones."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()

    async def close(self) -> None:
        await self.renew()


def _end_of_certificate(connection: ssl.SSLObject | None) -> int | None:
    """Unix seconds; None where the peer showed none that we verified."""
    shown = None if connection is None else connection.getpeercert()
    return int(ssl.cert_time_to_seconds(str(shown["notAfter"]))) if shown and "notAfter" in shown else None


async def read_at_most(response: httpx.Response, limit_bytes: int) -> bytes:
    """The body of a streamed answer to a request with AS_SENT. Raises TooLarge before more is in memory, httpx.DecodingError."""
    if "content-encoding" in response.headers:
        raise httpx.DecodingError("packed, although it was asked for as it is")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit_bytes:
            raise TooLarge(len(body), limit_bytes)
    return bytes(body)
