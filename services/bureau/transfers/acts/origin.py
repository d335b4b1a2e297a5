"""What officers of the origin do: verify against the own register, seal or return, ask to cancel, reissue, restore."""

from collections.abc import Sequence
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator
from uuid_utils.compat import uuid7

from services.bureau.access.callers import Officer
from services.bureau.population import acts as population
from services.bureau.population.acts import NewHousehold, Placement
from services.bureau.population.rules import RelationCode, ResidentRow, relation_to_new_head
from services.bureau.population.tables import HEAD_RELATION
from services.bureau.stations import acts as stations
from services.bureau.stations.acts import UnknownStation
from services.bureau.transfers.acts.cases import keep_receipt, load_for_officer, next_number
from services.bureau.transfers.acts.common import act_on, add_note, issuer_of, load_for, require, require_trust_list
from services.bureau.transfers.acts.moving import conclude, renew_settlement_due, say
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.documents import Numbers, make_certificate, reissued
from services.bureau.transfers.rules.errors import (
    ACTS,
    PROTOCOL,
    REGULATIONS,
    ApplicationRefused,
    NotInThisState,
    SealRefused,
    fault,
)
from services.bureau.transfers.rules.findings import OFFICERS_CHOICE, Finding, Registered, findings_of
from services.bureau.transfers.states import On, Side, State
from services.bureau.transfers.tables import MOVED_OUT, PACKAGE_CERTIFICATE, Return
from shared.contract.codes import ReturnCode
from shared.contract.fields import ISSUE_MAX, Address, HouseholdNo, ReasonText, contract_error
from shared.contract.records import MoveInPermit
from shared.database import Session
from shared.identifiers.bureau import BureauCode, short_name
from shared.identifiers.citizen_id import CitizenIdNumber
from shared.identifiers.texts import N_
from shared.web import Form


class SealForm(Form):
    """核验通过, 迁出注销: the applicant was contacted and confirms. `new_head`: of those who stay, when the head leaves.

    `without_answer`: seal although the destination did not answer whether the permit still stands.
    """

    applicant_confirms: bool
    new_head: CitizenIdNumber | None = None
    without_answer: bool = False


class ReturnForm(Form):
    """退回 with its code; R04 and R08 may say where the person is heading or belongs."""

    code: ReturnCode
    reason_text: ReasonText = ""
    heading_to: BureauCode | None = None


class RestoreForm(Form):
    """恢复户口. Where the old household was dissolved meanwhile: `household_no` of another one at this station, with the relation
    to its head (GB/T 4761), or `new_household_address` for a new one, in which the old relations are kept."""

    reason: Annotated[ReasonText, Field(min_length=1)]
    household_no: HouseholdNo | None = None
    relation_to_head_code: RelationCode = HEAD_RELATION
    new_household_address: Address | None = None

    @model_validator(mode="after")
    def _one_household(self) -> Self:
        if self.household_no is not None and self.new_household_address is not None:
            raise contract_error("two_households", N_("name an existing household or the address of a new one, not both"))
        return self


async def findings(session: Session, case: Case) -> list[Finding]:
    """The permit beside the own register: every difference, with the code a return would name."""
    return await judged(session, case, await registered_of(session, case, lock=False))


async def judged(session: Session, case: Case, registered: Sequence[Registered]) -> list[Finding]:
    keeper = await _keeper(session, case.station_code or "")
    return findings_of(_permit_of(case), registered, station_code=keeper, today=session.node.business_today())


async def registered_of(session: Session, case: Case, *, lock: bool) -> list[Registered]:
    found = []
    for member in _permit_of(case).members:  # by place: the order in which persons are locked
        number = member.citizen_id_no
        resident = None if number is None else await population.find_resident(session, number, lock=lock)
        holds = [] if resident is None else await population.holds_of(session, resident.id)
        kept_at, division_code = "", ""
        if resident is not None:
            kept_at = await _keeper(session, resident.station_code)
            division_code = (await population.get_household(session, resident.household_id)).division_code
        found.append(Registered(member, resident, holds, kept_at, division_code))
    return found


async def _keeper(session: Session, station_code: str) -> str:
    """The station that keeps the books of `station_code` today: itself, or who has followed it."""
    try:
        day = session.node.business_today()
        return (await stations.find_station(session, session.node.bureau, station_code, day=day)).code
    except UnknownStation:
        return station_code


async def destination_of_unsealed(session: Session, officer: Officer, case_id: UUID) -> str:
    """Whom to ask whether the permit still stands, for an officer who may seal it. Raises NoSuchCase, Denied, NotInThisState."""
    case = await load_for_officer(session, case_id, lock=False)
    require(session, officer, "transfers.seal", case)
    _require_all(case, On.CERTIFY, State.RECEIVED)
    return case.counterpart


