"""`quanyu bench post`: an accepted POST of an officer (access, audit, outbox) beside a bare FastAPI handler that writes as many
rows.

The POST is an approval: it writes the case, its member, the audit log, what is owed and the sealed permit in the outbox. What
it writes is measured, not told: its own transaction counts its row versions and their bytes before it commits. The floor
(bare.py) writes as many, on the same server. Both are asked by the same few clients on kept connections, in turning order. The
node is asked twice: its web part alone, as `quanyu node --only web` starts it, does what the floor does and is judged; a whole
node also carries its outbox to the bus in the same process meanwhile.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import text

from services.bureau.process import Part
from services.harness.bench import bare
from services.harness.bench.bed import CASES, Bed, Door
from services.harness.bench.child import Child
from services.harness.bench.figures import Figures, p50
from services.harness.bench.ground import DESTINATION, OFFICE
from services.harness.interrupts import run_interruptibly
from services.harness.nodes import NodeProcess
from services.harness.stack import StackError, start_all, stop_all
from shared.database import Database, Session, metadata
from shared.identifiers.texts import N_

CLIENTS = 4
IN_A_ROUND = 120
PARTS: tuple[Part, ...] = ("all", "web")  # in this order: a whole node would carry on what the web part has left behind
LABELS: Mapping[Part, str] = {"all": "whole node", "web": "web part"}
READY_SECONDS = 60.0
WARM_UP = 40
AT_LEAST = 0.5
DRAIN_SECONDS, POLL_SECONDS = 60.0, 0.05
OK = 200
UNSENT = "SELECT count(*) FROM outbox WHERE sent_at IS NULL"
WRITTEN = {
    table.name: text(
        f"SELECT pg_column_size(t.*) FROM {table.name} AS t"  # noqa: S608  # names of our own tables
        " WHERE t.xmin::text = pg_current_xact_id()::text"
    )
    for table in metadata.sorted_tables
}

Told = Callable[..., None]


class CountingDatabase(Database):
    """Notes the row versions that a unit is about to commit: their bytes, by table."""

    written: dict[str, list[int]]

    async def commit(self, session: Session, name: str) -> None:
        self.written = {table: list((await session.execute(one)).scalars()) for table, one in WRITTEN.items()}
        await super().commit(session, name)


@dataclass(slots=True)
class Asked:
    """Of each round the seconds that each request took, CLIENTS at a time."""

    ours: list[list[float]] = field(default_factory=list)
    floor: list[list[float]] = field(default_factory=list)


@dataclass(slots=True)
class Client:
    """One kept connection; as little HTTP as must be, so that the client does not become what is measured."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, port: int) -> "Client":
        return cls(*await asyncio.open_connection(bare.HOST, port))

    async def post(self, path: str, body: bytes, *, kind: str = "application/json", token: str = "") -> bytes:
        """The answer's body. Raises StackError when it is not 200."""
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        self.writer.write(f"{head}{bearer}\r\n".encode() + body)
        status, length = read_head(await self.reader.readuntil(b"\r\n\r\n"))
        answer = await self.reader.readexactly(length)
        if status != OK:
            raise StackError(N_("{bureau} refused {path}: {answer}"), bureau="bench", path=path, answer=answer.decode())
        return answer

    def close(self) -> None:
        self.writer.close()


def read_head(head: bytes) -> tuple[int, int]:
    """Status and length of an answer."""
    first, *lines = head.decode("latin-1").lower().split("\r\n")
    lengths = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
    return int(first.split(" ")[1]), int(lengths[0])


@dataclass(frozen=True, slots=True)
class Written:
    """What one POST writes and answers: bytes of each row version by table, bytes of the answer."""

    tables: dict[str, list[int]]
    answer_bytes: int

    @property
    def rows(self) -> int:
        return sum(map(len, self.tables.values()))


def post(folder: Path, figures: Figures, *, rounds: int, tell: Told) -> None:
    """Measure in `folder`. Raises StackError; nothing is left running."""
    bed = Bed(folder, "post", members=4)
    tell(N_("starting PostgreSQL"))
    start_all([bed.server])
    try:
        bed.prepare()
        cases, written = run_interruptibly(_prepared(bed, len(PARTS) * (WARM_UP + rounds * IN_A_ROUND), tell))
        bed.server.execute(DESTINATION, (*bare.TABLES, "VACUUM ANALYZE", "CHECKPOINT"))
        measured = {}
        for part, of_part in zip(PARTS, (cases[::2], cases[1::2]), strict=True):
            node = bed.process(part)
            node.start()
            try:
                if part == "all":
                    node.wait_ready()
                measured[part] = run_interruptibly(_measured(bed, node, part, of_part, written, tell))
            finally:
                node.stop()
        show(figures, written, measured)
    finally:
        stop_all([bed.server])


async def _prepared(bed: Bed, count: int, tell: Told) -> tuple[list[UUID], Written]:
    """So many cases under review; and what the approval of one more writes and answers, through the web door in this process."""
    tell(N_("preparing {count} cases for approval"), count=count)
    await bed.open(CountingDatabase)
    try:
        first, *cases = await bed.under_review([*await bed.registered(count + 1)])
        wiring = bed.network.nodes[DESTINATION].wiring
        answer = await Door(bed.network.web_door(wiring)).post(OFFICE, f"{CASES}/{first}/approve", {})
        if not isinstance(wiring.database, CountingDatabase):
            raise AssertionError("the bed was opened with it")
        return cases, Written({table: sizes for table, sizes in wiring.database.written.items() if sizes}, len(answer))
    finally:
        await bed.close()


