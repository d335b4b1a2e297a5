"""Where a case is on its way, told step by step: office, time, until when, and who has it now."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Final, Literal

from services.bureau.transfers.rules.case import Case, Member
from services.bureau.transfers.states import TERMINAL, Side, State
from shared.database import CHINA
from shared.identifiers.texts import N_

Standing = Literal["done", "now", "todo", "stopped"]
APPLIED, ACCEPTED, DECIDED, PUSHED, VERIFIED, CERTIFIED, SETTLED = range(7)

LABELS: Final = (
    N_("Application"),
    N_("Acceptance"),
    N_("Approval"),
    N_("Permit sent"),
    N_("Verification at the origin"),
    N_("Certificate sent back"),
    N_("Settlement"),
)
# (side, state) -> the step at which the case stands; a terminal state other than the end of the way has stopped there.
AT: Final = {
    (Side.DESTINATION, State.DRAFT): ACCEPTED,
    (Side.DESTINATION, State.ACCEPTED): DECIDED,
    (Side.DESTINATION, State.SUPPLEMENT_REQUIRED): DECIDED,
    (Side.DESTINATION, State.UNDER_REVIEW): DECIDED,
    (Side.DESTINATION, State.REFUSED): DECIDED,
    (Side.DESTINATION, State.APPROVED): VERIFIED,
    (Side.DESTINATION, State.CERTIFIED): SETTLED,
    (Side.DESTINATION, State.SETTLING): SETTLED,
    (Side.ORIGIN, State.RECEIVED): VERIFIED,
    (Side.ORIGIN, State.RETURNED): VERIFIED,
    (Side.ORIGIN, State.SEALED): SETTLED,
    (Side.ORIGIN, State.CANCELLING): SETTLED,
    (Side.ORIGIN, State.RESTORED): SETTLED,
}
ENDS_WELL: Final = frozenset({State.HERE, State.GONE})
BRANCH, HRSS = N_("population office of the branch"), N_("human resources and social security")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`office` is a name out of the documents, or a msgid where none is known yet; `day`: only the day is known."""

    label: str
    bureau: str
    office: str
    standing: Standing = "todo"
    at: datetime | None = None
    due: datetime | None = None
    day: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has the case now, since when."""

    bureau: str
    office: str
    since: datetime


def progress(case: Case, *, bureau: str, due: datetime | None) -> Sequence[Step]:
    """The whole way; `bureau` is ours, `due` when the next answer is owed."""
    steps = list(_steps(case, bureau))
    leading = _leading(case)
    if leading.state in ENDS_WELL:
        return [replace(step, standing="done") for step in steps]
    here = AT.get((case.side, leading.state), _stopped_at(case))
    ended = leading.state in TERMINAL[case.side]
    told = [replace(step, standing="done") if number < here else step for number, step in enumerate(steps)]
    until = due
    if until is None and here == SETTLED and case.certificate_valid_until is not None:
        until = _noon(case.certificate_valid_until)
    told[here] = replace(told[here], standing="stopped" if ended else "now", due=None if ended else until)
    return told


def holder(case: Case, *, bureau: str) -> Holder | None:
    """Whose turn it is; None when the case has ended."""
    leading = _leading(case)
    if leading.state in TERMINAL[case.side]:
        return None
    steps = list(_steps(case, bureau))
    own = steps[ACCEPTED] if case.side is Side.DESTINATION else steps[VERIFIED]
    other = steps[VERIFIED] if case.side is Side.DESTINATION else steps[ACCEPTED]
    if leading.state is State.UNDER_REVIEW:
        step = steps[DECIDED]
    elif leading.state in (State.APPROVED, State.SETTLING, State.SEALED, State.CANCELLING):
        step = other
    else:
        step = own
    return Holder(bureau=step.bureau, office=step.office, since=leading.since_business or leading.state_since)


def _leading(case: Case) -> Member:
    """The member that is furthest from an end: the one for whom something is still to be done."""
    members = case.in_order()
    return next((one for one in members if one.state not in TERMINAL[case.side]), _settled_or_first(members))


def _settled_or_first(members: Sequence[Member]) -> Member:
    return next((one for one in members if one.state in ENDS_WELL), members[0])


def _stopped_at(case: Case) -> int:
    if case.file.certificate is not None:
        return SETTLED
    if case.file.permit is not None:
        return VERIFIED
    return DECIDED if case.accepted_on is not None else ACCEPTED


def _steps(case: Case, bureau: str) -> Sequence[Step]:
    file, here = case.file, case.side is Side.DESTINATION
    destination, origin = (bureau, case.counterpart) if here else (case.counterpart, bureau)
    application, permit, certificate = file.application, file.permit, file.certificate
    station, former = "", ""
    if application is not None:
        station, former = application.destination.station_name, application.origin.station_name
    elif permit is not None:
        station, former = permit.accepted_by_unit_name, permit.origin_station_name or permit.origin_station_code or ""
    branch = HRSS if case.category == "TALENT" else BRANCH
    accepted = file.accepted_at or (None if permit is None else permit.accepted_at)
    sealed = None if certificate is None else certificate.accepted_at
    applied = None if application is None or application.applied_on is None else _noon(application.applied_on)
    issued = None if permit is None else permit.created_at or _noon(permit.issued_on)
    only_day = permit is not None and permit.created_at is None
    verified = sealed or (None if file.returned is None else _noon(file.returned.returned_on))
    office = branch if permit is None else permit.issuer_name
    return (
        Step(label=LABELS[APPLIED], bureau=destination, office=station, at=applied, day=True),
        Step(label=LABELS[ACCEPTED], bureau=destination, office=station, at=accepted),
        Step(label=LABELS[DECIDED], bureau=destination, office=office, at=issued, day=only_day),
        Step(label=LABELS[PUSHED], bureau=destination, office=office, at=issued, day=only_day),
        Step(label=LABELS[VERIFIED], bureau=origin, office=former, at=verified, day=sealed is None),
        Step(
            label=LABELS[CERTIFIED],
            bureau=origin,
            office=former if certificate is None else certificate.accepted_by_unit_name,
            at=sealed,
        ),
        Step(label=LABELS[SETTLED], bureau=destination, office=station, at=file.signed_at or file.closed_at),
    )


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), CHINA)
