"""What the benches stand on: four nodes as processes on PostgreSQL with fsync and Apache Kafka, and people who can move."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import asyncpg
import httpx2 as httpx

from services.bureau.access.callers import Officer, Post
from services.bureau.population import acts as population
from services.bureau.population.acts import NewHousehold
from services.bureau.population.tables import HEAD_RELATION, ResidentRecord
from services.bureau.rulebook import read_rulebook
from services.bureau.transfers import acts as transfers
from services.bureau.transfers.rules.application import ApplicationForm
from services.harness.network import SERVICES
from services.harness.nodes import Progress
from services.harness.processes import DATABASE, Federation
from services.harness.registers import Register
from services.harness.stack import StackError
from shared.database import CHINA, Database, Session
from shared.identifiers.citizen_id import check_digit
from shared.identifiers.texts import N_

DESTINATION, ORIGIN = "shanghai", "zhejiang"
LVXIANG, ZHAPU = "310116910000", "330482910000"
COUNTER, OFFICE, VERIFIER = "D31001", "D31003", "D33002"
OPENED_AT = datetime(2022, 3, 1, 10, 0, tzinfo=CHINA)
"""By then every pair of bureaus may transfer."""
FIRST_BORN_ON = date(1960, 1, 1)
SERIALS = 900  # 000-899 of each day; the demo's residents have the others
CASES_A_TRANSACTION = 25
WAIT_SECONDS = 120.0
POOL = 8  # as many as the lanes of a rate
POLL_SECONDS = 0.001
DIRECTORY_POLL_SECONDS = 0.1
TRACK_COMMITS = ("ALTER SYSTEM SET track_commit_timestamp = on",)
SPONSOR_NO = "310116195801010019"


@dataclass(frozen=True, slots=True)
class Person:
    """A synthetic resident of Zhapu in a household alone."""

    citizen_id_no: str
    name: str = "王试"

    def record(self) -> ResidentRecord:
        number = self.citizen_id_no
        born_on = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
        sex = "1" if int(number[16]) % 2 else "2"
        return ResidentRecord(citizen_id_no=number, name=self.name, sex=sex, ethnicity_code="01", born_on=born_on)  # type: ignore[arg-type]


def person(number: int) -> Person:
    """The person of that number, from 0; all different."""
    body = f"330482{FIRST_BORN_ON + timedelta(days=number // SERIALS):%Y%m%d}{number % SERIALS:03d}"
    return Person(body + check_digit(body))


SPONSOR = Person(SPONSOR_NO[:17] + check_digit(SPONSOR_NO[:17]), "李试")


def application(who: Person) -> dict[str, Any]:
    """The form with which `who` joins the sponsor in Lvxiang, in a household of their own."""
    return {
        "category": "KINSHIP",
        "reason_code": "SPOUSE",
        "applicant": {"citizen_id_no": who.citizen_id_no, "name": who.name, "relation_to_head_code": HEAD_RELATION},
        "origin": {"division_code": ZHAPU[:6], "address": "演示路1号", "station_code": ZHAPU},
        "destination": {"division_code": LVXIANG[:6], "address": "演示路2号"},
        "sponsor": {"name": SPONSOR.name, "citizen_id_no": SPONSOR.citizen_id_no},
        "notice_signed": True,
    }


async def register(database: Database, people: Sequence[Person], *, station: str) -> None:
    """Enter each as head of a household of their own."""
    for start in range(0, len(people), CASES_A_TRANSACTION):
        chunk = people[start : start + CASES_A_TRANSACTION]

        async def unit(session: Session, chunk: Sequence[Person] = chunk) -> None:
            for one in chunk:
                home = NewHousehold(station_code=station, division_code=station[:6], address="演示路1号")
                made = await population.create_household(session, home)
                await population.register_arrival(
                    session, one.record(), epoch=1, household_id=made.id, relation_code=HEAD_RELATION
                )

        await database.run(unit, name="bench.register")


async def under_review(
    database: Database, people: Sequence[Person], *, until: Literal["open", "accept", "submit"] = "submit"
) -> list[UUID]:
    """A case of each at the destination, submitted for approval or brought that far; made through the acts themselves, many in a
    transaction."""
    counter = Officer(COUNTER, DESTINATION, "演示", Post(LVXIANG, "counter", LVXIANG[:6]))
    rulebook = read_rulebook(SERVICES / DESTINATION / "rules.toml")
    cases: list[UUID] = []
    for start in range(0, len(people), CASES_A_TRANSACTION):
        chunk = people[start : start + CASES_A_TRANSACTION]

        async def unit(session: Session, chunk: Sequence[Person] = chunk) -> list[UUID]:
            made = []
            for one in chunk:
                opened = await transfers.open_case(session, counter, ApplicationForm.model_validate(application(one)))
                if until != "open":
                    await transfers.accept(session, counter, opened.case.case_id, rulebook)
                if until == "submit":
                    await transfers.submit(session, counter, opened.case.case_id)
                made.append(opened.case.case_id)
            return made

        cases += await database.run(unit, name="bench.cases", actor=counter.actor)
    return cases


class Ground:
    """A running federation and the two databases whose messages are measured."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        registers = federation.registers()
        self.registers: dict[str, Register] = {bureau: registers[bureau] for bureau in (DESTINATION, ORIGIN)}
        self.databases: dict[str, Database] = {bureau: one.open(pool_size=POOL) for bureau, one in self.registers.items()}
        self.clients = {
            bureau: httpx.AsyncClient(base_url=federation.nodes[bureau].web, timeout=WAIT_SECONDS, trust_env=False)
            for bureau in self.registers
        }
        self._tokens: dict[str, str] = {}
        self._next = 0

    def people(self, count: int) -> list[Person]:
        """So many whom no bench of this run has used."""
        self._next += count
        return [person(number) for number in range(self._next - count, self._next)]

    async def register(self, people: Sequence[Person], *, bureau: str, station: str) -> None:
        """Enter each as head of a household of their own."""
        await register(self.databases[bureau], people, station=station)

    async def under_review(self, people: Sequence[Person]) -> list[UUID]:
        """A case of each, submitted for approval; made through the acts themselves, many in a transaction."""
        return await under_review(self.databases[DESTINATION], people)

    async def post(self, bureau: str, officer: str, path: str, body: Any = None) -> dict[str, Any]:
        """One act of an officer. Raises StackError when it is refused."""
        headers = {"Authorization": f"Bearer {await self._token(bureau, officer)}"}
        answer = await self.clients[bureau].post(path, json=body, headers=headers)
        if not answer.is_success:
            raise StackError(N_("{bureau} refused {path}: {answer}"), bureau=bureau, path=path, answer=answer.text)
        told: dict[str, Any] = answer.json()
        return told

    async def _token(self, bureau: str, officer: str) -> str:
        if officer not in self._tokens:
            form = {"grant_type": "urn:quanyu:grant:development", "officer": officer}
            answer = await self.clients[bureau].post("/dev/token", data=form)
            self._tokens[officer] = str(answer.json()["access_token"])
        return self._tokens[officer]

    async def connect(self, bureau: str) -> asyncpg.Connection:
        """A connection that looks beside the node."""
        return await asyncpg.connect(self.registers[bureau].dsn)

    async def wait_for_stations(self) -> None:
        """Until the origin's list has arrived at the destination. Raises StackError."""
        connection, ends_at = await self.connect(DESTINATION), time.monotonic() + WAIT_SECONDS
        while not await connection.fetchval("SELECT 1 FROM directory WHERE bureau = $1", ORIGIN):
            if time.monotonic() > ends_at:
                raise StackError(N_("{bureau} has not published its stations"), bureau=ORIGIN)
            await asyncio.sleep(DIRECTORY_POLL_SECONDS)
        await connection.close()

    async def close(self) -> None:
        for client in self.clients.values():
            await client.aclose()
        for database in self.databases.values():
            await database.close()


def start(folder: Path, progress: Progress) -> Federation:
    """A federation on Apache Kafka in `folder`, whose PostgreSQL servers keep the time of each commit; the caller stops it.

    Raises StackError; then nothing is left running."""
    federation = Federation(folder, stack="kafka")
    try:
        federation.start_servers(progress)
        for server in federation.postgres.values():
            server.execute(DATABASE, TRACK_COMMITS)
            server.restart()
        federation.set_business_clock(OPENED_AT)
        federation.start_nodes(progress)
        federation.wait_ready()
    except BaseException:
        federation.stop()
        raise
    return federation


@asynccontextmanager
async def ground_of(federation: Federation) -> AsyncIterator[Ground]:
    """What a bench works with, once the bureaus know each other's stations. Raises StackError."""
    ground = Ground(federation)
    try:
        await ground.wait_for_stations()
        await ground.register([SPONSOR], bureau=DESTINATION, station=LVXIANG)
        yield ground
    finally:
        await ground.close()
