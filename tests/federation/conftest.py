"""Four bureaus in this process, a clerk who does every officer's acts, and a gauge over all four databases."""

import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker

from services.harness.network import BUREAUS, Network
from shared.database import CHINA, Database, NodeContext, Session, Vault
from tests.conftest import STORY_BEGINS, Ground
from tests.federation.clerk import Clerk
from tests.federation.gauge import check_cut

SPRING = datetime(2021, 3, 1, 10, 0, tzinfo=CHINA)
"""A Monday on which online transfer is open between all four (Hefei for Anhui)."""
# As superuser, past the triggers that keep everything: a database made anew for each test costs thousands of small files.
FORGET_EVERYTHING = """
    DO $$ DECLARE one text; BEGIN
        SET LOCAL session_replication_role = replica;
        FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
            EXECUTE format('DELETE FROM %I', one);
        END LOOP;
    END $$"""


class Reused(Database):
    """A test's nodes take over the engine of the test before, with every statement that it has compiled."""

    _engines: ClassVar[dict[tuple[str, int], AsyncEngine]] = {}

    def __init__(self, url: str, *, vault: Vault, node: NodeContext, pool_size: int = 10, overflow: int = 5) -> None:
        super().__init__(url, vault=vault, node=node, pool_size=pool_size, overflow=overflow)
        engine = self._engines.setdefault((url, pool_size), self.engine)
        engine.dialect.quanyu_vault = vault  # type: ignore[attr-defined]
        self.engine = engine
        self._sessions = async_sessionmaker(engine, class_=Session, expire_on_commit=False)


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Lines without local variables: a traceback with all of them takes longer than the test."""
    processors = [structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
    structlog.configure(processors=processors)
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def databases(ground: Ground) -> Mapping[str, str]:
    """bureau -> the database that the tests of this process use one after another."""
    names = {bureau: f"federation_{bureau}" for bureau in BUREAUS}
    for bureau, name in names.items():
        ground.postgres.clone_database(f"template_{bureau}", name, bureau=bureau)
    return names


@asynccontextmanager
async def opened(ground: Ground, databases: Mapping[str, str], folder: Path, keys: Path) -> AsyncIterator[Network]:
    """Four bureaus that know nothing but each other's stations."""
    for name in databases.values():
        ground.postgres.execute(name, [FORGET_EVERYTHING])
    network = Network(folder, keys, ground.postgres, databases)
    network.clock.at = STORY_BEGINS
    await network.start(Reused)
    try:
        yield network
    finally:
        await network.stop()


@asynccontextmanager
async def employed(network: Network) -> AsyncIterator[Clerk]:
    """A clerk in spring; at the end the audit logs of all four are held together."""
    network.clock.at = SPRING
    clerk = Clerk(network)
    try:
        yield clerk
        await clerk.watch.check()
        await check_cut(network, clocks_agree=clerk.clocks_agree)
    finally:
        await clerk.watch.close()


@pytest.fixture
async def network(ground: Ground, databases: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Network]:
    """As the network of the other rings, on databases that are emptied and not made anew."""
    async with opened(ground, databases, tmp_path, ground.keys) as made:
        yield made


@pytest.fixture
async def clerk(network: Network) -> AsyncIterator[Clerk]:
    """All officers, on a day on which they may transfer between all four."""
    async with employed(network) as made:
        yield made


@pytest.fixture
async def own_keys(ground: Ground, databases: Mapping[str, str], tmp_path: Path) -> AsyncIterator[Clerk]:
    """A clerk of a federation whose keys belong to this test alone: it may rotate and revoke them."""
    keys = tmp_path / "keys"
    shutil.copytree(ground.keys, keys)
    async with opened(ground, databases, tmp_path, keys) as network, employed(network) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many kinds of attack were refused; from the reports, because each worker of xdist has its own part of them."""
    told = [told for report in terminalreporter.getreports("passed") for told in report.user_properties]
    kinds = {str(value) for name, value in told if name == "rogue_kind"}
    if kinds:
        terminalreporter.write_line(f"rogue bureau: {len(kinds)} kinds of attack refused")
