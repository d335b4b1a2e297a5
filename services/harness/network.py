"""Four provinces in one process: real nodes, real PostgreSQL, a bus file, HTTP without sockets. For stories and tests.

`settle()` moves every message until nothing moves any more. Nothing runs by itself, so that a test
sees each step; `tick()` does what the timers would do now.
"""

import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2 as httpx
from fastapi import FastAPI

from services.bureau.app import build_peer_door, build_web
from services.bureau.settings import Settings
from services.bureau.wiring import Overrides, Wiring, wire
from services.bureau.worker import first_offsets, next_offsets, prepare
from services.harness.stack import Databases, node_role, owner_role
from shared.database import Database
from shared.envelope.ceremony import BureauEntry, make_federation
from shared.messaging import ask_due_now
from shared.messaging.bus import Bus, Consumer
from shared.messaging.dead_letters import retry_due

BUREAUS = ("shanghai", "jiangsu", "zhejiang", "anhui")
SERVICES = Path(__file__).parent.parent
SETTLE_SECONDS = 30.0  # a story's messages take well under a second; longer means two bureaus talk in circles
FETCH_SECONDS = 0.2
OFFICER_TOKEN_PATH = "/dev/token"  # noqa: S105  # a path, not a secret


class DoesNotSettle(AssertionError):
    """Messages keep moving: somebody answers what answers somebody."""


@dataclass
class StoryClock:
    """A business clock that a test sets; it stands still."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.at


@dataclass
class SkewedClock:
    """The machine's clock with an offset that a test may move: for timers and keys, never for order."""

    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset


def make_keys(folder: Path, addresses: Mapping[str, tuple[str, str]]) -> None:
    """A fresh federation's keys in `folder`; `addresses`: bureau -> (web, peer) URLs."""
    entries = [BureauEntry(code, _name_of(code), web=web, peer=peer) for code, (web, peer) in addresses.items()]
    make_federation(folder, entries, int(time.time()))


def _name_of(code: str) -> str:
    """As its province's folder says; a simulated bureau has none, and is called by its code."""
    profile = SERVICES / code / "bureau.toml"
    return str(tomllib.loads(profile.read_text())["name"]) if profile.is_file() else code


@dataclass
class Node:
    """One bureau in the network. `paused`: the node is away: it sends nothing, takes nothing, and its timers stand still."""

    wiring: Wiring
    web: httpx.AsyncClient
    consumer: Consumer | None = None
    paused: bool = False

    async def token(self, officer: str) -> str:
        form = {"grant_type": "urn:quanyu:grant:development", "officer": officer}
        answer = await self.web.post(OFFICER_TOKEN_PATH, data=form)
        answer.raise_for_status()
        return str(answer.json()["access_token"])


