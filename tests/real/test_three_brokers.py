"""Three brokers, three copies of every topic, of which two must be there: brokers die and freeze while officers work.

The whole way is the real one: outbox, relay, Kafka, consumer, receipt. After each fault every transfer was done, and
done once. How long it took is shown, not judged: Kafka notices a dead broker here after 3 s (by default after 9).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import permutations

import pytest
from confluent_kafka.admin import AdminClient

from services.harness.network import BUREAUS
from services.harness.stack.kafka_admin import BusAdmin
from services.harness.stack.kafka_ring import KafkaRing
from tests.real.people import PLACES
from tests.real.stage import Stage, staged
from tests.real.transfer import Transfer
from tests.real.waiting import Measured, until

pytestmark = pytest.mark.kafka

COPIES = 3
WATCHED = "zhejiang.transfers"
ASK_S = 5.0
FROZEN_S = 5.0  # longer than a broker's session of 3 s: the others take over
DONE_S = 90.0  # a frozen broker holds a relay for its request's 15 s, a consumer for 20


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaRing]:
    ring = KafkaRing(tmp_path_factory.mktemp("kafka"))
    ring.start()
    BusAdmin(ring.bootstrap_servers).prepare_topics(BUREAUS, copies=COPIES)
    yield ring
    ring.stop()


@pytest.fixture(scope="module")
async def ring_stage(tmp_path_factory: pytest.TempPathFactory, ring: KafkaRing) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("federation"), kafka=ring.bootstrap_servers) as made:
        yield made


def copies_in_step(ring: KafkaRing) -> bool:
    """All topics have all their copies, those of the groups' offsets too."""
    topics = AdminClient({"bootstrap.servers": ring.bootstrap_servers}).list_topics(timeout=ASK_S).topics.values()
    return all(len(partition.isrs) == COPIES for one in topics for partition in one.partitions.values())


def leader_of(ring: KafkaRing, topic: str) -> int:
    """Who leads most partitions of the topic, but not the controllers: that is the other test."""
    found = AdminClient({"bootstrap.servers": ring.bootstrap_servers}).list_topics(topic, timeout=ASK_S).topics[topic]
    leaders = [partition.leader for partition in found.partitions.values() if partition.leader != ring.controller()]
    return max(set(leaders), key=leaders.count)


async def whole_again(ring: KafkaRing) -> None:
    """Whatever a test has killed or frozen is back, with every copy in step."""
    for broker in ring.brokers.values():
        broker.thaw()
        if not broker.pid:
            await asyncio.to_thread(broker.restart)
    await until(lambda: asyncio.to_thread(copies_in_step, ring))


class Work:
    """Transfers in every direction, begun one after the other and run to their ends, until told that it is enough."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._enough = asyncio.Event()
        self._runs: list[asyncio.Task[Transfer]] = []
        self._begins = asyncio.create_task(self._begin())

    async def _begin(self) -> None:
        pairs = list(permutations(PLACES, 2))
        while not self._enough.is_set():
            origin, destination = pairs[len(self._runs) % len(pairs)]
            transfer = await self._stage.begin(origin, destination)
            self._runs.append(asyncio.create_task(self._run(transfer)))
            await asyncio.sleep(0.1)  # more would only queue: the machine has two cores

    async def _run(self, transfer: Transfer) -> Transfer:
        await transfer.run(seconds=DONE_S)
        return transfer

    def done(self) -> int:
        return sum(run.done() for run in self._runs)

    async def next_done(self) -> None:
        """Return when a transfer has ended that had not when this was called."""
        before = self.done()
        await until(lambda: self.done() > before, seconds=DONE_S)

    async def finish(self) -> list[Transfer]:
        self._enough.set()
        await self._begins
        return list(await asyncio.gather(*self._runs))


async def work_through(
    stage: Stage, ring: KafkaRing, measured: Measured, what: str, victims: list[int], *, freeze: bool = False
) -> None:
    """Officers work; the victims die or freeze, and come back; in the end everything was done once."""
    work = Work(stage)
    await work.next_done()
    for victim in victims:
        ring.brokers[victim].freeze() if freeze else ring.brokers[victim].kill9()
    struck = time.monotonic()
    if len(victims) == 1:
        if freeze:
            await asyncio.sleep(FROZEN_S)
        await work.next_done()
        measured(f"{what}: the next transfer is done", time.monotonic() - struck)
    else:
        await asyncio.sleep(FROZEN_S)
    back = time.monotonic()
    await whole_again(ring)
    measured(f"{what}: all brokers back, all copies in step", time.monotonic() - back)
    transfers = await work.finish()
    measured(f"{what}: {len(transfers)} transfers done since the fault", time.monotonic() - struck)
    await stage.verify(transfers)


async def test_a_leader_that_is_killed_loses_and_doubles_nothing(ring_stage: Stage, ring: KafkaRing, measured: Measured) -> None:
    await whole_again(ring)
    await work_through(ring_stage, ring, measured, "kill -9 of a leader", [leader_of(ring, WATCHED)])


async def test_the_controller_that_is_killed_loses_and_doubles_nothing(
    ring_stage: Stage, ring: KafkaRing, measured: Measured
) -> None:
    await whole_again(ring)
    await work_through(ring_stage, ring, measured, "kill -9 of the controller", [ring.controller()])


async def test_a_frozen_broker_loses_and_doubles_nothing(ring_stage: Stage, ring: KafkaRing, measured: Measured) -> None:
    await whole_again(ring)
    await work_through(ring_stage, ring, measured, "frozen broker", [leader_of(ring, WATCHED)], freeze=True)


async def test_two_of_three_brokers_killed_lose_and_double_nothing(
    ring_stage: Stage, ring: KafkaRing, measured: Measured
) -> None:
    await whole_again(ring)
    controller = ring.controller()
    other = next(number for number in ring.brokers if number != controller)
    await work_through(ring_stage, ring, measured, "two of three brokers killed", [controller, other])
