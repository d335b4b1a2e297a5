"""What a citizen is told of a case: the way so far and ahead, who holds it now and until when, what to bring. Pure.

Nothing is promised that is not known: a time stands here only where a document or an owed answer has one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from services.bureau.transfers.rules.case import Case, Member
from services.bureau.transfers.states import LABELS, Side, State
from shared.contract.codes import RETURN_TEXTS, VOID_TEXTS, VoidReason
from shared.database import CHINA
from shared.identifiers.texts import N_

HIDDEN = "＊"
# The further a case has come, the later here; a case of several members is where the foremost of them is.
ORDER = (
    *(State.VOID, State.WITHDRAWN, State.REFUSED, State.DRAFT, State.SUPPLEMENT_REQUIRED, State.ACCEPTED, State.UNDER_REVIEW),
    *(State.APPROVED, State.CERTIFIED, State.SETTLING, State.HERE),
)
STOPPED = frozenset({State.VOID, State.WITHDRAWN, State.REFUSED})


class Holder(StrEnum):
    """Who has the case now; the value is what a citizen reads."""

    STATION = N_("the police station of the new home")
    BRANCH = N_("the office that decides")
    ORIGIN = N_("the police station of the old home")
    CITIZEN = N_("you")
    NOBODY = N_("nobody any more")


HOLDERS: Mapping[State, Holder] = {
    State.DRAFT: Holder.STATION,
    State.ACCEPTED: Holder.STATION,
    State.SUPPLEMENT_REQUIRED: Holder.CITIZEN,
    State.UNDER_REVIEW: Holder.BRANCH,
    State.APPROVED: Holder.ORIGIN,
    State.CERTIFIED: Holder.CITIZEN,
    State.SETTLING: Holder.ORIGIN,
}
NEXT: Mapping[State, str] = {
    State.DRAFT: N_("The station has written down your application and has not accepted it yet."),
    State.ACCEPTED: N_("The station checks whether everything is there and hands the application on for the decision."),
    State.SUPPLEMENT_REQUIRED: N_("Something is missing. Bring it to the station; until then the application rests."),
    State.UNDER_REVIEW: N_("The office decides. No day is fixed by which it has to."),
    State.APPROVED: N_("The move-in permit has been sent to your old station, which checks it and cancels you out there."),
    State.CERTIFIED: N_("The migration certificate is here. Come to the station and sign: only then are you registered here."),
    State.SETTLING: N_("You have signed. Your old register is confirming; until then it still answers for you."),
    State.HERE: N_("You are registered at the new home."),
    State.REFUSED: N_("The application was not approved."),
    State.WITHDRAWN: N_("The application was withdrawn; nothing has changed in your registration."),
    State.VOID: N_("The transfer has ended without a settlement; you are still registered at the old home."),
}
BRING: Mapping[State, Sequence[str]] = {
    State.CERTIFIED: (
        N_("your identity card"),
        N_("the household booklet of the old home"),
        N_("the household booklet of the household that you enter"),
        N_("everybody who moves and is of age comes to sign"),
    )
}


FOLLOWED_DAYS_AFTER_END = 60  # 行政复议法 (2023) Art. 20: so long a citizen may ask for review of what was decided


class Progress(StrEnum):
    DONE = "done"
    NOW = "now"
    AHEAD = "ahead"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the way; `label` is a msgid; `day` and `office` only where they are known."""

    label: str
    progress: Progress
    office: str = ""
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Person:
    name_masked: str
    is_applicant: bool
    label: str