async def _measured(bed: Bed, node: NodeProcess, part: Part, cases: Sequence[UUID], written: Written, tell: Told) -> Asked:
    register = bed.register(DESTINATION)
    arguments = (DESTINATION, register.database_url, str(register.keys_folder), json.dumps(list(written.tables.values())))
    async with Child(bare.__name__, *arguments, str(written.answer_bytes)) as child:
        sides = _Sides(bed, int((await child.said())["port"]), node.ports.web, relays=part == "all")
        await sides.log_in(node)
        tell(N_("warming up with {count} acts"), count=WARM_UP)
        await sides.bare(WARM_UP)
        await sides.approve(cases[:WARM_UP])
        asked = Asked()
        for number, start in enumerate(range(WARM_UP, len(cases), IN_A_ROUND)):
            tell(N_("round {number}: {count} approvals and as many bare requests"), number=number + 1, count=IN_A_ROUND)
            if number % 2:
                asked.floor.append(await sides.bare(IN_A_ROUND))
            asked.ours.append(await sides.approve(cases[start : start + IN_A_ROUND]))
            if not number % 2:
                asked.floor.append(await sides.bare(IN_A_ROUND))
    return asked


def show(figures: Figures, written: Written, measured: Mapping[Part, Asked]) -> None:
    """The web part alone is judged: the floor, too, carries nothing on."""
    figures.add("rows that an accepted POST writes", written.rows, "rows")
    figures.add("their bytes", sum(map(sum, written.tables.values())), "B")
    figures.add("clients that ask at once", CLIENTS, "clients")
    for part, asked in reversed(tuple(measured.items())):
        ours, floor = rate(asked.ours), rate(asked.floor)
        figures.add(f"accepted POSTs, {LABELS[part]}", ours, "1/s", floor=floor, at_least=AT_LEAST if part == "web" else None)
        ours, floor = (1000 * median(map(p50, rounds)) for rounds in (asked.ours, asked.floor))
        figures.add(f"accepted POST, p50, {LABELS[part]}", ours, "ms", floor=floor)


def rate(rounds: Sequence[Sequence[float]]) -> float:
    """Answers a second, from the seconds that each of CLIENTS at a time has waited; the median of the rounds."""
    return median(CLIENTS * len(waited) / sum(waited) for waited in rounds)


class _Sides:
    """Both sides, asked by CLIENTS at once (closed loop); each call gives the seconds of every request."""

    def __init__(self, bed: Bed, floor_port: int, port: int, *, relays: bool) -> None:
        self._bed, self._floor_port, self._port, self._token = bed, floor_port, port, ""
        self._relays = relays

    async def log_in(self, node: NodeProcess) -> None:
        """As soon as the web door is there. Raises StackError when it does not come."""
        ends_at = time.monotonic() + READY_SECONDS
        while True:
            try:
                client = await Client.open(self._port)
                break
            except OSError:
                if time.monotonic() > ends_at or node.ended is not None:
                    message = N_("the node of {bureau} does not start; the end of its log:\n{tail}")
                    raise StackError(message, bureau=node.bureau, tail=node.tail()) from None
            await asyncio.sleep(POLL_SECONDS)
        form = urlencode({"grant_type": "urn:quanyu:grant:development", "officer": OFFICE}).encode()
        told = json.loads(await client.post("/dev/token", form, kind="application/x-www-form-urlencoded"))
        self._token = str(told["access_token"])
        client.close()

    async def bare(self, count: int) -> list[float]:
        return await _ask(self._floor_port, [bare.PATH] * count, "")

    async def approve(self, cases: Sequence[UUID]) -> list[float]:
        """And then wait for a relay, so that it does not work during the floor's turn."""
        taken = await _ask(self._port, [f"{CASES}/{case}/approve" for case in cases], self._token)
        if self._relays:
            await self._until_sent()
        return taken

    async def _until_sent(self) -> None:
        connection, ends_at = await self._bed.look(DESTINATION), time.monotonic() + DRAIN_SECONDS
        while await connection.fetchval(UNSENT):
            if time.monotonic() > ends_at:
                raise StackError(N_("the outbox of {bureau} does not empty"), bureau=DESTINATION)
            await asyncio.sleep(POLL_SECONDS)
        await connection.close()


async def _ask(port: int, paths: Sequence[str], token: str) -> list[float]:
    clients = [await Client.open(port) for _ in range(CLIENTS)]  # anew in each round: uvicorn ends what is silent for 5 s
    taken: list[float] = []

    async def lane(client: Client, mine: Sequence[str]) -> None:
        for path in mine:
            begun = time.perf_counter()
            await client.post(path, b"{}", token=token)
            taken.append(time.perf_counter() - begun)

    await asyncio.gather(*(lane(client, paths[number::CLIENTS]) for number, client in enumerate(clients)))
    for client in clients:
        client.close()
    return taken
