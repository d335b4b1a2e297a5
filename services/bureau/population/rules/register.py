"""Rows of the register as values, and what may become of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import UUID

from services.bureau.population.rules.errors import RowRefused
from services.bureau.population.tables import HoldKind, HouseholdType, ResidentRecord, RowKind
from shared.identifiers.texts import N_


@dataclass(frozen=True, slots=True)
class RowState:
    """What a row answers: its kind, the registration's epoch, and the case that it belongs to (IN_TRANSIT and MOVED only)."""

    kind: RowKind
    epoch: int
    counterpart: str | None = None
    case_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ResidentRow:
    """A person's row; the household of one who moved away or died is the last one."""

    id: UUID
    citizen_id_index: bytes
    household_id: UUID
    station_code: str
    relation_code: str
    personal: ResidentRecord
    kind: RowKind
    epoch: int
    counterpart: str | None
    case_id: UUID | None
    restoration_due: bool
    version: int
    updated_at: datetime

    @property
    def state(self) -> RowState:
        return RowState(self.kind, self.epoch, self.counterpart, self.case_id)

    @property
    def is_present(self) -> bool:
        """This register answers "registered here" (IN_TRANSIT included)."""
        return self.kind in PRESENT


@dataclass(frozen=True, slots=True)
class HouseholdRow:
    id: UUID
    household_no: str
    household_type: HouseholdType
    station_code: str
    division_code: str
    address: str
    head_resident_id: UUID | None
    dissolved_on: date | None


@dataclass(frozen=True, slots=True)
class HoldRow:
    id: UUID
    resident_id: UUID
    kind: HoldKind
    reason: str
    placed_by: str
    placed_at: datetime


class Change(NamedTuple):
    """One entry of the change log; `code` is GA/T 2000.24 where the standard has one for the field."""

    field: str
    code: str | None
    old: str | None
    new: str | None


PRESENT: Final = frozenset({RowKind.ACTIVE, RowKind.IN_TRANSIT})

# (from, to) at the same epoch: everything that a register does to a row by itself. A higher epoch comes only by an arrival.
ROW_CHANGES: Final = frozenset(
    {
        (RowKind.ACTIVE, RowKind.IN_TRANSIT),  # sealed
        (RowKind.IN_TRANSIT, RowKind.MOVED),  # the commit point
        (RowKind.IN_TRANSIT, RowKind.ACTIVE),  # restored
        (RowKind.ACTIVE, RowKind.CANCELLED),  # death, military service (户口登记条例 Art. 8, 11)
    }
)
CHANGE_CODES: Final[Mapping[str, str]] = MappingProxyType(  # GA/T 2000.24
    {"citizen_id_no": "10", "name": "20", "sex": "30", "born_on": "40", "ethnicity_code": "50"}
)


def require_row_change(old: RowState, new: RowState, *, restoration_due: bool) -> None:
    """Raise RowRefused unless a row may go from `old` to `new`: see ROW_CHANGES; a case ends as the case that it began as."""
    if new.epoch != old.epoch:
        message = N_("epoch {new} is not that of the row, {old}")
        raise RowRefused("epoch", message, field="epoch", old=old.epoch, new=new.epoch)
    if (old.kind, new.kind) not in ROW_CHANGES:
        message = N_("a row that is {old} cannot become {new}")
        raise RowRefused("row_kind", message, field="kind", old=old.kind.value, new=new.kind.value)
    has_case = new.case_id is not None and new.counterpart is not None
    if has_case is not (new.kind in (RowKind.IN_TRANSIT, RowKind.MOVED)):
        raise RowRefused("row_case", N_("a row has a case and a counterpart exactly while in transit or moved"), field="case_id")
    if new.kind is RowKind.MOVED and (new.case_id, new.counterpart) != (old.case_id, old.counterpart):
        raise RowRefused("row_case", N_("the row was sealed for another case"), field="case_id")
    if restoration_due:
        raise RowRefused("restoration_due", N_("the restoration must be entered before other business"))


def changes_between(old: ResidentRecord, new: ResidentRecord) -> tuple[Change, ...]:
    """The fields that differ, in the order of the register form, for the change log."""
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    return tuple(
        Change(field, CHANGE_CODES.get(field), _as_text(before[field]), _as_text(after[field]))
        for field in type(new).model_fields
        if before[field] != after[field]
    )


def _as_text(value: object) -> str | None:
    return None if value is None else str(value)


def next_household_no(numbers: Iterable[str]) -> str:
    """A number after the highest of those given (the numeric ones): opaque, nine digits (GA 214)."""
    highest = max((int(number) for number in numbers if number.isascii() and number.isdigit()), default=0)
    return f"{highest + 1:09d}"
