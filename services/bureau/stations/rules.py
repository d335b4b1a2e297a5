"""Reading the lists of a province (`stations.csv`, `posts.csv`) and following closed stations: pure.

A list that is wrong is refused as a whole, with every fault: a node does not start on half a list.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.bureau.access.callers import OFFICER_ROLES
from shared.contract.fields import MAINTENANCE_TEXT_MAX_CHARS
from shared.contract.records import Station
from shared.database import CHINA
from shared.identifiers.division import require_division
from shared.identifiers.errors import Fault, IdentifierError, fault_of
from shared.identifiers.texts import N_
from shared.identifiers.unit_code import SOURCE as UNIT_SOURCE
from shared.identifiers.unit_code import bureau_of_unit, division_of_unit
from shared.web import InvalidInput

STATION_COLUMNS: Final = (
    *("code", "name", "address", "division_code", "longitude", "latitude"),
    *("valid_from", "valid_until", "successor"),
)
POST_COLUMNS: Final = ("badge_no", "name", "station_code", "role", "valid_from", "valid_until")
BADGE_NO_MAX_CHARS = 20  # real numbers have six digits, unique only with the province
SUCCESSORS_MAX = 10  # stations closed one after another; more is a circle
OFFICE_SUFFIX = "000000"
"""A county, city or provincial unit (GA/T 380-2012): approves or operates, registers nobody."""
MAINTENANCE_MAX_DAYS = 30  # more is a slip of the year
SOURCE = "Quanyu station list"
COMMENT = "#"


class ListRefused(Exception):
    """A list of stations or posts is wrong; the faults' fields are "line.column"."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        self.file, self.faults = file, faults
        super().__init__(f"{file}: " + "; ".join(f"{fault.field}: {fault.in_english()}" for fault in faults))


@dataclass(frozen=True, slots=True)
class OwnPost:
    """A line of posts.csv: an officer, where, as what (a `Role`), from and until which day (both included)."""

    badge_no: str
    name: str
    station_code: str
    role: str
    valid_from: date
    valid_until: date | None


def in_force(station: Station, day: date) -> bool:
    """Whether it registers anybody on that day."""
    return station.valid_from <= day and (station.valid_until is None or day <= station.valid_until)


def is_registration_station(code: str) -> bool:
    """A station keeps a register; a branch or county unit (…000000) does not."""
    return not code.endswith(OFFICE_SUFFIX)


def read_stations(text: str, *, bureau: str) -> tuple[Station, ...]:
    """The bureau's stations, sorted by code; raises ListRefused."""
    faults: list[Fault] = []
    found: dict[str, Station] = {}
    for line, row in _rows(text, STATION_COLUMNS, faults):
        values = {name: value for name, value in row.items() if value != ""}
        try:
            one = Station.model_validate_strings(values)
            require_division(one.division_code)
        except ValidationError as error:
            faults += [fault_of(details).at(str(line)) for details in error.errors()]
            continue
        except IdentifierError as error:
            faults.append(error.fault.at(f"{line}.division_code"))
            continue
        faults += [fault.at(str(line)) for fault in _wrong_station(one, bureau, found)]
        found[one.code] = one
    faults += _wrong_successors(found)
    if faults:
        raise ListRefused("stations.csv", faults)
    return tuple(found[code] for code in sorted(found))


def read_posts(text: str, *, stations: Iterable[Station]) -> tuple[OwnPost, ...]:
    """The posts of the bureau's officers; raises ListRefused."""
    faults: list[Fault] = []
    known = {one.code for one in stations}
    found: dict[tuple[str, str, str, date], OwnPost] = {}
    for line, row in _rows(text, POST_COLUMNS, faults):
        first = _date(row["valid_from"], f"{line}.valid_from", faults)
        last = _date(row["valid_until"], f"{line}.valid_until", faults) if row["valid_until"] else None
        if first is None:
            continue
        one = OwnPost(row["badge_no"], row["name"], row["station_code"], row["role"], first, last)
        faults += [fault.at(str(line)) for fault in _wrong_post(one, known)]
        key = (one.badge_no, one.station_code, one.role, first)
        if key in found:
            faults.append(_fault("badge_no", "post_twice", N_("this post is listed twice")).at(str(line)))
        found[key] = one
    if faults:
        raise ListRefused("posts.csv", faults)
    return tuple(found.values())


_DATE: Final = TypeAdapter(date)


def _date(text: str, field: str, faults: list[Fault]) -> date | None:
    try:
        return _DATE.validate_strings(text, strict=True)
    except ValidationError as error:
        faults += [fault_of(details).at(field) for details in error.errors()]
        return None


