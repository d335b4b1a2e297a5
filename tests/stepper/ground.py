"""What the seeds of one process stand on: one PostgreSQL that need not survive, four databases that are emptied, four nodes."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI

from services.bureau.schema import migrate
from services.bureau.wiring import Wiring
from services.harness.network import BUREAUS, Network
from services.harness.registers import Register
from services.harness.stack import PostgresServer, node_role, owner_role
from shared.database import Vault
from shared.envelope.ceremony import BureauEntry, make_federation
from tests.conftest import STORY_BEGINS
from tests.federation.conftest import SPRING
from tests.stepper.faults import Faults, FaultyDatabase, MemoryBus, with_faults

SILENT = 50  # structlog: critical only
CLOCKS_DAYS = 40  # how far a machine's clock is wrong at most, either way
KEYS_BEGIN_DAYS = CLOCKS_DAYS + 1  # encryption keys live for 90 days: long enough for the latest clock and what follows
# What no seed changes stays: stations, posts, trust lists, the lease of the relay.
FORGET_CASES = """
    DO $$ DECLARE one text; BEGIN
        SET LOCAL session_replication_role = replica;
        FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN
            ('alembic_version', 'station', 'directory', 'directory_told', 'post', 'trust_list', 'relay_lease') LOOP
            EXECUTE format('DELETE FROM %I', one);
        END LOOP;
    END $$"""


@dataclass
class StandingClock:
    """A machine's clock that moves only when a step moves it: a slow machine runs the same seed in the same way."""

    base: datetime
    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.base + self.offset


class SteppedNetwork(Network):
    """A restarted node gets the web application of the one before, which holds nothing but its wiring: FastAPI prepares each
    route at its first request, and that takes longer than all that the stepper wants to see."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._apps: dict[str, FastAPI] = {}

    def web_door(self, wiring: Wiring) -> FastAPI:
        bureau = wiring.settings.bureau
        if bureau not in self._apps:
            self._apps[bureau] = super().web_door(wiring)
        self._apps[bureau].state.wiring = wiring
        return self._apps[bureau]


@dataclass
class Ground:
    network: Network
    faults: Faults
    bus: MemoryBus
    vaults: Mapping[str, Vault]
    looks: Mapping[str, asyncpg.Connection]
    database_class: type[FaultyDatabase]
    base: datetime
    clocks: dict[str, StandingClock] = field(default_factory=dict)

    async def begin(self) -> None:
        """As if nothing had ever happened: no person, no case, no message, four fresh processes, clocks right."""
        self.faults.trap = self.faults.gate = None
        self.bus.log.clear()
        self.bus.published.clear()
        self.network.unreachable.clear()
        self.network.clock.at = SPRING
        for clock in self.clocks.values():
            clock.offset = timedelta(0)
        await asyncio.gather(*[look.execute(FORGET_CASES) for look in self.looks.values()])
        for bureau in BUREAUS:
            await self.restart(bureau)

    async def restart(self, bureau: str) -> None:
        self.faults.trap = None
        await self.network.restart(bureau, self.database_class)


@asynccontextmanager
async def opened(server: PostgresServer, folder: Path, base: datetime) -> AsyncIterator[Ground]:
    """Four nodes on migrated databases of `server`."""
    keys = folder / "keys"
    entries = [BureauEntry(one, one, web=f"http://{one}.invalid", peer=f"https://{one}.invalid") for one in BUREAUS]
    make_federation(keys, entries, int((base - timedelta(days=KEYS_BEGIN_DAYS)).timestamp()))
    names = {bureau: f"stepper_{bureau}" for bureau in BUREAUS}
    for bureau, name in names.items():
        server.create_database(name, bureau=bureau)
        migrate(server.url(name, owner_role(bureau)), node_role=node_role(bureau))
        server.execute(name, [f'GRANT SET ON PARAMETER session_replication_role TO "{owner_role(bureau)}"'])
    faults = Faults()
    bus = MemoryBus(faults)
    made = with_faults(faults)
    network = SteppedNetwork(folder, keys, server, names, bus=bus)
    clocks = {bureau: StandingClock(base) for bureau in BUREAUS}
    network.machine = clocks  # type: ignore[assignment]  # tests are not type-checked as a package
    network.clock.at = STORY_BEGINS
    await network.start(made)
    vaults = {bureau: Register(bureau, network.owner_url(bureau), keys / bureau).vault() for bureau in BUREAUS}
    looks = {bureau: await asyncpg.connect(server.dsn(name, owner_role(bureau))) for bureau, name in names.items()}
    try:
        yield Ground(network, faults, bus, vaults, looks, made, base, clocks)  # type: ignore[arg-type]
    finally:
        await network.stop()
        for node in network.nodes.values():
            await node.wiring.database.engine.dispose()
            await node.wiring.bus_database.engine.dispose()
        for look in looks.values():
            await look.close()


@asynccontextmanager
async def made_ground() -> AsyncIterator[Ground]:
    """A server and a ground of its own, gone afterwards."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    with tempfile.TemporaryDirectory(prefix="quanyu-stepper-") as folder:
        server = PostgresServer(Path(folder) / "postgres", durable=False)
        server.start()
        try:
            async with opened(server, Path(folder), datetime.now(UTC)) as ground:
                yield ground
        finally:
            server.stop()
