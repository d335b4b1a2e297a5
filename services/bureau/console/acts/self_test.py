"""Whether a peer can be reached, step by step: its port, its TLS, its sealed answer, the bus between us, its trust list."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx2 as httpx  # the maintained continuation of httpx
from sqlalchemy import bindparam, select, text
from uuid_utils.compat import uuid7

from services.bureau.access.rules import OPERATIONS
from shared.contract.questions import NODE_ROLE, Asker, TransferState, TransferStateAnswer
from shared.database import Session
from shared.envelope import EnvelopeError, tls_client_context
from shared.envelope.trust_list import Bureau
from shared.messaging.bus import BusDown
from shared.messaging.tables import receipt
from shared.peers import Clock, ListTold, PeerError, list_client, newest_list
from shared.web import NotFound

WHOLE_SECONDS = 5.0  # an operator looks at it; a peer that needs longer is as good as down
HTTPS_PORT = 443
SENT_LOOKED_AT = 20_000  # of the newest outbox rows: no index leads by peer
LAST_RECEIVED = (
    select(receipt.c.received_at)
    .where(receipt.c.sender == bindparam("peer"), receipt.c.type.like("%.message"))
    .order_by(receipt.c.event_id.desc())  # a UUIDv7, so the newest; what is no message is kept for minutes only
    .limit(1)
)
LAST_SENT = text(
    "SELECT max(sent_at) AS sent_at, min(created_at) FILTER (WHERE sent_at IS NULL) AS waiting_since FROM outbox"
    " WHERE (seq > (SELECT coalesce(max(seq), 0) FROM outbox) - CAST(:looked AS bigint) OR sent_at IS NULL)"
    " AND split_part(topic, '.', 1) = :peer"
)

Kind = Literal["connection", "tls", "question", "bus", "list"]


@dataclass(frozen=True, slots=True)
class Step:
    """`milliseconds` is None where it was not tried, because one before it failed; `error` is None where it went well."""

    kind: Kind
    milliseconds: int | None
    error: str | None


@dataclass(slots=True)
class Probe:
    """Every step in order, and what they told."""

    steps: Sequence[Step] = ()
    clock: Clock | None = None
    received_at: datetime | None = None
    sent_at: datetime | None = None
    waiting_since: datetime | None = None
    told: ListTold | None = None


class NotWell(Exception):
    """The step was done, and what it found is not in order."""


async def probe_peer(wiring: Any, bureau: str) -> Probe:
    """Door, bus and list beside each other, each within WHOLE_SECONDS. Raises NotFound for who is no peer."""
    listed = wiring.node.trust.current.bureau(bureau)
    if listed is None or bureau == wiring.node.bureau:
        raise NotFound
    probe = Probe()
    through_the_door, bus, trust_list = await asyncio.gather(
        _try_door(wiring, listed, probe),
        _timed("bus", lambda: _try_bus(wiring, bureau, probe), WHOLE_SECONDS),
        _timed("list", lambda: _try_list(wiring, listed, probe), WHOLE_SECONDS),
    )
    probe.steps = [*through_the_door, bus, trust_list]
    return probe


async def _try_door(wiring: Any, listed: Bureau, probe: Probe) -> list[Step]:
    """What is after the first step that fails is not tried."""
    address, done = urlsplit(listed.peer), list[Step]()
    host, port = address.hostname or "", address.port or HTTPS_PORT

    async def connect() -> None:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()

    async def handshake() -> None:
        context = tls_client_context(wiring.settings.keys_folder, wiring.node.trust.current)
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
        writer.close()

    async def ask() -> None:
        case = uuid7()  # no case of anybody's: the peer answers that it has none
        asker = Asker(role=NODE_ROLE, purpose=OPERATIONS, case=str(case))
        await wiring.peers.ask(listed.code, TransferState(case=case), asker=asker, answer=TransferStateAnswer, key=str(case))
        probe.clock = wiring.peers.clocks.get(listed.code)

    ends_at = time.monotonic() + WHOLE_SECONDS
    steps: list[tuple[Kind, Callable[[], Awaitable[None]]]] = [("connection", connect)]
    if address.scheme == "https":
        steps.append(("tls", handshake))
    for kind, step in [*steps, ("question", ask)]:
        is_vain = any(before.error is not None for before in done)
        done.append(Step(kind, None, None) if is_vain else await _timed(kind, step, ends_at - time.monotonic()))
    return done


async def _try_bus(wiring: Any, bureau: str, probe: Probe) -> None:
    async def look(session: Session) -> None:
        probe.received_at = (await session.execute(LAST_RECEIVED, {"peer": bureau})).scalar_one_or_none()
        row = (await session.execute(LAST_SENT, {"peer": bureau, "looked": SENT_LOOKED_AT})).one()
        probe.sent_at, probe.waiting_since = row.sent_at, row.waiting_since

    await wiring.database.run(look, name="peers.self_test")
    await wiring.bus.ping()


async def _try_list(wiring: Any, listed: Bureau, probe: Probe) -> None:
    async with list_client(listed.web) as client:
        probe.told = await newest_list(client)
    if probe.told is None:
        raise NotWell("it serves no list")
    await wiring.peers.note_list(listed.code, version=probe.told.version, digest=probe.told.digest)
    ours = wiring.node.trust.current
    if probe.told.version != ours.version:
        raise NotWell(f"version {probe.told.version} there, version {ours.version} here")
    if probe.told.digest != ours.digest:
        raise NotWell(f"two lists of version {ours.version}: {probe.told.digest[:12]} there, {ours.digest[:12]} here")


async def _timed(kind: Kind, step: Callable[[], Awaitable[None]], limit_seconds: float) -> Step:
    began, error = time.monotonic(), None
    try:
        async with asyncio.timeout(max(0.0, limit_seconds)):
            await step()
    except TimeoutError:
        error = f"no answer within {WHOLE_SECONDS:.0f} s"
    except NotWell as found:
        error = str(found)
    except (OSError, EnvelopeError, PeerError, BusDown, httpx.HTTPError) as trouble:
        error = f"{type(trouble).__name__}: {trouble}"
    return Step(kind, round((time.monotonic() - began) * 1000), error)
