"""Four bureaus as processes on PostgreSQL and Apache Kafka, officers who act through their API, and what becomes of a transfer.

An officer's client does what a careful client does: an act that got no answer, or "not now", is sent again with the same
Idempotency-Key. Everything that waits here is bounded, and everything that was started ends with the stage.
"""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx
from sqlalchemy import text
from uuid_utils.compat import uuid7

from services.bureau.access.calls import KEY_HEADER, REPLAYED_HEADER
from services.bureau.settings import Settings
from services.bureau.wiring import Wiring, wire
from services.harness.network import SERVICES
from services.harness.processes import DATABASE, Federation, NodeProcess
from services.harness.stack import node_role
from shared.database import CHINA, Database, DatabaseDown, OutcomeUnknown, Session
from tests.real import crashing_node, verdict
from tests.real.gauge import Gauge
from tests.real.people import PLACES, Person, Place, application, people_of, register

OPEN_EVERYWHERE = datetime(2022, 3, 1, 10, 0, tzinfo=CHINA)  # by then every pair of bureaus may transfer
ACT_SECONDS = 60.0  # an act is repeated so long: a broker or database that was killed is back in a third of it
STATE_SECONDS = 60.0
POLL_SECONDS = 0.03
AGAIN_SECONDS = 0.1
NOT_NOW = frozenset({"counterpart_silent"})  # conflicts that end by themselves when the other bureau is back
DIRECTORIES = text("SELECT count(*) AS known FROM directory")
STATE = text("SELECT state FROM transfer_member WHERE case_id = :case AND side = :side")


