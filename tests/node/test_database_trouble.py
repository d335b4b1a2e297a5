"""The database's own trouble is never taken for the unit's: it is run again, or refused as "not now"; no message dies of it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from services.bureau.transfers import inbound
from services.bureau.wiring import Overrides
from shared.contract.messages import PermitIssued
from shared.database import Database, DatabaseDown, OutcomeUnknown, Session
from shared.messaging import NotYetApplicable
from shared.messaging.dead_letters import retry_due
from tests.node.bureau import Bureau
from tests.node.conftest import Open
from tests.node.transfers.cases import permit_for


def refused(error: type[asyncpg.PostgresError]) -> DBAPIError:
    """What SQLAlchemy makes of an error of the server."""
    return DBAPIError("INSERT ...", {}, error("the test's server refuses"))


class TroubledDatabase(Database):
    """Raises what the test has laid out, once each, where the unit "test" commits."""

    troubles: Iterator[Exception] = iter(())

    async def commit(self, session: Session, name: str) -> None:
        if name == "test" and (trouble := next(self.troubles, None)) is not None:
            raise trouble
        await super().commit(session, name)


class Unit:
    """A unit of work that counts how often it is run, and fails as laid out."""

    def __init__(self, *troubles: Exception) -> None:
        self.runs = 0
        self._troubles = iter(troubles)

    async def __call__(self, session: Session) -> None:
        self.runs += 1
        await session.execute(text("SELECT 1"))
        if (trouble := next(self._troubles, None)) is not None:
            raise trouble


@pytest.fixture
async def troubled(open_bureau: Open) -> Callable[..., TroubledDatabase]:
    """A database whose commits of the unit "test" raise these."""
    bureau: Bureau = await open_bureau("zhejiang", Overrides(database_class=TroubledDatabase))

    def lay_out(*troubles: Exception) -> TroubledDatabase:
        database = bureau.wiring.database
        assert isinstance(database, TroubledDatabase)
        database.troubles = iter(troubles)
        return database

    return lay_out


@pytest.mark.parametrize(
    "trouble",
    [
        refused(asyncpg.SerializationError),  # a race lost against another transaction
        refused(asyncpg.DeadlockDetectedError),  # likewise
        refused(asyncpg.CannotConnectNowError),  # the server is starting
        asyncpg.InternalClientError("another operation is in progress"),  # asyncpg's word for a farewell half heard
        ConnectionResetError(),  # the connection broke under a statement
    ],
    ids=lambda trouble: type(getattr(trouble, "orig", trouble)).__name__,
)
async def test_a_unit_that_met_trouble_is_run_again_as_a_whole(troubled: Any, trouble: Exception) -> None:
    unit = Unit(trouble)
    await troubled().run(unit, name="test")
    assert unit.runs == 2


@pytest.mark.parametrize(
    "trouble",
    [
        refused(asyncpg.DiskFullError),  # no room for a row
        refused(asyncpg.LockNotAvailableError),  # somebody holds the row for too long
        refused(asyncpg.QueryCanceledError),  # a statement took too long
        PoolExhausted("all connections are taken by units that hang"),  # not an error of the server at all
    ],
    ids=lambda trouble: type(getattr(trouble, "orig", trouble)).__name__,
)
async def test_what_does_not_pass_soon_is_refused_at_once(troubled: Any, trouble: Exception) -> None:
    unit = Unit(trouble)
    with pytest.raises(DatabaseDown):
        await troubled().run(unit, name="test")
    assert unit.runs == 1


@pytest.mark.parametrize(
    "trouble",
    [
        refused(asyncpg.ConnectionDoesNotExistError),  # the connection broke while the commit was under way
        refused(asyncpg.AdminShutdownError),  # the server was told to end: with the commit or without it
        asyncpg.InternalClientError("another operation is in progress"),
        ConnectionResetError(),
    ],
    ids=lambda trouble: type(getattr(trouble, "orig", trouble)).__name__,
)
async def test_a_commit_whose_outcome_nobody_knows_is_not_done_again(troubled: Any, trouble: Exception) -> None:
    unit = Unit()
    with pytest.raises(OutcomeUnknown):
        await troubled(trouble).run(unit, name="test")
    assert unit.runs == 1


@pytest.mark.parametrize("fault", [FileNotFoundError("a list"), PermissionError("a key"), OSError("a disk")], ids=type)
async def test_a_units_own_trouble_with_a_file_is_its_own_and_told_at_once(troubled: Any, fault: OSError) -> None:
    unit = Unit(fault)
    with pytest.raises(type(fault)) as raised:
        await troubled().run(unit, name="test")
    assert raised.value is fault
    assert unit.runs == 1


@pytest.mark.parametrize("fault", [OSError("no route to host"), FileNotFoundError("no such socket")], ids=type)
async def test_whatever_hinders_connecting_is_the_databases_trouble(
    troubled: Any, monkeypatch: pytest.MonkeyPatch, fault: OSError
) -> None:
    """asyncpg raises what the operating system says, and plain OSError when several addresses refuse."""
    database, unit = troubled(), Unit()

    async def unreachable(*args: Any, **options: Any) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(asyncpg, "connect", unreachable)
        await database.engine.dispose()
        with pytest.raises(DatabaseDown):
            await database.run(unit, name="test")
    assert unit.runs == 0
    await database.run(unit, name="test")


async def test_a_disk_that_is_full_is_said_until_the_same_act_is_done(troubled: Any) -> None:
    database = troubled()
    await database.ping()
    with pytest.raises(DatabaseDown):
        await database.run(Unit(refused(asyncpg.DiskFullError)), name="test")
    await database.run(Unit(), name="another")
    with pytest.raises(DatabaseDown, match="cannot write: test: 53100"):
        await database.ping()
    await database.run(Unit(), name="test")
    await database.ping()


async def test_a_message_kept_back_does_not_die_of_the_databases_trouble(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, failures = inbound.HANDLERS[PermitIssued], [NotYetApplicable("the test says so"), refused(asyncpg.DiskFullError)]

    async def handler(session: Session, message: Any, received: Any) -> None:
        if failures:
            raise failures[0]
        await genuine(session, message, received)

    monkeypatch.setitem(zhejiang.wiring.receiver._handlers, PermitIssued, handler)  # type: ignore[arg-type]
    permit, wiring = permit_for(), zhejiang.wiring
    await zhejiang.told(permit, by="shanghai")
    failures.pop(0)
    zhejiang.machine.offset += timedelta(minutes=1)
    for _ in range(10):
        with pytest.raises(DatabaseDown):
            await retry_due(wiring.bus_database, wiring.receiver)
    row = await zhejiang.one("SELECT * FROM receipt")
    assert (row.outcome, row.attempts) == ("not_yet", 1)
    failures.clear()
    assert await retry_due(wiring.bus_database, wiring.receiver) == 1
    assert await zhejiang.states(permit.case) == {1: "RECEIVED"}