def _rows(text: str, columns: tuple[str, ...], faults: list[Fault]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number in the file, values by column), comment lines left out; a wrong header or width goes to `faults`."""
    numbered = ((line, row) for line, row in enumerate(text.splitlines(), 1) if row.strip() and not row.startswith(COMMENT))
    header = next(numbered, (1, ""))
    if tuple(header[1].split(",")) != columns:
        message = N_("the columns must be {columns}")
        faults.append(_fault("", "header", message, columns=",".join(columns)).at(str(header[0])))
        return
    for line, row in numbered:
        try:
            values = next(csv.reader(io.StringIO(row)))
        except csv.Error as error:  # a field of more than 128 KiB
            faults.append(_fault("", "csv", N_("the line is not CSV: {error}"), error=str(error)).at(str(line)))
            continue
        if len(values) != len(columns):
            message = N_("{actual} values instead of {expected}")
            faults.append(_fault("", "width", message, actual=len(values), expected=len(columns)).at(str(line)))
            continue
        yield line, dict(zip(columns, (value.strip() for value in values), strict=True))


def _wrong_station(one: Station, bureau: str, found: Mapping[str, Station]) -> Iterator[Fault]:
    if bureau_of_unit(one.code) != bureau:
        yield _fault("code", "other_bureau", N_("unit {code} belongs to another bureau"), source=UNIT_SOURCE, code=one.code)
    if division_of_unit(one.code) != one.division_code:
        message = N_("unit {code} does not begin with its division {division}")
        yield _fault("code", "unit_division", message, source=UNIT_SOURCE, code=one.code, division=one.division_code)
    if one.code in found:
        yield _fault("code", "station_twice", N_("station {code} is listed twice"), code=one.code)


def _wrong_successors(found: Mapping[str, Station]) -> Iterator[Fault]:
    for one in found.values():
        if one.successor is not None and (one.successor not in found or one.valid_until is None):
            message = N_("the successor of {code} is not listed, or {code} is not closed")
            yield _fault("successor", "successor", message, code=one.code)


def _wrong_post(one: OwnPost, stations: set[str]) -> Iterator[Fault]:
    if not 0 < len(one.badge_no) <= BADGE_NO_MAX_CHARS:
        yield _fault("badge_no", "length", N_("has 1 to {limit} characters"), limit=BADGE_NO_MAX_CHARS)
    if not one.name:
        yield _fault("name", "missing", N_("this field is required"))
    if one.station_code not in stations:
        yield _fault("station_code", "unknown_station", N_("station {code} is not known"), code=one.station_code)
    if one.role not in OFFICER_ROLES:
        roles = ", ".join(sorted(OFFICER_ROLES))
        yield _fault("role", "unknown_role", N_("role {role} is none of {roles}"), role=one.role, roles=roles)
    if one.valid_until is not None and one.valid_until < one.valid_from:
        message = N_("ends before it begins on {start}")
        yield _fault("valid_until", "before_start", message, start=one.valid_from.isoformat())


def _fault(field: str, rule: str, message: str, *, source: str = SOURCE, **values: str | int) -> Fault:
    return Fault(field=field, rule=rule, source=source, message=message, values=values)


def follow(stations: Mapping[str, Station], code: str, day: date) -> Station | Fault:
    """The station open on `day` that does the work of `code`: itself, or a successor; else the fault, its field empty."""
    here = code
    for _ in range(SUCCESSORS_MAX):
        one = stations.get(here)
        if one is None:
            return _fault("", "unknown_station", N_("station {code} is not known"), code=code)
        if not is_registration_station(one.code):
            return _fault("", "not_a_station", N_("unit {code} is not a registration station"), source=UNIT_SOURCE, code=code)
        if day < one.valid_from:
            message = N_("station {code} opens on {on}")
            return _fault("", "station_not_open", message, code=code, on=one.valid_from.isoformat())
        if one.valid_until is None or day <= one.valid_until:
            return one
        if one.successor is None:
            message = N_("station {code} was closed on {on} and has no successor")
            return _fault("", "station_closed", message, code=code, on=one.valid_until.isoformat())
        here = one.successor
    return _fault("", "successors", N_("the successors of station {code} lead in a circle"), code=code)


def predecessors(closed: Mapping[str, str], code: str) -> frozenset[str]:
    """The stations of `closed` (code -> successor) whose work has come to `code`, over any number of successions."""
    found: set[str] = set()
    new = {code}
    while new:
        new = {one for one, successor in closed.items() if successor in new} - found - {code}
        found |= new
    return frozenset(found)


def read_window(typed: Mapping[str, str], *, now: datetime) -> tuple[datetime, datetime, str]:
    """From, until and reason of announced maintenance, as typed (times in China). Raises InvalidInput."""
    faults: list[Fault] = []
    starts_at, ends_at = (_typed_time(typed, field, faults) for field in ("starts_at", "ends_at"))
    text = typed.get("text", "").strip()
    if not 0 < len(text) <= MAINTENANCE_TEXT_MAX_CHARS:
        message = N_("has 1 to {limit} characters")
        faults.append(_fault("text", "length", message, source="", limit=MAINTENANCE_TEXT_MAX_CHARS))
    if starts_at and ends_at:
        if ends_at <= starts_at:
            message = N_("ends before it begins on {start}")
            faults.append(_fault("ends_at", "before_start", message, source="", start=f"{starts_at:%Y-%m-%d %H:%M}"))
        elif ends_at <= now:
            faults.append(_fault("ends_at", "past", N_("is over already"), source=""))
        elif ends_at - starts_at > timedelta(days=MAINTENANCE_MAX_DAYS):
            message = N_("lasts longer than {limit} days")
            faults.append(_fault("ends_at", "too_long", message, source="", limit=MAINTENANCE_MAX_DAYS))
    if faults or starts_at is None or ends_at is None:
        raise InvalidInput(faults=faults)
    return starts_at, ends_at, text


def _typed_time(typed: Mapping[str, str], field: str, faults: list[Fault]) -> datetime | None:
    try:
        found = datetime.fromisoformat(typed.get(field, "").strip())
    except ValueError:
        faults.append(_fault(field, "time", N_("must be a day and a time"), source=""))
        return None
    return found.replace(tzinfo=CHINA) if found.tzinfo is None else found
