"""Engine and transaction: one unit of work is one transaction, committed before its result is given back.

DatabaseError
 ├─ DatabaseDown      the database cannot be reached, or cannot write (disk full)
 └─ OutcomeUnknown    the connection broke while committing
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

import structlog
from asyncpg import InternalClientError
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from shared.database.session import NODE_ITSELF, Actor, NodeContext, Session
from shared.database.vault import Vault

T = TypeVar("T")

UNIT_LIMIT_SECONDS = 60  # a unit that takes longer is stuck; its locks must not outlive the caller
ATTEMPTS = 5  # serialisation failures and restarts of the server end within a second; more attempts only hide a fault
FIRST_PAUSE_SECONDS = 0.02
RETRIED_SQLSTATES = frozenset({"40001", "40P01", "57P01", "57P02", "57P03"})  # serialisation, deadlock, server restarts
FULL_SQLSTATES = frozenset({"53100", "53200", "58030"})  # disk full, memory, I/O: the server answers and cannot write
DOWN_SQLSTATES = FULL_SQLSTATES | {"53300", "55P03", "57014"}  # connections; a lock or a statement that took too long
TELL_SECONDS = 10  # a unit that is tried again and again during an outage is logged so often
REFUSAL_SECONDS = 60  # what the server could not write is reported for so long, or until a unit of the same name is done
CONNECTION_ERRORS = (
    ConnectionError,
    TimeoutError,
)  # under a unit; its own OSErrors, as of a missing file, are not the database's
FRESH_SECONDS = 1.0  # a connection given back so lately is not asked whether it lives: three round trips a transaction less
SERVER_SETTINGS = {"idle_in_transaction_session_timeout": "30s", "lock_timeout": "20s", "jit": "off"}


logger = structlog.get_logger(__name__)


class DatabaseError(Exception):
    """The node's own database did not do its part."""


class DatabaseDown(DatabaseError):
    """The database cannot be reached, or cannot write (disk full)."""


class OutcomeUnknown(DatabaseError):
    """The connection broke while committing: ask again with the same Idempotency-Key, which decides."""


