"""Three brokers of Apache Kafka on one machine, each also a controller: as in production, for tests that kill and freeze."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.harness.stack.kafka import KafkaServer, Seat, new_id
from services.harness.stack.ports import free_ports

BROKERS = 3
QUORUM_STATE = Path("data") / "__cluster_metadata-0" / "quorum-state"


class KafkaRing:
    """Brokers 1 to 3, each in a folder of its own; every topic should have three copies, of which two must be there."""

    def __init__(self, folder: Path, *, cache: Path | None = None) -> None:
        numbers = free_ports(2 * BROKERS)
        ports, cluster = tuple(zip(numbers[::2], numbers[1::2], strict=True)), new_id()
        seats = [Seat(number, cluster, ports) for number in range(1, BROKERS + 1)]
        self.brokers = {seat.node_id: KafkaServer(folder / seat.name, cache=cache, seat=seat) for seat in seats}

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(broker.bootstrap_servers for broker in self.brokers.values())

    def start(self) -> None:
        """Returns when each broker knows all. Raises StackError; then none is left running."""
        try:
            with ThreadPoolExecutor(BROKERS) as together:
                list(together.map(KafkaServer.start, self.brokers.values()))
        except BaseException:
            self.stop()
            raise

    def controller(self) -> int:
        """Who leads the controllers: what the broker with the newest term has written down."""
        states = [json.loads((broker.folder / QUORUM_STATE).read_text()) for broker in self.brokers.values()]
        return int(max(states, key=lambda state: state["leaderEpoch"])["leaderId"])

    def stop(self) -> None:
        for broker in self.brokers.values():
            broker.thaw()
            broker.kill9()  # an orderly end of the last of three takes 5 s, and its data goes with the folder
            broker.stop()
