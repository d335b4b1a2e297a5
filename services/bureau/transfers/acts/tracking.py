"""What a citizen does: prove a case by its number and the code of the receipt, and follow it."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import bindparam, func, select

from services.bureau.access.callers import Citizen
from services.bureau.access.rules import Facts, decide
from services.bureau.transfers.acts.cases import load_case
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.errors import NoSuchCase
from services.bureau.transfers.rules.tracking import Offices, Times, Tracked, track_case
from services.bureau.transfers.states import Awaited, Side
from services.bureau.transfers.tables import transfer_case, transfer_member
from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.identifiers.unit_code import division_of_unit
from shared.messaging.tables import owed

OURS = (transfer_case.c.apply_no == bindparam("apply_no")) & (transfer_case.c.side == Side.DESTINATION.value)
# Also by the code of an earlier, returned application: the number goes on, and the citizen may have kept the first receipt.
PROOF = select(transfer_case.c.case_id).where(
    OURS, transfer_case.c.query_code_index == bindparam("query_code", type_=transfer_case.c.query_code_index.type)
)
NEWEST = (
    select(transfer_case.c.counterpart, transfer_case.c.case_id, transfer_case.c.created_at)
    .where(OURS)
    .order_by(transfer_case.c.created_at.desc())
    .limit(1)
)
BUSINESS_TIMES = select(
    func.min(transfer_member.c.state_since_business).label("first"),
    func.max(transfer_member.c.state_since_business).label("last"),
).where(transfer_member.c.counterpart == bindparam("a_counterpart"), transfer_member.c.case_id == bindparam("a_case"))
DUE = select(func.min(owed.c.due_at)).where(
    owed.c.case_id == bindparam("a_case"), owed.c.direction == "by_them", owed.c.kind == bindparam("a_kind")
)


async def is_proof(session: Session, apply_no: str, query_code: str) -> bool:
    """Whether the code stands on a receipt of the case of this number."""
    return (await session.execute(PROOF, {"apply_no": apply_no, "query_code": query_code})).first() is not None


async def track(session: Session, citizen: Citizen, unit_names: Mapping[str, str]) -> Tracked:
    """The case that the citizen has proved. Raises Denied, NoSuchCase."""
    found = (await session.execute(NEWEST, {"apply_no": citizen.apply_no})).one_or_none()
    case = None if found is None else await load_case(session, found.counterpart, found.case_id, lock=False)
    if case is None:
        raise NoSuchCase(UUID(int=0))
    grant = decide(citizen, "transfers.track", Facts(apply_no=case.apply_no), session.node.business_today())
    await write_audit(
        session,
        AuditEntry(
            action="transfers.track",
            object_kind="case",
            object_id=str(case.case_id),
            purpose=grant.purpose,
            case=case.case_id,
            fields=tuple(sorted(grant.fields)),
        ),
    )
    return track_case(case, _offices(case, unit_names), await _times(session, case))


async def _times(session: Session, case: Case) -> Times:
    key = {"a_counterpart": case.counterpart, "a_case": case.case_id}
    since = (await session.execute(BUSINESS_TIMES, key)).one()
    awaited = Awaited.REISSUE if case.reissue_asked else Awaited.CERTIFICATE
    due = await session.execute(DUE, {"a_case": case.case_id, "a_kind": f"transfers.{awaited.value}"})
    return Times(opened=since.first, since=since.last, due=due.scalar_one(), now=session.node.business_now())


def _offices(case: Case, unit_names: Mapping[str, str]) -> Offices:
    application = case.file.application
    if application is None or case.station_code is None:
        raise AssertionError("a case of ours has its application and its station")
    division = division_of_unit(case.station_code)
    return Offices(
        station=application.destination.station_name,
        branch=unit_names.get(f"{division}000000", ""),
        origin=application.origin.station_name,
    )