def _sqlstate(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _is_retried(error: DBAPIError) -> bool:
    state = _sqlstate(error)
    return error.connection_invalidated or state in RETRIED_SQLSTATES or state.startswith("08")


def is_infrastructure(error: BaseException) -> bool:
    """The server's trouble, or bad luck against another transaction: the unit itself is good and may be run again."""
    return isinstance(error, DBAPIError | PoolExhausted | InternalClientError) and _is_down(error)


def _is_down(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        state = _sqlstate(error)
        lost = error.connection_invalidated or (isinstance(error, OperationalError | InterfaceError) and not state)
        return lost or state in RETRIED_SQLSTATES | DOWN_SQLSTATES or state.startswith("08")
    # asyncpg says InternalClientError when the server's farewell has arrived and the end of the connection has not yet.
    return isinstance(error, (*CONNECTION_ERRORS, PoolExhausted, InternalClientError))


def _is_lost(error: BaseException) -> bool:
    """The connection broke or the server was ending, so that nobody can say what it has still done."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _sqlstate(error).startswith(("08", "57P"))
    return isinstance(error, OSError | InternalClientError)


async def _connect(session: Session) -> None:
    """Before the unit begins, so that every OSError here is the driver's: no route, no such name, no socket file."""
    try:
        await session.connection()
    except CONNECTION_ERRORS:
        raise
    except OSError as error:
        raise ConnectionError(str(error)) from error


def _ping_what_rested(engine: AsyncEngine) -> None:
    """As `pool_pre_ping`, but only a connection that nobody used lately: one broken since is met by the unit's next attempt."""
    dialect = engine.sync_engine.dialect

    def given_back(connection: object, entry: ConnectionPoolEntry) -> None:
        entry.info["given_back"] = time.monotonic()

    def taken(connection: Any, entry: ConnectionPoolEntry, proxy: object) -> None:
        if time.monotonic() - entry.info.get("given_back", inf) <= FRESH_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool then gives a new one

    event.listen(engine.sync_engine, "checkin", given_back)
    event.listen(engine.sync_engine, "checkout", taken)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A unit that the server could not write, although it answers; `at` is monotonic time."""

    unit: str
    sqlstate: str
    at: float


class Database:
    """One pool of connections to one bureau's database (PostgreSQL 15 or newer, through asyncpg)."""

    def __init__(self, url: str, *, vault: Vault, node: NodeContext, pool_size: int = 10, overflow: int = 5) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=overflow,
            hide_parameters=True,  # they are persons; errors are logged
            connect_args={"server_settings": SERVER_SETTINGS | {"application_name": f"quanyu-{node.bureau}"}, "timeout": 5},
        )
        _ping_what_rested(self.engine)
        self.engine.dialect.quanyu_vault = vault  # type: ignore[attr-defined]  # where shared.database.types looks for it
        self.node = node
        self._sessions = async_sessionmaker(self.engine, class_=Session, expire_on_commit=False)
        self._running: set[asyncio.Task[object]] = set()
        self._refusal: Refusal | None = None
        self._told_at: dict[str, float] = {}  # by unit
        self.committed: Callable[[str], None] = lambda unit: None  # told each unit's name after its commit

    async def run(self, unit: Callable[[Session], Awaitable[T]], *, name: str, actor: Actor = NODE_ITSELF) -> T:
        """Run `unit` in one transaction and commit it; a unit that lost a race or its server is run again as a whole.

        `name` says whose unit it is ("transfers.seal"), `actor` who is accountable in its audit rows. Shielded: a caller
        that goes away does not leave a connection half used. Raises DatabaseDown, OutcomeUnknown, or what the unit raised.
        """
        task = asyncio.create_task(self._run_again(unit, name, actor))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # looked at: a caller that went away does not hear of it, and asyncio would complain

    async def _run_again(self, unit: Callable[[Session], Awaitable[T]], name: str, actor: Actor) -> T:
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(UNIT_LIMIT_SECONDS):
                    result = await self._run_once(unit, name, actor)
                self._done(name)
                return result
            except (DBAPIError, *CONNECTION_ERRORS, PoolExhausted, InternalClientError) as error:
                retried = _is_retried(error) if isinstance(error, DBAPIError) else _is_down(error)
                if attempt == ATTEMPTS or not retried or isinstance(error, TimeoutError | PoolExhausted):
                    if _is_down(error):
                        self._refused(name, error)
                        raise DatabaseDown(f"{name}: {type(error).__name__}: {_sqlstate_text(error)}") from error
                    raise
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
            pause *= 3
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _run_once(self, unit: Callable[[Session], Awaitable[T]], name: str, actor: Actor) -> T:
        async with self._sessions(info={"node": self.node, "actor": actor}) as session:
            await _connect(session)
            result = await unit(session)
            await session.write_waiting()
            try:
                await self.commit(session, name)
            except (DBAPIError, OSError, InternalClientError) as error:
                if _is_lost(error):
                    raise OutcomeUnknown(name) from error
                raise
            for wake in session.after_commit:
                wake()
            self.committed(name)
            return result

    async def commit(self, session: Session, name: str) -> None:
        """The one place that commits; tests override it to die before or after. `name` says whose unit it is."""
        await session.commit()

    def _refused(self, name: str, error: BaseException) -> None:
        state, now = _sqlstate(error) if isinstance(error, DBAPIError) else "", time.monotonic()
        if now - self._told_at.get(name, float("-inf")) >= TELL_SECONDS:
            self._told_at[name] = now
            logger.warning("database_refused", unit=name, error=type(error).__name__, sqlstate=state)
        if state in FULL_SQLSTATES:
            self._refusal = Refusal(name, state, now)

    def _done(self, name: str) -> None:
        if self._refusal is not None and self._refusal.unit == name:
            self._refusal = None

    async def ping(self) -> None:
        """Raises DatabaseDown when the database does not answer, or has lately answered that it cannot write."""
        refusal = self._refusal
        if refusal is not None and time.monotonic() - refusal.at < REFUSAL_SECONDS:
            raise DatabaseDown(f"cannot write: {refusal.unit}: {refusal.sqlstate}")
        try:
            async with asyncio.timeout(5), self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (DBAPIError, OSError, TimeoutError) as error:
            raise DatabaseDown(type(error).__name__) from error

    async def close(self) -> None:
        if self._running:
            await asyncio.wait(list(self._running), timeout=5)
        await self.engine.dispose()


def _sqlstate_text(error: BaseException) -> str:
    return _sqlstate(error) if isinstance(error, DBAPIError) else str(error)
