"""Loading and saving cases. Statements are built once."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, insert, select, update

from services.bureau.transfers.rules.case import Case, Member
from services.bureau.transfers.rules.errors import NoSuchCase
from services.bureau.transfers.states import Side, State
from services.bureau.transfers.tables import (
    NUMBERED_HERE,
    OPEN_AT_DESTINATION,
    document_number,
    transfer_case,
    transfer_member,
    transfer_receipt,
)
from shared.database import Session

_CASE_KEY = (transfer_case.c.counterpart == bindparam("a_counterpart"), transfer_case.c.case_id == bindparam("a_case"))
_SAVED = [column.name for column in transfer_case.columns if column.name not in ("counterpart", "case_id", "created_at")]
GET = select(transfer_case).where(*_CASE_KEY)
GET_LOCKED = GET.with_for_update()
# A second bureau that claims a case id that it saw stays invisible: the first row is the genuine one.
OF_OFFICERS = (
    select(transfer_case)
    .where(transfer_case.c.case_id == bindparam("a_case"), transfer_case.c.file.is_not(None))
    .order_by(transfer_case.c.created_at)
    .limit(1)
)
OF_OFFICERS_LOCKED = OF_OFFICERS.with_for_update()
MEMBERS = (
    select(transfer_member)
    .where(transfer_member.c.counterpart == bindparam("a_counterpart"), transfer_member.c.case_id == bindparam("a_case"))
    .order_by(transfer_member.c.place)
)
INSERT = insert(transfer_case)
UPDATE = update(transfer_case).where(*_CASE_KEY).values({name: bindparam(f"new_{name}") for name in _SAVED})
INSERT_MEMBER = insert(transfer_member)
UPDATE_MEMBER = (
    update(transfer_member)
    .where(
        transfer_member.c.counterpart == bindparam("a_counterpart"),
        transfer_member.c.case_id == bindparam("a_case"),
        transfer_member.c.place == bindparam("a_place"),
    )
    .values(
        state=bindparam("new_state"),
        epoch=bindparam("new_epoch"),
        void_reason=bindparam("new_void_reason"),
        settlement=bindparam("new_settlement"),
        state_since=bindparam("new_since"),
        state_since_business=bindparam("new_since_business"),
    )
)
RECEIPT_SHOWN = ("package_type", "serial_no", "permit_no", "migration_no", "code", "message", "at")
RECEIPTS = (
    select(*[transfer_receipt.c[name] for name in RECEIPT_SHOWN])
    .where(transfer_receipt.c.counterpart == bindparam("a_counterpart"), transfer_receipt.c.case_id == bindparam("a_case"))
    .order_by(transfer_receipt.c.id)
)
INSERT_RECEIPT = insert(transfer_receipt)
NEXT_NUMBER = select(document_number.next_value())
NUMBER_TAKEN = select(transfer_case.c.case_id).where(transfer_case.c.apply_no == bindparam("apply_no"), NUMBERED_HERE)
TOMBSTONES_SINCE = select(func.count()).where(
    transfer_case.c.counterpart == bindparam("a_counterpart"),
    transfer_case.c.file.is_(None),
    transfer_case.c.created_at > bindparam("since"),
)
OPEN_CASES_OF = (
    select(
        *[transfer_case.c[name] for name in ("case_id", "counterpart", "apply_no", "accepted_on")],
        transfer_member.c.state_since_business,
    )
    .join(
        transfer_case,
        (transfer_case.c.counterpart == transfer_member.c.counterpart) & (transfer_case.c.case_id == transfer_member.c.case_id),
    )
    .where(
        transfer_member.c.citizen_index == bindparam("citizen"),
        transfer_member.c.side == Side.DESTINATION.value,
        transfer_member.c.state.in_(OPEN_AT_DESTINATION),
    )
)


async def load_case(session: Session, counterpart: str, case_id: UUID, *, lock: bool = True) -> Case | None:
    """The case that `counterpart` may speak about, its row locked so that one act or message at a time changes it."""
    key = {"a_counterpart": counterpart, "a_case": case_id}
    return await _with_members(session, (await session.execute(GET_LOCKED if lock else GET, key)).one_or_none())


async def load_for_officer(session: Session, case_id: UUID, *, lock: bool = True) -> Case:
    """The case that officers see under this id: tombstones are none. Raises NoSuchCase."""
    found = (await session.execute(OF_OFFICERS_LOCKED if lock else OF_OFFICERS, {"a_case": case_id})).one_or_none()
    case = await _with_members(session, found)
    if case is None:
        raise NoSuchCase(case_id)
    return case


async def _with_members(session: Session, row: Row[Any] | None) -> Case | None:
    if row is None:
        return None
    members = await session.execute(MEMBERS, {"a_counterpart": row.counterpart, "a_case": row.case_id})
    return as_case(row, members.all())


def as_case(row: Row[Any], members: Sequence[Row[Any]]) -> Case:
    values = dict(row._mapping)
    for name in ("created_at", "updated_at"):
        values.pop(name)
    stored_file = values.pop("file")
    case = Case(**{**values, "side": Side(values["side"])}, stored_file=stored_file)
    for one in members:
        case.members[one.place] = Member(
            place=one.place,
            state=State(one.state),
            epoch=one.epoch,
            citizen_index=one.citizen_index,
            state_since=one.state_since,
            void_reason=one.void_reason,
            settlement=one.settlement,
            since_business=one.state_since_business,
        )
    return case


async def insert_case(session: Session, case: Case) -> None:
    """Write a new case with its members."""
    case.version = 1
    now = session.node.machine_now()
    values = {name: value for name, value in _values(case).items() if name in _SAVED}
    row = values | {"counterpart": case.counterpart, "case_id": case.case_id, "created_at": now, "updated_at": now}
    await session.execute(INSERT, row)
    for member in case.in_order():
        if member.state is not State.UNKNOWN:
            await insert_member(session, case, member)


async def insert_member(session: Session, case: Case, member: Member) -> None:
    await session.execute(
        INSERT_MEMBER,
        {
            "counterpart": case.counterpart,
            "case_id": case.case_id,
            "place": member.place,
            "side": case.side.value,
            "state": member.state.value,
            "epoch": member.epoch,
            "citizen_index": member.citizen_index,
            "void_reason": member.void_reason,
            "settlement": member.settlement,
            "state_since": member.state_since,
            "state_since_business": session.node.business_now(),
        },
    )


async def save_case(session: Session, case: Case, changed: Sequence[Member] = ()) -> None:
    """Write the case and those members back; the version goes up by one."""
    case.version += 1
    key = {"a_counterpart": case.counterpart, "a_case": case.case_id}
    values = _values(case) | {"updated_at": session.node.machine_now()}
    session.write_later(UPDATE, key | {f"new_{name}": values[name] for name in _SAVED})
    for member in changed:
        session.write_later(
            UPDATE_MEMBER,
            key
            | {
                "a_place": member.place,
                "new_state": member.state.value,
                "new_epoch": member.epoch,
                "new_void_reason": member.void_reason,
                "new_settlement": member.settlement,
                "new_since": member.state_since,
                "new_since_business": session.node.business_now(),
            },
        )


def _values(case: Case) -> dict[str, Any]:
    values = {name: getattr(case, name) for name in _SAVED if name not in ("file", "updated_at")}
    return values | {"side": case.side.value, "file": case.stored_file, "updated_at": None}


async def next_number(session: Session) -> int:
    """The next number for a permit, a migration certificate or a serial; gaps mean nothing."""
    return int((await session.execute(NEXT_NUMBER)).scalar_one())


async def receipts_of(session: Session, case: Case) -> list[dict[str, Any]]:
    """The officers' list of what went out and came back, oldest first."""
    rows = await session.execute(RECEIPTS, {"a_counterpart": case.counterpart, "a_case": case.case_id})
    return [dict(row._mapping) for row in rows]


async def keep_receipt(session: Session, case: Case, *, package: str, code: int, message: str) -> None:
    """A row of the officers' list of what went out and came back (domain.md 4.4 c)."""
    session.write_later(
        INSERT_RECEIPT,
        {
            "counterpart": case.counterpart,
            "case_id": case.case_id,
            "package_type": package,
            "serial_no": case.serial_no,
            "permit_no": case.permit_no,
            "migration_no": case.migration_no,
            "code": code,
            "message": message,
            "at": session.node.business_now(),
        },
    )
