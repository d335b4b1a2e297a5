"""Who answers for a person, seen from above: how many persons no register answers for, and how many have two (protocol.md 6).

Omniscient, as nobody outside the harness can be: it reads four private databases with the keys of all four.

Four reads are not one instant. So a sample reads all four registers twice and counts only when both readings say the same: a
row's version and a case's epoch only rise, so between the readings everything they say was true at once. The instant of
hand-over counts as one: the origin's row points to the bureau where the person has signed, and that bureau asks and answers.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from uuid import UUID

import asyncpg
from pydantic_core import from_json

from services.bureau.population.tables import CITIZEN_INDEX_LABEL, PERSONAL
from services.harness.registers import Register
from shared.database import Vault

PAUSE_SECONDS = 0.01  # a hand-over takes some ten milliseconds: a sample or two fall into it
READ_SECONDS = 5.0  # a database that hangs costs a sample, not the gauge
CONNECT_SECONDS = 5.0
ATTEMPTS = 20  # a person who changes between two readings is read again
SWEEP_ROWS = 2_000  # rows fetched at once: about a megabyte

OF_PERSONS = """
    SELECT citizen_id_index, kind, epoch, counterpart, case_id, version FROM resident WHERE citizen_id_index = ANY($1)
    UNION ALL SELECT citizen_index, state, epoch, counterpart, case_id, 0 FROM transfer_member
    WHERE citizen_index = ANY($1) AND side = 'destination' AND state = 'SETTLING'"""
EVERYBODY = "SELECT personal, kind, epoch, counterpart, case_id, version FROM resident"
ALL_BOUND = """
    SELECT citizen_index, state, epoch, counterpart, case_id, 0 FROM transfer_member
    WHERE side = 'destination' AND state = 'SETTLING'"""
PRESENT = frozenset({"ACTIVE", "IN_TRANSIT"})
UNREADABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, slots=True)
class Saying:
    """What one register says of a person: a row (`kind`), or that the person has signed there (SETTLING)."""

    bureau: str
    kind: str
    epoch: int
    counterpart: str | None
    case: UUID | None
    version: int


Sayings = frozenset[Saying]


def holders(sayings: Iterable[Saying]) -> list[str] | None:
    """The bureaus at which asking ends with "registered here", one entry a row; None: registered nowhere any more (dead).

    A MOVED row leads to its destination; it counts while the person is bound there, afterwards the destination's own row does."""
    said = list(sayings)
    found = [one.bureau for one in said if one.kind in PRESENT]
    found += [str(one.counterpart) for one in said if one.kind == "MOVED" and any(_receives(other, one) for other in said)]
    if not found and (rows := [one for one in said if one.kind != "SETTLING"]):
        return None if max(rows, key=lambda one: one.epoch).kind == "CANCELLED" else []
    return found


def _receives(bound: Saying, moved: Saying) -> bool:
    return (
        bound.kind == "SETTLING"
        and (bound.bureau, bound.counterpart, bound.case) == (moved.counterpart, moved.bureau, moved.case)
        and bound.epoch == moved.epoch + 1
    )


@dataclass
class Reading:
    """What the gauge has seen: persons whom nobody, or several, answered for, by citizen id number; and how often it looked."""

    samples: int = 0
    unreadable: int = 0
    residents: int = 0
    none: dict[str, Sayings] = field(default_factory=dict)
    many: dict[str, Sayings] = field(default_factory=dict)

    def judge(self, person: str, sayings: Sayings) -> None:
        answering = holders(sayings)
        if answering is not None and len(answering) != 1:
            (self.many if answering else self.none)[person] = sayings

    @property
    def is_clean(self) -> bool:
        return not self.none and not self.many

    def counts(self) -> dict[str, int]:
        return {"none": len(self.none), "many": len(self.many)}


