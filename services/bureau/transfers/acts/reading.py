"""What officers read of cases: one case, the queues, what is owed; each read of a person is a row in the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, any_, bindparam, exists, func, literal_column, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from services.bureau.access.callers import Officer
from services.bureau.access.rules import Grant, area, reach
from services.bureau.access.seen import Seen, never
from services.bureau.population.acts import HoldPlaced
from services.bureau.population.tables import resident
from services.bureau.transfers.acts.cases import load_case, load_for_officer, receipts_of
from services.bureau.transfers.acts.common import add_note, application_of, require
from services.bureau.transfers.acts.moving import conclude, say, say_again
from services.bureau.transfers.acts.origin import findings
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.errors import NotInThisState
from services.bureau.transfers.rules.findings import Finding
from services.bureau.transfers.states import REISSUE, TERMINAL, TRANSFER, Side, State
from services.bureau.transfers.tables import OPEN_STATES, transfer_case, transfer_member
from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.identifiers.texts import N_
from shared.messaging.statements import PEERS_HEARD

PAGE_CASES = 50
MOST_CASES = 200

_JOIN = transfer_case.join(
    transfer_member,
    (transfer_case.c.counterpart == transfer_member.c.counterpart) & (transfer_case.c.case_id == transfer_member.c.case_id),
)
_IN_AREA = transfer_case.c.station_code.like(any_(bindparam("area", type_=ARRAY(Text))))
_other = transfer_member.alias()
_SAME_STATE = (
    (_other.c.counterpart == transfer_member.c.counterpart)
    & (_other.c.case_id == transfer_member.c.case_id)
    & (_other.c.state == transfer_member.c.state)
)


def _queue(of_state: ColumnElement[bool]) -> Select[Any]:
    """A row a case and state: that of its first member there, so that the index over (state, since) gives rows in their order."""
    earlier = tuple_(_other.c.state_since, _other.c.place) < tuple_(transfer_member.c.state_since, transfer_member.c.place)
    shown = ("case_id", "counterpart", "side", "apply_no", "category", "station_code")
    members = select(func.count()).select_from(_other).where(_SAME_STATE).correlate(transfer_member).scalar_subquery()
    return (
        select(
            *[transfer_case.c[name] for name in shown],
            transfer_member.c.state,
            members.label("members"),
            transfer_member.c.state_since.label("since"),
        )
        .select_from(_JOIN)
        .where(transfer_case.c.file.is_not(None), _IN_AREA, of_state, ~exists().where(_SAME_STATE, earlier))
        .order_by(transfer_member.c.state_since, transfer_case.c.case_id)
        .limit(bindparam("most"))
        .offset(bindparam("after"))
    )


_OPEN = sorted({state for side in Side for state in OPEN_STATES[side]})
QUEUE_OF_STATE = _queue(transfer_member.c.state == bindparam("state"))
QUEUE_OPEN = _queue(transfer_member.c.state.in_([literal_column(f"'{state}'", Text) for state in _OPEN]))
RECEIVED_OF_RESIDENT = (
    select(transfer_member.c.counterpart, transfer_member.c.case_id)
    .join(resident, resident.c.citizen_id_index == transfer_member.c.citizen_index)
    .where(
        resident.c.id == bindparam("resident_id"),
        transfer_member.c.side == Side.ORIGIN.value,
        transfer_member.c.state == State.RECEIVED.value,
    )
)


STATES_OF_CASE = (
    select(transfer_member.c.side, transfer_member.c.state)
    .select_from(_JOIN)
    .where(transfer_member.c.case_id == bindparam("a_case"), _IN_AREA)
)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a queue, oldest first; `next` is the offset of the page after, None at the end."""

    items: Sequence[dict[str, Any]]
    next: int | None


async def read_case(
    session: Session, officer: Officer, case_id: UUID, *, seen: Seen = never
) -> tuple[Case, list[dict[str, Any]], Grant]:
    """One case, its receipts, and what the officer may see of it. Raises NoSuchCase, Denied."""
    case = await load_for_officer(session, case_id, lock=False)
    grant = require(session, officer, "transfers.read", case)
    if not seen(case_as_seen(case)):
        await write_audit(
            session,
            AuditEntry(
                action="transfers.read",
                object_kind="case",
                object_id=str(case_id),
                purpose=grant.purpose,
                case=case_id,
                fields=tuple(sorted(grant.fields)),
            ),
        )
    return case, await receipts_of(session, case), grant


