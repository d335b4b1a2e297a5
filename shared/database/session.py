"""The unit of work and what it knows of its node."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal, Protocol, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared.envelope import Keyring, Ring, TrustStore

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

    def insert_later(self, statement: Insert, row: Mapping[str, Any]) -> None:
        """Insert `row` at the end of the unit, together with all others of the same `statement`: one round trip for a chunk.

        Only for rows that nothing in the unit reads."""
        self._later.setdefault(statement, []).append(row)

    async def write_later_rows(self) -> None:
        """What `insert_later` was given; the engine calls it before the commit."""
        later, self.info["later_rows"] = self._later, {}
        for statement, rows in later.items():
            await self.execute(statement, rows)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """A part that may fail alone: everything in it happens, rows for later included, or nothing."""
        await self.write_later_rows()
        try:
            async with self.begin_nested():
                yield
                await self.write_later_rows()
        except BaseException:
            self.info["later_rows"] = {}
            raise

    @property
    def _later(self) -> dict[Insert, list[Mapping[str, Any]]]:
        return cast(dict[Insert, list[Mapping[str, Any]]], self.info.setdefault("later_rows", {}))
