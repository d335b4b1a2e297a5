"""The officers' queues: rows with names, oldest first, and how many there are; one statement says both, so that they agree.

States stand in the statements as literals: the planner then knows how few cases are open beside those that have ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, Uuid, and_, any_, bindparam, exists, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY

from services.bureau.access.callers import Officer
from services.bureau.access.rules import area, reach
from services.bureau.access.seen import Seen, never
from services.bureau.population.tables import resident
from services.bureau.transfers.rules.queues import QUEUES, Dates, Queue, begins_at, deadline_of
from services.bureau.transfers.states import LABELS, TERMINAL, Side, State
from services.bureau.transfers.tables import CaseFile, case_holder, transfer_case, transfer_member
from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.messaging.tables import owed

QUEUE_ROWS = 25  # of a page: what a screen shows without scrolling far
FIRST_ROWS = 1  # of each queue, for the most urgent one
LATE_SHOWN = 8
RECENT_SHOWN = 25

_SAME = (transfer_case.c.counterpart == transfer_member.c.counterpart) & (transfer_case.c.case_id == transfer_member.c.case_id)
IN_AREA = transfer_case.c.station_code.like(any_(bindparam("area", type_=ARRAY(Text))))
OPEN = tuple(sorted({state for queues in QUEUES.values() for one in queues for state in one.states} - {State.RESTORED}))


def _literals(column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    return column.in_([literal_column(f"'{value}'", Text) for value in values])


def _conditions(queue: Queue) -> ColumnElement[bool]:
    wanted = [
        _literals(transfer_member.c.side, [queue.side.value]),
        _literals(transfer_member.c.state, [state.value for state in queue.states]),
        transfer_case.c.file.is_not(None),
        IN_AREA,
    ]
    if queue.only == "talent":
        wanted.append(transfer_case.c.category == literal_column("'TALENT'", Text))
    elif queue.only == "reissue":
        wanted.append(transfer_case.c.reissue_asked)
    elif queue.only == "restoration":
        held = (resident.c.citizen_id_index == transfer_member.c.citizen_index) & resident.c.restoration_due
        wanted.append(exists().where(held))
    return and_(*wanted)


def _statement(conditions: ColumnElement[bool], *more: Any) -> Select[Any]:
    joined = transfer_member.join(transfer_case, _SAME)
    for table, on in more:
        joined = joined.join(table, on)
    since = func.min(transfer_member.c.state_since_business)
    return (
        select(
            transfer_case.c.counterpart,
            transfer_case.c.case_id,
            since.label("since"),
            func.count().label("members"),
            func.min(transfer_member.c.state).label("state"),
            func.count().over().label("total"),
        )
        .select_from(joined)
        .where(conditions)
        .group_by(transfer_case.c.counterpart, transfer_case.c.case_id)
        .order_by(since, transfer_case.c.case_id)
        .limit(bindparam("most"))
        .offset(bindparam("after"))
    )


STATEMENTS: Mapping[Queue, Select[Any]] = MappingProxyType(
    {queue: _statement(_conditions(queue)) for queues in QUEUES.values() for queue in queues}
)
_HELD_BY = (
    (case_holder.c.counterpart == transfer_case.c.counterpart)
    & (case_holder.c.case_id == transfer_case.c.case_id)
    & (case_holder.c.role == bindparam("role"))
)
MINE = _statement(
    and_(
        case_holder.c.badge_no == bindparam("badge_no"),
        _literals(transfer_member.c.state, [state.value for state in OPEN]),
        transfer_case.c.file.is_not(None),
        IN_AREA,
    ),
    (case_holder, _HELD_BY),
)
ROWS = (
    select(
        *[transfer_case.c[name] for name in ("counterpart", "case_id", "side", "apply_no", "category", "file", "station_code")],
        *[transfer_case.c[name] for name in ("accepted_on", "permit_valid_until", "certificate_valid_until")],
        case_holder.c.badge_no.label("holder_badge_no"),
        case_holder.c.officer_name.label("holder_name"),
    )
    .select_from(transfer_case.outerjoin(case_holder, _HELD_BY))
    .where(transfer_case.c.case_id == any_(bindparam("cases", type_=ARRAY(Uuid))), transfer_case.c.file.is_not(None), IN_AREA)
)
STATES_OF = (
    select(
        transfer_member.c.counterpart,
        transfer_member.c.case_id,
        func.min(transfer_member.c.state).label("state"),
        func.max(transfer_member.c.state_since_business).label("since"),
        func.count().label("members"),
    )
    .where(transfer_member.c.case_id == any_(bindparam("cases", type_=ARRAY(Uuid))))
    .group_by(transfer_member.c.counterpart, transfer_member.c.case_id)
)
LATE = (
    select(owed, transfer_case.c.apply_no, func.count().over().label("total"))
    .join(transfer_case, (transfer_case.c.counterpart == owed.c.peer) & (transfer_case.c.case_id == owed.c.case_id))
    .where(owed.c.due_at < bindparam("now"), transfer_case.c.file.is_not(None), IN_AREA)
    .order_by(owed.c.due_at, owed.c.case_id)
    .limit(LATE_SHOWN)
)


@dataclass(frozen=True, slots=True)
class Row:
    """A case in a list of officers."""

    case: UUID
    counterpart: str
    side: Side
    apply_no: str
    category: str | None
    name: str
    members: int
    state: State
    label: str
    since: datetime
    due: datetime | None
    begins: datetime
    holder: str | None
    holder_name: str | None


@dataclass(frozen=True, slots=True)
class QueuePage:
    """Rows of a queue, oldest first; `total` is how many it has."""

    queue: Queue | None
    rows: Sequence[Row]
    total: int
    after: int = 0

    @property
    def next(self) -> int | None:
        return self.after + len(self.rows) if self.after + len(self.rows) < self.total else None


async def read_queue(session: Session, officer: Officer, queue: Queue | None, *, after: int = 0, seen: Seen = never) -> QueuePage:
    """A page of a queue of the officer's role; None: of the cases that he holds. Reading the names is a row in the audit log."""
    page = await _read_queue(session, officer, queue, after, QUEUE_ROWS)
    if page.rows:
        await _audit(session, officer, "mine" if queue is None else queue.name, page.rows, seen)
    return page


