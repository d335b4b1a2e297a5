"""Settlement at the destination's counter, and the reissue that it may need first."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, Strict

from services.bureau.access.callers import Officer
from services.bureau.population import acts as population
from services.bureau.population.acts import NewHousehold
from services.bureau.population.tables import HEAD_RELATION
from services.bureau.transfers.acts.common import add_note, load_for
from services.bureau.transfers.acts.moving import conclude, happen
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.errors import (
    ACTS,
    NOTICE_1994,
    PROTOCOL,
    REGULATIONS,
    ApplicationRefused,
    NotInThisState,
    fault,
)
from services.bureau.transfers.rules.speech import ask_for_reissue
from services.bureau.transfers.states import On, State
from shared.contract.codes import VoidReason
from shared.contract.fields import MEMBERS_MAX, HouseholdNo, Place, ReasonText
from shared.database import Session
from shared.identifiers.texts import N_
from shared.messaging import record
from shared.web import Form

SignedPlace = Annotated[Place, Strict()]


class SettlementForm(Form):
    """落户: who signed at the counter. Every certified member is either signed or not; those not signing are voided.

    `household_no`: an existing household of this station, instead of the one named in the application; `late_reason`: why it is
    settled although the migration certificate has ended.
    """

    signed: Annotated[tuple[SignedPlace, ...], Field(min_length=1, max_length=MEMBERS_MAX)]
    not_signing: Annotated[tuple[SignedPlace, ...], Field(max_length=MEMBERS_MAX)] = ()
    not_signing_reason: ReasonText = ""
    household_no: HouseholdNo | None = None
    late_reason: ReasonText = ""


async def settle(session: Session, officer: Officer, case_id: UUID, form: SettlementForm) -> Case:
    """The citizen signs: bound here, not yet answered for; the origin's close makes it so. Consumes the certificate (缴销).

    Raises NotInThisState, ApplicationRefused (members not as certified, household, ended certificate without reason)."""
    case = await load_for(session, officer, "transfers.settle", case_id)
    certified = {member.place for member in case.in_state(State.CERTIFIED)}
    if not certified:
        raise NotInThisState(ACTS[On.SIGN], case)
    named = [*form.signed, *form.not_signing]
    if sorted(named) != sorted(certified):
        message = N_("each of the members {places} must be named once, as signed or as not signing")
        places = ", ".join(map(str, sorted(certified)))
        raise ApplicationRefused(fault("signed", "members", PROTOCOL, message, places=places))
    _require_valid(session, case, form)
    await _choose_household(session, case, form)
    if form.late_reason:
        add_note(session, case, "late", form.late_reason)
    case.write(signed_at=session.node.business_now(), void_text=form.not_signing_reason)
    unsigned = [case.members[place] for place in sorted(form.not_signing)]
    for member in unsigned:
        member.void_reason = VoidReason.NOT_SIGNED.value
    voided = await happen(session, case, On.VOID, form.not_signing)
    signed = await happen(session, case, On.SIGN, form.signed)
    case.reissue_asked = False
    await conclude(session, case, On.SIGN.value, [voided, signed], silent=unsigned)  # the settlement names them as voided
    return case


def _require_valid(session: Session, case: Case, form: SettlementForm) -> None:
    until = case.certificate_valid_until
    if until is not None and session.node.business_today() > until and not form.late_reason:
        message = N_("the migration certificate ended on {date}: give late_reason, ask for a reissue, or void")
        raise ApplicationRefused(fault("late_reason", "ended", NOTICE_1994, message, date=until.isoformat()))


async def _choose_household(session: Session, case: Case, form: SettlementForm) -> None:
    """The household that the members will enter: an existing one by its number, or a new one at the address."""
    application = case.file.application
    if application is None:
        raise AssertionError("a certified case of ours has its application")
    home = application.destination
    number = form.household_no or home.household_no
    joining = [m for m in application.movers if m.place in form.signed and m.relation_to_head_code == HEAD_RELATION]
    if number is None:
        made = NewHousehold(station_code=home.station_code, division_code=home.division_code, address=home.address)
        case.household_id = (await population.create_household(session, made)).id
        return
    found = await population.household_by_no(session, home.station_code, number)
    if found is None or found.dissolved_on is not None:
        message = N_("this station has no household {number}")
        raise ApplicationRefused(fault("household_no", "unknown_household", REGULATIONS, message, number=number))
    if joining and found.head_resident_id is not None:
        message = N_("the household has a head already: name another household")
        raise ApplicationRefused(fault("household_no", "second_head", REGULATIONS, message))
    case.household_id = found.id


async def request_reissue(session: Session, officer: Officer, case_id: UUID, reason: str) -> Case:
    """Ask the origin to issue the migration certificate again (补发): lost, or ended before the citizen came."""
    case = await load_for(session, officer, "transfers.request_reissue", case_id)
    if not case.in_state(State.CERTIFIED):
        raise NotInThisState(N_("ask for a new certificate"), case)
    case.reissue_asked = True
    case.write(reissue_text=reason)
    await record(session, ask_for_reissue(case, today=session.node.business_today()), to=case.counterpart)
    await conclude(session, case, "request reissue", [])
    return case
