"""Import of a register from CSV: one line per resident, columns named as our fields. Pure: values in, residents or faults out.

Of the columns only REQUIRED must be there. Household columns repeat on each line of a household, and must agree.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

from pydantic import ValidationError
from uuid_utils.compat import uuid7

from services.bureau.population.rules.relations import RELATIONS
from services.bureau.population.tables import HEAD_RELATION, HouseholdAddress, HouseholdType, ResidentRecord
from shared.identifiers.citizen_id import SOURCE as CITIZEN_ID_SOURCE
from shared.identifiers.citizen_id import CitizenIdNo, parse_citizen_id_no
from shared.identifiers.division import SOURCE as DIVISION_SOURCE
from shared.identifiers.division import bureau_of_division, require_division
from shared.identifiers.errors import SCHEMA_SOURCE, Fault, IdentifierError, fault_of
from shared.identifiers.texts import N_
from shared.identifiers.unit_code import division_of_unit

IMPORT_ROWS_MAX = 1_000_000  # one transaction, and about 500 MB of memory for what lines must be compared with
FAULTS_MAX = 100_000  # whoever sends a file with more has sent the wrong file
FAULTS_KEPT_MAX = 1_000  # nobody reads more one by one; the others are counted, so that memory stays flat
COLUMN_SHOWN_CHARS = 40  # longer than any of ours; in a file that is no CSV a "name" may be 64 KB
HOUSEHOLD_NO_MAX_CHARS = 20  # GA 214: opaque, often nine digits

REGISTER_FORM: Final = "公通字〔1995〕91号"
REGULATIONS_ART_4: Final = "户口登记条例 Art. 4"
REGULATIONS_ART_6: Final = "户口登记条例 Art. 6"
IMPORT_SOURCE: Final = "Quanyu register import"

HOUSEHOLD_COLUMNS: Final = ("station_code", "household_no", "household_type", "division_code", "address")
RESIDENT_COLUMNS: Final = ("relation_code", *ResidentRecord.model_fields)
COLUMNS: Final = (*HOUSEHOLD_COLUMNS, *RESIDENT_COLUMNS)
HOUSEHOLD_TYPES: Final = tuple(one.value for one in HouseholdType)
REQUIRED: Final = ("station_code", "household_no", "address", "relation_code", "citizen_id_no", "name", "ethnicity_code")

_KIN_NUMBERS: Final = ("guardian_id_no", "father_id_no", "mother_id_no", "spouse_id_no")
_PAST_DATES: Final = ("moved_in_on", "address_since", "id_card_valid_from", "registered_on")
# field -> (values, standard): GB/T 3304 has 56 peoples, 97 other, 98 of foreign blood.
_CODES: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "relation_code": (RELATIONS, "GB/T 4761"),
    "ethnicity_code": (frozenset({*(f"{number:02d}" for number in range(1, 57)), "97", "98"}), "GB/T 3304"),
    "marital_status_code": (frozenset({"10", "20", "21", "22", "23", "30", "40", "90"}), "GB/T 2261.2"),
    "education_code": (frozenset(f"{tens}{units}" for tens in "12346789" for units in "0123456789"), "GB/T 4658"),
}


@dataclass(frozen=True, slots=True)
class LineFault:
    """A fault and its line in the file, from 1; 0 is the file as a whole."""

    line: int
    fault: Fault


@dataclass(slots=True)
class Faults:
    """Faults of one file: the first FAULTS_KEPT_MAX that are found are kept, the others counted by rule."""

    kept: list[LineFault] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    def add(self, line: int, fault: Fault) -> None:
        if len(self.kept) < FAULTS_KEPT_MAX:
            self.kept.append(LineFault(line, fault))
        else:
            self.others[fault.rule] += 1

    def merge(self, more: "Faults") -> None:
        for one in more.kept:
            self.add(one.line, one.fault)
        self.others.update(more.others)

    def sort(self) -> None:
        """By line: some are found only when all lines are in."""
        self.kept.sort(key=lambda one: one.line)

    def __len__(self) -> int:
        return len(self.kept) + self.others.total()

    def __iter__(self) -> Iterator[LineFault]:
        return iter(self.kept)


@dataclass(frozen=True, slots=True)
class HouseholdLine:
    """What a line says about its household."""

    station_code: str
    household_no: str
    household_type: HouseholdType
    division_code: str
    address: str


@dataclass(frozen=True, slots=True)
class ResidentLine:
    """What a line says, as far as it can be read; right by itself when it has no faults: then nothing is None."""

    household: HouseholdLine | None
    relation_code: str
    citizen: CitizenIdNo | None
    record: ResidentRecord | None
    faults: tuple[Fault, ...]


def header_faults(header: Sequence[str]) -> list[Fault]:
    """What is wrong with the first line of the file."""
    header = [name[:COLUMN_SHOWN_CHARS] for name in header]
    names = dict.fromkeys(header)
    unknown, missing = N_("column {column} is not known"), N_("column {column} is missing")
    faults = [import_fault(name, "unknown_column", unknown, column=name) for name in names if name not in COLUMNS]
    faults += [import_fault(name, "missing_column", missing, column=name) for name in REQUIRED if name not in names]
    twice = N_("column {column} is there twice")
    return faults + [import_fault(name, "column_twice", twice, column=name) for name in names if header.count(name) > 1]


def read_line(values: Mapping[str, str], *, bureau: str, stations: Collection[str], today: date) -> ResidentLine:
    """One resident, with everything that is wrong with the line by itself; `values` by column, "" where nothing is given."""
    faults = list(_wrong_characters(values))
    citizen = _citizen(values, today, faults)
    given = {name: value for name, value in values.items() if value != "" and name in ResidentRecord.model_fields}
    if citizen is not None:
        derived = {"citizen_id_no": citizen.text, "sex": citizen.sex, "born_on": citizen.born_on.isoformat()}
        faults += _contradictions(given, derived)
        given |= derived
        faults += _wrong_dates(given, citizen.born_on, today)
    faults += _missing(values)
    faults += _wrong_codes(values)
    faults += _wrong_kin(given, today)
    faults += _wrong_household(values, bureau, stations)
    record = _record(given, faults, broken={fault.field for fault in faults})
    return ResidentLine(_household(values), values.get("relation_code", ""), citizen, record, tuple(faults))


def _citizen(values: Mapping[str, str], today: date, faults: list[Fault]) -> CitizenIdNo | None:
    if not values.get("citizen_id_no"):
        return None
    try:
        return parse_citizen_id_no(values["citizen_id_no"], today=today)
    except IdentifierError as error:
        faults.append(error.fault.at("citizen_id_no"))
        return None


def _record(given: Mapping[str, str], faults: list[Fault], *, broken: set[str]) -> ResidentRecord | None:
    try:
        return ResidentRecord.model_validate_strings(dict(given))
    except ValidationError as error:
        found = (fault_of(details) for details in error.errors(include_url=False, include_input=False))
        # The number's own fault says more than "does not have the form"; without it sex and birth date are not derived either.
        derived = {"citizen_id_no", "sex", "born_on"}
        faults += [fault for fault in found if fault.field not in broken | derived]
        return None


def _household(values: Mapping[str, str]) -> HouseholdLine | None:
    station, number = values.get("station_code", ""), values.get("household_no", "")
    kind = values.get("household_type") or HouseholdType.FAMILY.value
    if not station or not number or kind not in HOUSEHOLD_TYPES:
        return None
    division = values.get("division_code") or division_of_unit(station)
    return HouseholdLine(station, number, HouseholdType(kind), division, values.get("address", ""))


def _wrong_characters(values: Mapping[str, str]) -> Iterator[Fault]:
    for name, value in values.items():
        if not value.isprintable():
            yield import_fault(name, "control_character", N_("contains a control character"))


def _missing(values: Mapping[str, str]) -> Iterator[Fault]:
    for name in REQUIRED:
        if not values.get(name):
            yield Fault(field=name, rule="missing", source=REGISTER_FORM, message=N_("this field is required"), values={})


def _contradictions(given: Mapping[str, str], derived: Mapping[str, str]) -> Iterator[Fault]:
    for name in ("sex", "born_on"):
        if given.get(name, derived[name]) != derived[name]:
            message = N_("is {actual}, but the citizen id number says {expected}")
            values = {"actual": given[name], "expected": derived[name]}
            yield Fault(field=name, rule="contradicts_number", source=CITIZEN_ID_SOURCE, message=message, values=values)


def _wrong_codes(values: Mapping[str, str]) -> Iterator[Fault]:
    for name, (allowed, source) in _CODES.items():
        value = values.get(name)
        if value and value not in allowed:
            yield import_fault(name, "unknown_code", N_("code {code} is not in the table"), source=source, code=value)


def _wrong_dates(given: Mapping[str, str], born_on: date, today: date) -> Iterator[Fault]:
    for name in _PAST_DATES:
        try:
            day = date.fromisoformat(given[name])
        except (KeyError, ValueError):  # not given, or refused by the record
            continue
        if day > today:
            yield import_fault(name, "in_future", N_("{date} is in the future"), source=REGISTER_FORM, date=given[name])
        if day < born_on:
            message = N_("{date} lies before the birth date {born_on}")
            yield import_fault(name, "before_birth", message, source=REGISTER_FORM, date=given[name], born_on=born_on.isoformat())


def _wrong_kin(given: Mapping[str, str], today: date) -> Iterator[Fault]:
    for name in _KIN_NUMBERS:
        try:
            if name in given:
                parse_citizen_id_no(given[name], today=today)
        except IdentifierError as error:
            yield error.fault.at(name)


def _wrong_household(values: Mapping[str, str], bureau: str, stations: Collection[str]) -> Iterator[Fault]:
    station, division = values.get("station_code", ""), values.get("division_code", "")
    if station and station not in stations:
        yield import_fault("station_code", "unknown_station", N_("station {code} is not known"), code=station)
    if division:
        try:
            if bureau_of_division(require_division(division)) != bureau:
                message = N_("division {code} belongs to another bureau")
                yield import_fault("division_code", "other_bureau", message, source=DIVISION_SOURCE, code=division)
        except IdentifierError as error:
            yield error.fault.at("division_code")
    kind = values.get("household_type", "")
    if kind and kind not in HOUSEHOLD_TYPES:
        message = N_("must be one of {expected}")
        yield import_fault("household_type", "enum", message, source=REGISTER_FORM, expected=", ".join(HOUSEHOLD_TYPES))
    if len(values.get("household_no", "")) > HOUSEHOLD_NO_MAX_CHARS:
        message = N_("has more than {max_length} characters")
        yield import_fault("household_no", "string_too_long", message, source=SCHEMA_SOURCE, max_length=HOUSEHOLD_NO_MAX_CHARS)
    if values.get("address"):
        try:
            HouseholdAddress(address=values["address"])
        except ValidationError as error:
            yield from (fault_of(details) for details in error.errors(include_url=False, include_input=False))


def import_fault(name: str, rule: str, message: str, *, source: str = IMPORT_SOURCE, **values: str | int) -> Fault:
    return Fault(field=name, rule=rule, source=source, message=message, values=values)


@dataclass(slots=True)
class _Household:
    facts: HouseholdLine
    first_line: int
    id: UUID
    head_id: UUID
    head_line: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a resident goes; `opens` the household that starts with this line."""

    resident_id: UUID
    household_id: UUID
    head_id: UUID
    opens: HouseholdLine | None