async def seal(session: Session, officer: Officer, case_id: UUID, form: SealForm) -> Case:
    """Cancel out and issue the migration certificate, all members of the permit or none (R09).

    Raises SealRefused with every finding, ApplicationRefused (not confirmed, new head missing), NotInThisState."""
    case = await load_for(session, officer, "transfers.seal", case_id)
    _require_all(case, On.CERTIFY, State.RECEIVED)
    require_trust_list(session)
    if not form.applicant_confirms:
        message = N_("contact the applicant first; who denies the application is returned with R06")
        raise ApplicationRefused(fault("applicant_confirms", "not_confirmed", PROTOCOL, message))
    permit, registered = _permit_of(case), await registered_of(session, case, lock=True)
    found = await judged(session, case, registered)
    if found:
        raise SealRefused(one.fault for one in found)
    if form.without_answer:
        add_note(session, case, "without_answer", case.counterpart)
    residents = [(one.member.place, one.resident) for one in registered if one.resident is not None]
    await _name_new_head(session, [resident for _, resident in residents], form.new_head)
    await _certify(session, officer, case, permit, residents)
    return case


async def number_of_staying(session: Session, officer: Officer, case_id: UUID, row: str) -> str | None:
    """The id number of who was chosen as new head by his row of the register; None where nobody was.

    Raises NoSuchCase, Denied, ApplicationRefused (nobody of those who stay)."""
    if not row:
        return None
    case = await load_for(session, officer, "transfers.seal", case_id)
    residents = [one.resident for one in await registered_of(session, case, lock=False) if one.resident is not None]
    households = {one.household_id for one in residents}
    staying = [one for home in households for one in await population.members_of_household(session, home)]
    found = next((one for one in staying if str(one.id) == row), None)
    if found is None:
        raise _not_staying()
    return found.personal.citizen_id_no


def _not_staying() -> ApplicationRefused:
    return ApplicationRefused(fault("new_head", "not_staying", REGULATIONS, N_("the new head must be one of those who stay")))


async def _certify(
    session: Session, officer: Officer, case: Case, permit: MoveInPermit, residents: Sequence[tuple[int, ResidentRow]]
) -> None:
    household = await population.get_household(session, residents[0][1].household_id)
    certificate = make_certificate(permit, residents, household, await _numbers(session, case), await issuer_of(session, officer))
    case.migration_no, case.issue = certificate.migration_no, certificate.issue
    case.certificate_valid_until = certificate.valid_until
    case.write(certificate=certificate)
    await keep_receipt(session, case, package=PACKAGE_CERTIFICATE, code=MOVED_OUT, message="迁出注销，迁移证已推送")
    await act_on(session, case, On.CERTIFY)


async def _numbers(session: Session, case: Case) -> Numbers:
    number = await next_number(session)
    document_no = f"{short_name(session.node.bureau)}迁{number:08d}"
    return Numbers(document_no=document_no, serial_no=case.serial_no or f"{case.case_id.hex}", post_id=uuid7())


async def _name_new_head(session: Session, leaving: Sequence[ResidentRow], new_head: str | None) -> None:
    """When the head leaves and others stay, one of those who stay becomes head before the seal."""
    household = await population.get_household(session, leaving[0].household_id)
    ids = {resident.id for resident in leaving}
    staying = [one for one in await population.members_of_household(session, household.id) if one.id not in ids]
    if household.head_resident_id not in ids or not staying:
        if new_head is not None:
            message = N_("no new head is needed: the head stays, or nobody does")
            raise ApplicationRefused(fault("new_head", "not_needed", REGULATIONS, message))
        return
    if new_head is None:
        message = N_("the head leaves and {count} members stay: name the new head")
        raise ApplicationRefused(fault("new_head", "missing", REGULATIONS, message, count=len(staying)))
    named = next((one for one in staying if one.personal.citizen_id_no == new_head), None)
    if named is None:
        raise _not_staying()
    await population.change_head(session, household.id, named.id, reason="the head moves out")


async def return_permit(session: Session, officer: Officer, case_id: UUID, form: ReturnForm) -> Case:
    """退回: the destination voids. A code that has a check needs its finding; the others are the officer's choice."""
    case = await load_for(session, officer, "transfers.return", case_id)
    _require_all(case, On.RETURN, State.RECEIVED)
    if form.code not in OFFICERS_CHOICE and form.code not in {one.code for one in await findings(session, case)}:
        message = N_("the register shows nothing that {code} could mean")
        raise ApplicationRefused(fault("code", "no_finding", PROTOCOL, message, code=form.code.value))
    if form.heading_to is not None and session.node.trust.current.bureau(form.heading_to) is None:
        message = N_("{bureau} is no bureau of the federation")
        raise ApplicationRefused(fault("heading_to", "unknown_bureau", PROTOCOL, message, bureau=form.heading_to))
    returned = Return(
        code=form.code, reason_text=form.reason_text, heading_to=form.heading_to, returned_on=session.node.business_today()
    )
    case.write(returned=returned)
    await act_on(session, case, On.RETURN)
    return case


