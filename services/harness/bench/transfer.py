"""`quanyu bench transfer`: whole transfers, the machine's part alone: every act follows at once on what it needs."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.harness.bench import hop
from services.harness.bench.deliver import Told
from services.harness.bench.figures import Figures, p50, p99
from services.harness.bench.ground import (
    COUNTER,
    DESTINATION,
    OFFICE,
    ORIGIN,
    VERIFIER,
    WAIT_SECONDS,
    ZHAPU,
    Ground,
    Person,
    application,
)
from services.harness.stack import StackError
from shared.identifiers.texts import N_

CASES = "/api/v1/transfers"
WARM_UP = 10
LATENCY_TRANSFERS = 60
RATE_TRANSFERS, OFFICERS = 160, 6
MESSAGES_A_TRANSFER = 4  # permit, certificate, settlement, close
FLOOR_MESSAGES, FLOOR_LANES = 1_000, 8
LOOK_SECONDS = 0.002
STATE = "SELECT state FROM transfer_member WHERE case_id = $1 AND place = 1"


async def transfer(ground: Ground, figures: Figures, *, tell: Told) -> None:
    """Measure single transfers one after the other, then how many a second several officers complete."""
    hop.make_tables(ground)
    people = ground.people(WARM_UP + LATENCY_TRANSFERS + RATE_TRANSFERS)
    await ground.register(people, bureau=ORIGIN, station=ZHAPU)
    looks = [await _Look.open(ground) for _ in range(OFFICERS)]
    tell(N_("warming up with {count} transfers"), count=WARM_UP)
    for one in people[:WARM_UP]:
        await _whole(ground, one, looks[0])
    tell(N_("{count} transfers, one after the other"), count=LATENCY_TRANSFERS)
    taken = [await _whole(ground, one, looks[0]) for one in people[WARM_UP : WARM_UP + LATENCY_TRANSFERS]]
    figures.add("transfer, machine time, p50", 1000 * p50(taken), "ms")
    figures.add("transfer, machine time, p99", 1000 * p99(taken), "ms", at_most=300)
    tell(N_("{count} transfers by {officers} officers at once"), count=RATE_TRANSFERS, officers=OFFICERS)
    floor = await hop.Hop(ground, b'{"bench":"transfer"}').rate(count=FLOOR_MESSAGES, lanes=FLOOR_LANES)
    rate = await _rate(ground, people[WARM_UP + LATENCY_TRANSFERS :], looks)
    figures.add("completed transfers", rate, "1/s", floor=floor / MESSAGES_A_TRANSFER, at_least=0.5)
    for look in looks:
        await look.close()


async def _rate(ground: Ground, people: Sequence[Person], looks: Sequence["_Look"]) -> float:
    begun = time.monotonic()

    async def officer(mine: Sequence[Person], look: _Look) -> None:
        for one in mine:
            await _whole(ground, one, look)

    await asyncio.gather(*(officer(people[number :: len(looks)], look) for number, look in enumerate(looks)))
    return len(people) / (time.monotonic() - begun)


async def _whole(ground: Ground, who: Person, look: "_Look") -> float:
    """From the application to "registered here"; seconds."""
    begun = time.monotonic()
    case = UUID((await ground.post(DESTINATION, COUNTER, CASES, application(who)))["case"])
    for act in ("accept", "submit"):
        await ground.post(DESTINATION, COUNTER, f"{CASES}/{case}/{act}")
    await ground.post(DESTINATION, OFFICE, f"{CASES}/{case}/approve", {})
    await look.until(ORIGIN, case, "RECEIVED")
    await ground.post(ORIGIN, VERIFIER, f"{CASES}/{case}/seal", {"applicant_confirms": True})
    await look.until(DESTINATION, case, "CERTIFIED")
    await ground.post(DESTINATION, COUNTER, f"{CASES}/{case}/settle", {"signed": [1]})
    await look.until(DESTINATION, case, "HERE")
    return time.monotonic() - begun


class _Look:
    """Sees how a case stands at both bureaus, beside the nodes."""

    def __init__(self, connections: dict[str, asyncpg.Connection]) -> None:
        self._connections = connections

    @classmethod
    async def open(cls, ground: Ground) -> "_Look":
        return cls({bureau: await ground.connect(bureau) for bureau in (DESTINATION, ORIGIN)})

    async def until(self, bureau: str, case: UUID, state: str) -> None:
        """Raises StackError when it does not become so."""
        ends_at = time.monotonic() + WAIT_SECONDS
        while await self._connections[bureau].fetchval(STATE, case) != state:
            if time.monotonic() > ends_at:
                raise StackError(N_("case {case} has not become {state} at {bureau}"), case=str(case), state=state, bureau=bureau)
            await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        for connection in self._connections.values():
            await connection.close()
