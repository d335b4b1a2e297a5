"""What acts of both sides share: the case with its permission, one step for all its members, remarks, who issues."""

from uuid import UUID

from services.bureau.access.callers import Officer
from services.bureau.access.rules import Facts, Grant, decide
from services.bureau.stations import acts as stations
from services.bureau.transfers.acts.cases import load_for_officer
from services.bureau.transfers.acts.moving import conclude, happen
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.documents import Issuer
from services.bureau.transfers.rules.errors import ACTS, NotInThisState
from services.bureau.transfers.states import On, Side
from services.bureau.transfers.tables import Application, Note
from shared.database import Session
from shared.identifiers.texts import N_
from shared.identifiers.unit_code import division_of_unit
from shared.web import Unavailable


async def load_for(session: Session, officer: Officer, action: str, case_id: UUID) -> Case:
    """The case, locked, if `officer` may do `action` to it. Raises NoSuchCase, Denied."""
    case = await load_for_officer(session, case_id)
    require(session, officer, action, case)
    return case


def require_trust_list(session: Session) -> None:
    """New acts of high risk need a list that somebody still renews (trust.md 4). Raises Unavailable."""
    if session.node.trust.current.freshness(int(session.node.machine_now().timestamp())) == "past_grace":
        raise Unavailable(N_("the trust list has ended and was not renewed: tell the operators"), code="trust_list_ended")


def require(session: Session, officer: Officer, action: str, case: Case) -> Grant:
    """May `officer` do `action` to this case? Raises Denied."""
    facts = Facts(
        station_code=case.station_code,
        division_code=None if case.station_code is None else division_of_unit(case.station_code),
        bureau=session.node.bureau,
    )
    return decide(officer, action, facts, session.node.business_today())


async def act_on(session: Session, case: Case, on: On) -> None:
    """One act on all members in a state where it begins. Raises NotInThisState when there is none."""
    moved = await happen(session, case, on, sorted(case.members))
    if not moved.changed:
        raise NotInThisState(ACTS[on], case)
    await conclude(session, case, on.value, [moved])


def add_note(session: Session, case: Case, kind: str, text: str) -> None:
    """A remark that officers see beside the case; saved with it."""
    note = Note(at=session.node.business_now(), kind=kind, text=text)
    case.write(notes=(*case.file.notes, note))


def application_of(case: Case) -> Application:
    if case.side is not Side.DESTINATION or case.file.application is None:
        raise NotInThisState(N_("work on the application"), case)
    return case.file.application


async def issuer_of(session: Session, officer: Officer) -> Issuer:
    unit = await stations.find_unit(session, session.node.bureau, officer.post.station_code)
    return Issuer(unit_code=unit.code, unit_name=unit.name, officer_name=officer.name, at=session.node.business_now())
