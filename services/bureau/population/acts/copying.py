"""Bulk rows of the register in PostgreSQL's binary COPY format: encrypted before they leave the process, or touch a disk.

COPY writes some 30,000 residents a second where one INSERT each writes 3,000.
"""

import struct
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import Dialect, literal, select

from services.bureau.population.rules.importing import HouseholdLine
from services.bureau.population.tables import ADDRESS, CITIZEN_INDEX_LABEL, PERSONAL, HouseholdAddress, ResidentRecord, RowKind
from shared.database import Session
from shared.database.types import vault_of

HOUSEHOLD_COPY_COLUMNS: Final = (
    *("id", "household_no", "household_type", "station_code", "division_code", "address"),
    *("head_resident_id", "created_at"),
)
RESIDENT_COPY_COLUMNS: Final = (
    *("id", "citizen_id_index", "household_id", "station_code", "relation_code", "personal"),
    *("kind", "epoch", "restoration_due", "version", "updated_at"),
)
COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
COPY_TRAILER: Final = struct.pack("!h", -1)
BLOCK_BYTES = 256 * 1024  # one network write each; a row is about 600 bytes
SELECT_1 = select(literal(1))
_POSTGRES_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECONDS_PER_SECOND: Final = 1_000_000
FIRST_EPOCH: Final = struct.pack("!i", 1)
FIRST_VERSION: Final = struct.pack("!q", 1)
FALSE: Final = b"\0"


@dataclass(frozen=True, slots=True)
class ResidentPlace:
    """Where a resident's row goes."""

    resident_id: UUID
    household_id: UUID
    station_code: str
    relation_code: str


class RowWriter:
    """Rows of one bureau as COPY bytes. `dialect`: of the bureau's engine, which knows the vault."""

    def __init__(self, dialect: Dialect, *, at: datetime) -> None:
        self._dialect = dialect
        self._vault = vault_of(dialect)
        delta = at - _POSTGRES_EPOCH
        microseconds = (delta.days * 86_400 + delta.seconds) * _MICROSECONDS_PER_SECOND + delta.microseconds
        self._at = struct.pack("!q", microseconds)

    def person(self, citizen_id_no: str) -> bytes:
        """The blind index of a person."""
        return self._vault.blind_index(CITIZEN_INDEX_LABEL, citizen_id_no)

    def household(self, household_id: UUID, head_id: UUID, line: HouseholdLine) -> bytes:
        """One row, in the order of HOUSEHOLD_COPY_COLUMNS."""
        address = ADDRESS.process_bind_param(HouseholdAddress(address=line.address), self._dialect)
        return _row(
            household_id.bytes,
            line.household_no.encode(),
            line.household_type.value.encode(),
            line.station_code.encode(),
            line.division_code.encode(),
            address,
            head_id.bytes,
            self._at,
        )

    def resident(self, place: ResidentPlace, person: bytes, record: ResidentRecord) -> bytes:
        """One ACTIVE row of epoch 1, in the order of RESIDENT_COPY_COLUMNS."""
        personal = PERSONAL.process_bind_param(record, self._dialect)
        return _row(
            place.resident_id.bytes,
            person,
            place.household_id.bytes,
            place.station_code.encode(),
            place.relation_code.encode(),
            personal,
            RowKind.ACTIVE.value.encode(),
            FIRST_EPOCH,
            FALSE,
            FIRST_VERSION,
            self._at,
        )


def _row(*values: bytes | None) -> bytes:
    parts = [struct.pack("!h", len(values))]
    for value in values:
        if value is None:
            raise ValueError("the register's bulk rows have no empty columns")
        parts += (struct.pack("!i", len(value)), value)
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class CopySource:
    """What to write: each call gives the COPY bytes anew, so that a unit of work can be run again."""

    households: Callable[[], Iterator[bytes]]
    residents: Callable[[], Iterator[bytes]]


async def copy_rows(session: Session, source: CopySource) -> None:
    """Write households, then residents, in the session's transaction.

    Raises asyncpg's errors (UniqueViolationError); a lost connection or a full disk as ConnectionError, which is tried again."""
    await session.execute(SELECT_1)  # the driver's transaction begins with the first statement that SQLAlchemy sends
    connection = await session.connection()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    for table, columns, rows in (
        ("household", HOUSEHOLD_COPY_COLUMNS, source.households),
        ("resident", RESIDENT_COPY_COLUMNS, source.residents),
    ):
        try:
            await driver.copy_to_table(table, source=_blocks(rows()), columns=columns, format="binary")
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InsufficientResourcesError) as error:
            raise ConnectionError(f"copy into {table}: {type(error).__name__}") from error


async def _blocks(rows: Iterator[bytes]) -> AsyncIterator[bytes]:
    block = bytearray(COPY_HEADER)
    for row in rows:
        block += row
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block) + COPY_TRAILER
