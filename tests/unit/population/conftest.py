"""Residents and lines of import files as values; nothing here needs a database."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.bureau.population.rules import ResidentRow
from services.bureau.population.tables import ResidentRecord, RowKind
from shared.identifiers.citizen_id import check_digit

HOUSEHOLD = UUID("01930000-0000-7000-8000-000000000001")
STATION = "310116910000"

MakeRecord = Callable[..., ResidentRecord]
MakeRow = Callable[..., ResidentRow]
MakeNumber = Callable[[str], str]


@pytest.fixture
def number() -> MakeNumber:
    """A citizen id number from its first seventeen digits."""
    return lambda body: body + check_digit(body)


@pytest.fixture
def make_record(number: MakeNumber) -> MakeRecord:
    def make(**changed: Any) -> ResidentRecord:
        values = {
            "citizen_id_no": number("31011619850101981"),
            "name": "张华",
            "sex": "1",
            "ethnicity_code": "01",
            "born_on": date(1985, 1, 1),
        }
        return ResidentRecord(**(values | changed))

    return make


@pytest.fixture
def make_row(make_record: MakeRecord) -> MakeRow:
    def make(relation_code: str = "02", *, sex: str = "1", born_on: date = date(1985, 1, 1), **changed: Any) -> ResidentRow:
        values: dict[str, Any] = {
            "id": uuid7(),
            "citizen_id_index": b"i" * 16,
            "household_id": HOUSEHOLD,
            "station_code": STATION,
            "relation_code": relation_code,
            "personal": make_record(sex=sex, born_on=born_on),
            "kind": RowKind.ACTIVE,
            "epoch": 1,
            "counterpart": None,
            "case_id": None,
            "restoration_due": False,
            "version": 1,
            "updated_at": datetime(2020, 12, 28, tzinfo=UTC),
        }
        return ResidentRow(**(values | changed))

    return make


@pytest.fixture
def line(number: MakeNumber) -> Callable[..., dict[str, str]]:
    """The values of a good line of an import file, some of them changed."""

    def make(**changed: str) -> dict[str, str]:
        values = {
            "station_code": STATION,
            "household_no": "000000001",
            "household_type": "FAMILY",
            "division_code": "310116",
            "address": "演示路1号",
            "relation_code": "02",
            "citizen_id_no": number("31011619850101981"),
            "name": "张华",
            "sex": "1",
            "ethnicity_code": "01",
            "born_on": "1985-01-01",
            "moved_in_on": "2001-05-06",
            "height_cm": "175",
        }
        return values | changed

    return make
