"""What officers see of a case beside its content: what can be done now, what is on its way, who did what, what changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, select

from services.bureau.access.callers import Officer
from services.bureau.access.rules import Denied, Grant
from services.bureau.population import acts as population
from services.bureau.transfers.acts.cases import load_for_officer
from services.bureau.transfers.acts.common import load_for, require
from services.bureau.transfers.acts.origin import judged, registered_of
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.comparison import Comparison, compare
from services.bureau.transfers.rules.errors import CaseChanged, NotInThisState
from services.bureau.transfers.rules.letters import Done, Letter, heard, said
from services.bureau.transfers.rules.possible import CaseAct, possible
from services.bureau.transfers.states import Side, State
from shared.audit import AuditEntry, audit, write_audit
from shared.database import Session
from shared.identifiers.texts import N_
from shared.messaging.tables import outbox, owed, receipt

DEADLINES_FRESH_SECONDS = 300  # of a page that is left open; its countdown has no seconds
ROWS_SHOWN = 200  # more letters and rows than any honest case has

SENT = (
    select(*[outbox.c[name] for name in ("type", "topic", "created_at", "sent_at", "attempts", "last_error")])
    .where(outbox.c.key == bindparam("a_key"))
    .order_by(outbox.c.seq)
    .limit(ROWS_SHOWN)
)
RECEIVED = (
    select(*[receipt.c[name] for name in ("sender", "type", "outcome", "received_at", "applied_at", "last_error")])
    .where(receipt.c.key == bindparam("a_key"), receipt.c.sender == bindparam("a_sender"))
    .order_by(receipt.c.received_at)
    .limit(ROWS_SHOWN)
)
OWED_OF_CASE = (
    select(owed).where(owed.c.case_id == bindparam("a_case"), owed.c.peer == bindparam("a_peer")).order_by(owed.c.due_at)
)
AUDIT_OF_CASE = select(audit).where(audit.c.case_id == bindparam("a_case")).order_by(audit.c.id.desc()).limit(ROWS_SHOWN)
CHANGES_SINCE = (
    select(*[audit.c[name] for name in ("at", "business_at", "actor_kind", "actor", "role", "action", "peer", "change")])
    .where(
        audit.c.case_id == bindparam("a_case"),
        audit.c.object_kind == "case",
        audit.c.change["version"].astext.cast(BigInteger) > bindparam("a_version"),
    )
    .order_by(audit.c.id)
    .limit(ROWS_SHOWN)
)


@dataclass(frozen=True, slots=True)
class Trace:
    """The letters of a case as this bureau knows them, each with its times."""

    sent: Sequence[Letter]
    received: Sequence[Letter]


def may(session: Session, officer: Officer, action: str, case: Case) -> Grant:
    """Whether the officer's post lets him do it, perhaps only after his second factor. Raises Denied."""
    return require(session, replace(officer, stepped_up=True), action, case)


async def acts_of(session: Session, officer: Officer, case: Case) -> list[CaseAct]:
    """What this officer can do with the case as it stands."""
    found = []
    for act in possible(case, session.node.business_today()):
        try:
            may(session, officer, act.action, case)
        except Denied:
            continue
        if act.name != "restore" or await _restoration_is_due(session, case):
            found.append(act)
    return found


async def require_act(session: Session, officer: Officer, act: CaseAct, case: Case) -> None:
    """For the page of an act. Raises Denied, NotInThisState."""
    may(session, officer, act.action, case)
    is_due = act.name != "restore" or await _restoration_is_due(session, case)
    if not act.begins(case, session.node.business_today()) or not is_due:
        raise NotInThisState(act.label, case)


async def _restoration_is_due(session: Session, case: Case) -> bool:
    return any(
        one.resident is not None and one.resident.restoration_due for one in await registered_of(session, case, lock=False)
    )


async def is_as_seen(session: Session, officer: Officer, case_id: UUID, seen: str) -> bool:
    """Whether a page that follows by itself shows the case as it is: then nothing of it is told, and nothing is audited.

    What is being settled is looked at each time, because its close may have to be asked for. Raises NoSuchCase, Denied."""
    case = await load_for_officer(session, case_id, lock=False)
    require(session, officer, "transfers.read", case)
    return not case.in_state(State.SETTLING) and seen == seen_as(session, case)


def seen_as(session: Session, case: Case) -> str:
    """What a page remembers of what it shows: the case's version, and how old its deadlines are."""
    return f"{case.version}.{int(session.node.business_now().timestamp()) // DEADLINES_FRESH_SECONDS}"


