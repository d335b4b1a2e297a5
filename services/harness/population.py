"""Synthetic residents (AS13): the same for the same seed, in households, valid by every rule of the import.

Recognisable: their citizen id numbers have the serials 980-999, which the generator keeps for itself, and they live on 演示路
("demo road"). Every number is unique by construction, so that a million residents need no memory of the numbers given out:
a household's slot (division of first issue, birth date of the head, 0 or 1) is used once, a member's birth date is the head's
plus days that depend on slot and kind of member only, and each kind of member has serials of its own.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import islice
from random import Random
from typing import Final, TextIO

from uuid_utils.compat import uuid7

from services.bureau.population.acts.copying import CopySource, ResidentPlace, RowWriter, copy_rows
from services.bureau.population.acts.importing import KNOWN_PERSONS, PROGRESS_EVERY_ROWS, Progress, no_progress
from services.bureau.population.rules.importing import HOUSEHOLD_COLUMNS, HouseholdLine
from services.bureau.population.tables import HEAD_RELATION, HouseholdType, ResidentRecord
from services.bureau.stations.rules import is_registration_station
from shared.audit import AuditEntry, write_audit
from shared.contract.records import Station
from shared.database import Database, Session
from shared.identifiers.bureau import province_of_bureau
from shared.identifiers.citizen_id import check_digit
from shared.identifiers.division import divisions_of, full_division_name

SEED_NUMBERS = 900  # populations of different seeds get different household numbers; those from 900 are the stories'
HOUSEHOLDS_AT_ONCE = 4_000  # about 10,000 residents, 8 MB of rows, under a second: one transaction each
FIRST_HEAD_BORN_ON: Final = date(1940, 1, 1)
HEAD_BIRTH_DAYS: Final = (date(1986, 1, 1) - FIRST_HEAD_BORN_ON).days
SLOTS_PER_DAY: Final = 2
GENERATION_DAYS: Final = 8_900  # between parent and child: 24 years, and up to SHIFT_DAYS more
SIBLING_DAYS: Final = 1_100
SHIFT_DAYS: Final = 700
FIRST_PARENT_BORN_ON: Final = date(1926, 1, 1)
ADULTS_BORN_BEFORE: Final = date(1999, 1, 1)  # of an age to have work at the dates of the stories; the generator knows no clock
SERIAL_BASES: Final = {"head": 980, "spouse": 984, "first child": 988, "second child": 992, "parent": 996}
MULTIPLIERS: Final = (1_000_003, 1_000_033, 1_000_037, 1_000_039)  # primes; one of them is coprime to any number of slots we meet
KINDS: Final = (  # who lives together, and how often of 100
    (("head",), 25),
    (("head", "spouse"), 25),
    (("head", "spouse", "first child"), 30),
    (("head", "spouse", "first child", "second child"), 10),
    (("head", "spouse", "first child", "parent"), 10),
)
SURNAMES: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜"
)
MALE_GIVEN: Final = "伟强磊军洋勇杰涛超明刚平辉鹏华飞鑫波斌宇浩凯健俊帆宁诚宏毅翔"
FEMALE_GIVEN: Final = "芳娜敏静丽艳霞秀英娟燕玲桂兰婷雪慧莹洁红梅琴云倩欣怡佳琪璐颖"
ETHNICITIES: Final = ("01",) * 97 + ("02", "03", "11")  # 汉, and some 蒙古, 回, 满
EDUCATIONS: Final = ("20", "30", "40", "60", "70", "80")
OCCUPATIONS: Final = ("教师", "工人", "会计", "司机", "护士", "农民", "售货员", "工程师", "厨师", "职员")
MALE: Final = "1"


@dataclass(frozen=True, slots=True)
class GeneratedHousehold:
    """A household and its members, (relation to the head, record), the head first."""

    line: HouseholdLine
    members: tuple[tuple[str, ResidentRecord], ...]


@dataclass(frozen=True, slots=True)
class _Person:
    """Who a record will be about."""

    kind: str
    citizen_id_no: str
    name: str
    sex: str
    born_on: date


@dataclass(frozen=True)
class Population:
    """`count` residents of a bureau's own `stations`; each household follows from seed and place in the sequence alone."""

    bureau: str
    stations: Sequence[Station]
    count: int
    seed: int = 1

    @cached_property
    def _divisions(self) -> tuple[str, ...]:
        province = province_of_bureau(self.bureau)
        if province is None:
            raise ValueError(f"no province is known for bureau {self.bureau}")
        return divisions_of(province.digits)

    @cached_property
    def _registering(self) -> tuple[Station, ...]:
        found = tuple(one for one in self.stations if is_registration_station(one.code) and one.valid_until is None)
        if not found:
            raise ValueError(f"bureau {self.bureau} lists no open station")
        return found

    @property
    def slots(self) -> int:
        """How many households there can be: at least half a million."""
        return len(self._divisions) * HEAD_BIRTH_DAYS * SLOTS_PER_DAY

    @cached_property
    def _spread(self) -> tuple[int, int]:
        """(multiplier, start) of the walk through the slots, which meets each of them once."""
        multiplier = next(one for one in MULTIPLIERS if math.gcd(one, self.slots) == 1)
        return multiplier, Random(f"{self.bureau}/{self.seed}").randrange(self.slots)  # noqa: S311  # reproducible on purpose

    def households(self) -> Iterator[GeneratedHousehold]:
        """All households; the last one is cut to reach exactly `count`. Raises ValueError when the province is too small."""
        left, number = self.count, 0
        while left > 0:
            if number >= self.slots:
                raise ValueError(f"{self.bureau} has room for {self.slots} households")
            made = self._household(number, most=left)
            yield made
            left -= len(made.members)
            number += 1

    def _household(self, number: int, *, most: int) -> GeneratedHousehold:
        random = Random(f"{self.bureau}/{self.seed}/{number}")  # noqa: S311  # reproducible on purpose
        people = self._people(number, random)[:most]
        station = self._registering[number % len(self._registering)]
        line = HouseholdLine(
            station.code,
            f"{self.seed % SEED_NUMBERS:03d}{number // len(self._registering) + 1:06d}",
            HouseholdType.FAMILY,
            station.division_code,
            f"演示路{random.randrange(1, 1000)}号{random.randrange(1, 19)}{random.randrange(1, 9):02d}室",
        )
        by_kind = {person.kind: person for person in people}
        members = tuple((_relation(person), self._record(person, by_kind, random)) for person in people)
        return GeneratedHousehold(line, members)

    def _people(self, number: int, random: Random) -> list[_Person]:
        multiplier, start = self._spread
        slot = (start + number * multiplier) % self.slots
        half, slot = slot % SLOTS_PER_DAY, slot // SLOTS_PER_DAY
        division, day = slot % len(self._divisions), slot // len(self._divisions)
        head_born_on = FIRST_HEAD_BORN_ON + timedelta(days=day)
        shift = (division * SLOTS_PER_DAY + half) * 37 % SHIFT_DAYS  # constant for a division and half: birth dates stay apart
        born = {
            "head": head_born_on,
            "spouse": head_born_on + timedelta(days=shift - SHIFT_DAYS // 2),
            "first child": head_born_on + timedelta(days=GENERATION_DAYS + shift),
            "second child": head_born_on + timedelta(days=GENERATION_DAYS + SIBLING_DAYS + shift),
            "parent": head_born_on - timedelta(days=GENERATION_DAYS + shift),
        }
        kinds = random.choices([kinds for kinds, _ in KINDS], [weight for _, weight in KINDS])[0]
        head_sex, surname = random.choice("12"), random.choice(SURNAMES)
        people = []
        for kind in kinds:
            if kind == "parent" and born[kind] < FIRST_PARENT_BORN_ON:
                continue
            sex = {"head": head_sex, "spouse": "2" if head_sex == MALE else MALE}.get(kind) or random.choice("12")
            serial = SERIAL_BASES[kind] + 2 * half + (sex == MALE)
            body = f"{self._divisions[division]}{born[kind]:%Y%m%d}{serial}"
            given = MALE_GIVEN if sex == MALE else FEMALE_GIVEN
            own = random.choice(SURNAMES) if kind == "spouse" else surname
            name = own + "".join(random.choices(given, k=random.choice((1, 2, 2))))
            people.append(_Person(kind, body + check_digit(body), name, sex, born[kind]))
        return people

    def _record(self, person: _Person, by_kind: dict[str, _Person], random: Random) -> ResidentRecord:
        division = person.citizen_id_no[:6]
        is_adult = person.born_on < ADULTS_BORN_BEFORE
        partner = {"head": by_kind.get("spouse"), "spouse": by_kind.get("head")}.get(person.kind)
        parents = [by_kind.get("head"), by_kind.get("spouse")] if person.kind.endswith("child") else []
        father = next((one for one in parents if one is not None and one.sex == MALE), None)
        mother = next((one for one in parents if one is not None and one.sex != MALE), None)
        (father_name, father_no), (mother_name, mother_no), (spouse_name, spouse_no) = map(_named, (father, mother, partner))
        return ResidentRecord(
            citizen_id_no=person.citizen_id_no,
            name=person.name,
            sex=MALE if person.sex == MALE else "2",
            ethnicity_code=random.choice(ETHNICITIES),
            born_on=person.born_on,
            birth_country="CHN",
            birth_division_code=division,
            native_country="CHN",
            native_division_code=division,
            native_address=full_division_name(division),
            education_code=random.choice(EDUCATIONS) if is_adult else None,
            marital_status_code="20" if partner else "10",
            occupation=random.choice(OCCUPATIONS) if is_adult else None,
            father_name=father_name,
            father_id_no=father_no,
            mother_name=mother_name,
            mother_id_no=mother_no,
            spouse_name=spouse_name,
            spouse_id_no=spouse_no,
        )


def _named(person: _Person | None) -> tuple[str | None, str | None]:
    return (None, None) if person is None else (person.name, person.citizen_id_no)


def _relation(person: _Person) -> str:
    is_male = person.sex == MALE
    return {
        "head": HEAD_RELATION,
        "spouse": "11" if is_male else "12",
        "first child": "20" if is_male else "30",
        "second child": "20" if is_male else "30",
        "parent": "51" if is_male else "52",
    }[person.kind]


async def load(database: Database, population: Population, *, progress: Progress = no_progress) -> int:
    """Write the population into its bureau's register, HOUSEHOLDS_AT_ONCE a transaction; gives the residents written.

    Households whose head is in the register already are passed over: an interrupted run goes on where it was. Raises what
    COPY raises when another person of the population is in the register outside such a household."""
    households, written, done = population.households(), 0, 0
    while chunk := list(islice(households, HOUSEHOLDS_AT_ONCE)):
        written += await _load_chunk(database, chunk)
        done += sum(len(one.members) for one in chunk)
        progress("write", done)
    return written


async def _load_chunk(database: Database, chunk: Sequence[GeneratedHousehold]) -> int:
    writer = RowWriter(database.engine.dialect, at=database.node.machine_now())
    heads = {writer.person(one.members[0][1].citizen_id_no): one for one in chunk}

    async def unit(session: Session) -> int:
        for known in (await session.execute(KNOWN_PERSONS, {"persons": list(heads)})).scalars():
            heads.pop(known, None)
        if not heads:
            return 0
        household_rows, resident_rows = [], []
        for one in heads.values():
            household_id, ids = uuid7(), [uuid7() for _ in one.members]
            household_rows.append(writer.household(household_id, ids[0], one.line))
            for resident_id, (relation, record) in zip(ids, one.members, strict=True):
                place = ResidentPlace(resident_id, household_id, one.line.station_code, relation)
                resident_rows.append(writer.resident(place, writer.person(record.citizen_id_no), record))
        await copy_rows(session, CopySource(lambda: iter(household_rows), lambda: iter(resident_rows)))
        change = {"rows": len(resident_rows), "households": len(household_rows)}
        await write_audit(session, AuditEntry(action="population.generate", object_kind="register", change=change))
        return len(resident_rows)

    return await database.run(unit, name="population.generate")


def write_csv(population: Population, file: TextIO, *, progress: Progress = no_progress) -> int:
    """Write the population as a file for the import; gives the residents written."""
    columns = (*HOUSEHOLD_COLUMNS, "relation_code", *ResidentRecord.model_fields)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    written = 0
    for one in population.households():
        line = one.line
        facts = (line.station_code, line.household_no, line.household_type.value, line.division_code, line.address)
        for relation, record in one.members:
            writer.writerow(
                (*facts, relation, *("" if value is None else value for value in record.model_dump(mode="json").values()))
            )
            written += 1
            if written % PROGRESS_EVERY_ROWS == 0:
                progress("write", written)
    progress("write", written)
    return written