async def _read_queue(session: Session, officer: Officer, queue: Queue | None, after: int, most: int) -> QueuePage:
    grant = reach(officer, "transfers.read", session.node.business_today())
    values = {"area": area(officer, grant.scope), "most": most, "after": after}
    if queue is None:
        values |= {"badge_no": officer.badge_no, "role": officer.post.role}
    found = (await session.execute(MINE if queue is None else STATEMENTS[queue], values)).all()
    rows = await _rows(session, officer, found, queue)
    return QueuePage(queue, rows, found[0].total if found else 0, after)


async def read_workbench(session: Session, officer: Officer, *, seen: Seen = never) -> list[QueuePage]:
    """Every queue of the officer's role, with its count and its oldest case; the last is what he holds himself."""
    pages = [await _read_queue(session, officer, queue, 0, FIRST_ROWS) for queue in (*QUEUES.get(officer.role, ()), None)]
    await _audit(session, officer, "workbench", [row for page in pages for row in page.rows], seen)
    return pages


def rows_as_seen(rows: Sequence[Row]) -> list[object]:
    """What a page remembers to have shown of a list: whose cases."""
    return ["list", *{row.case for row in rows}]


async def _audit(session: Session, officer: Officer, name: str, rows: Sequence[Row], seen: Seen) -> None:
    if not seen(rows_as_seen(rows)):
        grant = reach(officer, "transfers.read", session.node.business_today())
        entry = AuditEntry(action="transfers.read", object_kind="queue", object_id=name, purpose=grant.purpose)
        await write_audit(session, entry)


async def read_cases(
    session: Session, officer: Officer, cases: Sequence[UUID], *, shown_as: str, seen: Seen = never
) -> list[Row]:
    """These cases in this order, as far as they lie in the officer's area."""
    if not cases:
        return []
    found = (await session.execute(STATES_OF, {"cases": list(cases)})).all()
    rows = {row.case: row for row in await _rows(session, officer, found, None)}
    await _audit(session, officer, shown_as, list(rows.values()), seen)
    return [rows[case] for case in cases if case in rows]


async def read_late(session: Session, officer: Officer) -> tuple[list[dict[str, Any]], int]:
    """Answers owed whose time is over, of cases in the officer's area, and how many there are; no persons."""
    grant = reach(officer, "transfers.read", session.node.business_today())
    values = {"area": area(officer, grant.scope), "now": session.node.business_now()}
    rows = (await session.execute(LATE, values)).all()
    shown = ("case_id", "kind", "peer", "direction", "business_since", "due_at", "apply_no")
    return [{name: getattr(row, name) for name in shown} for row in rows], rows[0].total if rows else 0


async def _rows(session: Session, officer: Officer, found: Sequence[Any], queue: Queue | None) -> list[Row]:
    """What is shown of each, with the name from the case's file."""
    if not found:
        return []
    grant = reach(officer, "transfers.read", session.node.business_today())
    values = {"cases": [row.case_id for row in found], "area": area(officer, grant.scope), "role": officer.post.role}
    cases = {(row.counterpart, row.case_id): row for row in await session.execute(ROWS, values)}
    return [
        _row(row, cases[row.counterpart, row.case_id], queue, officer) for row in found if (row.counterpart, row.case_id) in cases
    ]


def _row(row: Any, case: Any, queue: Queue | None, officer: Officer) -> Row:
    side, state = Side(case.side), State(row.state)
    mine = queue or next((one for one in QUEUES.get(officer.role, ()) if one.side is side and state in one.states), None)
    until = "" if mine is None or state in TERMINAL[side] else mine.until
    dates = Dates(row.since, case.accepted_on, case.permit_valid_until, case.certificate_valid_until)
    return Row(
        case=case.case_id,
        counterpart=case.counterpart,
        side=side,
        apply_no=case.apply_no or "",
        category=case.category,
        name=name_of(case.file),
        members=row.members,
        state=state,
        label=LABELS[side, state],
        since=row.since,
        due=deadline_of(until, dates),
        begins=begins_at(until, dates),
        holder=case.holder_badge_no,
        holder_name=case.holder_name,
    )


def name_of(file: CaseFile) -> str:
    """The applicant's name, from whatever document this side has."""
    if file.application is not None:
        return file.application.movers[0].name
    return "" if file.permit is None else file.permit.applicant_name
