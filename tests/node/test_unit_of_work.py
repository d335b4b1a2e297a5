"""What the engine adds to a transaction: rows at its end, parts that fail alone, connections that broke while they rested."""

from typing import Any

import pytest
from sqlalchemy import text

from shared.audit import AuditEntry, write_audit
from shared.database import Session, engine
from tests.node.bureau import Bureau


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
