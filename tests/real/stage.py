"""Four bureaus as processes on PostgreSQL and Apache Kafka, watched from above.

Everything that waits here is bounded, and everything that was started ends with the stage.
"""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import psutil
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy import text

from services.harness.gauge import UNREADABLE, Gauge, Reading
from services.harness.processes import Existing, Federation, NodeProcess, Stack
from services.harness.rogue import add_worn_keys
from services.harness.stack import KafkaServer
from shared.database import CHINA, Database, Session
from tests.real import crashing_node, verdict
from tests.real.officers import Officers
from tests.real.people import PLACES, Person, Place, application, people_of, register
from tests.real.transfer import Transfer
from tests.real.waiting import POLL_SECONDS, ended, until

OPEN_EVERYWHERE = datetime(2022, 3, 1, 10, 0, tzinfo=CHINA)  # by then every pair of bureaus may transfer
SAMPLE_SECONDS = 0.05
DIRECTORIES = text("SELECT count(*) AS known FROM directory")
STATES = text("SELECT case_id, side, state FROM transfer_member WHERE place = 1")


class Stage:
    """A running federation of a test module: its officers, its people, and what must be true of them all the time."""

    def __init__(self, federation: Federation) -> None:
        self.federation = federation
        self.databases: dict[str, Database] = {bureau: one.open() for bureau, one in federation.registers().items()}
        self.officers = Officers({bureau: node.web for bureau, node in federation.nodes.items()})
        self.reading = Reading()
        self._people = {bureau: people_of(PLACES[bureau]) for bureau in PLACES}
        self._sponsors: dict[str, Person] = {}
        self._watched: list[str] = []  # citizen id numbers, under the gauge all the time
        self._watching = asyncio.create_task(self._watch(), name="gauge")
        self._read_lines: dict[str, int] = {}  # of the nodes' logs
        self._reads: dict[str, asyncio.Task[dict[tuple[UUID, str], str]]] = {}

    @property
    def nodes(self) -> dict[str, NodeProcess]:
        return self.federation.nodes

    @property
    def kafka(self) -> KafkaServer:
        assert self.federation.kafka is not None
        return self.federation.kafka

    @property
    def servers(self) -> str | None:
        """Kafka's; None on the local bus."""
        own = None if self.federation.kafka is None else self.kafka.bootstrap_servers
        return self.federation.existing.kafka_bootstrap or own

    async def prepare(self) -> None:
        """Settle a person at each place whom others may join, and wait until all bureaus know all stations."""
        for bureau in PLACES:
            (self._sponsors[bureau],) = await self.settle_people(bureau, 1)
        await verdict.at_rest(self.databases, self.servers, [])
        for database in self.databases.values():
            assert (await verdict.rows_of(database, DIRECTORIES))[0].known == len(PLACES)

    async def _watch(self) -> None:
        """Sample everybody all the time; a database that is down is its own test, and costs a sample."""
        while True:
            try:
                async with self._gauge() as gauge:
                    while True:
                        await gauge.sample(list(self._watched))
                        await asyncio.sleep(SAMPLE_SECONDS)
            except UNREADABLE:
                self.reading.unreadable += 1
            await asyncio.sleep(SAMPLE_SECONDS)

    def _gauge(self) -> Gauge:
        gauge = Gauge(self.federation.registers())
        gauge.reading = self.reading
        return gauge

    async def settle_people(self, bureau: str, count: int) -> list[Person]:
        """Fresh people in the bureau's register, watched by the gauge from now on."""
        people = [next(self._people[bureau]) for _ in range(count)]

        async def unit(session: Session) -> None:
            for person in people:
                await register(session, person)

        await self.databases[bureau].run(unit, name="test.register")
        self._watched += [person.citizen_id_no for person in people]
        return people

    async def unsent(self) -> int:
        """Messages in all outboxes that the bus has not acknowledged."""
        return sum([(await verdict.rows_of(one, verdict.LEFT_OVER, cases=[]))[0].unsent for one in self.databases.values()])

    def process(self, bureau: str) -> psutil.Process:
        """The running node, to freeze, measure or compare. AssertionError when it does not run."""
        process = self.nodes[bureau].process
        assert process is not None
        return psutil.Process(process.pid)

    @contextmanager
    def hanging_database(self, bureau: str) -> Iterator[None]:
        """Meanwhile the bureau's PostgreSQL is there and does not answer: its postmaster and all that serve a connection."""
        postmaster = psutil.Process(self.federation.postgres[bureau].pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        try:
            for process in processes:
                process.suspend()
            yield
        finally:
            for process in processes:
                process.resume()

    async def stop_nodes(self) -> None:
        for node in self.nodes.values():
            node.terminate()
        for node in self.nodes.values():
            await asyncio.to_thread(node.stop)

    async def heal(self) -> None:
        """Whatever a test has left dead or frozen runs again."""
        for server in self.federation.postgres.values():
            if not server.pid:
                await asyncio.to_thread(server.restart)
        if self.federation.kafka is not None and not self.kafka.pid:
            await asyncio.to_thread(self.kafka.restart)
        for bureau, node in self.nodes.items():
            if node.process is None or node.ended is not None:
                node.start()
            self.process(bureau).resume()
        for bureau in self.nodes:
            await self.ready(bureau)

    def sponsor(self, bureau: str) -> Person:
        """Whom others may join there."""
        return self._sponsors[bureau]

    async def open(self, person: Person, destination: Place) -> Transfer:
        """An application of `person`, accepted and submitted: everything before the first message."""
        form = application(person, destination, self._sponsors[destination.bureau])
        opened = await self.officers.act(destination.bureau, destination.counter, "/api/v1/transfers", form)
        transfer = Transfer(self.officers, self.states, person, destination, UUID(opened.json()["case"]))
        for step in ("accept", "submit"):
            await transfer.at_destination(destination.counter, step)
        return transfer

    async def begin(self, origin: str, destination: str) -> Transfer:
        """A fresh person of `origin` applies at `destination`."""
        (person,) = await self.settle_people(origin, 1)
        return await self.open(person, PLACES[destination])

    async def verify(self, transfers: Sequence[Transfer]) -> None:
        """Everything comes to rest, each of `transfers` was done once, nothing is lost, and everybody has one register."""
        await verdict.at_rest(self.databases, self.servers, [one.case for one in transfers])
        await verdict.judge(self.databases, [(one.person, one.destination.bureau, one.case) for one in transfers])
        async with self._gauge() as gauge:
            assert await gauge.sample(self._watched) == len(self._watched)
            await gauge.sweep()
        assert not self._watching.done()
        assert self.reading.samples > 0
        assert (self.reading.none, self.reading.many) == ({}, {})
        assert self.complaints() == []

    def complaints(self) -> list[str]:
        """What the nodes have logged as errors of their own since this was asked last; aiokafka calls a lost connection one."""
        found = []
        for bureau, node in self.nodes.items():
            lines = node.log.read_text().splitlines()
            read, self._read_lines[bureau] = self._read_lines.get(bureau, 0), len(lines)
            found += [line for line in lines[read:] if is_complaint(line)]
        return found

    def plan(self, bureau: str, point: str) -> Path:
        """Let the node of `bureau` die at `point`; gives the file that says that it has."""
        file = plan_of(self.federation.folder, bureau)
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

    async def states(self, bureau: str) -> dict[tuple[UUID, str], str]:
        """(case, side) -> state, of the applicants of all cases; everybody who waits for one shares one query."""

        async def read() -> dict[tuple[UUID, str], str]:
            await asyncio.sleep(POLL_SECONDS)
            rows = await verdict.rows_of(self.databases[bureau], STATES)
            return {(row.case_id, row.side): row.state for row in rows}

        task = self._reads.get(bureau)
        if task is None or task.done():
            task = self._reads[bureau] = asyncio.create_task(read())
        return await asyncio.shield(task)

    async def ready(self, bureau: str) -> None:
        """Until the node's loops run. AssertionError with what it says of itself."""
        try:
            await until(self.officers.works, bureau)
        except AssertionError as error:
            raise AssertionError(f"{bureau} is not ready: {await self.officers.health(bureau)}") from error

    async def close(self) -> None:
        await ended(self._watching)
        await self.officers.close()
        for database in self.databases.values():
            await database.close()


def is_complaint(line: str) -> bool:
    if not line.endswith("}"):
        return not line.startswith("{")  # a traceback; a line of JSON without its end was cut short by kill -9
    told = json.loads(line)
    # A commit that was given up after its limit ends later in aiokafka's own task, which nobody looks at.
    if (
        told["logger"] == "asyncio"
        and "never retrieved" in told["event"]
        and "GroupCoordinator._do_commit_offsets" in told["event"]
    ):
        return False
    return told["level"] in ("error", "critical") and not told["logger"].startswith("aiokafka")


async def group_members(servers: str, bureau: str) -> int:
    """How many members the broker believes alive in the bureau's group."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    try:
        await admin.start()
        answers = await admin.describe_consumer_groups([f"{bureau}.node"])
        return sum(len(group[5]) for answer in answers for group in answer.groups)
    finally:
        await admin.close()


def plan_of(folder: Path, bureau: str) -> Path:
    return folder / f"crash-{bureau}.plan"


def crashing(folder: Path, bureau: str) -> tuple[str, ...]:
    """The command of a node that dies by plan; NodeProcess adds the bureau."""
    return (sys.executable, str(Path(crashing_node.__file__)), "--plan", str(plan_of(folder, bureau)))


@asynccontextmanager
async def staged(
    folder: Path, *, stack: Stack = "kafka", dying: bool = False, worn_keys: str | None = None, kafka: str | None = None
) -> AsyncIterator[Stage]:
    """A federation, ready and watched by its gauge; all of it ends with the context.

    `dying`: its nodes can be told to die; `worn_keys`: a bureau that has old, revoked and future keys, too; `kafka`: brokers that
    are there already, with their topics."""
    federation = Federation(folder, stack=stack, existing=Existing(None, kafka))
    try:
        await asyncio.to_thread(_start, federation, dying, worn_keys)
        stage = Stage(federation)
        try:
            await stage.prepare()
            yield stage
        finally:
            await stage.close()
    finally:
        await asyncio.to_thread(_stop, federation)


def _start(federation: Federation, dying: bool, worn_keys: str | None) -> None:
    federation.start_servers()
    if worn_keys is not None:
        add_worn_keys(federation.folder / "keys", worn_keys)
    federation.set_business_clock(OPEN_EVERYWHERE)
    for bureau, node in federation.nodes.items():
        if dying:
            node.command = crashing(federation.folder, bureau)
        node.start()
    federation.wait_ready()


def _stop(federation: Federation) -> None:
    for node in federation.nodes.values():
        if node.process is not None and node.ended is None:
            node.process.send_signal(signal.SIGCONT)  # a frozen one would not hear that it shall end
    federation.stop()
