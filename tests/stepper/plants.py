"""Faults planted in the program, each of which the stepper must find.

Two kinds: the ways in which messages get lost or doubled that outbox, relay and receipt are there against (messaging.md 12), and
the broken rules of the protocol that `tests/model/test_mutants.py` shows to its explorer, here in the tables of the real nodes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from uuid import UUID

from sqlalchemy import select, text

from services.bureau.transfers import inbound, questions
from services.bureau.transfers.acts import cases, moving, reading, settlement
from services.bureau.transfers.states import Tables
from services.bureau.transfers.tables import transfer_case
from shared.contract.messages import Message
from shared.database import Session
from shared.messaging import receive
from shared.messaging import record as real_record
from shared.messaging.relay import Relay
from shared.messaging.tables import outbox
from tests.model.test_mutants import MUTANTS
from tests.stepper.faults import FaultyDatabase
from tests.stepper.stepper import Stepper

Plant = Callable[[], Any]
"""A context manager in which the program has the fault."""


# ---- messages --------------------------------------------------------------------------------------------------------


@contextmanager
def mark_before_send() -> Iterator[None]:
    async def pass_once(self: Any) -> int:
        if not await self._holds_lease():
            return 0
        rows = await self._database.run(self._read_unsent, name="relay.read")
        if not rows:
            return 0
        await self._database.run(lambda session: self._mark(session, rows, rows, None), name="relay.mark")
        error = await self._publish(rows)
        if error is not None:
            raise error
        return len(rows)

    with patch.object(Relay, "pass_once", pass_once):
        yield


@contextmanager
def no_receipt_check() -> Iterator[None]:
    """Every delivery is handled, whether it was before or not."""
    update = "ON CONFLICT (sender, event_id) DO UPDATE SET applied_at = excluded.applied_at"
    again = text(receive.INSERT_RECEIPTS.text.replace("ON CONFLICT DO NOTHING", update))
    with patch.object(receive, "INSERT_RECEIPTS", again):
        yield


@contextmanager
def outbox_after_commit() -> Iterator[None]:
    """The message is written in a transaction of its own, after the fact has been committed."""
    commit = FaultyDatabase.commit

    async def later(session: Session, message: Message, *, to: str) -> None:
        session.info.setdefault("later", []).append((message, to))

    async def commit_and_write(self: Any, session: Session, name: str) -> None:
        await commit(self, session, name)
        for message, to in session.info.pop("later", []):
            await self.run(lambda fresh, message=message, to=to: real_record(fresh, message, to=to), name="outbox.later")

    with ExitStack() as stack:
        for module in (moving, settlement):
            stack.enter_context(patch.object(module, "record", later))
        stack.enter_context(patch.object(FaultyDatabase, "commit", commit_and_write))
        yield


@contextmanager
def relay_by_cursor() -> Iterator[None]:
    """The relay remembers the highest number that it has sent, and looks only past it."""
    cursors: dict[str, int] = {}

    async def pass_once(self: Any) -> int:
        if not await self._holds_lease():
            return 0
        after = cursors.get(self._holder, 0)
        unsent = select(outbox.c.seq, outbox.c.topic, outbox.c.key, outbox.c.headers, outbox.c.sealed)
        unsent = unsent.where(outbox.c.seq > after).order_by(outbox.c.seq)

        async def read(session: Session) -> list[Any]:
            return list(await session.execute(unsent))

        rows = await self._database.run(read, name="relay.read")
        if not rows:
            return 0
        error = await self._publish(rows)
        if error is not None:
            raise error
        await self._database.run(lambda session: self._mark(session, rows, rows, None), name="relay.mark")
        cursors[self._holder] = max(row.seq for row in rows)
        return len(rows)

    with patch.object(Relay, "pass_once", pass_once):
        yield


@contextmanager
def commit_before_work() -> Iterator[None]:
    """The consumer remembers how far it is before the messages have taken effect."""
    with patch.object(Stepper, "takes_before_work", True):
        yield


# ---- the protocol ----------------------------------------------------------------------------------------------------


def tables(broken: Tables) -> Plant:
    @contextmanager
    def planted() -> Iterator[None]:
        with ExitStack() as stack:
            for module in (moving, reading, questions):
                stack.enter_context(patch.object(module, "TRANSFER", broken))
            yield

    return planted


@contextmanager
def anybody_may_speak() -> Iterator[None]:
    """Without rule 0: a message about a case is taken from whoever sends it."""
    real = cases.load_case
    genuine = select(transfer_case.c.counterpart).order_by(transfer_case.c.created_at).limit(1)

    async def load(session: Session, counterpart: str, case_id: UUID, *, lock: bool = True) -> Any:
        found = (await session.execute(genuine.where(transfer_case.c.case_id == case_id))).scalar_one_or_none()
        return await real(session, found or counterpart, case_id, lock=lock)

    with patch.object(inbound, "load_case", load):
        yield


@dataclass(frozen=True)
class Planted:
    """`seeds`: at least one of them must find it."""

    plant: Plant
    seeds: range


MESSAGES: Mapping[str, Planted] = {
    "mark before send": Planted(mark_before_send, range(1, 41)),
    "commit before work": Planted(commit_before_work, range(1, 41)),
    "no receipt check": Planted(no_receipt_check, range(1, 41)),
    "the outbox row written after the commit": Planted(outbox_after_commit, range(1, 41)),
    "a relay that passes ids by a cursor": Planted(relay_by_cursor, range(1, 41)),
}
# mutants of the explorer that no run of the node can show, and what stands before them
NOT_IN_THE_NODE: Mapping[str, str] = {
    "told before journaled": "there is no journal yet: it comes with backup and restore",
    "a returned case is certified after all": "the act asks for RECEIVED before it asks the table",
    "a person is sealed who is not registered here": "the findings R01, R03 and R04 refuse the seal first",
}
# What shows only after one certain message of a case was lost, or two.
RARE: Mapping[str, range] = {
    "the close is not answered again": range(1, 151),
    "a void is not answered again": range(1, 151),
    "the sealed side does not ask again": range(201, 351),  # a void after the seal must be lost
}
PROTOCOL: Mapping[str, Planted] = {
    name: Planted(anybody_may_speak if name.startswith("anybody") else tables(mutant.tables), RARE.get(name, range(1, 61)))
    for name, mutant in MUTANTS.items()
    if name not in NOT_IN_THE_NODE
}