def case_as_seen(case: Case) -> tuple[object, ...]:
    """What a page remembers to have shown of a case: whatever of persons changes, changes its version."""
    return ("case", case.case_id, case.version)


async def begin_look_up(session: Session, officer: Officer, case_id: UUID) -> Case:
    """The case for whose people the origin is about to be asked: our application, and not ended.

    Raises NoSuchCase, Denied, NotInThisState."""
    case = await load_for_officer(session, case_id, lock=False)
    grant = require(session, officer, "transfers.look_up_origin", case)
    application_of(case)
    if case.has_ended:
        raise NotInThisState(N_("ask the origin's register"), case)
    await write_audit(
        session,
        AuditEntry(
            action="transfers.look_up_origin",
            object_kind="case",
            object_id=str(case_id),
            purpose=grant.purpose,
            case=case_id,
            peer=case.counterpart,
        ),
    )
    return case


async def read_findings(session: Session, officer: Officer, case_id: UUID) -> list[Finding]:
    """The received permit beside the own register, for the officer who verifies it."""
    require(session, officer, "transfers.verify", await load_for_officer(session, case_id, lock=False))
    case, _, _ = await read_case(session, officer, case_id)
    return await findings(session, case)


async def queue(session: Session, officer: Officer, *, state: str | None, after: int, most: int) -> Page:
    """The cases of the officer's station, region or bureau in `state` (None: all open ones), longest there first; no persons."""
    grant = reach(officer, "transfers.read", session.node.business_today())
    values = {"area": area(officer, grant.scope), "most": most + 1, "after": after}
    if state is None:
        rows = (await session.execute(QUEUE_OPEN, values)).all()
    else:
        rows = (await session.execute(QUEUE_OF_STATE, values | {"state": state})).all()
    items = [dict(row._mapping) | {"case": row.case_id} for row in rows[:most]]
    for item in items:
        item.pop("case_id")
    return Page(items, after + most if len(rows) > most else None)


async def ask_again(session: Session, officer: Officer, case_id: UUID) -> list[str]:
    """Say again, now, whatever of the case waits for its counterpart; gives what is waited for. Raises NotInThisState."""
    case = await load_for_officer(session, case_id)
    require(session, officer, "transfers.ask_again", case)
    waits = {a.owed.what.value for m in case.in_order() if (a := TRANSFER.awaits(case.side, m.state)) is not None}
    asked = [what for what in sorted(waits | {REISSUE.owed.what.value}) if await say_again(session, case, what)]
    if not asked:
        raise NotInThisState(N_("ask again"), case)
    await conclude(session, case, "ask again", [])
    return asked


async def ask_by_timer(session: Session, case_id: UUID, kind: str, peer: str) -> None:
    """What the timer of owed answers does for a row of this slice."""
    case = await load_case(session, peer, case_id)
    if case is not None:
        await say_again(session, case, kind.partition(".")[2])


async def say_anew(session: Session, key: str, peer: str) -> None:
    """Messages of the case `key` to `peer` were withdrawn: say what its states say now, and ask again what was asked."""
    case = await load_case(session, peer, UUID(key))
    if case is not None:
        await say(session, case, case.in_order())
        await say_again(session, case, REISSUE.owed.what.value)


async def is_open_case(session: Session, case_id: UUID, area: Sequence[str]) -> bool:
    """Whether officers of `area` (of `access.rules.area`) still work on the case.

    Some member has not come to an end, and the case is theirs: nobody reads a person for another station's case."""
    rows = (await session.execute(STATES_OF_CASE, {"a_case": case_id, "area": area})).all()
    return any(State(row.state) not in TERMINAL[Side(row.side)] for row in rows)


async def silent_since(session: Session, bureau: str) -> datetime | None:
    """When a peer was last heard, for an officer who must decide without its answer."""
    found: datetime | None = (await session.execute(PEERS_HEARD, {"bureau": bureau})).scalar_one_or_none()
    return found


async def note_hold(session: Session, fact: HoldPlaced) -> None:
    """Consequence of a hold: the officer who verifies a permit of that person sees it at once, beside the case."""
    rows = (await session.execute(RECEIVED_OF_RESIDENT, {"resident_id": fact.resident_id})).all()
    for row in rows:
        case = await load_case(session, row.counterpart, row.case_id)
        if case is None:
            raise AssertionError("the member's case is there: a foreign key says so")
        add_note(session, case, "hold", fact.kind.value)
        await conclude(session, case, "hold placed", [])