class Network:
    """All bureaus on one PostgreSQL server, wired together in this process."""

    def __init__(
        self, folder: Path, keys: Path, databases: Databases, names: Mapping[str, str], *, bus: Bus | None = None
    ) -> None:
        """`names`: bureau -> its migrated database on the server; `keys`: what `make_keys` made; `bus`: instead of a file."""
        self.folder = folder
        self.clock = StoryClock()
        self.machine = {bureau: SkewedClock() for bureau in names}
        self._keys, self._databases, self._names, self._bus = keys, databases, names, bus
        self._doors: dict[str, httpx.ASGITransport] = {}
        self.unreachable: set[str] = set()
        self.nodes: dict[str, Node] = {}

    async def start(self, database_class: type[Database] = Database) -> None:
        """Build and prepare the nodes: stations published to each other, posts loaded."""
        for bureau in self._names:
            self.nodes[bureau] = await self.build(bureau, database_class)
        for node in self.nodes.values():
            await prepare(node.wiring)
        await self.settle()

    async def build(self, bureau: str, database_class: type[Database] = Database) -> Node:
        """One node, as after a restart of its process."""
        settings = Settings(
            bureau=bureau,
            profile_folder=SERVICES / bureau,
            environment="development",
            keys_folder=self._keys / bureau,
            database_url=self._databases.url(self._names[bureau], node_role(bureau)),
            bus_file=self.folder / "bus.sqlite",
            run_folder=self.folder,
        )
        overrides = Overrides(
            machine_clock=self.machine[bureau],
            business_clock=self.clock,
            transport_to=self._transport_to,
            database_class=database_class,
            bus=self._bus,
        )
        wiring = wire(settings, overrides)
        self._doors[bureau] = httpx.ASGITransport(build_peer_door(wiring))
        web = httpx.AsyncClient(transport=httpx.ASGITransport(self.web_door(wiring)), base_url=f"http://{bureau}.invalid")
        return Node(wiring, web)

    def web_door(self, wiring: Wiring) -> FastAPI:
        """The officers' door of a node that has just been built."""
        return build_web(wiring)

    def owner_url(self, bureau: str) -> str:
        return self._databases.url(self._names[bureau], owner_role(bureau))

    def _transport_to(self, bureau: str) -> httpx.AsyncBaseTransport:
        return _Door(self, bureau)

    async def through_door(self, bureau: str, request: httpx.Request) -> httpx.Response:
        if bureau in self.unreachable:
            raise httpx.ConnectError("the test has cut this line", request=request)
        return await self._doors[bureau].handle_async_request(request)

    async def settle(self) -> int:
        """Move messages until nothing moves; gives how many were delivered. Raises DoesNotSettle."""
        delivered, ends_at = 0, time.monotonic() + SETTLE_SECONDS
        while True:
            moved = 0
            awake = [node for node in self.nodes.values() if not node.paused]
            for node in awake:
                moved += await node.wiring.relay.pass_once()
            for node in awake:
                moved += await self.deliver(node)
            delivered += moved
            if not moved:
                return delivered
            if time.monotonic() > ends_at:
                raise DoesNotSettle(f"{delivered} deliveries in {SETTLE_SECONDS} s")

    async def deliver(self, node: Node) -> int:
        """Hand a node everything that the bus has for it; gives how many records."""
        consumer, count = await self.consumer_of(node), 0
        while await consumer.lag():
            records = await consumer.fetch(timeout_s=FETCH_SECONDS)
            try:
                await node.wiring.receiver.receive(records)
            except BaseException:
                consumer.rewind(first_offsets(records))
                raise
            await consumer.commit(next_offsets(records))
            count += len(records)
        return count

    async def consumer_of(self, node: Node) -> Consumer:
        """The node's reader of the bus, at its group's offsets."""
        if node.consumer is None:
            wiring = node.wiring
            node.consumer = await wiring.bus.consumer(group=f"{wiring.settings.bureau}.node", topics=wiring.topics)
        return node.consumer

    async def tick(self, **ahead: float) -> int:
        """What the timers would do if the machine clocks stood `timedelta(**ahead)` later; gives how many asked or retried."""
        for clock in self.machine.values():
            clock.offset += timedelta(**ahead)
        done = 0
        for node in (node for node in self.nodes.values() if not node.paused):
            done += await retry_due(node.wiring.bus_database, node.wiring.receiver)
            done += await ask_due_now(node.wiring.bus_database, node.wiring.asks)
        return done

    async def restart(self, bureau: str, database_class: type[Database] = Database) -> None:
        """The node's process dies and comes back: only what is on disk is left."""
        await self._close(self.nodes[bureau])
        self.nodes[bureau] = await self.build(bureau, database_class)
        await self.nodes[bureau].wiring.receiver.load()

    async def stop(self) -> None:
        for node in self.nodes.values():
            await self._close(node)

    @staticmethod
    async def _close(node: Node) -> None:
        if node.consumer is not None:
            await node.consumer.close()
        await node.wiring.relay.close()
        await node.web.aclose()
        await node.wiring.close()


class _Door(httpx.AsyncBaseTransport):
    """The way to a bureau's peer door, looked up at each request: nodes are rebuilt while clients are kept."""

    def __init__(self, network: Network, bureau: str) -> None:
        self._network, self._bureau = network, bureau

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._network.through_door(self._bureau, request)
