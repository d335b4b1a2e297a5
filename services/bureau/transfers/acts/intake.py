"""An intake while it is typed: kept at the server, so that neither a lost node nor an ended session loses it.

It becomes a case when the origin is asked about its people (a question needs a case as its purpose), or when it is submitted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from uuid_utils.compat import uuid7

from services.bureau.access.callers import Officer
from services.bureau.access.rules import HOUSEHOLD_TRANSFER
from services.bureau.rulebook import RuleBook
from services.bureau.transfers.acts.cases import load_for_officer
from services.bureau.transfers.acts.destination import accept, open_case, submit, withdraw
from services.bureau.transfers.rules.application import ApplicationForm
from services.bureau.transfers.states import State
from services.bureau.transfers.tables import DraftBody, intake_draft
from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.identifiers.texts import N_
from shared.web import NotFound

DRAFT_DAYS = 30
DRAFTS_SHOWN = 100  # nobody has begun more in thirty days
CODE_SHOWN = timedelta(minutes=15)  # a printer that jams is mended by then; afterwards there are new codes (`query_codes.py`)
CORRECTED = "申请内容已更正，另立新案"  # the reason that the citizen's case says; legal text, not a page's

_OWN = (
    intake_draft.c.id == bindparam("a_draft"),
    intake_draft.c.badge_no == bindparam("a_badge_no"),
    intake_draft.c.station_code == bindparam("a_station"),
)
GET = select(intake_draft).where(*_OWN)
OF_OFFICER = (
    select(intake_draft)
    .where(
        intake_draft.c.badge_no == bindparam("a_badge_no"),
        intake_draft.c.station_code == bindparam("a_station"),
        intake_draft.c.submitted_at.is_(None),
    )
    .order_by(intake_draft.c.updated_at.desc())
    .limit(DRAFTS_SHOWN)
)
BEGIN = insert(intake_draft)
SAVE = (
    update(intake_draft)
    .where(intake_draft.c.id == bindparam("a_draft"))
    .values({name: bindparam(f"new_{name}") for name in ("body", "case_id", "submitted_at", "updated_at")})
)
OF_CASES = (
    select(intake_draft)
    .where(intake_draft.c.case_id == any_(bindparam("cases", type_=ARRAY(Uuid))))
    .order_by(intake_draft.c.id)
    .with_for_update()
)
DISCARD = delete(intake_draft).where(*_OWN, intake_draft.c.submitted_at.is_(None))
FORGET = delete(intake_draft).where(
    (intake_draft.c.updated_at < bindparam("before")) | (intake_draft.c.submitted_at < bindparam("shown_before"))
)


class NoSuchDraft(NotFound):
    """The officer has no intake of this id."""

    code = "no_such_draft"

    def __init__(self) -> None:
        super().__init__(N_("this intake is not yours, was finished or has been discarded"))


@dataclass(frozen=True, slots=True)
class Draft:
    """One intake. `case` once it is open, `submitted_at` once it is done."""

    id: UUID
    case: UUID | None
    submitted_at: datetime | None
    body: DraftBody
    updated_at: datetime

    @property
    def answers(self) -> Mapping[str, str]:
        return self.body.answers


async def begin_draft(session: Session, officer: Officer) -> UUID:
    """新建受理."""
    new, now = uuid7(), session.node.machine_now()
    row = {"id": new, "badge_no": officer.badge_no, "station_code": officer.post.station_code, "body": DraftBody()}
    await session.execute(BEGIN, row | {"case_id": None, "submitted_at": None, "created_at": now, "updated_at": now})
    return new


async def drafts_of(session: Session, officer: Officer) -> Sequence[Draft]:
    """What the officer has begun and not submitted, newest first."""
    rows = await session.execute(OF_OFFICER, {"a_badge_no": officer.badge_no, "a_station": officer.post.station_code})
    return [_draft(row) for row in rows]


async def load_draft(session: Session, officer: Officer, draft: UUID, *, lock: bool = False) -> Draft:
    """Raises NoSuchDraft."""
    statement = GET.with_for_update() if lock else GET
    row = (await session.execute(statement, _own(officer, draft))).one_or_none()
    if row is None:
        raise NoSuchDraft
    return _draft(row)


async def keep_answers(session: Session, officer: Officer, draft: UUID, answers: Mapping[str, str]) -> None:
    """What stands there now. Raises NoSuchDraft, also when it has been submitted."""
    found = await load_draft(session, officer, draft, lock=True)
    if found.submitted_at is not None:
        raise NoSuchDraft
    await _save(session, found, found.body.model_copy(update={"answers": dict(answers)}))


async def keep_looked_up(session: Session, officer: Officer, draft: UUID, people: Sequence[dict[str, Any]]) -> None:
    """What the origin's register said."""
    found = await load_draft(session, officer, draft, lock=True)
    await _save(session, found, found.body.model_copy(update={"looked_up": tuple(people)}))


