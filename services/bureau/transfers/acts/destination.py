"""What officers of the destination do: take the application, decide, settle, void. Session first, then who acts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from services.bureau.access.callers import Officer
from services.bureau.access.rules import Facts, decide
from services.bureau.population import acts as population
from services.bureau.rulebook import RuleBook
from services.bureau.stations import acts as stations
from services.bureau.stations.acts import UnknownStation
from services.bureau.transfers.acts.cases import NUMBER_TAKEN, OPEN_CASES_OF, keep_receipt, load_for_officer, next_number
from services.bureau.transfers.acts.common import (
    act_on,
    add_note,
    application_of,
    issuer_of,
    load_for,
    require,
    require_trust_list,
)
from services.bureau.transfers.acts.moving import conclude
from services.bureau.transfers.rules.application import (
    SELF,
    ApplicationForm,
    Knowledge,
    KnownPeople,
    PersonForm,
    faults_of,
    movement_of,
    origin_bureau_of,
    require_open,
)
from services.bureau.transfers.rules.case import Case, Member
from services.bureau.transfers.rules.documents import Numbers, make_permit
from services.bureau.transfers.rules.errors import ACTS, PROTOCOL, REGULATIONS, ApplicationRefused, NotInThisState, fault
from services.bureau.transfers.states import BEGINS, On, Side, State
from services.bureau.transfers.tables import MOVED_OUT, ONE_OPEN_CASE, PACKAGE_PERMIT, Application, Mover, NewHome, OldHome
from shared.contract.codes import VoidReason
from shared.database import CHINA, Session
from shared.identifiers.apply_no import new_apply_no
from shared.identifiers.bureau import short_name
from shared.identifiers.citizen_id import parse_citizen_id_no
from shared.identifiers.errors import Fault
from shared.identifiers.query_code import new_query_code
from shared.identifiers.texts import N_

NUMBER_DRAWS = 20
VOID_BY_OFFICER = frozenset({VoidReason.WITHDRAWN, VoidReason.EXPIRED, VoidReason.INVALID})


@dataclass(frozen=True, slots=True)
class Opened:
    """A new case; `query_code` is shown this once, on the receipt."""

    case: Case
    query_code: str


# ---- the application ----------------------------------------------------------------------------------------------------


async def open_case(session: Session, officer: Officer, form: ApplicationForm, *, previous: UUID | None = None) -> Opened:
    """Take an application as a draft. Raises ApplicationRefused with every fault, UnknownStation.

    `previous`: a returned or void case of the same citizen, whose case number goes on."""
    decide(officer, "transfers.open", _own_station(session, officer), session.node.business_today())
    faults = list(faults_of(form, await _knowledge(session, officer, form)))
    if faults:
        raise ApplicationRefused(*faults)
    today = session.node.business_today()
    origin_bureau = origin_bureau_of(form)
    if origin_bureau is None:
        raise AssertionError("refused above")
    apply_no = None if previous is None else await _number_of(session, officer, previous, form)
    if apply_no is None:
        apply_no = await _fresh_number(session, form.destination.division_code, today)
    application = await _application(session, officer, form, origin_bureau)
    code = new_query_code()
    case = Case(
        counterpart=origin_bureau,
        case_id=uuid7(),
        side=Side.DESTINATION,
        apply_no=apply_no,
        previous_case=previous,
        category=form.category,
        station_code=officer.post.station_code,
        query_code_index=code,
    )
    case.write(application=application)
    now = session.node.machine_now()
    for mover in application.movers:
        state = BEGINS[Side.DESTINATION]
        case.members[mover.place] = Member(mover.place, state, 0, mover.citizen_id_no, now)
    try:
        await conclude(session, case, "open", [])
    except IntegrityError as error:  # two officers at once: the database lets one of them open a case for a person
        if ONE_OPEN_CASE not in str(error.orig):
            raise
        message = N_("a case of one of these persons has just been opened by another officer")
        raise ApplicationRefused(fault("applicant", "open_case", f"{REGULATIONS} Art. 6", message)) from error
    return Opened(case, code)


async def _knowledge(session: Session, officer: Officer, form: ApplicationForm, *, own: UUID | None = None) -> Knowledge:
    """Everything the judgement of an application needs to know of this node."""
    node, today = session.node, session.node.business_today()
    origin_bureau = origin_bureau_of(form)
    people = await known_people(session, [one.citizen_id_no for one in (form.applicant, *form.members)], own=own)
    sponsor = None if form.sponsor is None else await population.find_resident(session, form.sponsor.citizen_id_no)
    directory = [] if origin_bureau is None else await stations.stations_of(session, origin_bureau)
    number = form.destination.household_no
    home = None if number is None else await population.household_by_no(session, officer.post.station_code, number)
    return Knowledge(
        bureau=node.bureau,
        station_division=officer.post.division_code,
        today=today,
        origin_bureau=origin_bureau,
        origin_station_division=next((one.division_code for one in directory if one.code == form.origin.station_code), None),
        directory_known=bool(directory),
        people=people,
        sponsor_name=None if sponsor is None or not sponsor.is_present else sponsor.personal.name,
        household_known=home is not None and home.dissolved_on is None,
        household_has_head=home is not None and home.head_resident_id is not None,
    )


async def known_people(session: Session, numbers: Sequence[str], *, own: UUID | None = None) -> KnownPeople:
    """Who of these is registered here, and who is in an open case other than `own`."""
    registered, open_cases = set(), {}
    for number in numbers:
        found = await population.find_resident(session, number)
        if found is not None and found.is_present:
            registered.add(number)
        running = (await session.execute(OPEN_CASES_OF, {"citizen": number})).first()
        if running is not None and running.case_id != own:
            since = running.accepted_on or running.state_since_business.astimezone(CHINA).date()
            open_cases[number] = (running.apply_no, running.counterpart, since.isoformat())
    return KnownPeople(registered_here=frozenset(registered), open_cases=open_cases)


async def judge(session: Session, officer: Officer, form: ApplicationForm, *, own: UUID | None = None) -> list[Fault]:
    """Everything that speaks against an application, before a case is opened of it; `own`: a draft case that was."""
    return list(faults_of(form, await _knowledge(session, officer, form, own=own)))


async def _application(session: Session, officer: Officer, form: ApplicationForm, origin_bureau: str) -> Application:
    day = session.node.business_today()
    station = await stations.find_station(session, session.node.bureau, officer.post.station_code, day=day)
    try:
        origin_station = await stations.find_station(session, origin_bureau, form.origin.station_code, day=day)
    except UnknownStation as unknown:
        raise ApplicationRefused(unknown.fault.at("origin.station_code")) from unknown
    movers = [_mover(form.applicant, 1, SELF)]
    movers += [_mover(one, place, one.relation_to_applicant_code) for place, one in enumerate(form.members, start=2)]
    return Application(
        category=form.category,
        reason_code=form.reason_code,
        reason_text=form.reason_text,
        applied_on=form.applied_on or day,
        applicant_phone=form.applicant.phone,
        sponsor_name=None if form.sponsor is None else form.sponsor.name,
        sponsor_id_no=None if form.sponsor is None else form.sponsor.citizen_id_no,
        origin=OldHome(
            bureau=origin_bureau,
            division_code=form.origin.division_code,
            address=form.origin.address,
            station_code=origin_station.code,
            station_name=origin_station.name,
        ),
        destination=NewHome(
            division_code=form.destination.division_code,
            address=form.destination.address,
            station_code=station.code,
            station_name=station.name,
            household_no=form.destination.household_no,
        ),
        movers=tuple(movers),
    )


def _mover(person: PersonForm, place: int, relation: str) -> Mover:
    number = parse_citizen_id_no(person.citizen_id_no)
    return Mover(
        place=place,
        citizen_id_no=person.citizen_id_no,
        name=person.name,
        sex=number.sex,
        born_on=number.born_on,
        relation_to_applicant_code=relation,
        relation_to_head_code=person.relation_to_head_code,
    )


async def _number_of(session: Session, officer: Officer, previous: UUID, form: ApplicationForm) -> str | None:
    """The case number that goes on: of a case of the same applicant that has come to its end."""
    before = await load_for_officer(session, previous, lock=False)
    require(session, officer, "transfers.read", before)
    applicant = application_of(before).movers[0]
    if not before.has_ended or applicant.citizen_id_no != form.applicant.citizen_id_no:
        message = N_("a corrected application follows an ended case of the same applicant")
        raise ApplicationRefused(fault("previous_case", "previous_case", PROTOCOL, message))
    return before.apply_no


async def _fresh_number(session: Session, division_code: str, today: date) -> str:
    """A case number that no case of ours has: a district with a thousand cases a day would draw one twice."""
    for _ in range(NUMBER_DRAWS):
        number = new_apply_no(division_code, today)
        if (await session.execute(NUMBER_TAKEN, {"apply_no": number})).first() is None:
            return number
    raise AssertionError(f"{NUMBER_DRAWS} draws of a million numbers were all taken")


def _own_station(session: Session, officer: Officer) -> Facts:
    post = officer.post
    return Facts(station_code=post.station_code, division_code=post.division_code, bureau=session.node.bureau)


async def accept(session: Session, officer: Officer, case_id: UUID, rulebook: RuleBook) -> Case:
    """受理: the dated rules are judged by this day. Raises RuleClosed naming rule and date."""
    case = await load_for(session, officer, "transfers.accept", case_id)
    application, today = application_of(case), session.node.business_today()
    require_open(rulebook, movement_of(application, bureau=session.node.bureau), today)
    case.accepted_on = today
    case.write(accepted_by_name=officer.name, accepted_at=session.node.business_now())
    await act_on(session, case, On.ACCEPT)
    return case


async def ask_supplement(session: Session, officer: Officer, case_id: UUID, missing: str) -> Case:
    """一次性告知: what is missing, told once."""
    case = await load_for(session, officer, "transfers.ask_supplement", case_id)
    add_note(session, case, "supplement", missing)
    await act_on(session, case, On.ASK_SUPPLEMENT)
    return case


async def supplemented(session: Session, officer: Officer, case_id: UUID) -> Case:
    """What was missing has been brought."""
    case = await load_for(session, officer, "transfers.supplemented", case_id)
    await act_on(session, case, On.SUPPLEMENTED)
    return case


async def submit(session: Session, officer: Officer, case_id: UUID) -> Case:
    """提交审批."""
    case = await load_for(session, officer, "transfers.submit", case_id)
    await act_on(session, case, On.SUBMIT)
    return case


async def withdraw(session: Session, officer: Officer, case_id: UUID, reason: str) -> Case:
    """The applicant takes the application back before anything has been said to the origin."""
    case = await load_for(session, officer, "transfers.withdraw", case_id)
    case.write(void_text=reason)
    await act_on(session, case, On.WITHDRAW)
    return case


# ---- the decision -------------------------------------------------------------------------------------------------------


async def approve(session: Session, officer: Officer, case_id: UUID, hrss_approval_no: str | None = None) -> Case:
    """准予迁入: issues the permit and sends it to the origin. A talent case needs the HRSS approval number."""
    case = await load_for_officer(session, case_id)
    require(session, officer, "transfers.approve_talent" if case.category == "TALENT" else "transfers.approve", case)
    application = application_of(case)
    if not case.in_state(State.UNDER_REVIEW):  # before the permit is made: what was never accepted has nobody who accepted it
        raise NotInThisState(ACTS[On.APPROVE], case)
    if application.category == "TALENT":
        if hrss_approval_no is None:
            message = N_("a talent transfer needs the approval number of the human resources and social security department")
            raise ApplicationRefused(fault("hrss_approval_no", "missing", "人才引进政策", message))
        application = application.model_copy(update={"hrss_approval_no": hrss_approval_no})
    require_trust_list(session)
    number = await next_number(session)
    issuer = await issuer_of(session, officer)
    short = short_name(session.node.bureau)
    case.serial_no = f"{case.apply_no}-{number}"
    case.permit_no = f"{short}{number:08d}"
    numbers = Numbers(document_no=case.permit_no, serial_no=case.serial_no, post_id=uuid7())
    accepted_at: datetime = case.file.accepted_at or session.node.business_now()
    permit = make_permit(application, numbers, issuer, accepted_by=case.file.accepted_by_name or "", accepted_at=accepted_at)
    case.permit_valid_until = permit.valid_until
    case.write(application=application, permit=permit)
    await keep_receipt(session, case, package=PACKAGE_PERMIT, code=MOVED_OUT, message="准迁证已推送")
    await act_on(session, case, On.APPROVE)
    return case


async def refuse(session: Session, officer: Officer, case_id: UUID, reason: str) -> Case:
    """不予批准, with its reason."""
    case = await load_for(session, officer, "transfers.refuse", case_id)
    case.write(void_text=reason)
    await act_on(session, case, On.REFUSE)
    return case


async def void(session: Session, officer: Officer, case_id: UUID, reason: VoidReason, text: str) -> Case:
    """作废: before anybody has signed. Expired, withdrawn or issued wrongly; told to the origin."""
    case = await load_for(session, officer, "transfers.void", case_id)
    require_trust_list(session)
    if reason not in VOID_BY_OFFICER:
        message = N_("an officer voids as one of {allowed}")
        allowed = ", ".join(sorted(VOID_BY_OFFICER))
        raise ApplicationRefused(fault("reason_code", "void_reason", PROTOCOL, message, allowed=allowed))
    for member in case.in_state(State.APPROVED, State.CERTIFIED):
        member.void_reason = reason.value
    case.write(void_text=text)
    await act_on(session, case, On.VOID)
    return case


async def wait(session: Session, officer: Officer, case_id: UUID, reason: str) -> Case:
    """The permit has ended and no certificate is there: wait on, with a reason (the origin may not seal on it, R07)."""
    case = await load_for(session, officer, "transfers.wait", case_id)
    if not case.in_state(State.APPROVED):
        raise NotInThisState(N_("wait on"), case)
    if case.permit_valid_until is None or session.node.business_today() <= case.permit_valid_until:
        message = N_("the permit is valid until {date}: nothing to decide yet")
        until = "" if case.permit_valid_until is None else case.permit_valid_until.isoformat()
        raise ApplicationRefused(fault("reason", "not_expired", PROTOCOL, message, date=until))
    add_note(session, case, "wait", reason)
    await conclude(session, case, "wait", [])
    return case
