"""What the origin finds when it holds a permit against its own register: the codes R01-R10 that have a check.

R06 is what the applicant says when contacted; R07's "duplicate" and R04's "other business" may also be the officer's knowledge.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

from services.bureau.population.rules import HoldRow, ResidentRow
from services.bureau.population.tables import HoldKind, RowKind
from services.bureau.transfers.rules.errors import NOTICE_1994, REGULATIONS, fault
from shared.contract.codes import ReturnCode
from shared.contract.records import MoveInPermit, PermitMember
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_

OFFICERS_CHOICE: Final = frozenset({ReturnCode.R04, ReturnCode.R06, ReturnCode.R07, ReturnCode.R08, ReturnCode.R09})
"""May be given without a finding: the officer knows what no register does. The others need theirs."""

HOLD_CODES: Final[Mapping[HoldKind, ReturnCode]] = MappingProxyType(
    {
        HoldKind.RESTRICTED_PERSON: ReturnCode.R05,
        HoldKind.OTHER_BUSINESS: ReturnCode.R04,
        HoldKind.RECORD_LOCKED: ReturnCode.R04,
        HoldKind.DUPLICATE_NUMBER: ReturnCode.R10,
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: the code a return would name, the member's place, and the fault to show."""

    code: ReturnCode
    place: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Registered:
    """A permit's member beside the own register; `resident` is None when nobody of that number is in it.

    `kept_at`: the station that keeps the person's book today, the successor where the one in the row has closed."""

    member: PermitMember
    resident: ResidentRow | None
    holds: Sequence[HoldRow]
    kept_at: str
    division_code: str
    """Of the person's household."""


def findings_of(permit: MoveInPermit, registered: Sequence[Registered], *, station_code: str, today: date) -> list[Finding]:
    """Every difference, by member; empty when the permit may be sealed."""
    found: list[Finding] = []
    if today > permit.valid_until:
        message = N_("the permit ended on {date}")
        found.append(Finding(ReturnCode.R07, 1, fault("permit.valid_until", "R07", NOTICE_1994, message,
                                                      date=permit.valid_until.isoformat())))  # fmt: skip
    for one in registered:
        found.extend(_findings_of_member(one, station_code))
        if one.division_code and one.division_code != permit.origin_division_code:  # the dated rules were judged by the permit's
            message = N_("registered in division {code}; the permit says {named}")
            other = fault("permit.origin_division_code", "R08", REGULATIONS, message, code=one.division_code,
                          named=permit.origin_division_code)  # fmt: skip
            found.append(Finding(ReturnCode.R08, one.member.place, other))
    households = {one.resident.household_id for one in registered if one.resident is not None}
    if len(households) > 1:
        message = N_("the members are registered in {count} different households")
        found.append(Finding(ReturnCode.R09, 1, fault("permit.members", "R09", REGULATIONS, message, count=len(households))))
    return found


def _findings_of_member(one: Registered, station_code: str) -> Iterator[Finding]:
    place, resident = one.member.place, one.resident

    def finding(code: ReturnCode, message: str, **values: str | int) -> Finding:
        return Finding(code, place, fault(f"permit.members.{place}", code.value, REGULATIONS, message, **values))

    if resident is None:
        yield finding(ReturnCode.R01, N_("nobody of this id number is in this register"))
        return
    if resident.kind in (RowKind.MOVED, RowKind.CANCELLED):
        yield finding(ReturnCode.R03, N_("the registration ended: {kind}"), kind=resident.kind.value)
        return
    person = resident.personal
    if (person.name, person.born_on, person.sex) != (one.member.name, one.member.born_on, one.member.sex):
        yield finding(ReturnCode.R02, N_("name, sex or birth date differ from the register"))
    if resident.kind is RowKind.IN_TRANSIT:
        yield finding(ReturnCode.R04, N_("moved out already for case {case} to {bureau}"), case=str(resident.case_id),
                      bureau=str(resident.counterpart))  # fmt: skip
    if resident.restoration_due:
        yield finding(ReturnCode.R04, N_("a restoration must be entered before other business"))
    for hold in one.holds:
        yield finding(HOLD_CODES[hold.kind], N_("a hold is in force: {kind}"), kind=hold.kind.value)
    if one.kept_at != station_code:
        yield finding(ReturnCode.R08, N_("registered at station {station}, not at this one"), station=one.kept_at)