async def reveal_draft(session: Session, officer: Officer, draft: UUID) -> None:
    """显示（留痕）: a row says who saw whole id numbers, before they are shown. Raises NoSuchDraft."""
    found = await load_draft(session, officer, draft)
    entry = AuditEntry(
        action="transfers.reveal",
        object_kind="intake",
        object_id=str(draft),
        purpose=officer.purpose or HOUSEHOLD_TRANSFER,
        case=found.case,
        fields=("citizen_id_no",),
    )
    await write_audit(session, entry)


async def discard_draft(session: Session, officer: Officer, draft: UUID) -> bool:
    """Whether it is gone; what has been submitted meanwhile is not."""
    await session.execute(DISCARD, _own(officer, draft))
    return (await session.execute(GET, _own(officer, draft))).one_or_none() is None


async def open_draft(session: Session, officer: Officer, draft: UUID, form: ApplicationForm) -> UUID:
    """The case of an intake: the open one, or a new one where the answers have changed since. Raises as `open_case` does."""
    found = await load_draft(session, officer, draft, lock=True)
    if found.submitted_at is not None:
        raise NoSuchDraft
    said = json.dumps(form.model_dump(mode="json"), sort_keys=True)
    previous = None
    if found.case is not None:
        case = await load_for_officer(session, found.case)
        if case.in_state(State.DRAFT) and found.body.opened_as == said:
            return found.case
        if case.in_state(State.DRAFT):
            case = await withdraw(session, officer, found.case, CORRECTED)
        application = case.file.application
        if case.has_ended and application and application.movers[0].citizen_id_no == form.applicant.citizen_id_no:
            previous = found.case
    opened = await open_case(session, officer, form, previous=previous)
    body = found.body.model_copy(update={"opened_as": said, "query_code": opened.query_code, "looked_up": None})
    await _save(session, found, body, case=opened.case.case_id)
    return opened.case.case_id


async def submit_draft(session: Session, officer: Officer, draft: UUID, form: ApplicationForm, rulebook: RuleBook) -> UUID:
    """受理并提交审批, in one transaction. Raises as `open_case`, `accept` and `submit` do."""
    case = await open_draft(session, officer, draft, form)
    await accept(session, officer, case, rulebook)
    await submit(session, officer, case)
    found = await load_draft(session, officer, draft)
    await _save(session, found, found.body, submitted_at=session.node.machine_now())
    return case


async def forget_code_of(session: Session, cases: Sequence[UUID]) -> None:
    """The receipts of these cases do not show their query codes any more: there is a new one."""
    for row in (await session.execute(OF_CASES, {"cases": list(cases)})).all():
        draft = _draft(row)
        await _save(session, draft, draft.body.model_copy(update={"query_code": ""}))


async def forget_drafts(session: Session) -> None:
    """Delete what nobody goes on with, and what has been submitted and printed; the sweeper calls it."""
    now = session.node.machine_now()
    await session.execute(FORGET, {"before": now - timedelta(days=DRAFT_DAYS), "shown_before": now - CODE_SHOWN})


async def _save(
    session: Session, draft: Draft, body: DraftBody, *, case: UUID | None = None, submitted_at: datetime | None = None
) -> None:
    values = {"new_body": body, "new_case_id": case or draft.case, "new_submitted_at": submitted_at or draft.submitted_at}
    await session.execute(SAVE, {"a_draft": draft.id, "new_updated_at": session.node.machine_now(), **values})


def _own(officer: Officer, draft: UUID) -> dict[str, Any]:
    return {"a_draft": draft, "a_badge_no": officer.badge_no, "a_station": officer.post.station_code}


def _draft(row: Any) -> Draft:
    return Draft(row.id, row.case_id, row.submitted_at, row.body, row.updated_at)
