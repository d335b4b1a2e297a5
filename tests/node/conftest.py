"""One bureau at a time: real PostgreSQL, real keys, no loops; what it says is read from its outbox with the recipient's keys."""

import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from services.bureau.settings import Settings
from services.bureau.stations import acts as stations
from services.bureau.stations.rules import read_stations
from services.bureau.wiring import Overrides, wire
from services.harness.network import BUREAUS, SERVICES, SkewedClock, StoryClock
from services.harness.stack import node_role
from shared.contract.messages import DirectoryPublished
from shared.database import Session
from shared.envelope import TrustStore, load_ring, read_kek
from shared.telemetry import configure_logs
from tests.conftest import STORY_BEGINS, Ground
from tests.node.browser import Browser
from tests.node.bureau import Bureau, Federation
from tests.node.peers import PeerStandIn
from tests.node.people import seed

VERSION = 1  # of the directories that every node starts with


@dataclass
class Yard:
    """Makes bureaus: a database cloned from one that has stations, posts, the others' directories and residents."""

    ground: Ground
    federation: Federation
    prepared: set[str] = field(default_factory=set)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def open(self, code: str, folder: Path, overrides: Overrides | None = None) -> Bureau:
        """A node of bureau `code` on a fresh database, at the story's beginning."""
        await self._prepare(code, folder)
        name = f"node_{next(self.numbers)}_{code}"
        self.ground.postgres.clone_database(f"seeded_{code}", name, bureau=code)
        return self.start(code, name, folder, overrides)

    def start(self, code: str, name: str, folder: Path, overrides: Overrides | None = None, **settings: Any) -> Bureau:
        """A node's process on a database that is there: also how one comes back after it has died."""
        given: dict[str, Any] = {
            "environment": "development",
            "keys_folder": self.federation.keys / code,
            "bus_file": folder / "bus.sqlite",
            "run_folder": folder,
            "database_url": self.ground.postgres.url(name, node_role(code)),
        }
        made = Settings(bureau=code, profile_folder=SERVICES / code, **(given | settings))
        clock, machine = StoryClock(STORY_BEGINS), SkewedClock()
        peers = PeerStandIn(self.federation.rings, self.federation.trust)
        parts = replace(overrides or Overrides(), business_clock=clock, machine_clock=machine, transport_to=peers.transport_to)
        return Bureau(code, wire(made, parts), self.federation, clock, machine, peers, name)

    async def close(self, bureau: Bureau) -> None:
        await bureau.close()
        self.ground.postgres.drop_database(bureau.database_name)

    async def _prepare(self, code: str, folder: Path) -> None:
        if code in self.prepared:
            return
        self.ground.postgres.clone_database(f"template_{code}", f"seeded_{code}", bureau=code)
        bureau = self.start(code, f"seeded_{code}", folder)
        await bureau.wiring.database.run(_take_lists, name="prepare")
        await bureau.wiring.database.run(seed, name="seed")
        await bureau.close()
        self.prepared.add(code)


async def _take_lists(session: Session) -> None:
    lists = {code: (SERVICES / code / "stations.csv").read_text() for code in BUREAUS}
    own = session.node.bureau
    posts = (SERVICES / own / "posts.csv").read_text()
    await stations.load_own(session, stations_csv=lists[own], posts_csv=posts)
    for code in set(BUREAUS) - {own}:
        listed = read_stations(lists[code], bureau=code)
        now = session.node.machine_now()
        await stations.take_published(
            session, DirectoryPublished(bureau=code, version=VERSION, published_at=now, stations=listed)
        )


@pytest.fixture(scope="module", autouse=True)
def quiet_logs() -> Iterator[None]:
    """Logs as a node's process has them, and only what is wrong; afterwards as they were, for the rings that come next."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    configure_logs("error")
    yield
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def yard(ground: Ground) -> Yard:
    rings = {code: load_ring(ground.keys / code, code, read_kek(ground.keys / code)) for code in BUREAUS}
    trust = TrustStore(ground.keys / "shanghai" / "trust").current
    return Yard(ground, Federation(ground.keys, rings, trust))


Open = Callable[..., Awaitable[Bureau]]


@pytest.fixture
async def open_bureau(yard: Yard, tmp_path: Path) -> AsyncIterator[Open]:
    """Make a bureau, with overrides if wanted: `await open_bureau("anhui", Overrides(...))`."""
    made: list[Bureau] = []

    async def open_one(code: str, overrides: Overrides | None = None) -> Bureau:
        made.append(await yard.open(code, tmp_path, overrides))
        return made[-1]

    yield open_one
    for bureau in made:
        await yard.close(bureau)


@pytest.fixture
async def shanghai(open_bureau: Open) -> Bureau:
    """The destination of the story."""
    return await open_bureau("shanghai")


@pytest.fixture
async def zhejiang(open_bureau: Open) -> Bureau:
    """The origin of the story."""
    return await open_bureau("zhejiang")


@pytest.fixture(scope="module")
async def quiet_shanghai(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bureau]:
    """A destination shared by the tests of a module that change nothing, or not in each other's way."""
    bureau = await yard.open("shanghai", tmp_path_factory.mktemp("quiet"))
    yield bureau
    await yard.close(bureau)


@pytest.fixture(scope="module")
async def quiet_zhejiang(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bureau]:
    """An origin shared by the tests of a module that change nothing, or not in each other's way."""
    bureau = await yard.open("zhejiang", tmp_path_factory.mktemp("quiet"))
    yield bureau
    await yard.close(bureau)


Browse = Callable[..., Awaitable[Browser]]


@pytest.fixture
async def browse() -> AsyncIterator[Browse]:
    """A browser at a bureau, logged in if an officer is named: `await browse(shanghai, "D31001")`."""
    made: list[Browser] = []

    async def open_one(bureau: Bureau, officer: str | None = None, **how: Any) -> Browser:
        made.append(Browser(bureau))
        if officer is not None:
            answer = await made[-1].log_in(officer, **how)
            assert answer.status_code == 200, answer.text
        return made[-1]

    yield open_one
    for browser in made:
        await browser.close()
