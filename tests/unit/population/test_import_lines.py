"""One line of an import file: what is read from it, and each thing that can be wrong with it."""

from collections.abc import Callable
from datetime import date

import pytest

from services.bureau.population.rules.importing import COLUMNS, ResidentLine, header_faults, read_line
from services.bureau.population.tables import HouseholdType

Line = Callable[..., dict[str, str]]
TODAY = date(2020, 12, 28)
STATIONS = {"310116910000"}


def read(values: dict[str, str]) -> ResidentLine:
    return read_line(values, bureau="shanghai", stations=STATIONS, today=TODAY)


def test_a_good_line_gives_record_and_household(line: Line) -> None:
    found = read(line())
    assert found.faults == ()
    assert found.record is not None
    assert found.household is not None
    assert (found.record.name, found.record.height_cm, found.record.moved_in_on) == ("张华", 175, date(2001, 5, 6))
    assert (found.household.household_no, found.household.household_type) == ("000000001", HouseholdType.FAMILY)


def test_sex_birth_date_division_and_type_follow_from_what_is_given(line: Line, number: Callable[[str], str]) -> None:
    lower = number("31011619850101986").lower()
    found = read(line(citizen_id_no=lower, sex="", born_on="", division_code="", household_type=""))
    assert found.faults == ()
    assert found.record is not None
    assert found.household is not None
    assert (found.record.sex, found.record.born_on, found.record.citizen_id_no) == ("2", date(1985, 1, 1), lower.upper())
    assert (found.household.division_code, found.household.household_type) == ("310116", HouseholdType.FAMILY)


@pytest.mark.parametrize(
    ("field", "value", "rule", "source"),
    [
        ("citizen_id_no", "310116198501019811", "check_digit", "GB 11643-1999"),
        ("citizen_id_no", "31011619850101981", "form", "GB 11643-1999"),
        ("citizen_id_no", "310116198513019811", "birth_date", "GB 11643-1999"),
        ("citizen_id_no", "", "missing", "公通字〔1995〕91号"),
        ("name", "", "missing", "公通字〔1995〕91号"),
        ("name", "华" * 61, "string_too_long", "JSON Schema"),
        ("name", "张\x00华", "control_character", "Quanyu register import"),
        ("sex", "2", "contradicts_number", "GB 11643-1999"),
        ("born_on", "1985-01-02", "contradicts_number", "GB 11643-1999"),
        ("ethnicity_code", "57", "unknown_code", "GB/T 3304"),
        ("relation_code", "01", "unknown_code", "GB/T 4761"),
        ("marital_status_code", "11", "unknown_code", "GB/T 2261.2"),
        ("education_code", "50", "unknown_code", "GB/T 4658"),
        ("station_code", "310117910000", "unknown_station", "Quanyu register import"),
        ("division_code", "310229", "unknown_division", "GB/T 2260"),
        ("division_code", "330482", "other_bureau", "GB/T 2260"),
        ("household_type", "CLAN", "enum", "公通字〔1995〕91号"),
        ("household_no", "1" * 21, "string_too_long", "JSON Schema"),
        ("address", "路" * 201, "string_too_long", "JSON Schema"),
        ("moved_in_on", "2020-12-29", "in_future", "公通字〔1995〕91号"),
        ("moved_in_on", "1984-12-31", "before_birth", "公通字〔1995〕91号"),
        ("moved_in_on", "6.5.2001", "date_parsing", "JSON Schema"),
        ("height_cm", "999", "less_than_equal", "JSON Schema"),
        ("height_cm", "tall", "int_parsing", "JSON Schema"),
        ("mother_id_no", "310116195501010000", "check_digit", "GB 11643-1999"),
        ("blood_type", "C", "literal_error", "JSON Schema"),
    ],
)
def test_what_is_wrong_is_named_with_field_rule_and_source(line: Line, field: str, value: str, rule: str, source: str) -> None:
    found = read(line(**{field: value}))
    assert [(fault.field, fault.rule, fault.source) for fault in found.faults] == [(field, rule, source)]


def test_a_birth_date_in_the_future_is_refused(line: Line, number: Callable[[str], str]) -> None:
    found = read(line(citizen_id_no=number("31011620210101981"), sex="", born_on="", moved_in_on=""))
    assert [fault.rule for fault in found.faults] == ["birth_date_in_future"]


def test_all_that_is_wrong_with_a_line_is_reported_at_once(line: Line) -> None:
    found = read(line(name="", ethnicity_code="99", moved_in_on="2031-01-01", division_code="330482"))
    assert {fault.rule for fault in found.faults} == {"missing", "unknown_code", "in_future", "other_bureau"}


def test_a_division_of_first_issue_that_is_gone_is_no_fault(line: Line, number: Callable[[str], str]) -> None:
    found = read(line(citizen_id_no=number("31022919850101981")))
    assert found.faults == ()
    assert found.citizen is not None
    assert not found.citizen.known_division


def test_the_header_may_have_any_of_our_columns_in_any_order() -> None:
    assert header_faults(COLUMNS) == []
    assert header_faults(tuple(reversed(COLUMNS))) == []


def test_a_wrong_header_is_named_column_by_column() -> None:
    header = [*(name for name in COLUMNS if name != "name"), "nmae", "address"]
    found = {(fault.field, fault.rule) for fault in header_faults(header)}
    assert found == {("nmae", "unknown_column"), ("name", "missing_column"), ("address", "column_twice")}
