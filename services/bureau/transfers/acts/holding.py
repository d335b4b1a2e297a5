"""Who works on a case (办理人): an officer takes it, or hands it over to a colleague of his post. No lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as upsert

from services.bureau.access.callers import Officer
from services.bureau.stations import acts as stations
from services.bureau.transfers.acts.common import load_for
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.errors import ApplicationRefused, NotInThisState, fault
from services.bureau.transfers.tables import case_holder
from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.identifiers.texts import N_

HOLDER_SOURCE = "Quanyu workbench"
_hold = upsert(case_holder)
HOLD = _hold.on_conflict_do_update(
    index_elements=["counterpart", "case_id", "role"],
    set_={name: _hold.excluded[name] for name in ("badge_no", "officer_name", "since")},
)
HOLDERS = select(case_holder).where(
    case_holder.c.counterpart == bindparam("a_counterpart"), case_holder.c.case_id == bindparam("a_case")
)


@dataclass(frozen=True, slots=True)
class Holder:
    """An officer who works on a case in his role."""

    badge_no: str
    name: str
    role: str
    since: datetime


async def take_case(session: Session, officer: Officer, case_id: UUID) -> Case:
    """我来办: from now on it is the officer's, whoever had it before. Raises NoSuchCase, Denied, NotInThisState."""
    case = await load_for(session, officer, "transfers.hold", case_id)
    await _give(session, officer, case, officer.badge_no, officer.name)
    return case


async def hand_over(session: Session, officer: Officer, case_id: UUID, badge_no: str) -> Case:
    """交给同事, who holds the same post today. Raises NoSuchCase, Denied, NotInThisState, ApplicationRefused."""
    case = await load_for(session, officer, "transfers.hold", case_id)
    colleague = next((one for one in await colleagues_of(session, officer) if one["badge_no"] == badge_no), None)
    if colleague is None:
        message = N_("a case is handed over to somebody who holds the same post today")
        raise ApplicationRefused(fault("badge_no", "no_colleague", HOLDER_SOURCE, message))
    await _give(session, officer, case, badge_no, colleague["officer_name"])
    return case


async def colleagues_of(session: Session, officer: Officer) -> Sequence[dict[str, Any]]:
    """Who else holds the officer's post today: badge_no, officer_name."""
    held = await stations.posts_on(session, session.node.business_today())
    return [
        {"badge_no": one.badge_no, "officer_name": one.officer_name}
        for one in held
        if (one.station_code, one.role) == (officer.post.station_code, officer.post.role) and one.badge_no != officer.badge_no
    ]


async def holders_of(session: Session, case: Case) -> dict[str, Holder]:
    """Who works on the case, by role."""
    rows = await session.execute(HOLDERS, {"a_counterpart": case.counterpart, "a_case": case.case_id})
    return {row.role: Holder(row.badge_no, row.officer_name, row.role, row.since) for row in rows}


async def _give(session: Session, officer: Officer, case: Case, badge_no: str, name: str) -> None:
    if case.has_ended:
        raise NotInThisState(N_("take the case over"), case)
    before = (await holders_of(session, case)).get(officer.post.role)
    await session.execute(
        HOLD,
        {
            "counterpart": case.counterpart,
            "case_id": case.case_id,
            "role": officer.post.role,
            "badge_no": badge_no,
            "officer_name": name,
            "since": session.node.machine_now(),
        },
    )
    change = {"from": None if before is None else before.badge_no, "to": badge_no}
    entry = AuditEntry(action="transfers.hold", object_kind="case", object_id=str(case.case_id), case=case.case_id, change=change)
    await write_audit(session, entry)