@dataclass(eq=False)
class Stage:
    """One federation of this test module. `plans`: bureau -> the file in which a point to die at is named."""

    folder: Path
    federation: Federation
    wirings: dict[str, Wiring] = field(default_factory=dict)
    people: dict[str, Iterator[Person]] = field(default_factory=dict)
    sponsors: dict[str, Person] = field(default_factory=dict)
    clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    refusals: list[tuple[str, int, str]] = field(default_factory=list)  # every "not now": (bureau, status, code)

    @property
    def databases(self) -> dict[str, Database]:
        return {bureau: wiring.database for bureau, wiring in self.wirings.items()}

    @property
    def nodes(self) -> dict[str, NodeProcess]:
        return self.federation.nodes

    @property
    def servers(self) -> str:
        assert self.federation.kafka is not None
        return self.federation.kafka.bootstrap_servers

    async def prepare(self) -> None:
        """Connect to the databases, settle a person at each place whom others may join, wait until all know all stations."""
        for bureau, place in PLACES.items():
            self.wirings[bureau] = wire(self._settings(bureau))
            self.clients[bureau] = httpx.AsyncClient(base_url=self.nodes[bureau].web, timeout=10)
            self.people[bureau] = people_of(place)
        self.gauge = Gauge(self.databases)
        for bureau in PLACES:
            (self.sponsors[bureau],) = await self.settle_people(bureau, 1)
        await verdict.at_rest(self.databases, self.servers)
        for database in self.databases.values():
            assert (await verdict.rows_of(database, DIRECTORIES))[0].known == len(PLACES)

    def _settings(self, bureau: str) -> Settings:
        return Settings(
            bureau=bureau,
            profile_folder=SERVICES / bureau,
            environment="development",
            keys_folder=self.folder / "keys" / bureau,
            database_url=self.federation.postgres[bureau].url(DATABASE, node_role(bureau)),
            bus_file=self.folder / "unused.sqlite",
            run_folder=self.folder,
        )

    async def settle_people(self, bureau: str, count: int) -> list[Person]:
        """Fresh people in the bureau's register, watched by the gauge from now on."""
        people = [next(self.people[bureau]) for _ in range(count)]

        async def unit(session: Session) -> None:
            for person in people:
                await register(session, person)

        await self.databases[bureau].run(unit, name="test.register")
        for person in people:
            self.gauge.watch(person)
        return people

    async def act(self, bureau: str, officer: str, path: str, body: Any = None) -> httpx.Response:
        """One act of an officer, repeated with one key until it is answered. AssertionError: refused, or never answered."""
        key, ends_at = {KEY_HEADER: str(uuid7())}, time.monotonic() + ACT_SECONDS
        answer, why = None, ""
        while time.monotonic() < ends_at:
            try:
                headers = key | {"Authorization": f"Bearer {await self.token(bureau, officer)}"}
                answer = await self.clients[bureau].post(path, json=body, headers=headers)
            except httpx.TransportError as error:
                why = type(error).__name__
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if answer.is_success:
                return answer
            problem = answer.json()
            why = f"{answer.status_code} {problem}"
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE and problem.get("code") not in NOT_NOW:
                raise AssertionError(f"{bureau} {path}: {why}")
            self.refusals.append((bureau, answer.status_code, problem.get("code", "")))
            await asyncio.sleep(AGAIN_SECONDS)
        raise AssertionError(f"{bureau} {path}: no answer in {ACT_SECONDS:.0f} s: {why}")

    async def token(self, bureau: str, officer: str) -> str:
        if (bureau, officer) not in self.tokens:
            form = {"grant_type": "urn:quanyu:grant:development", "officer": officer}
            answer = await self.clients[bureau].post("/dev/token", data=form)
            if not answer.is_success:
                raise httpx.ReadError(f"no token: {answer.status_code}")
            self.tokens[bureau, officer] = answer.json()["access_token"]
        return self.tokens[bureau, officer]

    async def health(self, bureau: str) -> dict[str, Any]:
        """What the node says of itself; {} when it says nothing."""
        try:
            report: dict[str, Any] = (await self.clients[bureau].get("/health/ready")).json()
        except httpx.TransportError:
            return {}
        return report

    async def open(self, person: Person, destination: Place) -> "Transfer":
        """An application of `person`, accepted and submitted: everything before the first message."""
        form = application(person, destination, self.sponsors[destination.bureau])
        opened = await self.act(destination.bureau, destination.counter, "/api/v1/transfers", form)
        transfer = Transfer(self, person, destination, UUID(opened.json()["case"]))
        for step in ("accept", "submit"):
            await transfer.at_destination(destination.counter, step)
        return transfer

    async def begin(self, origin: str, destination: str) -> "Transfer":
        """A fresh person of `origin` applies at `destination`."""
        (person,) = await self.settle_people(origin, 1)
        return await self.open(person, PLACES[destination])

    async def verify(self, transfers: Sequence["Transfer"]) -> None:
        """Everything comes to rest, each of `transfers` was done once, nothing is lost, and everybody has one register."""
        await verdict.at_rest(self.databases, self.servers)
        await verdict.judge(self.databases, [(one.person, one.destination.bureau, one.case) for one in transfers])
        await self.gauge.everybody()
        assert (self.gauge.none, self.gauge.many) == ([], [])

    def plan(self, bureau: str, point: str) -> Path:
        """Let the node of `bureau` die at `point`; gives the file that says that it has."""
        file = plan_of(self.folder, bureau)
        crashing_node.done_file(file).unlink(missing_ok=True)
        fresh = file.with_suffix(".new")
        fresh.write_text(point)
        fresh.replace(file)
        return crashing_node.done_file(file)

    @asynccontextmanager
    async def revived(self, *bureaus: str) -> AsyncIterator[list[int]]:
        """Meanwhile these nodes are started again whenever they are dead; the list gets their exit codes."""
        ends: list[int] = []

        async def watch() -> None:
            while True:
                for bureau in bureaus:
                    process = self.nodes[bureau].process
                    if process is not None and process.poll() is not None:
                        ends.append(process.returncode)
                        self.nodes[bureau].start()
                await asyncio.sleep(POLL_SECONDS)

        task = asyncio.create_task(watch())
        try:
            yield ends
        finally:
            await ended(task)

    async def ready(self, bureau: str) -> None:
        """Until the node's loops run. StackError with the end of its log."""
        await asyncio.to_thread(self.nodes[bureau].wait_ready)

    async def close(self) -> None:
        for client in self.clients.values():
            await client.aclose()
        for wiring in self.wirings.values():
            await wiring.close()


