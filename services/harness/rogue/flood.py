"""Floods, by a process of their own: `python -m services.harness.rogue FOLDER KIND`, against a federation that runs there.

It says `begun` when everything is prepared and the flood begins, and at its end how much it has sent, as one line of JSON each.
"""

import asyncio
import json
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import httpx2 as httpx
from uuid_utils.compat import uuid7

from services.harness.rogue.bus import AT, DAY
from services.harness.rogue.door import NODE
from services.harness.rogue.forge import Forgery, Rogue, encode_unchecked
from shared.contract.codes import VoidReason
from shared.contract.messages import Message, TransferClosed, TransferVoided
from shared.contract.questions import TransferState
from shared.contract.records import PlaceEpoch
from shared.envelope import Place, TrustStore, tls_client_context
from shared.envelope.form import canonical
from shared.messaging.bus import Bus, Record

BATCH_RECORDS: Final = 50
GARBAGE_A_SECOND: Final = 1_000
SIGNED_A_SECOND: Final = 500  # far above what a bureau says in its busiest minute
GARBAGE_BYTES: Final = 3_000  # as an ordinary envelope
ASKERS: Final = 20  # connections on which questions are asked without a pause
SLOW_BODIES: Final = 100
SLOW_SECONDS: Final = 0.5  # between two bytes of one body
PREPARED_QUESTIONS: Final = 2_000  # each is asked once: a repeat would only be called a replay


@dataclass(frozen=True)
class Target:
    """The victim of a flood, and how it is reached."""

    rogue: Rogue
    victim: str
    bus: Bus
    tls: ssl.SSLContext
    seconds: float

    @property
    def peer(self) -> str:
        listed = self.rogue.trust.bureau(self.victim)
        return "" if listed is None else listed.peer


def open_target(folder: Path, rogue: str, victim: str, *, bus: Bus, seconds: float) -> Target:
    """From the run folder of a federation. Raises KeyFileError."""
    keys = folder / "keys" / rogue
    trust = TrustStore(keys / "trust").current
    return Target(Rogue.of(keys, rogue, trust), victim, bus, tls_client_context(keys, trust), seconds)


async def garbage(target: Target, begun: Callable[[], None]) -> int:
    """Bytes that are no envelope, or hardly one: what anybody can write who reaches the bus."""
    topic, count = f"{target.victim}.transfers", int(target.seconds * GARBAGE_A_SECOND)
    records = [Record(topic, str(uuid7()), {"ce_source": "shanghai"}, secrets.token_bytes(GARBAGE_BYTES)) for _ in range(count)]
    return await _publish(target, records, begun, GARBAGE_A_SECOND)


async def useless(target: Target, begun: Callable[[], None]) -> int:
    """Right envelopes with nothing in them for anybody: closes and voids of cases that nobody has heard of."""
    records = []
    for number in range(int(target.seconds * SIGNED_A_SECOND)):
        case = uuid7()
        said: Message = TransferClosed(case=case, closed=(PlaceEpoch(place=1, epoch=2),), closed_at=AT)
        if number % 2:
            said = TransferVoided(case=case, places=(1,), reason_code=VoidReason.WITHDRAWN, voided_on=DAY)
        place = Place("message", "transfers", topic=f"{target.victim}.transfers", key=said.key)
        records.append(Forgery(content=said, place=place, to=target.victim).record(target.rogue))
    return await _publish(target, records, begun, SIGNED_A_SECOND)


async def unknown(target: Target, begun: Callable[[], None]) -> int:
    """Right envelopes with messages of a version that does not exist: each would be kept and tried again for ever."""
    records = []
    for _ in range(int(target.seconds * SIGNED_A_SECOND)):
        place = Place("message", "transfers", topic=f"{target.victim}.transfers", key=str(uuid7()))
        content = canonical({"name": "TransferPostponed", "version": 1, "body": {}})
        records.append(Forgery(content=content, place=place, to=target.victim).record(target.rogue))
    return await _publish(target, records, begun, SIGNED_A_SECOND)


async def _publish(target: Target, records: Sequence[Record], begun: Callable[[], None], a_second: int) -> int:
    publisher = await target.bus.publisher()
    try:
        begun()
        started = time.monotonic()
        for start in range(0, len(records), BATCH_RECORDS):
            await publisher.publish(records[start : start + BATCH_RECORDS])
            await asyncio.sleep(started + (start + BATCH_RECORDS) / a_second - time.monotonic())
    finally:
        await publisher.close()
    return len(records)


async def questions(target: Target, begun: Callable[[], None]) -> int:
    """Right questions about cases of others, as fast as they are answered, on many connections."""
    place = Place("question", "transfers", path=TransferState.path)
    content = canonical({**json.loads(encode_unchecked(TransferState(case=uuid7()))), "asker": NODE})
    made = [Forgery(content=content, place=place, to=target.victim).envelope(target.rogue) for _ in range(PREPARED_QUESTIONS)]

    async def ask(client: httpx.AsyncClient, ends_at: float) -> int:
        count = 0
        while made and time.monotonic() < ends_at:
            await client.post(TransferState.path, content=made.pop())
            count += 1
        return count

    limits = httpx.Limits(max_connections=ASKERS, max_keepalive_connections=ASKERS)
    async with httpx.AsyncClient(base_url=target.peer, verify=target.tls, trust_env=False, limits=limits, timeout=30) as client:
        begun()
        ends_at = time.monotonic() + target.seconds
        return sum(await asyncio.gather(*(ask(client, ends_at) for _ in range(ASKERS))))


async def slow(target: Target, begun: Callable[[], None]) -> int:
    """Bodies that come byte by byte and never end, on many connections."""
    address = urlsplit(target.peer)
    head = f"POST {TransferState.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 900000\r\n\r\n".encode()
    writers = []
    for _ in range(SLOW_BODIES):
        _, writer = await asyncio.open_connection(address.hostname, address.port, ssl=target.tls)
        writer.write(head)
        writers.append(writer)
    begun()
    ends_at = time.monotonic() + target.seconds
    while time.monotonic() < ends_at:
        for writer in writers:
            writer.write(b"A")
        await asyncio.sleep(SLOW_SECONDS)
    for writer in writers:
        writer.transport.abort()
    return len(writers)


FLOODS: Final[Mapping[str, Callable[[Target, Callable[[], None]], Awaitable[int]]]] = MappingProxyType(
    {"garbage": garbage, "useless": useless, "unknown": unknown, "questions": questions, "slow": slow}
)
