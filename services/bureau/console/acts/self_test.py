"""Whether a peer can be asked, step by step: its port, its TLS, its sealed answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from uuid_utils.compat import uuid7

from services.bureau.access.rules import OPERATIONS
from shared.contract.questions import NODE_ROLE, Asker, TransferState, TransferStateAnswer
from shared.envelope import EnvelopeError, tls_client_context
from shared.identifiers.texts import N_
from shared.peers import PeerError
from shared.web import NotFound

WHOLE_SECONDS = 5.0  # an operator looks at it; a peer that needs longer is as good as down
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class Step:
    """One step and how long it took; `error` is None where it went well."""

    name: str
    milliseconds: int
    error: str | None


async def probe_peer(wiring: Any, bureau: str) -> list[Step]:
    """The steps until the first that fails. Raises NotFound for who is no peer."""
    listed = wiring.node.trust.current.bureau(bureau)
    if listed is None or bureau == wiring.node.bureau:
        raise NotFound
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
        await wiring.peers.ask(bureau, TransferState(case=case), asker=asker, answer=TransferStateAnswer, key=str(case))

    ends_at = time.monotonic() + WHOLE_SECONDS
    steps: list[tuple[str, Callable[[], Awaitable[None]]]] = [(N_("connection"), connect)]
    if address.scheme == "https":
        steps.append((N_("TLS, both certificates"), handshake))
    for name, step in [*steps, (N_("sealed question and answer"), ask)]:
        done.append(await _timed(name, step, ends_at))
        if done[-1].error is not None:
            break
    return done


async def _timed(name: str, step: Callable[[], Awaitable[None]], ends_at: float) -> Step:
    began, error = time.monotonic(), None
    try:
        async with asyncio.timeout(max(0.0, ends_at - began)):
            await step()
    except TimeoutError:
        error = f"no answer within {WHOLE_SECONDS:.0f} s"
    except (OSError, EnvelopeError, PeerError) as trouble:
        error = f"{type(trouble).__name__}: {trouble}"
    return Step(name, round((time.monotonic() - began) * 1000), error)
