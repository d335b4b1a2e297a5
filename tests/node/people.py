"""Synthetic persons (AS13) of the node ring, and the registers that every test begins with."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.bureau.population import acts as population
from services.bureau.population.acts import NewHousehold
from services.bureau.population.tables import ResidentRecord
from shared.database import Session
from shared.identifiers.citizen_id import check_digit

LVXIANG, FENGJING, XINBANG = "310116910000", "310116920000", "310117910000"
ZHAPU, XINDAI, YAOZHUANG = "330482910000", "330482920000", "330421910000"
SANXIAOKOU, ZHESHAN = "340103910000", "340202910000"
HEAD, WIFE, SON, FATHER = "02", "12", "20", "51"
MOVERS = 60  # single persons at Zhapu, for tests that need many cases beside each other


@dataclass(frozen=True)
class Person:
    """Somebody who is not: the number is valid, the name says so."""

    citizen_id_no: str
    name: str

    @property
    def sex(self) -> Literal["1", "2"]:
        return "1" if int(self.citizen_id_no[16]) % 2 else "2"

    @property
    def born_on(self) -> date:
        digits = self.citizen_id_no[6:14]
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))

    def record(self) -> ResidentRecord:
        return ResidentRecord(
            citizen_id_no=self.citizen_id_no,
            name=self.name,
            sex=self.sex,
            ethnicity_code="01",
            born_on=self.born_on,
            religion="演示信仰",
            occupation="教师",
        )


def person(first17: str, name: str) -> Person:
    return Person(first17 + check_digit(first17), name)


WANG = person("33048219900307002", "王演示")  # alone at Zhapu, household 000000001
ZHOU = person("33048219700101001", "周演示")  # head of a family of four at Zhapu, household 000000002
ZHOU_WIFE = person("33048219720202002", "吴演示")
ZHOU_SON = person("33048220050303003", "周小演示")
ZHOU_FATHER = person("33048219450404005", "周老演示")
FAMILY = ((ZHOU, HEAD), (ZHOU_WIFE, WIFE), (ZHOU_SON, SON), (ZHOU_FATHER, FATHER))
AT_XINDAI = person("33048219850505004", "郑演示")  # alone at another station of the same county
AT_YAOZHUANG = person("33042119850606004", "冯演示")  # alone at a station of another county
LI = person("31011619880101001", "李演示")  # the sponsor, head at Lvxiang, household 000000001
LI_SON = person("31011620150101001", "李小演示")
AT_FENGJING = person("31011619800808001", "陈演示")
STRANGER = person("33048219910909009", "无名演示")  # in no register
HEFEI = person("34010319920101002", "徽演示")  # in no register here: applications from Anhui need none


def mover(number: int) -> Person:
    """One of MOVERS single persons at Zhapu."""
    return person(f"33048219900101{number:03d}", f"演示{number:02d}")


async def seed(session: Session) -> None:
    """Write the register of the session's bureau."""
    if session.node.bureau == "zhejiang":
        await _household(session, ZHAPU, "000000001", (WANG, HEAD))
        await _household(session, ZHAPU, "000000002", *FAMILY)
        await _household(session, XINDAI, "000000001", (AT_XINDAI, HEAD))
        await _household(session, YAOZHUANG, "000000001", (AT_YAOZHUANG, HEAD))
        for number in range(MOVERS):
            await _household(session, ZHAPU, f"{100 + number:09d}", (mover(number), HEAD))
    elif session.node.bureau == "shanghai":
        await _household(session, LVXIANG, "000000001", (LI, HEAD), (LI_SON, SON))
        await _household(session, FENGJING, "000000001", (AT_FENGJING, HEAD))


async def _household(session: Session, station: str, number: str, *members: tuple[Person, str]) -> None:
    home = NewHousehold(station_code=station, division_code=station[:6], address=f"演示路{number}号", household_no=number)
    made = await population.create_household(session, home)
    for one, relation in members:
        await population.register_arrival(session, one.record(), epoch=1, household_id=made.id, relation_code=relation)
