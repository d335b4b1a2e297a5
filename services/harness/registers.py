"""A bureau's register beside its node: to fill it, to check a file for it, to look into it. No running node is needed."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import asyncpg

from services.bureau.clocks import BusinessClock, MachineClock
from services.bureau.population.acts import ImportReport, check_register_file, import_register
from services.bureau.population.acts.importing import Progress, no_progress
from services.bureau.settings import BureauProfile
from services.bureau.stations.rules import OwnPost, is_registration_station, read_posts, read_stations
from services.bureau.wiring import INCARNATION
from services.harness.network import SERVICES
from services.harness.population import Population, load
from services.harness.stack import StackError
from shared.contract.records import Station
from shared.database import Clock, Database, NodeContext, Vault
from shared.envelope import Keyring, TrustStore, load_vault_keys, read_kek
from shared.identifiers.texts import N_

POOL = 2  # an import uses one connection


@dataclass(frozen=True, slots=True)
class Register:
    """Where a bureau's register is and what opens it. `clock_file`: of the run folder, where the business clock can be set."""

    bureau: str
    database_url: str
    keys_folder: Path
    clock_file: Path | None = None

    @property
    def dsn(self) -> str:
        """The same database for asyncpg alone."""
        return self.database_url.replace("postgresql+asyncpg://", "postgresql://", 1)

    def vault(self) -> Vault:
        """Raises KeyFileError."""
        keys = load_vault_keys(self.keys_folder, read_kek(self.keys_folder))
        return Vault(keys.data_keys, keys.blind_key)

    def open(self, *, business_clock: Clock | None = None, pool_size: int = POOL) -> Database:
        """A pool of connections, to be closed by the caller. Raises KeyFileError, TrustListRefused; connects to nothing yet."""
        node = NodeContext(
            bureau=self.bureau,
            keyring=Keyring(self.keys_folder, self.bureau, read_kek(self.keys_folder)),
            trust=TrustStore(self.keys_folder / "trust"),
            machine_clock=MachineClock(),
            business_clock=business_clock or BusinessClock(self.clock_file),
            incarnation=INCARNATION,
        )
        return Database(self.database_url, vault=self.vault(), node=node, pool_size=pool_size, overflow=0)


def profile_of(bureau: str) -> BureauProfile:
    """Who the bureau is, from its province's folder."""
    return BureauProfile(**tomllib.loads((SERVICES / bureau / "bureau.toml").read_text()))


def stations_of(bureau: str) -> tuple[Station, ...]:
    """The bureau's own list, from its province's folder. Raises ListRefused."""
    return read_stations((SERVICES / bureau / "stations.csv").read_text(), bureau=bureau)


def posts_of(bureau: str) -> Sequence[OwnPost]:
    """Who works where in the bureau, from its province's folder. Raises ListRefused."""
    return read_posts((SERVICES / bureau / "posts.csv").read_text(), stations=stations_of(bureau))


def registering(bureau: str) -> frozenset[str]:
    """Codes of the bureau's stations that keep a register, closed ones too: an old file may name them."""
    return frozenset(one.code for one in stations_of(bureau) if is_registration_station(one.code))


def check_file(bureau: str, file: Path, *, today: date, progress: Progress = no_progress) -> ImportReport:
    """What is wrong with a register file by itself. Raises OSError."""
    with file.open("rb") as opened:
        return check_register_file(opened, bureau=bureau, stations=registering(bureau), today=today, progress=progress)


async def import_file(
    register: Register, file: Path, *, business_clock: Clock | None = None, progress: Progress = no_progress
) -> ImportReport:
    """Import a file as a whole or not at all. Raises OSError, DatabaseDown, OutcomeUnknown, KeyFileError."""
    database = register.open(business_clock=business_clock)
    try:
        with file.open("rb") as opened:
            return await import_register(database, opened, stations=registering(register.bureau), progress=progress)
    finally:
        await database.close()


async def generate(register: Register, *, count: int, seed: int, progress: Progress = no_progress) -> int:
    """Fill the register with `count` synthetic residents; gives how many were new.

    Raises DatabaseDown, ValueError (the province has not so many), StackError (some are there in other households)."""
    database = register.open()
    try:
        return await load(database, population_of(register.bureau, count=count, seed=seed), progress=progress)
    except asyncpg.UniqueViolationError:
        message = N_("some of these residents or households are in the register of {bureau} already: take another seed")
        raise StackError(message, bureau=register.bureau) from None
    finally:
        await database.close()


def population_of(bureau: str, *, count: int, seed: int) -> Population:
    return Population(bureau, stations_of(bureau), count, seed)
