"""Synthetic persons and households, put into a bureau's register as an import would."""

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.bureau.population import acts as population
from services.bureau.population.acts import NewHousehold
from services.bureau.population.tables import ResidentRecord
from services.harness.network import SERVICES, Node
from shared.database import Session
from shared.identifiers.citizen_id import check_digit
from shared.identifiers.unit_code import division_of_unit

# One station a bureau that its tests use, and one more in the same province.
STATIONS: Mapping[str, str] = {
    "shanghai": "310116910000",
    "jiangsu": "320583910000",
    "zhejiang": "330482910000",
    "anhui": "340103910000",
}
OTHER_STATIONS: Mapping[str, str] = {"shanghai": "310116920000", "jiangsu": "320583920000", "zhejiang": "330482920000"}
HEAD, SPOUSE, SON = "02", "10", "20"
FIRST_BORN = date(1970, 1, 1)
SURNAMES = "赵钱孙李周吴郑王冯陈"


@dataclass(frozen=True)
class Person:
    """A made-up citizen; `number` is valid (GB 11643-1999)."""

    number: str
    name: str
    sex: str
    born_on: date


class People:
    """Makes persons, each one once: nobody is born on the day of another."""

    def __init__(self) -> None:
        self._days = itertools.count()

    def make(self, division: str, *, sex: str = "2") -> Person:
        count = next(self._days)
        born_on = FIRST_BORN + timedelta(days=count)
        serial = "101" if sex == "1" else "102"
        body = f"{division}{born_on:%Y%m%d}{serial}"
        return Person(body + check_digit(body), f"{SURNAMES[count % len(SURNAMES)]}演示", sex, born_on)


async def register(
    node: Node, station: str, members: Sequence[tuple[Person, str]], *, epoch: int = 1, address: str = "演示路1号"
) -> str:
    """Enter a household of (person, relation to the head) at a station, the head first; gives its number."""

    async def unit(session: Session) -> str:
        new = NewHousehold(station_code=station, division_code=division_of_unit(station), address=address)
        household = await population.create_household(session, new)
        for person, relation in members:
            record = ResidentRecord(
                citizen_id_no=person.number,
                name=person.name,
                sex=person.sex,  # type: ignore[arg-type]
                ethnicity_code="01",
                born_on=person.born_on,
            )
            await population.register_arrival(session, record, epoch=epoch, household_id=household.id, relation_code=relation)
        return household.household_no

    return await node.wiring.database.run(unit, name="test.register")


def read_officers() -> Mapping[tuple[str, str], str]:
    """(unit code, role) -> badge number of one who holds this post and no other; from the provinces' own lists."""
    posts: dict[str, list[tuple[str, str]]] = {}
    for bureau in STATIONS:
        text = (SERVICES / bureau / "posts.csv").read_text()
        for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
            posts.setdefault(row["badge_no"], []).append((row["station_code"], row["role"]))
    return {held[0]: badge for badge, held in posts.items() if len(held) == 1}
