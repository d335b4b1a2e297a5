"""What the lines of one file must agree on: persons, households, heads."""

from collections.abc import Callable
from datetime import date

from services.bureau.population.rules.importing import FileCheck, read_line

Line = Callable[..., dict[str, str]]


def enter(check: FileCheck, line_number: int, values: dict[str, str]) -> list[tuple[str, dict[str, object]]]:
    read = read_line(values, bureau="shanghai", stations={"310116910000"}, today=date(2020, 12, 28))
    _, faults = check.enter(line_number, values["citizen_id_no"].encode(), read)
    return [(fault.rule, dict(fault.values)) for fault in faults]


def test_a_person_twice_is_reported_with_the_first_line(line: Line) -> None:
    check = FileCheck()
    assert enter(check, 2, line()) == []
    assert enter(check, 3, line(household_no="2")) == [("person_twice", {"line": 2})]


def test_a_household_must_be_described_alike_on_all_its_lines(line: Line, number: Callable[[str], str]) -> None:
    check = FileCheck()
    enter(check, 2, line())
    other = line(citizen_id_no=number("31011619850101986"), relation_code="12", sex="2", address="别路2号")
    assert enter(check, 3, other) == [("household_differs", {"number": "000000001", "line": 2})]


def test_a_household_has_one_head(line: Line, number: Callable[[str], str]) -> None:
    check = FileCheck()
    enter(check, 2, line())
    second = line(citizen_id_no=number("31011619850101986"), sex="2")
    assert enter(check, 3, second) == [("second_head", {"number": "000000001", "line": 2})]
    assert list(check.headless()) == []


def test_a_household_without_a_head_is_reported_at_its_first_line(line: Line) -> None:
    check = FileCheck()
    enter(check, 7, line(relation_code="20"))
    assert [(one.line, one.fault.rule) for one in check.headless()] == [(7, "no_head")]


def test_a_head_whose_line_is_wrong_otherwise_is_still_the_head(line: Line) -> None:
    check = FileCheck()
    enter(check, 2, line(ethnicity_code="99"))
    assert list(check.headless()) == []


def test_the_same_number_in_two_stations_is_two_households(line: Line, number: Callable[[str], str]) -> None:
    check = FileCheck()
    enter(check, 2, line())
    enter(check, 3, line(station_code="310116920000", citizen_id_no=number("31011619850101986"), sex="2"))
    assert check.households == 2


def test_the_head_gets_the_id_that_its_household_names(line: Line, number: Callable[[str], str]) -> None:
    check, today = FileCheck(), date(2020, 12, 28)
    wife = line(citizen_id_no=number("31011619850101986"), sex="2", relation_code="12")
    first = read_line(wife, bureau="shanghai", stations={"310116910000"}, today=today)
    second = read_line(line(), bureau="shanghai", stations={"310116910000"}, today=today)
    of_wife, _ = check.enter(2, b"w", first)
    of_head, _ = check.enter(3, b"h", second)
    assert of_wife is not None
    assert of_head is not None
    assert of_wife.household_id == of_head.household_id
    assert of_head.resident_id == of_head.head_id == of_wife.head_id != of_wife.resident_id
    assert (of_wife.opens is not None, of_head.opens) == (True, None)
