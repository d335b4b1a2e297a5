"""Two nodes in this process on a PostgreSQL server of their own (fsync on), in a federation of any size: what a message costs
here can be compared with what it costs on another bed in the same second.

Everything between the officer's request and the commit at the peer is the product's: the web door's application (without socket
and HTTP parser), access, act, audit, seal, outbox, relay, bus file, opening, receipt, effect. Nothing runs by itself: the loops
that would carry a message on are called one after the other, so that no waiting is measured.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
from fastapi import FastAPI

from services.bureau.clocks import set_business_clock
from services.bureau.process import Part
from services.bureau.schema import migrate
from services.bureau.wiring import BUSINESS_CLOCK_FILE
from services.bureau.worker import next_offsets
from services.harness.bench import crowd
from services.harness.bench.ground import (
    COUNTER,
    DESTINATION,
    LVXIANG,
    OFFICE,
    OPENED_AT,
    ORIGIN,
    SPONSOR,
    VERIFIER,
    ZHAPU,
    Person,
    person,
    register,
    under_review,
)
from services.harness.interrupts import finished_first
from services.harness.network import Network, Node, make_keys
from services.harness.nodes import NODE_COMMAND, NodeProcess, Ports
from services.harness.population import load
from services.harness.processes import node_environment
from services.harness.registers import Register, population_of
from services.harness.stack import PostgresServer, StackError, node_role, owner_role
from services.harness.stack.ports import free_ports
from shared.database import Database
from shared.identifiers.texts import N_
from shared.messaging.bus import Consumer

PAIR = (DESTINATION, ORIGIN)
CASES = "/api/v1/transfers"
MESSAGES_A_TRANSFER = 4  # permit, certificate, settlement, close
FETCH_SECONDS = 10.0
SEED = 7
OK = 200
CPU_CLOCK = 2  # clock_getcpuclockid(3): the clock of all threads of another process
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = $1 AND pid <> pg_backend_pid()"
WHOLE_READS = (
    "SELECT coalesce(sum(s.seq_scan), 0) + (SELECT parallel_workers_launched FROM pg_stat_database WHERE datname = $2)"
    " FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid WHERE c.reltuples > $1"
)
STATE = "SELECT state FROM transfer_member WHERE case_id = $1 AND place = 1"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one message, the mean of a transfer's four: seconds of processors (ours, the backends') and of the clock."""

    cpu: float
    wall: float