async def ask_cancel(session: Session, officer: Officer, case_id: UUID, reason: str) -> Case:
    """For the citizen, who does not want to move any more: ask the destination to void; it decides."""
    case = await load_for(session, officer, "transfers.ask_cancel", case_id)
    _require_all(case, On.ASK_CANCEL, State.SEALED)
    case.write(cancel_text=reason)
    await act_on(session, case, On.ASK_CANCEL)
    return case


async def reissue(session: Session, officer: Officer, case_id: UUID) -> Case:
    """补发: the same case and epoch, the next issue, a new number; the old one is void."""
    case = await load_for(session, officer, "transfers.reissue", case_id)
    sealed, certificate = case.in_state(State.SEALED), case.file.certificate
    if not sealed or certificate is None:
        raise NotInThisState(N_("issue the certificate again"), case)
    if certificate.issue >= ISSUE_MAX:
        message = N_("the certificate has been issued {count} times: ask the destination to void the case")
        raise ApplicationRefused(fault("issue", "issues", PROTOCOL, message, count=ISSUE_MAX))
    fresh = reissued(certificate, await _numbers(session, case), await issuer_of(session, officer))
    case.migration_no, case.issue, case.certificate_valid_until = fresh.migration_no, fresh.issue, fresh.valid_until
    case.reissue_asked = False
    case.write(certificate=fresh)
    await keep_receipt(session, case, package=PACKAGE_CERTIFICATE, code=MOVED_OUT, message="补发")
    await conclude(session, case, "reissue", [])
    await renew_settlement_due(session, case)
    await say(session, case, sealed)
    return case


async def restore(session: Session, officer: Officer, case_id: UUID, form: RestoreForm) -> Case:
    """恢复户口: the legal entry; until it is made, other business on the row is held."""
    case = await load_for(session, officer, "transfers.restore", case_id)
    restored = case.in_state(State.RESTORED)
    if not restored:
        raise NotInThisState(N_("enter the restoration"), case)
    places = {member.place for member in restored}
    registered = [one.resident for one in await registered_of(session, case, lock=True) if one.member.place in places]
    due = [resident for resident in registered if resident is not None and resident.restoration_due]
    if not due:
        raise NotInThisState(N_("enter the restoration again"), case)
    for resident, placement in await _placements(session, officer, case, form, due):
        await population.confirm_restoration(session, resident.id, placement=placement, reason=form.reason)
    await conclude(session, case, "restore", [])
    return case


async def _placements(
    session: Session, officer: Officer, case: Case, form: RestoreForm, due: Sequence[ResidentRow]
) -> list[tuple[ResidentRow, Placement | None]]:
    """Where each goes, the head of a new household first; None: back to where he was."""
    if form.household_no is None and form.new_household_address is None:
        return [(resident, None) for resident in due]
    if form.new_household_address is None:
        found = await population.household_by_no(session, case.station_code or "", form.household_no or "")
        if found is None:
            message = N_("this station has no household {number}")
            raise ApplicationRefused(
                fault("household_no", "unknown_household", REGULATIONS, message, number=form.household_no or "")
            )
        return [(resident, Placement(found.id, form.relation_to_head_code)) for resident in due]
    post = officer.post
    wanted = NewHousehold(station_code=post.station_code, division_code=post.division_code, address=form.new_household_address)
    made = await population.create_household(session, wanted)
    head = next((resident for resident in due if resident.relation_code == HEAD_RELATION), due[0])
    is_old_head = head.relation_code == HEAD_RELATION
    relations = [one.relation_code if is_old_head else relation_to_new_head(one, head) for one in due]
    placed = [(one, Placement(made.id, relation)) for one, relation in zip(due, relations, strict=True)]
    return sorted(placed, key=lambda one: one[0].id != head.id)


def _require_all(case: Case, on: On, state: State) -> None:
    """A household moves as one case: the act is for all members or none."""
    if case.side is not Side.ORIGIN or len(case.in_state(state)) != len(case.members):
        raise NotInThisState(ACTS[on], case)


def _permit_of(case: Case) -> MoveInPermit:
    if case.side is not Side.ORIGIN or case.file.permit is None:
        raise NotInThisState(N_("verify the permit"), case)
    return case.file.permit
