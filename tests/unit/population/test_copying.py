"""Bulk rows: the bytes are PostgreSQL's binary COPY format, and only the vault can read the persons in them."""

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from services.bureau.population.acts.copying import HOUSEHOLD_COPY_COLUMNS, RESIDENT_COPY_COLUMNS, ResidentPlace, RowWriter
from services.bureau.population.rules.importing import HouseholdLine
from services.bureau.population.tables import HouseholdAddress, HouseholdType, ResidentRecord
from shared.database import Vault

VAULT = Vault({1: b"k" * 32}, b"b" * 32)
AT = datetime(2020, 12, 28, 10, 0, 0, 250, tzinfo=UTC)


@pytest.fixture
def writer() -> RowWriter:
    return RowWriter(SimpleNamespace(quanyu_vault=VAULT), at=AT)  # type: ignore[arg-type]  # a dialect as far as the vault


def fields(row: bytes) -> list[bytes]:
    (count,) = struct.unpack_from("!h", row)
    found, at = [], 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", row, at)
        found.append(row[at + 4 : at + 4 + length])
        at += 4 + length
    assert at == len(row)
    return found


def test_a_resident_s_row_has_the_columns_in_order(writer: RowWriter, make_record: Callable[..., ResidentRecord]) -> None:
    record, ids = make_record(), (UUID(int=1), UUID(int=2))
    person = writer.person(record.citizen_id_no)
    row = dict(
        zip(
            RESIDENT_COPY_COLUMNS, fields(writer.resident(ResidentPlace(*ids, "310116910000", "02"), person, record)), strict=True
        )
    )
    assert (row["id"], row["household_id"]) == (ids[0].bytes, ids[1].bytes)
    assert row["citizen_id_index"] == VAULT.blind_index("resident.citizen_id_no", record.citizen_id_no)
    assert ResidentRecord.model_validate_json(VAULT.decrypt("resident.personal", row["personal"])) == record
    assert (row["kind"], row["epoch"], row["version"], row["restoration_due"]) == (
        b"ACTIVE",
        b"\0\0\0\1",
        b"\0" * 7 + b"\1",
        b"\0",
    )
    (microseconds,) = struct.unpack("!q", row["updated_at"])
    assert datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds) == AT


def test_a_household_s_row_has_the_columns_in_order(writer: RowWriter) -> None:
    line = HouseholdLine("310116910000", "000000001", HouseholdType.COLLECTIVE, "310116", "演示路1号")
    row = dict(zip(HOUSEHOLD_COPY_COLUMNS, fields(writer.household(UUID(int=1), UUID(int=2), line)), strict=True))
    assert (row["id"], row["head_resident_id"]) == (UUID(int=1).bytes, UUID(int=2).bytes)
    assert (row["household_no"], row["household_type"]) == (b"000000001", b"COLLECTIVE")
    address = VAULT.decrypt("household.address", row["address"])
    assert HouseholdAddress.model_validate_json(address).address == "演示路1号"