class Gauge:
    """Opened on the registers of all bureaus: `async with Gauge(registers) as gauge`; `reading` gathers what it sees."""

    def __init__(self, registers: Mapping[str, Register]) -> None:
        """Raises KeyFileError."""
        self._registers = registers
        self._vaults: dict[str, Vault] = {bureau: register.vault() for bureau, register in registers.items()}
        self._connections: dict[str, asyncpg.Connection] = {}
        self._watching: asyncio.Task[None] | None = None
        self.reading = Reading()

    async def __aenter__(self) -> "Gauge":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()
        self._disconnect()

    def watch(self, persons: Sequence[str]) -> None:
        """Sample these persons, by citizen id number, all the time until `stop`."""
        self._watching = asyncio.create_task(self._watch(persons), name="gauge")

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
            self._watching = None

    async def _watch(self, persons: Sequence[str]) -> None:
        while True:
            try:
                await self.sample(persons)
            except UNREADABLE:
                self.reading.unreadable += 1
                self._disconnect()  # a server that was killed is found again by new connections
            await asyncio.sleep(PAUSE_SECONDS)

    async def sample(self, persons: Sequence[str]) -> int:
        """Judge those of `persons` who did not change while they were looked at; gives how many. Raises UNREADABLE."""
        first, second = await self.look(persons), await self.look(persons)
        stable = [person for person in persons if first[person] == second[person]]
        for person in stable:
            self.reading.judge(person, first[person])
        self.reading.samples += bool(stable)
        return len(stable)

    async def look(self, persons: Sequence[str]) -> dict[str, Sayings]:
        """What all registers say of each person, read once: exact only while nothing moves. Raises UNREADABLE."""
        return await self._collect(self._indexes(persons))

    async def sweep(self) -> None:
        """Judge every resident of all registers; ends the watching. Who looks wrong may only be on the move: such persons are
        judged again by exact samples. Raises UNREADABLE, KeyFileError."""
        await self.stop()
        said: dict[str, set[Saying]] = {}
        for bureau in self._registers:
            await self._sweep_register(bureau, said)
        await self._add_bound(said)
        self.reading.residents = sum(1 for sayings in said.values() for one in sayings if one.kind != "SETTLING")
        suspects = [person for person, sayings in said.items() if (found := holders(sayings)) is not None and len(found) != 1]
        for _ in range(ATTEMPTS):
            if not suspects or await self.sample(suspects) == len(suspects):
                return
        raise TimeoutError(f"{len(suspects)} persons changed during each of {ATTEMPTS} samples")

    async def _sweep_register(self, bureau: str, said: dict[str, set[Saying]]) -> None:
        vault, connection = self._vaults[bureau], await self._connection(bureau)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            async for row in connection.cursor(EVERYBODY, prefetch=SWEEP_ROWS):
                # The whole record is not needed, and validating it would take ten times as long.
                person = str(from_json(vault.decrypt(PERSONAL.label, row[0]))["citizen_id_no"])
                said.setdefault(person, set()).add(Saying(bureau, *row[1:]))

    async def _add_bound(self, said: dict[str, set[Saying]]) -> None:
        """Who has signed somewhere, found among those whose rows have moved there: the case names no person in clear."""
        moved: dict[tuple[str, UUID], list[str]] = {}
        for person, sayings in said.items():
            for one in sayings:
                if one.kind == "MOVED" and one.counterpart is not None and one.case is not None:
                    moved.setdefault((one.counterpart, one.case), []).append(person)
        for bureau, vault in self._vaults.items():
            for row in await (await self._connection(bureau)).fetch(ALL_BOUND):
                for person in moved.get((bureau, row["case_id"]), []):
                    if vault.blind_index(CITIZEN_INDEX_LABEL, person) == row[0]:
                        said[person].add(Saying(bureau, *row[1:]))

    def _indexes(self, persons: Sequence[str]) -> dict[str, dict[bytes, str]]:
        return {
            bureau: {vault.blind_index(CITIZEN_INDEX_LABEL, person): person for person in persons}
            for bureau, vault in self._vaults.items()
        }

    async def _collect(self, indexes: Mapping[str, Mapping[bytes, str]]) -> dict[str, Sayings]:
        """One reading of every register, all at the same time."""
        reads = [self._read(bureau, by_index) for bureau, by_index in indexes.items()]
        async with asyncio.timeout(READ_SECONDS):
            # Every reading is waited for, also when one fails: one that went on would open a connection nobody closes.
            answers = await asyncio.gather(*reads, return_exceptions=True)
        said: dict[str, set[Saying]] = {person: set() for by_index in indexes.values() for person in by_index.values()}
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            for person, saying in answer:
                said[person].add(saying)
        return {person: frozenset(sayings) for person, sayings in said.items()}

    async def _read(self, bureau: str, by_index: Mapping[bytes, str]) -> list[tuple[str, Saying]]:
        connection = await self._connection(bureau)
        rows = await connection.fetch(OF_PERSONS, list(by_index))
        return [(by_index[row[0]], Saying(bureau, *row[1:])) for row in rows]

    def _disconnect(self) -> None:
        for connection in self._connections.values():
            connection.terminate()  # nothing is under way that could be lost
        self._connections.clear()

    async def _connection(self, bureau: str) -> asyncpg.Connection:
        known = self._connections.get(bureau)
        if known is None or known.is_closed():
            self._connections[bureau] = known = await asyncpg.connect(self._registers[bureau].dsn, timeout=CONNECT_SECONDS)
        return known
