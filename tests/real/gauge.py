"""Who answers for a person, seen from above four databases that change while one looks: 0 persons with none, 0 with many.

Four reads are not one instant. So each sample reads all four databases twice, and judges only persons of whom both readings say
the same: rows carry a version that only rises, so between the two readings everything they say was true at once.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import LargeBinary

from services.bureau.population.tables import CITIZEN_INDEX_LABEL
from shared.database import Database
from shared.database.types import vault_of
from tests.real.people import Person

SAMPLE_SECONDS = 0.1
READ_SECONDS = 2.0  # a database that hangs is left out of the sample
STANDINGS = text(
    "SELECT citizen_id_index AS citizen, kind, epoch, counterpart, case_id, version FROM resident"
    " WHERE citizen_id_index = ANY(:citizens)"
    " UNION ALL SELECT citizen_index, state, epoch, counterpart, case_id, 0 FROM transfer_member"
    " WHERE citizen_index = ANY(:citizens) AND side = 'destination' AND state = 'SETTLING'"
).bindparams(bindparam("citizens", type_=ARRAY(LargeBinary)))
PRESENT = frozenset({"ACTIVE", "IN_TRANSIT"})

Standing = tuple[str, int, str | None, object, int]  # kind or SETTLING, epoch, counterpart, case, version
View = Mapping[str, frozenset[Standing]]  # by bureau: what it says of one person


@dataclass
class Gauge:
    """Watches persons over all databases until stopped. `none` and `many` list violations as (person, what each bureau said)."""

    databases: Mapping[str, Database]
    none: list[tuple[str, View]] = field(default_factory=list)
    many: list[tuple[str, View]] = field(default_factory=list)
    judged: int = 0
    unreadable: int = 0
    _indexes: dict[str, dict[bytes, str]] = field(default_factory=dict)

    def watch(self, person: Person) -> None:
        """From now on this person is registered somewhere."""
        for bureau, database in self.databases.items():
            index = vault_of(database.engine.dialect).blind_index(CITIZEN_INDEX_LABEL, person.citizen_id_no)
            self._indexes.setdefault(bureau, {})[index] = person.citizen_id_no

    async def run(self) -> None:
        """Sample until cancelled; a database that is down is somebody else's test, and costs a sample."""
        while True:
            try:
                await self.sample()
            except (DBAPIError, OSError, TimeoutError):
                self.unreadable += 1
            await asyncio.sleep(SAMPLE_SECONDS)

    async def sample(self) -> set[str]:
        """Judge everybody who did not change meanwhile; gives their numbers. Raises what an unreadable database raises."""
        first, second = await self._read(), await self._read()
        stable = {number for number in first if first[number] == second.get(number)}
        for number in stable:
            self.judged += 1
            answering = who_answers(first[number])
            if len(answering) != 1:
                (self.many if answering else self.none).append((number, first[number]))
        return stable

    async def everybody(self) -> None:
        """Judge every person that is watched, now that nothing moves. AssertionError when somebody cannot be judged."""
        watched = set(next(iter(self._indexes.values()), {}).values())
        assert await self.sample() == watched

    async def _read(self) -> dict[str, View]:
        found: dict[str, dict[str, frozenset[Standing]]] = {}
        for bureau, by_index in list(self._indexes.items()):
            rows: dict[str, set[Standing]] = {number: set() for number in by_index.values()}
            async with asyncio.timeout(READ_SECONDS), self.databases[bureau].engine.connect() as connection:
                for citizen, *standing in await connection.execute(STANDINGS, {"citizens": list(by_index)}):
                    rows[by_index[citizen]].add(tuple(standing))  # type: ignore[arg-type]
            for number, standings in rows.items():
                found.setdefault(number, {})[bureau] = frozenset(standings)
        return found


def who_answers(view: View) -> set[str]:
    """The bureaus at which asking ends with "registered here".

    In the instant of hand-over nobody's row does: the newest MOVED row then points to the bureau where the person is bound, which
    asks the origin, gets the close, and answers (protocol.md 3)."""
    present = {bureau for bureau, standings in view.items() if any(kind in PRESENT for kind, *_ in standings)}
    if present:
        return present
    moved = [one for standings in view.values() for one in standings if one[0] == "MOVED"]
    if not moved:
        return set()
    _, epoch, heading_to, case, _ = max(moved, key=lambda one: one[1])
    bound = any(
        kind == "SETTLING" and at == epoch + 1 and of == case for kind, at, _, of, _ in view.get(str(heading_to), frozenset())
    )
    return {str(heading_to)} if bound else set()
