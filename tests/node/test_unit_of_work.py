"""What the engine adds to a transaction: rows at its end, parts that fail alone, connections that broke while they rested."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import bindparam, event, func, insert, select, text, update

from shared.audit import AuditEntry, write_audit
from shared.database import Session, engine
from shared.messaging import owed
from shared.messaging.tables import owed as owed_table
from shared.messaging.tables import peer
from tests.node.bureau import Bureau

COUNT = select(func.count()).select_from(owed_table)
COUNT_AS_TEXT = text("SELECT count(*) FROM owed")
INSERT_PEER = insert(peer)
CHANGE_PEER = update(peer).where(peer.c.bureau == bindparam("a_bureau")).values(incarnation=bindparam("new"))
RAISE_PEER = update(peer).where(peer.c.bureau == bindparam("another_bureau")).values(incarnation=peer.c.incarnation + 1)


@pytest.fixture
def sent(zhejiang: Bureau) -> Iterator[list[str]]:
    """Statements in the order in which they go to the server of the bureau."""
    found: list[str] = []

    def note_statement(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        found.append(statement)

    source = zhejiang.wiring.database.engine.sync_engine
    event.listen(source, "before_cursor_execute", note_statement)
    yield found
    event.remove(source, "before_cursor_execute", note_statement)


def owed_row(kind: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    times = {"since": now, "business_since": now, "due_at": now, "next_ask_at": None}
    intervals = {"first_interval_s": 0, "longest_interval_s": 0, "asks": 0}
    return {"case_id": uuid4(), "kind": kind, "peer": "shanghai", "direction": "by_them", **times, **intervals}


async def note(session: Session, what: str) -> None:
    await write_audit(session, AuditEntry(action="test.note", object_kind="test", object_id=what))


async def failing_part(session: Session) -> None:
    async with session.savepoint():
        await note(session, "inside")
        raise KeyError("the part fails")


async def noted(bureau: Bureau) -> list[str]:
    return [row.object_id for row in await bureau.rows("SELECT object_id FROM audit WHERE action = 'test.note' ORDER BY id")]


async def test_rows_for_later_are_written_with_the_unit_and_lost_with_it(zhejiang: Bureau) -> None:
    async def good(session: Session) -> None:
        await note(session, "one")
        await note(session, "two")

    async def bad(session: Session) -> None:
        await note(session, "three")
        raise KeyError("the unit fails")

    await zhejiang.wiring.database.run(good, name="test")
    with pytest.raises(KeyError):
        await zhejiang.wiring.database.run(bad, name="test")
    assert await noted(zhejiang) == ["one", "two"]


async def test_a_part_that_fails_takes_its_rows_with_it_and_no_others(zhejiang: Bureau) -> None:
    async def unit(session: Session) -> None:
        await note(session, "before")
        with pytest.raises(KeyError):
            await failing_part(session)
        async with session.savepoint():
            await note(session, "another part")
        await note(session, "after")

    await zhejiang.wiring.database.run(unit, name="test")
    assert await noted(zhejiang) == ["before", "another part", "after"]


@pytest.mark.parametrize(("fresh_seconds", "runs"), [(-1.0, 1), (60.0, 2)])
async def test_a_connection_that_broke_while_it_rested_is_replaced_before_the_unit_or_costs_a_second_run(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch, fresh_seconds: float, runs: int
) -> None:
    monkeypatch.setattr(engine, "FRESH_SECONDS", fresh_seconds)
    database: Any = zhejiang.wiring.database
    ran: list[int] = []

    async def unit(session: Session) -> int:
        ran.append(1)
        return int((await session.execute(text("SELECT pg_backend_pid()"))).scalar_one())

    pid = await database.run(unit, name="test")
    await zhejiang.wiring.bus_database.run(
        lambda session: session.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}), name="test"
    )
    ran.clear()
    assert await database.run(unit, name="test") != pid
    assert len(ran) == runs


async def test_rows_of_several_tables_go_to_the_server_at_once(zhejiang: Bureau, sent: list[str]) -> None:
    async def unit(session: Session) -> None:
        await note(session, "beside")
        session.write_later(INSERT_PEER, {"bureau": "somewhere", "incarnation": 1})
        session.write_later(owed.INSERT, owed_row("a.first"))

    await zhejiang.wiring.database.run(unit, name="test")
    assert len([one for one in sent if "INSERT" in one]) == 1
    assert await noted(zhejiang) == ["beside"]
    assert [row.kind for row in await zhejiang.rows("SELECT kind FROM owed")] == ["a.first"]
    assert [row.incarnation for row in await zhejiang.rows("SELECT incarnation FROM peer WHERE bureau = 'somewhere'")] == [1]


async def test_who_reads_a_table_sees_the_rows_that_waited_for_it(zhejiang: Bureau) -> None:
    async def unit(session: Session) -> list[int]:
        found = []
        for number, count in enumerate((COUNT, COUNT_AS_TEXT), start=1):
            session.write_later(owed.INSERT, owed_row(f"kind.{number}"))
            found.append(int((await session.execute(count)).scalar_one()))
        return found

    assert await zhejiang.wiring.database.run(unit, name="test") == [1, 2]


@pytest.mark.parametrize(("times", "left"), [(1, 3), (2, 4)])
async def test_a_row_that_is_changed_again_is_changed_in_order(zhejiang: Bureau, times: int, left: int) -> None:
    """By one statement several times, and by several statements: PostgreSQL changes a row once in a statement."""

    async def unit(session: Session) -> None:
        session.write_later(INSERT_PEER, {"bureau": "somewhere", "incarnation": 1})
        for number in range(times):
            session.write_later(CHANGE_PEER, {"a_bureau": "somewhere", "new": 2 + number})
        session.write_later(RAISE_PEER, {"another_bureau": "somewhere"})

    await zhejiang.wiring.database.run(unit, name="test")
    rows = await zhejiang.rows("SELECT incarnation FROM peer WHERE bureau = 'somewhere'")
    assert [row.incarnation for row in rows] == [left]
