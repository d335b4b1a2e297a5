"""What the rings share: one PostgreSQL server a test process, a migrated template a bureau, and networks cloned from them."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from services.bureau.schema import migrate
from services.harness.network import BUREAUS, Network, make_keys
from services.harness.stack import PostgresServer, node_role, owner_role
from shared.database import CHINA

STORY_BEGINS = datetime(2020, 11, 20, 10, 0, tzinfo=CHINA)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Ground:
    """What networks of one test process stand on."""

    postgres: PostgresServer
    keys: Path


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def ground(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Keys of one federation, and a migrated template database a bureau (`template_<bureau>`)."""
    keys = tmp_path_factory.mktemp("keys")
    make_keys(keys, {bureau: (f"http://{bureau}.invalid", f"https://{bureau}.invalid") for bureau in BUREAUS})
    for bureau in BUREAUS:
        postgres.create_database(f"template_{bureau}", bureau=bureau)
        migrate(postgres.url(f"template_{bureau}", owner_role(bureau)), node_role=node_role(bureau))
    return Ground(postgres, keys)


@pytest.fixture
async def network(ground: Ground, tmp_path: Path) -> AsyncIterator[Network]:
    """Four empty bureaus in this process on fresh databases, directories exchanged; the story's clock stands at its beginning."""
    number = next(_numbers)
    names = {bureau: f"test_{number}_{bureau}" for bureau in BUREAUS}
    for bureau, name in names.items():
        ground.postgres.clone_database(f"template_{bureau}", name, bureau=bureau)
    made = Network(tmp_path, ground.keys, ground.postgres, names)
    made.clock.at = STORY_BEGINS
    await made.start()
    yield made
    await made.stop()
    for name in names.values():
        ground.postgres.drop_database(name)
