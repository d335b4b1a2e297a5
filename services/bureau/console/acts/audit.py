"""The audit log as auditors search it, and a case's way through this node as operators see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from services.bureau.transfers.tables import transfer_case
from shared.audit import AuditEntry, audit, write_audit
from shared.database import CHINA, Session
from shared.messaging.tables import outbox, receipt

PAGE_ROWS = 50
SENT_OF = select(
    outbox.c.topic, outbox.c.type, outbox.c.created_at, outbox.c.sent_at, outbox.c.attempts, outbox.c.last_error
).order_by(outbox.c.seq)
RECEIVED_OF = select(receipt.c.sender, receipt.c.type, receipt.c.received_at, receipt.c.applied_at, receipt.c.outcome).order_by(
    receipt.c.received_at
)
WAY_ROWS_MAX = 200  # of one case: a busy case has some forty steps
LOOKS = (
    "transfers.read",
    "transfers.reveal",
    "transfers.track",
    "transfers.question.transfer_state",
    "population.read",
    "audit.read",
)
"""What changes nothing of a case, and happens whenever somebody opens one of its pages."""


async def search_audit(
    session: Session, *, case: UUID | None, actor: str, action: str, day: date | None, before: int | None
) -> Any:
    """Rows, newest first, a page of them; that it was searched is a row too."""
    asked: Select[Any] = select(audit).order_by(audit.c.id.desc()).limit(PAGE_ROWS + 1)
    if case is not None:
        asked = asked.where(audit.c.case_id == case)
    if actor:
        asked = asked.where(audit.c.actor == actor)
    if action:
        asked = asked.where(func.starts_with(audit.c.action, action))
    if day is not None:
        begins = datetime.combine(day, time(), CHINA)
        asked = asked.where(audit.c.at >= begins, audit.c.at < begins + timedelta(days=1))
    if before is not None:
        asked = asked.where(audit.c.id < before)
    rows = (await session.execute(asked)).all()
    await write_audit(session, AuditEntry(action="audit.read", object_kind="audit", purpose="supervision", case=case))
    return rows[:PAGE_ROWS], rows[PAGE_ROWS - 1].id if len(rows) > PAGE_ROWS else None


@dataclass(frozen=True, slots=True)
class Way:
    """What happened to a case here, oldest first, without who did it; looks at it, newest first; with which bureaus it is."""

    steps: Sequence[Any]
    looks: Sequence[Any]
    counterparts: Sequence[str]


async def way_of_case(session: Session, case: UUID) -> Way:
    wanted = select(audit.c.at, audit.c.action, audit.c.decision, audit.c.peer).where(audit.c.case_id == case).limit(WAY_ROWS_MAX)
    steps = await session.execute(wanted.where(audit.c.action.not_in(LOOKS)).order_by(audit.c.id))
    looks = await session.execute(wanted.where(audit.c.action.in_(LOOKS)).order_by(audit.c.id.desc()))
    with_whom = select(transfer_case.c.counterpart).where(transfer_case.c.case_id == case).order_by(transfer_case.c.counterpart)
    return Way(steps.all(), looks.all(), (await session.execute(with_whom)).scalars().all())


async def messages_of_case(session: Session, case: UUID) -> tuple[Sequence[Any], Sequence[Any]]:
    """What was recorded here for the other bureaus and when it left; what came from them and when it was handled."""
    sent = await session.execute(SENT_OF.where(outbox.c.key == str(case)).limit(WAY_ROWS_MAX))
    received = await session.execute(RECEIVED_OF.where(receipt.c.key == str(case)).limit(WAY_ROWS_MAX))
    return sent.all(), received.all()
