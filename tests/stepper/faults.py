"""Where a step can be broken: at a commit and at a publish, before or after, by the death of the process or a lost answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from shared.database import Database, DatabaseDown, OutcomeUnknown, Session
from shared.messaging.bus import BusDown, Delivered, Record
from tests.federation.conftest import Reused

PUBLISH = "publish"


class Died(BaseException):
    """The process is gone. No `except Exception` of the program may survive it."""


class Fault(StrEnum):
    DIES_BEFORE = "dies before"
    DIES_AFTER = "dies after"
    FAILS = "refuses"
    UNKNOWN = "does, but answers as failed,"


@dataclass
class Trap:
    """What happens at the n-th commit of that bureau whose unit's name begins so (or at its publish), once."""

    bureau: str
    unit: str
    occurrence: int
    fault: Fault
    seen: int = 0
    sprung: bool = False

    def __str__(self) -> str:
        return f"{self.bureau} {self.fault} {self.unit.strip()} {self.occurrence}"


@dataclass
class Gate:
    """A slow transaction: the first one of the bureau that has recorded a message waits at its commit."""

    bureau: str
    held: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)


class Faults:
    """What the stepper has set for the step that runs now; shared by all nodes. `touched`: bureaus that committed."""

    def __init__(self) -> None:
        self.trap: Trap | None = None
        self.gate: Gate | None = None
        self.touched: set[str] = set()

    def at(self, bureau: str, unit: str) -> Fault | None:
        trap = self.trap
        if trap is None or trap.sprung or trap.bureau != bureau or not unit.startswith(trap.unit):
            return None
        trap.seen += 1
        if trap.seen < trap.occurrence:
            return None
        trap.sprung = True
        return trap.fault

    async def wait_at_gate(self, session: Session, bureau: str) -> None:
        gate = self.gate
        if gate is not None and gate.bureau == bureau and session.after_commit:
            self.gate = None
            gate.held.set()
            await gate.release.wait()


class FaultyDatabase(Reused):
    """A database at whose commits the set fault happens. Its connections outlive the process that it plays."""

    faults: ClassVar[Faults]

    async def commit(self, session: Session, name: str) -> None:
        bureau = self.node.bureau
        self.faults.touched.add(bureau)
        await self.faults.wait_at_gate(session, bureau)
        fault = self.faults.at(bureau, name)
        if fault is Fault.DIES_BEFORE:
            raise Died(name)
        if fault is Fault.FAILS:
            raise DatabaseDown(name)
        await super().commit(session, name)
        if fault is Fault.DIES_AFTER:
            raise Died(name)
        if fault is Fault.UNKNOWN:
            raise OutcomeUnknown(name)

    async def close(self) -> None:
        if self._running:
            await asyncio.wait(list(self._running), timeout=5)


def with_faults(faults: Faults, base: type[FaultyDatabase] = FaultyDatabase) -> type[Database]:
    """The class of databases for a network whose faults these are."""
    return type("Set", (base,), {"faults": faults})


class MemoryBus:
    """The bus of a stepper: what was published, in order; who takes it, and how often, the stepper decides."""

    name = "memory"

    def __init__(self, faults: Faults) -> None:
        self.log: list[Delivered] = []
        self.published: set[str] = set()  # event ids
        self._faults = faults

    async def publisher(self) -> "MemoryPublisher":
        return MemoryPublisher(self, self._faults)

    async def consumer(self, *, group: str, topics: Sequence[str]) -> "MemoryConsumer":
        return MemoryConsumer(self, topics)

    async def ping(self) -> None:
        return None

    async def create_topics(self, topics: Sequence[str]) -> None:
        return None

    async def close(self) -> None:
        return None

    def append(self, records: Sequence[Record]) -> None:
        for record in records:
            self.log.append(Delivered(record, 0, len(self.log)))
            self.published.add(record.headers["ce_id"])


class MemoryPublisher:
    def __init__(self, bus: MemoryBus, faults: Faults) -> None:
        self._bus, self._faults = bus, faults

    async def publish(self, records: Sequence[Record]) -> None:
        fault = self._faults.at(records[0].headers["ce_source"], PUBLISH)
        if fault is Fault.DIES_BEFORE:
            raise Died(PUBLISH)
        if fault is Fault.FAILS:
            raise BusDown("the test lets nothing through")
        self._bus.append(records)
        if fault is Fault.DIES_AFTER:
            raise Died(PUBLISH)
        if fault is Fault.UNKNOWN:
            raise BusDown("the test has lost the acknowledgement")

    async def close(self) -> None:
        return None


class MemoryConsumer:
    """For the start of a network alone, before the stepper takes over."""

    def __init__(self, bus: MemoryBus, topics: Sequence[str]) -> None:
        self._bus, self._topics, self._next = bus, set(topics), 0

    def _left(self) -> list[Delivered]:
        return [one for one in self._bus.log[self._next :] if one.record.topic in self._topics]

    async def fetch(self, *, timeout_s: float) -> list[Delivered]:
        found, self._next = self._left(), len(self._bus.log)
        return found

    async def commit(self, next_offsets: object) -> bool:
        return True

    def rewind(self, to: object) -> None:
        raise AssertionError("nothing fails while a network starts")

    async def lag(self) -> int:
        return len(self._left())

    async def close(self) -> None:
        return None
