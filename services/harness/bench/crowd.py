"""Bureaus that are simulated: members of the federation with roots, keys and addresses of their own in the trust list.

They publish their stations, sealed as any message is, to the bureaus that run; they write to each other on the same bus. No
node of theirs runs: nobody answers at their addresses, and what is sent to them stays on the bus.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Self

from uuid_utils.compat import uuid7

from services.harness.network import BUREAUS
from services.harness.registers import stations_of
from shared.contract.messages import DirectoryPublished, Message
from shared.contract.records import Station
from shared.contract.registry import encode, schema_of, topic
from shared.envelope import Place, Ring, TrustList, TrustStore, load_ring, read_kek, seal, transport_headers
from shared.messaging.bus import Bus, Publisher, Record

FIRST_PROVINCE = 41  # of the country's others; `provinces.csv` knows none of them
PATTERN = "jiangsu"  # whose list of stations the further bureaus have, under codes of their own
TRAFFIC_BYTES = 600
INCARNATION = 1


def names(count: int) -> list[str]:
    """So many members: the two that run come first, then the other two of the four, then `bureau-05` and so on."""
    real = ["shanghai", "zhejiang", *(bureau for bureau in BUREAUS if bureau not in ("shanghai", "zhejiang"))]
    return [*real, *(f"bureau-{number:02d}" for number in range(len(real) + 1, count + 1))][:count]


def stations(bureau: str) -> tuple[Station, ...]:
    """The list that a simulated bureau publishes."""
    if bureau in BUREAUS:
        return stations_of(bureau)
    province = str(FIRST_PROVINCE + int(bureau.rpartition("-")[2]) - len(BUREAUS) - 1)
    return tuple(
        one.model_copy(
            update={
                "code": province + one.code[2:],
                "division_code": province + one.division_code[2:],
                "successor": one.successor and province + one.successor[2:],
            }
        )
        for one in stations_of(PATTERN)
    )


class Crowd:
    """The simulated bureaus of one bus."""

    def __init__(self, keys: Path, bureaus: Sequence[str], publisher: Publisher) -> None:
        self._rings: Mapping[str, Ring] = {one: load_ring(keys / one, one, read_kek(keys / one)) for one in bureaus}
        self._trust: Mapping[str, TrustList] = {one: TrustStore(keys / one / "trust").current for one in bureaus}
        self._publisher = publisher
        self._traffic = (
            [self._between(sender, to) for sender, to in pairwise([*bureaus, *bureaus[:1]])] if len(bureaus) > 1 else []
        )

    @classmethod
    async def on(cls, bus: Bus, keys: Path, bureaus: Sequence[str]) -> Self:
        return cls(keys, bureaus, await bus.publisher())

    async def publish_stations(self, to: Sequence[str]) -> None:
        """Each tells each of `to` its list."""
        now = datetime.now(UTC)
        for bureau in self._rings:
            listed = DirectoryPublished(bureau=bureau, version=1, published_at=now, stations=stations(bureau))
            await self._publisher.publish([self._message(bureau, one, listed) for one in to])

    async def talk(self) -> None:
        """Each sends a record of the usual size to the next, who does not run."""
        await self._publisher.publish(self._traffic)

    async def close(self) -> None:
        await self._publisher.close()

    def _message(self, sender: str, to: str, message: Message) -> Record:
        place = Place("message", message.capability, topic=topic(to, message.capability), key=message.key)
        return self._record(sender, to, encode(message), place)

    def _between(self, sender: str, to: str) -> Record:
        place = Place("message", "transfers", topic=topic(to, "transfers"), key=sender)
        return self._record(sender, to, b" " * TRAFFIC_BYTES, place)

    def _record(self, sender: str, to: str, body: bytes, place: Place) -> Record:
        jti, now, schema = uuid7(), int(time.time()), schema_of(place.capability)
        sealed = seal(
            body, place=place, to=to, ring=self._rings[sender], trust=self._trust[sender], now=now, jti=jti,
            incarnation=INCARNATION, schema=schema,
        )  # fmt: skip
        return Record(place.topic or "", place.key, transport_headers(place, iss=sender, jti=jti, iat=now, schema=schema), sealed)