class Door:
    """A node's web door, called without client or socket."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._tokens: dict[str, str] = {}

    async def post(self, officer: str, path: str, body: Any = None) -> bytes:
        """One act of an officer; the answer's body. Raises StackError when it is not 200."""
        if officer not in self._tokens:
            form = {"grant_type": "urn:quanyu:grant:development", "officer": officer}
            headers = {"content-type": "application/x-www-form-urlencoded"}
            self._tokens[officer] = json.loads(await self._call("/dev/token", headers, urlencode(form).encode()))["access_token"]
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._tokens[officer]}"}
        return await self._call(path, headers, b"" if body is None else json.dumps(body).encode())

    async def _call(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        status, answer = await call(self._app, "POST", path, headers, body)
        if status != OK:
            raise StackError(N_("{bureau} refused {path}: {answer}"), bureau="bench", path=path, answer=answer.decode())
        return answer


async def call(app: FastAPI, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of what an application answers to one request; `path` with its query, if it has one."""
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    path, _, query = path.partition("?")
    raw = [(name.encode(), value.encode()) for name, value in {**headers, "content-length": str(len(body))}.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": raw,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    return said[0]["status"], b"".join(one.get("body", b"") for one in said)


class Bed:
    """`members`: how many bureaus the federation has, two of which run here; the others are simulated (crowd.py)."""

    def __init__(self, folder: Path, name: str, *, members: int) -> None:
        self.name = name
        self.members = crowd.names(members)
        self.server = PostgresServer(folder / name / "postgres")
        self.folder, self.keys = folder / name, folder / name / "keys"
        self._stack = AsyncExitStack()
        self._people = 0
        self.network: Network
        self.crowd: crowd.Crowd
        self._doors: dict[str, Door] = {}
        self._consumers: dict[str, Consumer] = {}
        self._looks: dict[str, asyncpg.Connection] = {}
        self._backends: frozenset[int] = frozenset()

    def prepare(self) -> None:
        """Databases and keys; the server runs. Outside any event loop."""
        for bureau in PAIR:
            self.server.create_database(bureau, bureau=bureau)
            with finished_first():
                migrate(self.server.url(bureau, owner_role(bureau)), node_role=node_role(bureau))
        self.keys.mkdir(parents=True)
        make_keys(self.keys, {one: (f"http://{one}.invalid", f"https://{one}.invalid") for one in self.members})

    async def open(self, database_class: type[Database] = Database) -> Self:
        """Both nodes, who know the stations of all members; the sponsor is registered."""
        self.network = Network(self.folder, self.keys, self.server, {bureau: bureau for bureau in PAIR})
        self.network.clock.at = OPENED_AT
        self._stack.push_async_callback(self.network.stop)
        await self.network.start(database_class)
        bus = self._node(DESTINATION).wiring.bus
        self.crowd = await crowd.Crowd.on(bus, self.keys, self.members[len(PAIR) :])
        self._stack.push_async_callback(self.crowd.close)
        await self.crowd.publish_stations(PAIR)
        await self.network.settle()
        for bureau in PAIR:
            node = self._node(bureau)
            self._doors[bureau] = Door(self.network.web_door(node.wiring))
            self._consumers[bureau] = await self.network.consumer_of(node)
            self._looks[bureau] = await self.look(bureau)
            self._stack.push_async_callback(self._looks[bureau].close)
        await register(self._node(DESTINATION).wiring.database, [SPONSOR], station=LVXIANG)
        return self

    async def close(self) -> None:
        await self._stack.aclose()

    async def fill(self, residents: int) -> None:
        """So many synthetic residents at either side."""
        for bureau in PAIR:
            await load(self._node(bureau).wiring.database, population_of(bureau, count=residents, seed=SEED))

    async def registered(self, count: int) -> list[Person]:
        """So many people of the origin who can move."""
        people = [person(number) for number in range(self._people, self._people + count)]
        self._people += count
        await register(self._node(ORIGIN).wiring.database, people, station=ZHAPU)
        return people

    async def under_review(self, people: Sequence[Person]) -> list[UUID]:
        """A case of each, submitted for approval."""
        return await under_review(self._node(DESTINATION).wiring.database, people)

    async def opened(self, people: Sequence[Person], *, accepted: bool = False) -> list[UUID]:
        """A case of each, not submitted yet."""
        return await under_review(self._node(DESTINATION).wiring.database, people, until="accept" if accepted else "open")

    async def act(self, bureau: str, officer: str, case: UUID, act: str, body: Any = None) -> None:
        """One act of an officer on a case; `network.settle()` carries what it sends."""
        await self._doors[bureau].post(officer, f"{CASES}/{case}/{act}", body)

    async def watch_backends(self) -> None:
        """From now on `transferred` counts the server's processes that work for the two nodes."""
        # Each node's by a connection of its own role: the server hides what others' backends are.
        found = [await look.fetch(BACKENDS, bureau) for bureau, look in self._looks.items()]
        self._backends = frozenset(row["pid"] for rows in found for row in rows)

    async def transferred(self, case: UUID) -> Cost:
        """Approve, seal and settle one case, each message to its effect at the other side."""
        cpu, begun = self._cpu(), time.perf_counter()
        await self._doors[DESTINATION].post(OFFICE, f"{CASES}/{case}/approve", {})
        await self._carry(DESTINATION, ORIGIN)
        await self._doors[ORIGIN].post(VERIFIER, f"{CASES}/{case}/seal", {"applicant_confirms": True})
        await self._carry(ORIGIN, DESTINATION)
        await self._doors[DESTINATION].post(COUNTER, f"{CASES}/{case}/settle", {"signed": [1]})
        await self._carry(DESTINATION, ORIGIN)
        await self._carry(ORIGIN, DESTINATION)
        taken = Cost((self._cpu() - cpu) / MESSAGES_A_TRANSFER, (time.perf_counter() - begun) / MESSAGES_A_TRANSFER)
        if await self._looks[DESTINATION].fetchval(STATE, case) != "HERE":
            raise StackError(
                N_("case {case} has not become {state} at {bureau}"), case=str(case), state="HERE", bureau=DESTINATION
            )
        return taken

    def register(self, bureau: str) -> Register:
        """The bureau's database and keys, for who works beside the node."""
        return Register(bureau, self.server.url(bureau, node_role(bureau)), self.keys / bureau)

    def process(self, part: Part) -> NodeProcess:
        """The destination's node on this bed's database, as the harness starts one anywhere; it is not started yet."""
        web, peer = free_ports(2)
        set_business_clock(self.folder / BUSINESS_CLOCK_FILE, OPENED_AT)
        register = self.register(DESTINATION)
        told = {
            "QUANYU_ENVIRONMENT": "development",
            "QUANYU_KEYS_FOLDER": str(register.keys_folder),
            "QUANYU_DATABASE_URL": register.database_url,
            "QUANYU_RUN_FOLDER": str(self.folder),
            "QUANYU_BUS_FILE": str(self.folder / "bus.sqlite"),
            "QUANYU_WEB_PORT": str(web),
            "QUANYU_PEER_PORT": str(peer),
        }
        command, log = (*NODE_COMMAND, "--only", part), self.folder / f"{DESTINATION}.log"
        return NodeProcess(DESTINATION, Ports(web, peer), node_environment(told), command, log=log)

    async def look(self, bureau: str) -> asyncpg.Connection:
        """A connection beside the node."""
        return await asyncpg.connect(self.register(bureau).dsn)

    async def whole_reads(self, *, above: int) -> int:
        """How often a table of more rows than that has been read as a whole, as far as the server has counted; a worker that was
        started to share such a reading counts, too: its processor time is nobody's we watch."""
        total = 0
        for bureau in PAIR:
            connection = await self.look(bureau)
            total += int(await connection.fetchval(WHOLE_READS, above, bureau))
            await connection.close()
        return total

    def _node(self, bureau: str) -> Node:
        return self.network.nodes[bureau]

    async def _carry(self, sender: str, to: str) -> None:
        """What the sender's relay and the receiver's consumer do about one message. Raises StackError when none comes."""
        await self._node(sender).wiring.relay.pass_once()
        delivered = await self._consumers[to].fetch(timeout_s=FETCH_SECONDS)
        if not delivered:
            raise StackError(N_("no message of {bureau} has arrived"), bureau=sender)
        await self._node(to).wiring.receiver.receive(delivered)
        await self._consumers[to].commit(next_offsets(delivered))

    def _cpu(self) -> float:
        return time.process_time() + sum(time.clock_gettime(cpu_clock(pid)) for pid in self._backends)


def cpu_clock(pid: int) -> int:
    """The id of the clock that counts the processor time of a process."""
    return (~pid << 3) | CPU_CLOCK