@dataclass(slots=True)
class FileCheck:
    """What lines of one file must agree on: nobody twice, households alike on all their lines, one head each."""

    lines_by_person: dict[bytes, int] = field(default_factory=dict)
    _households: dict[tuple[str, str], _Household] = field(default_factory=dict)

    def enter(self, line: int, person: bytes | None, read: ResidentLine) -> tuple[Entry | None, list[Fault]]:
        """Take a line into account, a wrong one as far as it can be read: (its place, what other lines speak against).

        `person`: the blind index of its citizen id number; the place is None without a person or household."""
        faults: list[Fault] = []
        if person is not None:
            before = self.lines_by_person.setdefault(person, line)
            if before != line:
                message = N_("this person is on line {line} already")
                faults.append(import_fault("citizen_id_no", "person_twice", message, source=REGULATIONS_ART_6, line=before))
        if read.household is None:
            return None, faults
        found, opens = self._household_of(line, read.household, faults)
        is_head = read.relation_code == HEAD_RELATION
        if is_head and found.head_line:
            message, number = N_("household {number} has its head on line {line} already"), read.household.household_no
            faults.append(
                import_fault(
                    "relation_code", "second_head", message, source=REGULATIONS_ART_4, number=number, line=found.head_line
                )
            )
        elif is_head:
            found.head_line = line
        return Entry(found.head_id if is_head else uuid7(), found.id, found.head_id, opens), faults

    def _household_of(self, line: int, facts: HouseholdLine, faults: list[Fault]) -> tuple[_Household, HouseholdLine | None]:
        key = (facts.station_code, facts.household_no)
        found = self._households.get(key)
        if found is None:
            found = self._households[key] = _Household(facts, line, uuid7(), uuid7())
            return found, facts
        if found.facts != facts:
            message, number = N_("household {number} is described otherwise on line {line}"), facts.household_no
            faults.append(import_fault("household_no", "household_differs", message, number=number, line=found.first_line))
        return found, None

    @property
    def households(self) -> int:
        return len(self._households)

    def numbers(self) -> Iterator[tuple[str, str, int]]:
        """(station, household number, first line) of every household."""
        for (station, number), found in self._households.items():
            yield station, number, found.first_line

    def headless(self) -> Iterator[LineFault]:
        """Households without a head, once all lines are in."""
        for found in self._households.values():
            if not found.head_line:
                message = N_("household {number} has no head (relation 02)")
                number = found.facts.household_no
                fault = import_fault("relation_code", "no_head", message, source=REGULATIONS_ART_4, number=number)
                yield LineFault(found.first_line, fault)
