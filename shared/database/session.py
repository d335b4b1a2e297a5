"""The unit of work and what it knows of its node."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from typing import Any, Literal, Protocol, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import BindParameter, Insert, Result, Select, Table, TextClause, Update, bindparam, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from shared.envelope import Keyring, Ring, TrustStore

STATEMENTS_KEPT = 1_000  # built once; there are a few hundred
CHINA = ZoneInfo("Asia/Shanghai")  # legal dates of the four bureaus are dates in this zone


class Clock(Protocol):
    def now(self) -> datetime:
        """The present, aware, in UTC."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is accountable for a unit of work. `name`: badge number, peer bureau's code, or the loop of the node.

    `purpose` and `case` are what the request as a whole is for; an audit row may say it more exactly."""

    kind: Literal["officer", "peer", "citizen", "node"]
    name: str
    role: str = ""
    station: str = ""
    purpose: str = ""
    case: UUID | None = None


NODE_ITSELF = Actor("node", "node")


@dataclass(frozen=True)
class NodeContext:
    """Who we are and what time it is, for everything that happens inside a unit of work."""

    bureau: str
    keyring: Keyring
    trust: TrustStore
    machine_clock: Clock
    business_clock: Clock
    incarnation: int
    wake_relay: Callable[[], None] = lambda: None

    @property
    def ring(self) -> Ring:
        """Our private keys, as of now: never kept by the one who asks."""
        return self.keyring.ring

    def machine_now(self) -> datetime:
        """Time of signatures, leases, receipts; never set by anybody."""
        return self.machine_clock.now().astimezone(UTC)

    def business_now(self) -> datetime:
        """Time of legal acts, in China's zone; can be set in stories."""
        return self.business_clock.now().astimezone(CHINA)

    def business_today(self) -> date:
        return self.business_now().date()


class Session(AsyncSession):
    """SQLAlchemy's session is the unit of work; ours carries its node. Made by `Database`, which also commits it."""

    @property
    def node(self) -> NodeContext:
        return cast(NodeContext, self.info["node"])

    @property
    def actor(self) -> Actor:
        return cast(Actor, self.info["actor"])

    @property
    def after_commit(self) -> list[Callable[[], None]]:
        """Called once the unit has committed, to wake loops in this process; never for work that must not be lost."""
        return cast(list[Callable[[], None]], self.info.setdefault("after_commit", []))

    def write_later(self, statement: Insert | Update, row: Mapping[str, Any]) -> None:
        """Write `row` by `statement` with the unit's other rows, in as few round trips as may be: at its end, or before a
        statement that looks at one of their tables. The statement is a constant of its module; nobody needs its result."""
        self._waiting.setdefault(statement, []).append(row)

    async def write_waiting(self) -> None:
        """Write what waits; the engine calls it before the commit."""
        waiting, self.info["waiting_rows"] = self._waiting, {}
        for together in _groups(waiting):
            if len(together) == 1:
                ((statement, rows),) = together.items()
                await super().execute(statement, rows)
            else:
                written = tuple((statement, tuple(rows[0])) for statement, rows in together.items())
                values = {f"w{n}_{name}": value for n, (row,) in enumerate(together.values()) for name, value in row.items()}
                await super().execute(_at_once(written), values)

    async def execute(self, statement: Any, params: Any = None, **more: Any) -> Result[Any]:
        """As SQLAlchemy's; what waits for a table that the statement looks at is written first."""
        if self._waiting:
            looked_at = _tables_of(statement)
            if looked_at is None or any(one.table in looked_at for one in self._waiting):
                await self.write_waiting()
        result: Result[Any] = await super().execute(statement, params, **more)
        return result

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that may fail alone: everything in it happens, waiting rows included, or nothing."""
        await self.write_waiting()
        try:
            async with self.begin_nested():
                yield
                await self.write_waiting()
        except BaseException:
            self.info["waiting_rows"] = {}
            raise

    @property
    def _waiting(self) -> "Waiting":
        return cast(Waiting, self.info.setdefault("waiting_rows", {}))


Waiting = dict[Insert | Update, list[Mapping[str, Any]]]


def _groups(waiting: Waiting) -> Iterator[Waiting]:
    """In order: single rows of different tables together, several rows of one statement for themselves."""
    group: Waiting = {}
    for statement, rows in waiting.items():
        if group and (len(rows) > 1 or any(statement.table is one.table for one in group)):
            yield group
            group = {}
        group[statement] = rows
        if len(rows) > 1:
            yield group
            group = {}
    if group:
        yield group


@lru_cache(maxsize=STATEMENTS_KEPT)
def _at_once(written: tuple[tuple[Insert | Update, tuple[str, ...]], ...]) -> Select[Any]:
    """One statement that does all of these, each for one row of those columns; the n-th one's values are called wn_…

    PostgreSQL runs a WITH that changes rows whether anything reads it or not; the parts see none of each other's changes."""
    parts = []
    for n, (statement, names) in enumerate(written):
        valued = statement.values({name: bindparam(name) for name in names}) if statement.is_insert else statement
        renamed: Any = replacement_traverse(valued, {}, partial(_renamed, f"w{n}_"))
        parts.append(renamed.cte(f"w{n}"))
    return select(literal_column("1")).add_cte(*parts)


def _renamed(prefix: str, part: Any, **_: Any) -> Any:
    return bindparam(f"{prefix}{part.key}", type_=part.type) if isinstance(part, BindParameter) else None


@lru_cache(maxsize=STATEMENTS_KEPT)
def _tables_of(statement: Any) -> frozenset[Any] | None:
    """Which tables a statement reads or changes; None of a text, which does not tell."""
    parts = list(iterate(statement))
    if any(isinstance(part, TextClause) for part in parts):
        return None
    return frozenset(part for part in parts if isinstance(part, Table))
