"""The pushed permit beside the own register, line by line, for the officer who verifies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.bureau.population.rules import HouseholdRow, ResidentRow
from services.bureau.population.tables import RowKind
from services.bureau.transfers.rules.findings import Finding, Registered
from shared.contract.records import MoveInPermit
from shared.identifiers.division import full_division_name
from shared.identifiers.texts import N_

SEXES: Final = {"1": N_("male"), "2": N_("female")}
ROW_KINDS: Final = {
    RowKind.ACTIVE: N_("registered here"),
    RowKind.IN_TRANSIT: N_("moved out, not yet settled"),
    RowKind.MOVED: N_("moved away"),
    RowKind.CANCELLED: N_("cancelled"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One field of both; `translated`: the values are msgids; `number`: they are id numbers, masked unless shown on demand."""

    label: str
    pushed: str
    own: str
    translated: bool = False
    number: bool = False

    @property
    def differs(self) -> bool:
        return self.pushed != self.own


@dataclass(frozen=True, slots=True)
class Compared:
    """One member of the permit: what is beside each other, and what the register alone says."""

    place: int
    name: str
    lines: Sequence[Line]
    standing: str | None
    """A msgid; None: nobody of this id number is in the register."""
    holds: Sequence[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Permit and register of one case. `staying`: who remains in the household when its head leaves, else empty."""

    members: Sequence[Compared]
    findings: Sequence[Finding]
    staying: Sequence[ResidentRow]


def compare(permit: MoveInPermit, registered: Sequence[Registered], households: Mapping[UUID, HouseholdRow]) -> list[Compared]:
    return [_member(permit, one, households) for one in registered]


def _member(permit: MoveInPermit, one: Registered, households: Mapping[UUID, HouseholdRow]) -> Compared:
    person = None if one.resident is None else one.resident.personal
    home = None if one.resident is None else households[one.resident.household_id]
    lines = (
        Line(N_("Name"), one.member.name, "" if person is None else person.name),
        Line(
            N_("Citizen id number"), one.member.citizen_id_no or "", "" if person is None else person.citizen_id_no, number=True
        ),
        Line(N_("Sex"), _sex(one.member.sex), "" if person is None else _sex(person.sex), translated=True),
        Line(N_("Birth date"), one.member.born_on.isoformat(), "" if person is None else person.born_on.isoformat()),
        Line(
            N_("Division"), full_division_name(permit.origin_division_code), full_division_name(one.division_code) if home else ""
        ),
        Line(N_("Address"), permit.origin_address or "", "" if home is None else home.address),
        Line(N_("Station code"), permit.origin_station_code or "", one.kept_at),
    )
    standing = None if one.resident is None else ROW_KINDS[one.resident.kind]
    return Compared(one.member.place, one.member.name, lines, standing, [hold.kind.value for hold in one.holds])


def _sex(code: str) -> str:
    return SEXES.get(code, code)
