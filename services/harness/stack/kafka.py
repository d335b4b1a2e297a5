"""Apache Kafka for one machine: the jars by Maven, a broker that is also a controller (KRaft), run as our own child.

Alone by default; with a `Seat` one of several (`kafka_ring.py`), with certificates over mutual TLS and with access rights.
"""

import base64
import hashlib
import secrets
import shutil
import signal
import socket
import ssl
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services.harness.stack.certificates import ADMIN, ORGANISATION, BusCertificates
from services.harness.stack.errors import StackError
from services.harness.stack.java import CACHE, HASH_DIGITS, TOOL_TIMEOUT_S, fetch_by_maven, keep, require_java, run_tool
from services.harness.stack.ports import free_ports
from services.harness.stack.process import FolderServer, ServerProcess
from shared.identifiers.texts import N_

POM = Path(__file__).parents[3] / "deploy" / "kafka" / "pom.xml"
NAME = "Apache Kafka"
READY_TIMEOUT_S = 60.0  # after kill -9 the broker's old registration has to expire first
STOP_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 1.0
START_ATTEMPTS = 5  # another program may take a port between choosing and using it
ID_BYTES = 16

# A small heap and the fast compiler: 145 MB resident, ready in 2 s; throughput is the same for what four bureaus send.
JAVA_FLAGS = (
    *("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
    *("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"),
)
PROPERTIES = """\
process.roles=broker,controller
node.id={node_id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
inter.broker.listener.name=BUS
listeners=BUS://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=BUS://127.0.0.1:{port}
listener.security.protocol.map=BUS:{protocol},CONTROLLER:{protocol}
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={copies}
min.insync.replicas={least_copies}
unclean.leader.election.enable=false
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=3
offsets.retention.minutes=43200
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={least_copies}
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={least_copies}
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=8388608
message.max.bytes=1048576
# A killed broker may come back as soon as its old registration has expired: 3 s instead of 9.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.backoff.max.ms=200
"""
ALONE = """\
# One copy only: acknowledged must mean on disk (flush.messages=1 of every topic).
log.flush.interval.messages=1
"""
SECURITY = """\
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
ssl.client.auth=required
ssl.enabled.protocols=TLSv1.3
ssl.protocol=TLSv1.3
# No DEFAULT rule: a certificate that is named otherwise is not let in.
ssl.principal.mapping.rules=RULE:^CN=([a-z0-9-]+),O={organisation}$/$1/
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users={super_users}
allow.everyone.if.no.acl.found=false
"""


@dataclass(frozen=True, slots=True)
class Seat:
    """One broker's place in a cluster: its number from 1, and of every broker the ports for clients and for controllers."""

    node_id: int
    cluster_id: str
    ports: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        """Whose certificate it shows."""
        return broker_name(self.node_id)


def broker_name(node_id: int) -> str:
    return f"broker-{node_id}"


class KafkaServer(FolderServer):
    """One broker in `folder`: `data/`, `server.properties`, `kafka.log`; ports are chosen at the first start, then kept.

    `cache` keeps the jars for every later run (default: below the home folder). `seat`: which of several it is. `certificates`:
    mutual TLS and access rights; they hold those of `broker-<number>` and of `bus-admin`.
    """

    def __init__(
        self, folder: Path, *, cache: Path | None = None, seat: Seat | None = None, certificates: BusCertificates | None = None
    ) -> None:
        process = ServerProcess(NAME, log=folder / "kafka.log", pid_file=folder / "kafka.pid")
        super().__init__(folder, process, stop_signal=signal.SIGTERM, stop_timeout_s=STOP_TIMEOUT_S)
        self.port = 0
        self._seat, self._certificates = seat, certificates
        self._cache = cache or Path.home() / CACHE
        self._data = folder / "data"
        self._properties = folder / "server.properties"

    @property
    def bootstrap_servers(self) -> str:
        """ "host:port" for clients."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Fetch the jars if they are missing, format, start, return when the broker answers. StackError says why not."""
        require_java(NAME)
        self._lock.take()
        try:
            self._end_leftover()
            jars = fetch_jars(self._cache)
            if not (self._data / "meta.properties").exists():
                self._format(jars)
            if self._seat is not None:
                self._take_seat(self._seat)
            if self.port:
                self._launch(jars)
            else:
                self._launch_on_free_ports(jars)
        except BaseException:
            self.stop()
            raise

    def restart(self) -> None:
        """Start again on the same ports and data after `kill9`, or stop and start; 3-6 s after a kill."""
        self._end()
        self._launch(fetch_jars(self._cache), among=1)  # others may be down; it answers with those that are not

    def _end_leftover(self) -> None:
        self._process.kill_leftover(str(self._properties))

    def _format(self, jars: Path) -> None:
        """A data folder from the cached template: formatting costs a second of Java, and only the ids differ."""
        template = _template(jars)
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.copytree(template, self._data)
        cluster, number = (self._seat.cluster_id, self._seat.node_id) if self._seat else (new_id(), 1)
        identity = {"version": "1", "cluster.id": cluster, "node.id": str(number), "directory.id": new_id()}
        (self._data / "meta.properties").write_text("".join(f"{name}={value}\n" for name, value in identity.items()))

    def _launch_on_free_ports(self, jars: Path) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            port, controller_port = free_ports(2)
            self._take_seat(Seat(1, "", ((port, controller_port),)))
            try:
                self._launch(jars)
            except StackError:
                if attempt == START_ATTEMPTS or "Address already in use" not in self._process.tail():
                    raise
            else:
                return

    def _take_seat(self, seat: Seat) -> None:
        self.port = seat.ports[seat.node_id - 1][0]
        _write_properties(self._properties, data=self._data, seat=seat, certificates=self._certificates)

    def _launch(self, jars: Path, *, among: int | None = None) -> None:
        """`among`: ready when it knows so many brokers; None: all of the cluster."""
        wanted = among or (len(self._seat.ports) if self._seat else 1)
        context = None if self._certificates is None else self._certificates.client(ADMIN).context()
        self._process.launch([*_java(jars), "kafka.Kafka", str(self._properties)])
        self._process.wait_ready(lambda: brokers_known_at(self.port, context) >= wanted, timeout_s=READY_TIMEOUT_S)


def fetch_jars(cache: Path) -> Path:
    """The folder with the broker's jars below `cache`, by Maven the first time (10 s, 44 MB), for this very pom."""
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:HASH_DIGITS]
    jars = cache / f"kafka-{digest}" / "libs"
    if jars.is_dir():
        return jars
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent) as scratch:
        fetched = Path(scratch).absolute() / "libs"
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"]
        fetch_by_maven(NAME, ["-f", str(POM), *goal], folder=Path(scratch))
        keep(fetched, jars)
    return jars