@dataclass(eq=False)
class Transfer:
    """A person on the way; each act is an officer's, through the API of the officer's bureau."""

    stage: Stage
    person: Person
    destination: Place
    case: UUID

    async def at_destination(self, officer: str, act: str, body: Any = None) -> httpx.Response:
        return await self.stage.act(self.destination.bureau, officer, f"/api/v1/transfers/{self.case}/{act}", body)

    async def approve(self) -> httpx.Response:
        return await self.at_destination(self.destination.office, "approve", {})

    async def seal(self, **more: bool) -> httpx.Response:
        home = self.person.home
        path = f"/api/v1/transfers/{self.case}/seal"
        return await self.stage.act(home.bureau, home.verifier, path, {"applicant_confirms": True, **more})

    async def settle(self) -> httpx.Response:
        return await self.at_destination(self.destination.counter, "settle", {"signed": [1]})

    async def reached(self, state: str) -> None:
        """Until the member is in `state` at its side; read from the database, because reading the case may move it."""
        side, bureau = ("origin", self.person.home.bureau) if state == "RECEIVED" else ("destination", self.destination.bureau)
        seen: list[str] = []
        ends_at = time.monotonic() + STATE_SECONDS
        while time.monotonic() < ends_at:
            with suppress(DatabaseDown, OutcomeUnknown):
                rows = await verdict.rows_of(self.stage.databases[bureau], STATE, case=self.case, side=side)
                seen = [row.state for row in rows]
                if seen == [state]:
                    return
            await asyncio.sleep(POLL_SECONDS)
        raise AssertionError(f"case {self.case} is {seen} and not {state} after {STATE_SECONDS:.0f} s")

    async def run(self) -> None:
        """From approval to settled."""
        await self.approve()
        await self.reached("RECEIVED")
        await self.seal()
        await self.reached("CERTIFIED")
        await self.settle()
        await self.reached("HERE")


async def until(true: Callable[[], bool | Awaitable[bool]], *, seconds: float = STATE_SECONDS) -> float:
    """Return when `true()` is; gives the seconds it took. AssertionError when it does not become so."""
    started = time.monotonic()
    while time.monotonic() < started + seconds:
        found = true()
        if found if isinstance(found, bool) else await found:
            return time.monotonic() - started
        await asyncio.sleep(POLL_SECONDS)
    raise AssertionError(f"not so after {seconds:.0f} s: {getattr(true, '__name__', true)}")


def was_replayed(answer: httpx.Response) -> bool:
    """The answer was kept from an earlier execution of the same act."""
    return answer.headers.get(REPLAYED_HEADER) == "true"


def plan_of(folder: Path, bureau: str) -> Path:
    return folder / f"crash-{bureau}.plan"


def crashing(folder: Path, bureau: str) -> tuple[str, ...]:
    """The command of a node that dies by plan; NodeProcess adds the bureau."""
    return (sys.executable, str(Path(crashing_node.__file__)), "--plan", str(plan_of(folder, bureau)))


@asynccontextmanager
async def staged(folder: Path, *, dying: bool = False) -> AsyncIterator[Stage]:
    """A federation, ready and watched by its gauge; `dying`: its nodes can be told to die. All of it ends with the context."""
    stage = Stage(folder, Federation(folder, stack="kafka"))
    try:
        await asyncio.to_thread(_start, stage, dying)
        await stage.prepare()
        watching = asyncio.create_task(stage.gauge.run())
        yield stage
        await ended(watching)
    finally:
        await stage.close()
        await asyncio.to_thread(_stop, stage)


def _start(stage: Stage, dying: bool) -> None:
    federation = stage.federation
    federation.start_servers()
    federation.set_business_clock(OPEN_EVERYWHERE)
    for bureau, node in federation.nodes.items():
        if dying:
            node.command = crashing(stage.folder, bureau)
        node.start()
    for node in federation.nodes.values():
        node.wait_ready()


def _stop(stage: Stage) -> None:
    for node in stage.nodes.values():
        if node.process is not None and node.process.poll() is None:
            node.process.send_signal(signal.SIGCONT)  # a frozen one would not hear that it shall end
    stage.federation.stop()


async def ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
