"""Where transfers of these tests begin and end, and synthetic people (AS13) to move: one person, one household."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from services.bureau.population import acts as population
from services.bureau.population.acts import NewHousehold
from services.bureau.population.tables import HEAD_RELATION, ResidentRecord
from shared.database import Session
from shared.identifiers.citizen_id import check_digit

FIRST_BORN_ON = date(1980, 1, 1)
SERIALS = 900  # 000-899; the generator of demo residents keeps 980-999 for itself
MALE = "1"


@dataclass(frozen=True, slots=True)
class Place:
    """A station with the officers that a transfer needs at either end."""

    bureau: str
    station: str
    division: str
    counter: str
    verifier: str
    office: str


PLACES = {
    place.bureau: place
    for place in (
        Place("shanghai", "310116910000", "310116", "D31001", "D31002", "D31003"),
        Place("jiangsu", "320583910000", "320583", "D32001", "D32002", "D32003"),
        Place("zhejiang", "330482910000", "330482", "D33001", "D33002", "D33003"),
        Place("anhui", "340103910000", "340103", "D34001", "D34002", "D34003"),
    )
}


@dataclass(frozen=True, slots=True)
class Person:
    """`sponsor`: whom others join at this place."""

    home: Place
    citizen_id_no: str
    name: str

    @property
    def record(self) -> ResidentRecord:
        number = self.citizen_id_no
        born_on = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
        sex = MALE if int(number[16]) % 2 else "2"
        return ResidentRecord(citizen_id_no=number, name=self.name, sex=sex, ethnicity_code="01", born_on=born_on)  # type: ignore[arg-type]


def people_of(home: Place) -> Iterator[Person]:
    """People born in the place's division, all different, without end."""
    for number in itertools.count():
        born_on = FIRST_BORN_ON + timedelta(days=number // SERIALS)
        body = f"{home.division}{born_on:%Y%m%d}{number % SERIALS:03d}"
        yield Person(home, body + check_digit(body), "王试")


async def register(session: Session, person: Person) -> None:
    """Enter `person` as head of a household of their own."""
    home = person.home
    made = await population.create_household(
        session, NewHousehold(station_code=home.station, division_code=home.division, address="演示路1号")
    )
    await population.register_arrival(session, person.record, epoch=1, household_id=made.id, relation_code=HEAD_RELATION)


def application(person: Person, destination: Place, sponsor: Person) -> dict[str, Any]:
    """The form with which `person` joins `sponsor` at `destination`, in a household of their own."""
    return {
        "category": "KINSHIP",
        "reason_code": "SPOUSE",
        "applicant": {"citizen_id_no": person.citizen_id_no, "name": person.name, "relation_to_head_code": HEAD_RELATION},
        "origin": {"division_code": person.home.division, "address": "演示路1号", "station_code": person.home.station},
        "destination": {"division_code": destination.division, "address": "演示路2号"},
        "sponsor": {"name": sponsor.name, "citizen_id_no": sponsor.citizen_id_no},
        "notice_signed": True,
    }
