"""Four provinces as they really run: four processes, four private databases, one bus; nothing is shared but the bus.

Everything lives in one run folder: keys, servers' data, logs, the bus file and the business clock. A folder can be started again:
what was there goes on.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from services.bureau.clocks import set_business_clock
from services.bureau.schema import migrate
from services.bureau.wiring import BUSINESS_CLOCK_FILE
from services.harness.interrupts import finished_first, run_interruptibly
from services.harness.network import BUREAUS, make_keys
from services.harness.nodes import NodeProcess, Ports, Progress, no_progress, profile_ports, read_ports, tail_of
from services.harness.registers import Register
from services.harness.run_folder import PORTS, write_settings
from services.harness.stack import (
    Databases,
    ExternalPostgres,
    KafkaServer,
    PostgresServer,
    StackError,
    node_role,
    owner_role,
    start_all,
    stop_all,
)
from services.harness.stack.ports import free_ports
from shared.contract.registry import CAPABILITIES, topic
from shared.identifiers.texts import N_
from shared.messaging.bus import BusDown
from shared.messaging.kafka import KafkaBus

__all__ = [
    "DATABASE",
    "Existing",
    "Federation",
    "NodeProcess",
    "Ports",
    "Progress",
    "Stack",
    "ended_servers",
    "no_progress",
    "read_ports",
]

Stack = Literal["embedded", "kafka"]
DATABASE = "quanyu"
EXTERNAL_CACHE = Path(".cache") / "quanyu"  # below the home folder
NAME_DIGITS = 8
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})


@dataclass(frozen=True, slots=True)
class Existing:
    """Servers that are there already, used instead of own ones: a PostgreSQL superuser's URL, Kafka's bootstrap servers."""

    postgres_url: str | None = None
    kafka_bootstrap: str | None = None


class Federation:
    """Servers and nodes of one run folder. `fixed_ports`: those of the bureaus' profiles, or the next free ones, as in the demo.

    `existing`: servers to use instead of own ones; the databases on them are named after the folder.
    """

    def __init__(
        self, folder: Path, *, stack: Stack = "embedded", fixed_ports: bool = False, existing: Existing | None = None
    ) -> None:
        self.folder = folder.absolute()
        self.stack = stack
        self.existing = existing or Existing()
        own = self.existing.postgres_url is None
        self.postgres = {bureau: PostgresServer(self.folder / "postgres" / bureau) for bureau in BUREAUS if own}
        self.kafka = KafkaServer(self.folder / "kafka") if stack == "kafka" and not self.existing.kafka_bootstrap else None
        self.nodes: dict[str, NodeProcess] = {}
        self._fixed_ports = fixed_ports
        self._databases: dict[str, tuple[Databases, str]] = {}

    def start(self, progress: Progress = no_progress) -> None:
        """Servers, keys, schemas, nodes; returns when all four are ready. Raises StackError; then nothing is left running."""
        try:
            self.start_servers(progress)
            self.start_nodes(progress)
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def start_nodes(self, progress: Progress = no_progress) -> None:
        """Start the processes; `wait_ready` says when they work."""
        progress(N_("starting the four nodes"))
        for bureau in BUREAUS:
            self.nodes[bureau].start()

    def wait_ready(self) -> None:
        for node in self.nodes.values():
            node.wait_ready()

    def start_servers(self, progress: Progress = no_progress) -> None:
        """Everything but the nodes, which are made and not started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._start_bus(progress)
        self._start_databases(progress)
        progress(N_("making keys and the trust list"))
        ports = self._ports(progress)
        if not (self.folder / "keys").exists():
            addresses = {b: (f"http://127.0.0.1:{p.web}", f"https://127.0.0.1:{p.peer}") for b, p in ports.items()}
            make_keys(self.folder / "keys", addresses)
        for bureau in BUREAUS:
            told = self._told(bureau, ports[bureau])
            write_settings(self.folder, bureau, told)
            self.nodes[bureau] = NodeProcess(bureau, ports[bureau], node_environment(told), log=self.folder / f"{bureau}.log")

    def _start_bus(self, progress: Progress) -> None:
        """First, because a machine without Java should say so at once."""
        if self.stack != "kafka":
            return
        if self.kafka is not None:
            progress(N_("starting Apache Kafka"))
            self.kafka.start()
        else:
            progress(N_("using Apache Kafka at {servers}"), servers=self._bootstrap)
        self._create_topics()

    def _start_databases(self, progress: Progress) -> None:
        if self.postgres:
            progress(N_("starting four PostgreSQL servers"))
            start_all(list(self.postgres.values()))
            self._databases = {bureau: (server, DATABASE) for bureau, server in self.postgres.items()}
        else:
            progress(N_("using the PostgreSQL server of QUANYU_POSTGRES_URL"))
            external = _external(str(self.existing.postgres_url))
            self._databases = {bureau: (external, f"quanyu_{self._tag}_{bureau}") for bureau in BUREAUS}
        progress(N_("creating the databases"))
        for bureau, (server, name) in self._databases.items():
            server.create_database(name, bureau=bureau)
            with finished_first():  # a loop of its own, of less than a second
                migrate(server.url(name, owner_role(bureau)), node_role=node_role(bureau))

    @property
    def _tag(self) -> str:
        """What tells the databases of two run folders on one server apart."""
        return hashlib.sha256(str(self.folder).encode()).hexdigest()[:NAME_DIGITS]

    @property
    def _bootstrap(self) -> str:
        return self.kafka.bootstrap_servers if self.kafka is not None else self.existing.kafka_bootstrap or ""

    def _ports(self, progress: Progress) -> dict[str, Ports]:
        """Chosen once a folder: they stand in the trust list."""
        file = self.folder / PORTS
        if file.exists():
            return read_ports(self.folder)
        if self._fixed_ports:
            chosen = profile_ports(progress)
        else:
            numbers = free_ports(2 * len(BUREAUS))
            chosen = {bureau: Ports(numbers[2 * i], numbers[2 * i + 1]) for i, bureau in enumerate(BUREAUS)}
        file.write_text(json.dumps({bureau: {"web": ports.web, "peer": ports.peer} for bureau, ports in chosen.items()}))
        return chosen

    def _told(self, bureau: str, ports: Ports) -> dict[str, str]:
        """What the node of `bureau` is told."""
        server, name = self._databases[bureau]
        told = {
            "QUANYU_ENVIRONMENT": "development",
            "QUANYU_KEYS_FOLDER": str(self.folder / "keys" / bureau),
            "QUANYU_DATABASE_URL": server.url(name, node_role(bureau)),
            "QUANYU_RUN_FOLDER": str(self.folder),
            "QUANYU_WEB_PORT": str(ports.web),
            "QUANYU_PEER_PORT": str(ports.peer),
        }
        if self.stack == "kafka":
            told["QUANYU_KAFKA_BOOTSTRAP"] = self._bootstrap
        else:
            told["QUANYU_BUS_FILE"] = str(self.folder / "bus.sqlite")
        return told

    def _create_topics(self) -> None:
        async def create() -> None:
            bus = KafkaBus(self._bootstrap, client_id="harness", replication_factor=1)
            try:
                await bus.create_topics([topic(bureau, capability) for bureau in BUREAUS for capability in CAPABILITIES])
            finally:
                await bus.close()

        try:
            run_interruptibly(create())
        except BusDown as down:
            raise StackError(
                N_("Apache Kafka at {servers} does not answer: {reason}"), servers=self._bootstrap, reason=down.reason
            ) from down

    def registers(self) -> dict[str, Register]:
        """How to read and fill the bureaus' registers beside their nodes."""
        return {
            bureau: Register(
                bureau,
                server.url(name, node_role(bureau)),
                self.folder / "keys" / bureau,
                clock_file=self.folder / BUSINESS_CLOCK_FILE,
            )
            for bureau, (server, name) in self._databases.items()
        }

    def set_business_clock(self, at: datetime) -> None:
        """All four nodes show `at` from now on; the clock ticks on from there."""
        set_business_clock(self.folder / BUSINESS_CLOCK_FILE, at)

    def stop(self) -> None:
        """End everything that was started here: first the nodes, all at once, then what they stand on."""
        for node in self.nodes.values():
            node.terminate()
        for node in self.nodes.values():
            node.stop()
            node.kill_leftover()  # one that was started again by hand
        if self.kafka is not None:
            self.kafka.stop()
        stop_all(list(self.postgres.values()))

    def kill_leftovers(self) -> None:
        """End what a harness that was killed itself has left running in this folder."""
        for bureau in BUREAUS:
            NodeProcess(bureau, Ports(0, 0), {}, log=self.folder / f"{bureau}.log").kill_leftover()
        for server in self.postgres.values():
            server.stop_leftover()
        KafkaServer(self.folder / "kafka").stop_leftover()

    def drop_databases(self) -> None:
        """On servers that were there before: what was created on them goes; own servers go with their folder.

        A server that does not answer keeps them: the start of a run says so more clearly than its end."""
        if self.postgres or self.existing.postgres_url is None:
            return
        external = _external(self.existing.postgres_url)
        with suppress(StackError):
            for bureau in BUREAUS:
                external.drop_database(f"quanyu_{self._tag}_{bureau}")


def _external(url: str) -> ExternalPostgres:
    """The roles' passwords are kept for the server, not for the run: two runs on one server must not renew each other's."""
    mark = hashlib.sha256(url.encode()).hexdigest()[:NAME_DIGITS]
    return ExternalPostgres(url, folder=Path.home() / EXTERNAL_CACHE / f"postgres-{mark}")


def node_environment(told: Mapping[str, str]) -> dict[str, str]:
    """The harness's own environment, without what it was told itself, and without a proxy: the peers are on this machine."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("QUANYU_") and name.lower() not in PROXIES}
    return own | dict(told)


def ended_servers(federation: Federation) -> Iterator[tuple[str, str]]:
    """(name, end of the log) of each server of ours that has ended by itself."""
    for bureau, server in federation.postgres.items():
        if not server.pid:
            yield f"PostgreSQL ({bureau})", tail_of(server.folder / "postgres.log")
    if federation.kafka is not None and not federation.kafka.pid:
        yield "Apache Kafka", tail_of(federation.kafka.folder / "kafka.log")