def brokers_known_at(port: int, context: ssl.SSLContext | None = None) -> int:
    """How many brokers the one at `port` lists in its metadata (a fenced one lists none); 0 when it does not answer."""
    metadata, version, correlation, no_client, no_topics = 3, 4, 1, -1, 0
    request = struct.pack(">hhihi?", metadata, version, correlation, no_client, no_topics, False)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S) as plain, _secured(plain, context) as line:
            line.sendall(struct.pack(">i", len(request)) + request)
            with line.makefile("rb") as answer:
                _size, _correlation, _throttle_ms, brokers = struct.unpack(">iiii", answer.read(16))
    except (OSError, struct.error):
        return 0
    return int(brokers)


def _secured(plain: socket.socket, context: ssl.SSLContext | None) -> socket.socket:
    return plain if context is None else context.wrap_socket(plain, server_hostname="127.0.0.1")


def _template(jars: Path) -> Path:
    """A formatted, empty data folder beside the jars, made the first time."""
    template = jars.parent / "formatted"
    if template.is_dir():
        return template
    with tempfile.TemporaryDirectory(dir=jars.parent) as scratch:
        data, properties = Path(scratch) / "data", Path(scratch) / "server.properties"
        _write_properties(properties, data=data, seat=Seat(1, "", ((1, 2),)), certificates=None)  # ports are not formatted in
        command = [*_java(jars), "kafka.tools.StorageTool", "format", "-t", new_id(), "-c", str(properties)]
        run_tool("java", command, timeout_s=TOOL_TIMEOUT_S)
        keep(data, template)
    return template


def _write_properties(properties: Path, *, data: Path, seat: Seat, certificates: BusCertificates | None) -> None:
    if "," in str(data):
        raise StackError(N_("Apache Kafka cannot keep its data in {folder}: the path has a comma"), folder=str(data))
    brokers = len(seat.ports)
    port, controller_port = seat.ports[seat.node_id - 1]
    text = PROPERTIES.format(
        node_id=seat.node_id,
        voters=",".join(f"{number}@127.0.0.1:{controller}" for number, (_, controller) in enumerate(seat.ports, 1)),
        port=port,
        controller_port=controller_port,
        protocol="PLAINTEXT" if certificates is None else "SSL",
        data=data,
        copies=brokers,
        least_copies=brokers // 2 + 1,
    )
    if brokers == 1:
        text += ALONE
    if certificates is not None:
        names = [ADMIN, *(broker_name(number) for number in range(1, brokers + 1))]
        text += SECURITY.format(
            keystore=certificates.keystore(seat.name),
            ca=certificates.ca,
            organisation=ORGANISATION,
            super_users=";".join(f"User:{name}" for name in names),
        )
    properties.write_text(text)


def _java(jars: Path) -> list[str]:
    return ["java", *JAVA_FLAGS, "-cp", f"{jars}/*"]


def new_id() -> str:
    """16 random bytes in base64; Kafka's tools would take a leading "-" for an option."""
    while True:
        text = base64.urlsafe_b64encode(secrets.token_bytes(ID_BYTES)).decode().rstrip("=")
        if not text.startswith("-"):
            return text
