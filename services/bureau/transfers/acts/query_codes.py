"""换发查询码: who has lost the receipt gets a new query code at the counter, and the old one is none from then on."""

from uuid import UUID

from sqlalchemy import bindparam, select, update

from services.bureau.access.callers import Officer
from services.bureau.access.citizens import end_proofs_of
from services.bureau.transfers.acts.cases import load_for_officer
from services.bureau.transfers.acts.common import load_for, require
from services.bureau.transfers.acts.destination import Opened
from services.bureau.transfers.acts.intake import forget_code_of
from services.bureau.transfers.acts.moving import conclude
from services.bureau.transfers.rules.errors import PERSONAL_INFORMATION, ApplicationRefused, NotInThisState, fault
from services.bureau.transfers.rules.tracking import is_followed
from services.bureau.transfers.states import Side
from services.bureau.transfers.tables import transfer_case
from shared.database import Session
from shared.identifiers.query_code import new_query_code
from shared.identifiers.texts import N_
from shared.web import Form

_OF_NUMBER = (transfer_case.c.apply_no == bindparam("a_number")) & (transfer_case.c.side == Side.DESTINATION.value)
CASES_OF_NUMBER = select(transfer_case.c.case_id).where(_OF_NUMBER)
FORGET_CODES = update(transfer_case).where(_OF_NUMBER).values(query_code_index=None)


class QueryCodeForm(Form):
    """换发查询码: whoever asks has shown that he is the applicant, or may act for him. The code opens the case to its holder."""

    identity_checked: bool


async def issue_query_code(session: Session, officer: Officer, case_id: UUID, form: QueryCodeForm) -> Opened:
    """A new code for the case's number; every older one of that number ends, and so does what was proved with it.

    Raises NoSuchCase, Denied, NotInThisState, ApplicationRefused."""
    seen = await load_for_officer(session, case_id, lock=False)
    require(session, officer, "transfers.issue_query_code", seen)
    cases = (await session.execute(CASES_OF_NUMBER, {"a_number": seen.apply_no})).scalars().all()
    await forget_code_of(session, cases)  # the intake before its case, as a submission locks them
    case = await load_for(session, officer, "transfers.issue_query_code", case_id)
    if not is_followed(case, session.node.business_today()) or case.apply_no is None:
        raise NotInThisState(N_("issue a new query code"), case)
    if not form.identity_checked:
        message = N_("check the identity of whoever asks first: the code opens the case to its holder")
        raise ApplicationRefused(fault("identity_checked", "not_checked", PERSONAL_INFORMATION, message))
    await session.execute(FORGET_CODES, {"a_number": case.apply_no})
    await end_proofs_of(session, case.apply_no)
    case.query_code_index = code = new_query_code()
    await conclude(session, case, "issue query code", [])
    return Opened(case, code)
