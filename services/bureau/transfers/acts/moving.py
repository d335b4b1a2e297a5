"""How a case moves: step, register row, audit, what is said, what is owed; all in the caller's transaction.

Nothing else assigns a member's state. Acts and inbound messages differ only in who calls and with which word of the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy import bindparam, select

from services.bureau.access.rules import HOUSEHOLD_TRANSFER
from services.bureau.population import acts as population
from services.bureau.population.rules import ResidentRow, RowState
from services.bureau.population.tables import RowKind as RegisterKind
from services.bureau.population.tables import resident
from services.bureau.transfers.acts.arrival import register_member
from services.bureau.transfers.acts.cases import insert_case, save_case
from services.bureau.transfers.rules.case import Case, Member
from services.bureau.transfers.rules.speech import ask_for_reissue, speak
from services.bureau.transfers.states import (
    OWES,
    REISSUE,
    TRANSFER,
    Await,
    Awaited,
    Counted,
    On,
    Row,
    RowKind,
    Side,
    State,
    Step,
    epoch_of,
)
from services.bureau.transfers.states import Owed as OwedInTable
from shared.audit import AuditEntry, write_audit
from shared.database import CHINA, Session
from shared.identifiers.working_days import add_working_days
from shared.messaging import Owed, record, set_due, set_owed

ABSENT = Row(RowKind.ABSENT, 0)
RESIDENT_OF = select(resident.c.id).where(resident.c.citizen_id_index == bindparam("citizen"))


@dataclass(frozen=True, slots=True)
class Moved:
    """What one act or message did to a case: members that changed, and members whose answer is said again."""

    changed: tuple[Member, ...]
    asked_again: tuple[Member, ...]


async def happen(
    session: Session, case: Case, on: On, places: Sequence[int], *, epochs: Mapping[int, int] | None = None
) -> Moved:
    """Apply `on` to the members at `places`, with their register rows; `epochs`: what the message names.

    Members to whom it does nothing stay as they are; those of them that wait in vain are named for an answer.
    """
    changed, asked_again = [], []
    tables = TRANSFER
    for place in sorted(places):
        member = case.members[place]
        epoch = epoch_of(member.state, member.epoch, on, None if epochs is None else epochs.get(place))
        if epoch is None:
            continue
        touches = on is On.CERTIFY or (tables.of(case.side).get((member.state, on)) or (None, None))[1] is not None
        person = await _lock_person(session, member) if touches else None
        step = tables.step(case.side, member.state, _row_of(person), epoch, on)
        if step is not None:
            await _take(session, case, member, step, person)
            changed.append(member)
        elif tables.answers_again(case.side, member.state, on):
            asked_again.append(member)
    return Moved(tuple(changed), tuple(asked_again))


async def _lock_person(session: Session, member: Member) -> ResidentRow | None:
    if member.citizen_index is None:
        return None
    found = (await session.execute(RESIDENT_OF, {"citizen": member.citizen_index})).scalar_one_or_none()
    return None if found is None else await population.get_resident(session, found, lock=True)


def _row_of(person: ResidentRow | None) -> Row:
    if person is None:
        return ABSENT
    if person.kind is RegisterKind.CANCELLED:
        return Row(RowKind.ABSENT, person.epoch)
    return Row(RowKind(person.kind.value), person.epoch)


async def _take(session: Session, case: Case, member: Member, step: Step, person: ResidentRow | None) -> None:
    member.state, member.epoch, member.state_since = step.state, step.epoch, session.node.machine_now()
    if step.row is None:
        return
    if case.side is Side.DESTINATION:
        await register_member(session, case, member)
        return
    if person is None:
        raise AssertionError("only the row of a registered person changes at the origin")
    in_case = step.row.kind in (RowKind.IN_TRANSIT, RowKind.MOVED)
    state = RowState(
        RegisterKind(step.row.kind.value),
        step.row.epoch,
        case.counterpart if in_case else None,
        case.case_id if in_case else None,
    )
    await population.set_row(session, person.id, state, reason=f"transfer {case.case_id}")
    if step.row.kind is RowKind.MOVED:
        await population.dissolve_household_if_empty(session, person.household_id)


async def conclude(session: Session, case: Case, on: str, moves: Sequence[Moved], *, silent: Sequence[Member] = ()) -> None:
    """Save what `happen` changed, write it to the audit log, say what the new states say, and note what is owed.

    `silent`: members of whom another message of the same commit speaks.
    """
    changed = [member for moved in moves for member in moved.changed]
    again = [member for moved in moves for member in moved.asked_again]
    is_new = case.version == 0
    if is_new:
        await insert_case(session, case)
    else:
        await save_case(session, case, changed)
    await _audit(session, case, on, changed)
    await say(session, case, [member for member in (*changed, *again) if member not in silent])
    await set_owed(session, case.case_id, owed_of(session, case), peer=case.counterpart, is_new=is_new)


async def say(session: Session, case: Case, members: Sequence[Member]) -> None:
    """Record what the states of `members` say, as new messages: one for each word, whoever shares it in one message."""
    by_word: dict[On, list[Member]] = {}
    for member in members:
        word = TRANSFER.says(case.side, member.state)
        if word is not None:
            by_word.setdefault(word, []).append(member)
    for word, some in by_word.items():
        for message in speak(case, word, some, today=session.node.business_today()):
            await record(session, message, to=case.counterpart)


async def say_again(session: Session, case: Case, what: str) -> bool:
    """Say again what waits for `what` ("certificate", "reissue" …); false when nothing waits for it any more."""
    if what == REISSUE.owed.what.value:
        if not (case.reissue_asked and case.in_state(State.CERTIFIED)):
            return False
        await record(session, ask_for_reissue(case, today=session.node.business_today()), to=case.counterpart)
        return True
    waiting = [m for m in case.in_order() if (a := TRANSFER.awaits(case.side, m.state)) is not None and a.owed.what.value == what]
    await say(session, case, waiting)
    return bool(waiting)


async def renew_settlement_due(session: Session, case: Case) -> None:
    """A certificate issued again lives longer, and the settlement is due with its end."""
    for one in owed_of(session, case):
        if one.kind == f"transfers.{Awaited.SETTLEMENT.value}":
            await set_due(session, case.case_id, one)


def owed_of(session: Session, case: Case) -> list[Owed]:
    """What is owed about the case now, by them and by us."""
    owed: dict[str, Owed] = {}
    for state in {member.state for member in case.members.values()}:
        waits = TRANSFER.awaits(case.side, state)
        if waits is not None:
            owed[waits.owed.what.value] = _by_them(session, case, waits)
        duty = OWES.get((case.side, state))
        if duty is not None:
            owed[duty.what.value] = _by_us(session, case, duty)
    if case.reissue_asked and case.side is Side.DESTINATION and case.in_state(State.CERTIFIED):
        owed[REISSUE.owed.what.value] = _by_them(session, case, REISSUE)
    if case.reissue_asked and case.side is Side.ORIGIN and case.in_state(State.SEALED):
        owed[REISSUE.owed.what.value] = _by_us(session, case, REISSUE.owed)
    return list(owed.values())


def _by_them(session: Session, case: Case, waits: Await) -> Owed:
    return Owed(
        kind=f"transfers.{waits.owed.what.value}",
        peer=case.counterpart,
        direction="by_them",
        due_at=_due(session, waits.owed),
        first_interval=waits.first,
        longest_interval=waits.longest,
    )


def _by_us(session: Session, case: Case, duty: OwedInTable) -> Owed:
    kind = f"transfers.{duty.what.value}"
    return Owed(kind=kind, peer=case.counterpart, direction="by_us", due_at=_due(session, duty))


def _due(session: Session, owed: OwedInTable) -> datetime:
    now = session.node.business_now()
    if owed.counted is not Counted.WORKING_DAYS:
        return now + owed.limit
    return datetime.combine(add_working_days(now.date(), owed.limit // timedelta(days=1)), time.max, CHINA)


async def _audit(session: Session, case: Case, on: str, changed: Sequence[Member]) -> None:
    """One row an act or message, a change a member: enough to rebuild the events of the protocol (protocol.md 6)."""
    entry = AuditEntry(
        action=f"transfers.{on}",
        object_kind="case",
        object_id=str(case.case_id),
        purpose=session.actor.purpose or HOUSEHOLD_TRANSFER,
        case=case.case_id,
        peer=case.counterpart,
        change={
            "side": case.side.value,
            "version": case.version,
            "members": [{"place": m.place, "state": m.state.value, "epoch": m.epoch} for m in changed],
        },
    )
    await write_audit(session, entry)