@dataclass(frozen=True, slots=True)
class Tracked:
    """Everything on the citizen's page. Texts are msgids; names of offices and the words are data."""

    apply_no: str
    state: State
    label: str
    told: str
    holder: Holder
    holder_office: str
    until: datetime | None
    overdue: bool
    ends_on: date | None
    words: str
    """The officer's own: what is missing, or why the application was refused."""
    reasons: Sequence[str]
    bring: Sequence[str]
    way: Sequence[Stage]
    members: Sequence[Person]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offices:
    station: str
    branch: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What the database knows beside the file: when the case was opened, when it came to its end, what the origin owes."""

    opened: datetime
    since: datetime
    due: datetime | None
    now: datetime


def track_case(case: Case, offices: Offices, times: Times) -> Tracked:
    """What the citizen of `case`, an application of ours, is told."""
    state = foremost(case)
    holder = HOLDERS.get(state, Holder.NOBODY)
    if state is State.CERTIFIED and case.reissue_asked:
        holder = Holder.ORIGIN
    until = times.due if holder is Holder.ORIGIN and state is not State.SETTLING else None
    return Tracked(
        apply_no=case.apply_no or "",
        state=state,
        label=LABELS[(case.side, state)],
        told=N_("A new migration certificate has been asked for, because the first is lost or has ended.")
        if case.reissue_asked
        else NEXT[state],
        holder=holder,
        holder_office={Holder.STATION: offices.station, Holder.BRANCH: offices.branch, Holder.ORIGIN: offices.origin}.get(
            holder, ""
        ),
        until=until,
        overdue=until is not None and until < times.now,
        ends_on=case.certificate_valid_until if state is State.CERTIFIED else None,
        words=_words(case, state),
        reasons=_reasons(case, state),
        bring=() if holder is not Holder.CITIZEN else BRING.get(state, ()),
        way=_way(case, state, offices, times),
        members=[_person(case, member) for member in case.in_order()],
    )


def is_followed(case: Case, today: date) -> bool:
    """Whether the citizen of `case` can still be given a query code: it is ours, and has not ended long ago."""
    if case.side is not Side.DESTINATION or case.file.application is None:
        return False
    ended = max((day for one in case.in_order() if (day := _day(one.since_business)) is not None), default=today)
    return not case.has_ended or today <= ended + timedelta(days=FOLLOWED_DAYS_AFTER_END)


def foremost(case: Case) -> State:
    return max((one.state for one in case.members.values()), key=ORDER.index)


def masked_name(name: str) -> str:
    """A name of which only the first character is readable."""
    return name[:1] + HIDDEN * max(len(name) - 1, 1)


def _words(case: Case, state: State) -> str:
    if state is State.REFUSED:
        return case.file.void_text
    if state is not State.SUPPLEMENT_REQUIRED:
        return ""
    return next((note.text for note in reversed(case.file.notes) if note.kind == "supplement"), "")


def _reasons(case: Case, state: State) -> list[str]:
    """Why it ended, as msgids."""
    if state is not State.VOID:
        return []
    said = {VOID_TEXTS[VoidReason(m.void_reason)]: None for m in case.in_order() if m.void_reason is not None}
    returned = case.file.returned
    return [*said, *([] if returned is None else [RETURN_TEXTS[returned.code]])]


def _person(case: Case, member: Member) -> Person:
    movers = {} if case.file.application is None else {mover.place: mover.name for mover in case.file.application.movers}
    label = LABELS[(case.side, member.state)]
    if member.void_reason is not None and member.state is State.VOID:
        label = VOID_TEXTS[VoidReason(member.void_reason)]
    return Person(masked_name(movers.get(member.place, "")), member.place == 1, label)


def _way(case: Case, state: State, offices: Offices, times: Times) -> list[Stage]:
    """Six steps; those after a stop are not shown, the last that happened is where it stopped."""
    file = case.file
    permit, certificate = file.permit, file.certificate
    days = [
        (N_("Application taken"), offices.station, _day(times.opened)),
        (N_("Application accepted"), offices.station, case.accepted_on),
        (N_("Move-in approved, permit sent to the old home"), offices.branch, None if permit is None else permit.issued_on),
        (
            N_("Cancelled out at the old home, migration certificate sent"),
            offices.origin,
            None if certificate is None else certificate.issued_on,
        ),
        (N_("Signed at the counter"), offices.station, _day(file.signed_at)),
        (N_("Registered at the new home"), offices.station, _day(file.closed_at)),
    ]
    reached = sum(1 for _, _, day in days if day is not None)
    way = []
    for place, (label, office, day) in enumerate(days):
        progress = Progress.DONE if day is not None else Progress.NOW if place == reached else Progress.AHEAD
        way.append(Stage(label, progress, office, day))
    if state in STOPPED:
        ended = Stage(LABELS[(case.side, state)], Progress.STOPPED, "", _day(times.since))
        way = [*(stage for stage in way if stage.progress is Progress.DONE), ended]
    return way


def _day(at: datetime | None) -> date | None:
    return None if at is None else at.astimezone(CHINA).date()
