"""Answers still owed: by whom, since when, due when, and when the node asks again.

A state that awaits a peer says so in its slice's table; the slice hands what is owed now to `set_owed`, in the transaction of
the change. One row is four things: the liveness of the protocol, the queue item with its age, the deadline, and the figure
"oldest unprocessed per peer" on both bureaus' pages. Delivered is not acted on: the row ends when the answer comes.
"""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy import Row, bindparam, delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from shared.database import Database, Session
from shared.messaging.tables import owed

ASKED_AT_ONCE = 50  # rows a timer's pass takes
MAX_DOUBLINGS = 20  # 2^20 intervals is past any longest interval; keeps the arithmetic small
JITTER = 0.2

Ask = Callable[[Session, UUID, str, str], Awaitable[None]]  # (session, case, kind, peer): say the state's message anew

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One answer that is owed. Without intervals nobody asks by itself (it is our own duty, or a person's)."""

    kind: str  # "<capability>.<what>", for example "transfers.certificate"
    peer: str
    direction: Literal["by_us", "by_them"]
    due_at: datetime  # business time
    first_interval: timedelta | None = None
    longest_interval: timedelta | None = None


OF_CASE = select(owed.c.kind).where(owed.c.case_id == bindparam("case"), owed.c.peer == bindparam("a_peer"))
INSERT = insert(owed).on_conflict_do_nothing()
DELETE = delete(owed).where(
    owed.c.case_id == bindparam("case"), owed.c.kind == bindparam("gone_kind"), owed.c.peer == bindparam("gone_peer")
)
DUE = (
    select(owed)
    .where(owed.c.next_ask_at <= bindparam("now"))
    .order_by(owed.c.next_ask_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
ASKED = (
    update(owed)
    .where(owed.c.case_id == bindparam("case"), owed.c.kind == bindparam("a_kind"), owed.c.peer == bindparam("a_peer"))
    .values(next_ask_at=bindparam("next"), asks=owed.c.asks + 1)
)
DUE_ANEW = (
    update(owed)
    .where(owed.c.case_id == bindparam("case"), owed.c.kind == bindparam("a_kind"), owed.c.peer == bindparam("a_peer"))
    .values(due_at=bindparam("due"))
)
PEER_IS_BACK = text("UPDATE owed SET next_ask_at = :now WHERE peer = :peer AND next_ask_at > :now AND asks > 0")
LIST = select(owed).order_by(owed.c.since)
OLDEST = text(
    "SELECT peer, direction, count(*) AS count, min(since) AS oldest, min(due_at) AS due FROM owed GROUP BY peer, direction"
)


async def set_owed(session: Session, case: UUID, wanted: Sequence[Owed], *, peer: str, is_new: bool = False) -> None:
    """Make the rows of `case` with `peer` equal `wanted`; a row that stays keeps its age and its count of asks.

    With `peer`: another bureau may have claimed the same case id, and what it says ends no debt of the genuine counterpart.
    `is_new`: nothing can be owed yet about this case, so nobody looks."""
    there: set[str] = set()
    if not is_new:
        there = set((await session.execute(OF_CASE, {"case": case, "a_peer": peer})).scalars())
    for kind in there - {one.kind for one in wanted}:
        await session.execute(DELETE, {"case": case, "gone_kind": kind, "gone_peer": peer})
    for one in wanted:
        if one.kind not in there:
            session.write_later(INSERT, _row(session, case, one))


async def set_due(session: Session, case: UUID, one: Owed) -> None:
    """A row that stays gets a new deadline, and keeps its age."""
    await session.execute(DUE_ANEW, {"case": case, "a_kind": one.kind, "a_peer": one.peer, "due": one.due_at})


def _row(session: Session, case: UUID, one: Owed) -> dict[str, Any]:
    now = session.node.machine_now()
    first, longest = one.first_interval, one.longest_interval
    return {
        "case_id": case,
        "kind": one.kind,
        "peer": one.peer,
        "direction": one.direction,
        "since": now,
        "business_since": session.node.business_now(),
        "due_at": one.due_at,
        "next_ask_at": None if first is None else now + first,
        "first_interval_s": 0 if first is None else int(first.total_seconds()),
        "longest_interval_s": 0 if longest is None else int(longest.total_seconds()),
        "asks": 0,
    }


async def _ask_again(session: Session, row: Row[Any], asks: Mapping[str, Ask]) -> None:
    """Say the message of one owed row anew and set the time of the next asking (doubling, with jitter).

    What cannot be said (a peer without a usable key) is tried again at that time; it holds up no other row."""
    try:
        async with session.savepoint():
            await asks[row.kind.split(".", 1)[0]](session, row.case_id, row.kind, row.peer)
    except DBAPIError:
        raise  # a lost race or server: the whole unit is run again
    except Exception as error:
        logger.warning("not_asked", kind=row.kind, peer=row.peer, case=str(row.case_id), error=f"{type(error).__name__}: {error}")
    wait = min(row.longest_interval_s, row.first_interval_s * 2 ** min(row.asks + 1, MAX_DOUBLINGS))
    wait *= random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # spreads load, hides nothing
    values = {"case": row.case_id, "a_kind": row.kind, "a_peer": row.peer}
    await session.execute(ASKED, values | {"next": session.node.machine_now() + timedelta(seconds=wait)})


async def ask_due_now(database: Database, asks: Mapping[str, Ask]) -> int:
    """One pass of the timer: ask again for what is due, each row in a transaction of its own; gives how many.

    `asks` maps a kind's capability to its slice's function."""

    async def one(session: Session) -> bool:
        row = (await session.execute(DUE, {"now": session.node.machine_now()})).first()
        if row is not None:
            await _ask_again(session, row, asks)
        return row is not None

    asked = 0
    while asked < ASKED_AT_ONCE and await database.run(one, name="owed.ask_due"):
        asked += 1
    return asked


async def peer_is_back(session: Session, peer: str) -> None:
    """A peer was heard after a silence: what was asked in vain is asked at once."""
    await session.execute(PEER_IS_BACK, {"peer": peer, "now": session.node.machine_now()})