async def require_unchanged(session: Session, officer: Officer, action: str, case_id: UUID, version: int) -> None:
    """Lock the case, if it still is as the officer saw it. Raises NoSuchCase, Denied, CaseChanged."""
    case = await load_for(session, officer, action, case_id)
    if case.version != version:
        raise CaseChanged(version)


async def changes_since(session: Session, case_id: UUID, version: int) -> Sequence[Any]:
    """Who did what to the case after that version, oldest first."""
    return (await session.execute(CHANGES_SINCE, {"a_case": case_id, "a_version": version})).all()


async def owed_rows(session: Session, case: Case) -> Sequence[Any]:
    """What is owed about the case, by us and by them, earliest due first."""
    return (await session.execute(OWED_OF_CASE, {"a_case": case.case_id, "a_peer": case.counterpart})).all()


async def trace_of(session: Session, case: Case) -> Trace:
    """Envelopes do not say what is in them: that is told by what was done to the case at their time."""
    key = str(case.case_id)
    sent = (await session.execute(SENT, {"a_key": key})).all()
    received = (await session.execute(RECEIVED, {"a_key": key, "a_sender": case.counterpart})).all()
    done = [Done(one.at, one.action.partition(".")[2], one.change) for one in await changes_since(session, case.case_id, 0)]
    ours = [one for one in sent if one.topic.startswith(f"{case.counterpart}.")]
    return Trace(
        [Letter(said(done, case.side, one.created_at), one) for one in ours],
        [Letter(heard(done, one.applied_at), one) for one in received],
    )


def seen_letters(trace: Trace, owed_now: Sequence[Any]) -> str:
    """What a page remembers of the letters that it shows: how many there are, in each of their conditions, and of asks."""
    sent, received = [one.row for one in trace.sent], [one.row for one in trace.received]
    counts = (
        len(sent),
        sum(one.sent_at is None for one in sent),
        sum(one.attempts for one in sent),
        len(received),
        sum(one.applied_at is None for one in received),
        sum(one.asks for one in owed_now),
    )
    return ".".join(map(str, counts))


async def trace_is_as_seen(session: Session, officer: Officer, case_id: UUID, seen: str) -> bool:
    """As `is_as_seen`, for the letters of the case. Raises NoSuchCase, Denied."""
    case = await load_for_officer(session, case_id, lock=False)
    require(session, officer, "transfers.read", case)
    now = seen_letters(await trace_of(session, case), await owed_rows(session, case))
    return seen == f"{seen_as(session, case)}.{now}"


async def read_audit_of_case(session: Session, officer: Officer, case_id: UUID) -> tuple[Case, Sequence[Any]]:
    """The audit log of one case, newest first; that it was read is a row too. Raises NoSuchCase, Denied."""
    case = await load_for_officer(session, case_id, lock=False)
    grant = require(session, officer, "audit.read", case)
    rows = (await session.execute(AUDIT_OF_CASE, {"a_case": case_id})).all()
    entry = AuditEntry(action="audit.read", object_kind="audit", object_id=str(case_id), purpose=grant.purpose, case=case_id)
    await write_audit(session, entry)
    return case, rows


async def reveal_numbers(session: Session, officer: Officer, case_id: UUID) -> Case:
    """显示（留痕）: a row says who saw whole id numbers, before they are shown. Raises NoSuchCase, Denied."""
    case = await load_for_officer(session, case_id, lock=False)
    grant = require(session, officer, "transfers.read", case)
    if not grant.shows("citizen_id_no"):
        raise Denied("this role sees no persons", action="transfers.read", roles=grant.rule.roles)
    await write_audit(
        session,
        AuditEntry(
            action="transfers.reveal",
            object_kind="case",
            object_id=str(case_id),
            purpose=grant.purpose,
            case=case_id,
            fields=("citizen_id_no",),
        ),
    )
    return case


async def read_comparison(session: Session, officer: Officer, case: Case) -> Comparison:
    """The permit beside our register, for who verifies. Raises Denied, NotInThisState (at the destination there is none)."""
    require(session, officer, "transfers.verify", case)
    permit = case.file.permit
    if case.side is not Side.ORIGIN or permit is None:
        raise NotInThisState(N_("verify the permit"), case)
    registered = await registered_of(session, case, lock=False)
    residents = [one.resident for one in registered if one.resident is not None]
    households = {one.household_id: await population.get_household(session, one.household_id) for one in residents}
    staying = []
    leaving = {one.id for one in residents}
    for home in households.values():
        if case.in_state(State.RECEIVED) and home.head_resident_id in leaving:
            staying += [one for one in await population.members_of_household(session, home.id) if one.id not in leaving]
    findings = await judged(session, case, registered) if case.in_state(State.RECEIVED) else []
    return Comparison(compare(permit, registered, households), findings, staying)
