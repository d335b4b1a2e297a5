"""Four provinces as they really run: four processes, four PostgreSQL servers, one bus; nothing is shared but the bus.

Everything lives in one run folder: keys, servers' data, logs, the bus file and the business clock. A folder can be started again:
what was there goes on.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

import httpx2 as httpx

from services.bureau.clocks import set_business_clock
from services.bureau.schema import migrate
from services.bureau.wiring import BUSINESS_CLOCK_FILE
from services.harness.network import BUREAUS, make_keys
from services.harness.stack import KafkaServer, PostgresServer, StackError, node_role, owner_role, start_all, stop_all
from services.harness.stack.ports import free_ports
from shared.contract.registry import CAPABILITIES, topic
from shared.identifiers.texts import N_
from shared.messaging.kafka import KafkaBus

Stack = Literal["embedded", "kafka"]
READY_SECONDS = 30.0  # a node is ready in 2; ten times that on a machine that is busy with something else
READY_POLL_SECONDS = 0.05
STOP_SECONDS = 25.0
DATABASE = "quanyu"
NODE_COMMAND = (sys.executable, "-m", "services.cli", "node")
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ports:
    web: int
    peer: int


@dataclass
class NodeProcess:
    """One bureau's process. `environment` is all that it is told."""

    bureau: str
    ports: Ports
    environment: Mapping[str, str]
    command: Sequence[str] = NODE_COMMAND
    log: Path = field(default_factory=Path)
    process: subprocess.Popen[bytes] | None = None

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.ports.web}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, self.bureau], env=dict(self.environment), stdout=log, stderr=log, start_new_session=True
            )

    def kill9(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill9()

    def wait_ready(self) -> None:
        """Until the node has prepared itself and its loops run. Raises StackError with the end of its log."""
        ends_at = time.monotonic() + READY_SECONDS
        while time.monotonic() < ends_at:
            if self.process is None or self.process.poll() is not None:
                break
            if self.is_ready():
                return
            time.sleep(READY_POLL_SECONDS)
        tail = self.log.read_text(errors="replace")[-2_000:]
        raise StackError(N_("the node of {bureau} does not start; the end of its log:\n{tail}"), bureau=self.bureau, tail=tail)

    def is_ready(self) -> bool:
        try:
            report = httpx.get(f"{self.web}/health/ready", timeout=2).json()
        except (httpx.HTTPError, ValueError):
            return False
        parts = report.get("parts", {})
        return all(parts.get(f"loop.{name}", {}).get("status") == "ok" for name in ("prepare", "relay", "consumer"))


class Federation:
    """Servers and nodes of one run folder. `fixed_ports`: the ports of the bureaus' profiles, as in the demo."""

    def __init__(self, folder: Path, *, stack: Stack = "embedded", fixed_ports: bool = False) -> None:
        self.folder = folder
        self.stack = stack
        self.postgres = {bureau: PostgresServer(folder / "postgres" / bureau) for bureau in BUREAUS}
        self.kafka = KafkaServer(folder / "kafka") if stack == "kafka" else None
        self.nodes: dict[str, NodeProcess] = {}
        self._fixed_ports = fixed_ports

    def start(self, progress: Progress = lambda text: None) -> None:
        """Servers, keys, schemas, nodes; returns when all four are ready. Raises StackError; then nothing is left running."""
        try:
            self.start_servers(progress)
            progress(N_("starting the four nodes"))
            for bureau in BUREAUS:
                self.nodes[bureau].start()
            for node in self.nodes.values():
                node.wait_ready()
        except BaseException:
            self.stop()
            raise

    def start_servers(self, progress: Progress = lambda text: None) -> None:
        """Everything but the nodes, which are made and not started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        progress(N_("starting four PostgreSQL servers"))
        start_all(list(self.postgres.values()))
        progress(N_("making keys and the trust list"))
        ports = self._ports()
        if not (self.folder / "keys").exists():
            make_keys(
                self.folder / "keys", {b: (f"http://127.0.0.1:{p.web}", f"https://127.0.0.1:{p.peer}") for b, p in ports.items()}
            )
        progress(N_("creating the databases"))
        for bureau, server in self.postgres.items():
            server.create_database(DATABASE, bureau=bureau)
            migrate(server.url(DATABASE, owner_role(bureau)), node_role=node_role(bureau))
        if self.kafka is not None:
            progress(N_("starting Apache Kafka"))
            self.kafka.start()
            self._create_topics()
        for bureau in BUREAUS:
            self.nodes[bureau] = NodeProcess(
                bureau, ports[bureau], self.environment(bureau, ports[bureau]), log=self.folder / f"{bureau}.log"
            )

    def _ports(self) -> dict[str, Ports]:
        """Chosen once a folder: they stand in the trust list."""
        file = self.folder / "ports.json"
        if file.exists():
            return {bureau: Ports(**ports) for bureau, ports in json.loads(file.read_text()).items()}
        numbers = free_ports(2 * len(BUREAUS))
        chosen = {bureau: Ports(numbers[2 * i], numbers[2 * i + 1]) for i, bureau in enumerate(BUREAUS)}
        if self._fixed_ports:
            chosen = {bureau: Ports(8031 + i, 9031 + i) for i, bureau in enumerate(BUREAUS)}
        file.write_text(json.dumps({bureau: {"web": ports.web, "peer": ports.peer} for bureau, ports in chosen.items()}))
        return chosen

    def environment(self, bureau: str, ports: Ports) -> dict[str, str]:
        """What the node of `bureau` is told."""
        told = {
            "QUANYU_ENVIRONMENT": "development",
            "QUANYU_KEYS_FOLDER": str(self.folder / "keys" / bureau),
            "QUANYU_DATABASE_URL": self.postgres[bureau].url(DATABASE, node_role(bureau)),
            "QUANYU_RUN_FOLDER": str(self.folder),
            "QUANYU_WEB_PORT": str(ports.web),
            "QUANYU_PEER_PORT": str(ports.peer),
        }
        if self.kafka is not None:
            told["QUANYU_KAFKA_BOOTSTRAP"] = self.kafka.bootstrap_servers
        else:
            told["QUANYU_BUS_FILE"] = str(self.folder / "bus.sqlite")
        return {name: value for name, value in os.environ.items() if not name.startswith("QUANYU_")} | told

    def _create_topics(self) -> None:
        async def create() -> None:
            bus = KafkaBus(self.kafka.bootstrap_servers if self.kafka else "", client_id="harness", replication_factor=1)
            await bus.create_topics([topic(bureau, capability) for bureau in BUREAUS for capability in CAPABILITIES])
            await bus.close()

        asyncio.run(create())

    def set_business_clock(self, at: datetime) -> None:
        """All four nodes show `at` from now on; the clock ticks on from there."""
        set_business_clock(self.folder / BUSINESS_CLOCK_FILE, at)

    def stop(self) -> None:
        """End everything that was started here."""
        for node in self.nodes.values():
            node.stop()
        if self.kafka is not None:
            self.kafka.stop()
        stop_all(list(self.postgres.values()))
