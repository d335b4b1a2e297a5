"""Engine and transaction: one unit of work is one transaction, committed before its result is given back.

DatabaseError
 ├─ DatabaseDown      the database cannot be reached, or cannot write (disk full)
 └─ OutcomeUnknown    the connection broke while committing
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from shared.database.session import NODE_ITSELF, Actor, NodeContext, Session
from shared.database.vault import Vault

T = TypeVar("T")

UNIT_LIMIT_SECONDS = 60  # a unit that takes longer is stuck; its locks must not outlive the caller
ATTEMPTS = 5  # serialisation failures and restarts of the server end within a second; more attempts only hide a fault
FIRST_PAUSE_SECONDS = 0.02
RETRIED_SQLSTATES = frozenset({"40001", "40P01", "57P01", "57P02", "57P03"})  # serialisation, deadlock, server restarts
DOWN_SQLSTATES = frozenset({"53100", "53200", "53300", "58030"})  # disk full, memory, connections, I/O
SERVER_SETTINGS = {"idle_in_transaction_session_timeout": "30s", "lock_timeout": "20s", "jit": "off"}


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


def _is_down(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        state = _sqlstate(error)
        lost = error.connection_invalidated or (isinstance(error, OperationalError | InterfaceError) and not state)
        return lost or state in RETRIED_SQLSTATES | DOWN_SQLSTATES or state.startswith("08")
    return isinstance(error, OSError | TimeoutError)


class Database:
    """One pool of connections to one bureau's database (PostgreSQL 15 or newer, through asyncpg)."""

    def __init__(self, url: str, *, vault: Vault, node: NodeContext, pool_size: int = 10, overflow: int = 5) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=overflow,
            pool_pre_ping=True,
            hide_parameters=True,  # they are persons; errors are logged
            connect_args={"server_settings": SERVER_SETTINGS | {"application_name": f"quanyu-{node.bureau}"}, "timeout": 5},
        )
        self.engine.dialect.quanyu_vault = vault  # type: ignore[attr-defined]  # where shared.database.types looks for it
        self.node = node
        self._sessions = async_sessionmaker(self.engine, class_=Session, expire_on_commit=False)
        self._running: set[asyncio.Task[object]] = set()

    async def run(self, unit: Callable[[Session], Awaitable[T]], *, name: str, actor: Actor = NODE_ITSELF) -> T:
        """Run `unit` in one transaction and commit it; a unit that lost a race or its server is run again as a whole.

        `name` says whose unit it is ("transfers.seal"), `actor` who is accountable in its audit rows. Shielded: a caller
        that goes away does not leave a connection half used. Raises DatabaseDown, OutcomeUnknown, or what the unit raised.
        """
        task = asyncio.create_task(self._run_again(unit, name, actor))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _run_again(self, unit: Callable[[Session], Awaitable[T]], name: str, actor: Actor) -> T:
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with asyncio.timeout(UNIT_LIMIT_SECONDS):
                    return await self._run_once(unit, name, actor)
            except (DBAPIError, OSError) as error:
                retried = _is_retried(error) if isinstance(error, DBAPIError) else _is_down(error)
                if attempt == ATTEMPTS or not retried or isinstance(error, TimeoutError):
                    if _is_down(error):
                        raise DatabaseDown(f"{name}: {type(error).__name__}: {_sqlstate_text(error)}") from error
                    raise
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
            pause *= 3
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _run_once(self, unit: Callable[[Session], Awaitable[T]], name: str, actor: Actor) -> T:
        async with self._sessions(info={"node": self.node, "actor": actor}) as session:
            result = await unit(session)
            try:
                await self.commit(session, name)
            except DBAPIError as error:
                if error.connection_invalidated or _sqlstate(error).startswith("08"):
                    raise OutcomeUnknown(name) from error
                raise
            for wake in session.after_commit:
                wake()
            return result

    async def commit(self, session: Session, name: str) -> None:
        """The one place that commits; tests override it to die before or after. `name` says whose unit it is."""
        await session.commit()

    async def ping(self) -> None:
        """Raises DatabaseDown when the database does not answer."""
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
