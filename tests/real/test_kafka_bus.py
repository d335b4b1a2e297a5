"""The Kafka adapter when its broker is killed, frozen or away, and when it is dropped in the middle of its work."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.harness.stack import KafkaServer
from services.harness.stack.ports import free_ports
from shared.messaging import kafka
from shared.messaging.bus import Bus, BusDown, Consumer, Delivered, Publisher, Record
from shared.messaging.kafka import GroupTiming, KafkaBus

pytestmark = pytest.mark.kafka

LIMIT_S = 60.0
CASES = 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker of this module's own: its tests kill and freeze it."""
    server = KafkaServer(Path(tmp_path_factory.mktemp("kafka")))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bus(server: KafkaServer) -> KafkaBus:
    return KafkaBus(server.bootstrap_servers, client_id="faults.1", replication_factor=1)


@pytest.fixture
async def topic(bus: KafkaBus, request: pytest.FixtureRequest) -> str:
    name = f"{request.node.name.replace('_', '-')}.transfers"[-200:]
    await bus.create_topics([name])
    return name


def a_record(topic: str, number: int) -> Record:
    return Record(topic=topic, key=f"case-{number % CASES}", headers={}, value=b"%d" % number)


class Outbox:
    """A relay in short: what is not acknowledged is published again, after every error by a new publisher."""

    def __init__(self, bus: Bus, topic: str) -> None:
        self._bus = bus
        self._topic = topic
        self.unsent: list[Record] = []
        self.count = 0

    async def run(self, done: asyncio.Event) -> None:
        publisher: Publisher | None = None
        while self.unsent or not done.is_set():
            if not done.is_set():
                self.unsent.append(a_record(self._topic, self.count))
                self.count += 1
            head = self.unsent[:100]
            try:
                publisher = publisher or await self._bus.publisher()
                await publisher.publish(head)
                acknowledged = frozenset(range(len(head)))
            except BusDown as error:
                acknowledged = error.acknowledged
                if publisher is not None:
                    await publisher.close()
                publisher = None
            self.unsent[: len(head)] = [record for index, record in enumerate(head) if index not in acknowledged]
            await asyncio.sleep(0.005)
        if publisher is not None:
            await publisher.close()


async def receive(bus: Bus, topic: str, seen: list[Delivered], done: asyncio.Event) -> None:
    consumer: Consumer | None = None
    while not done.is_set():
        try:
            consumer = consumer or await bus.consumer(group=topic, topics=[topic])
            delivered = await consumer.fetch(timeout_s=0.5)
        except BusDown:
            if consumer is not None:
                await consumer.close()
            consumer = None
            await asyncio.sleep(0.1)
            continue
        seen += delivered
        await consumer.commit({(topic, each.partition): each.offset + 1 for each in delivered})
    if consumer is not None:
        await consumer.close()


async def stored(bus: KafkaBus, topic: str) -> int:
    """How many records lie in the topic."""
    consumer = await bus.consumer(group=f"{topic}.count", topics=[topic])
    lag = await consumer.lag()
    await consumer.close()
    return lag


async def in_thread_restart(server: KafkaServer) -> None:
    await asyncio.to_thread(server.restart)


async def test_a_killed_broker_loses_nothing_and_everything_goes_on_by_itself(
    server: KafkaServer, bus: KafkaBus, topic: str
) -> None:
    outbox, seen = Outbox(bus, topic), list[Delivered]()
    sent, received = asyncio.Event(), asyncio.Event()
    sending = asyncio.create_task(outbox.run(sent))
    receiving = asyncio.create_task(receive(bus, topic, seen, received))
    async with asyncio.timeout(LIMIT_S):
        for _ in range(2):
            await asyncio.sleep(1)
            server.kill9()
            await asyncio.sleep(1)
            await in_thread_restart(server)
        await asyncio.sleep(1)
        sent.set()
        await sending
        while len({each.record.value for each in seen}) < outbox.count:  # noqa: ASYNC110  ends as soon as all have come
            await asyncio.sleep(0.1)
        received.set()
        await receiving
    for case in range(CASES):
        first_seen = list(dict.fromkeys(int(each.record.value) for each in seen if each.record.key == f"case-{case}"))
        assert first_seen == sorted(first_seen)


async def test_a_publisher_dropped_in_the_middle_sends_nothing_later(server: KafkaServer, bus: KafkaBus, topic: str) -> None:
    before = asyncio.all_tasks()
    publisher = await bus.publisher()
    await publisher.publish([a_record(topic, 0)])
    server.kill9()
    publishing = asyncio.create_task(publisher.publish([a_record(topic, number) for number in range(1, 41)]))
    await asyncio.sleep(1)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    await in_thread_restart(server)
    await asyncio.sleep(3)  # a zombie would find the broker within its back-off of 0.2 s
    assert await stored(bus, topic) == 1
    with pytest.raises(BusDown):
        await publisher.publish([a_record(topic, 41)])
    await publisher.close()
    assert asyncio.all_tasks() - before == set()


async def test_a_publish_to_a_dead_broker_ends_in_time_and_sends_nothing_later(
    server: KafkaServer, bus: KafkaBus, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "SEND_TIMEOUT_S", 1.5)
    publisher = await bus.publisher()
    await publisher.publish([a_record(topic, 0)])
    server.kill9()
    with pytest.raises(BusDown, match="not acknowledged") as caught:
        await publisher.publish([a_record(topic, number) for number in range(1, 41)])
    assert caught.value.acknowledged == frozenset()
    await publisher.close()
    await in_thread_restart(server)
    await asyncio.sleep(3)
    assert await stored(bus, topic) == 1


async def test_one_missing_topic_does_not_hold_up_the_others(bus: KafkaBus, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "PRODUCER_REQUEST_TIMEOUT_MS", 1_500)
    publisher = await bus.publisher()
    records = [a_record(topic, 0), a_record("nobody.transfers", 1), a_record(topic, 2)]
    with pytest.raises(BusDown, match="UnknownTopicOrPartition") as caught:
        await publisher.publish(records)
    assert caught.value.acknowledged == {0, 2}
    await publisher.close()
    assert await stored(bus, topic) == 2


async def test_waiting_for_a_missing_topic_ends(bus: KafkaBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "START_TIMEOUT_S", 1.0)
    before = asyncio.all_tasks()
    with pytest.raises(BusDown, match="no answer within 1 s"):
        await bus.consumer(group="g", topics=["nobody.transfers"])
    assert asyncio.all_tasks() - before == set()


async def test_closing_while_the_broker_is_dead_ends_in_time_and_leaves_no_task(
    server: KafkaServer, bus: KafkaBus, topic: str
) -> None:
    before = asyncio.all_tasks()
    publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
    await publisher.publish([a_record(topic, 0)])
    await consumer.fetch(timeout_s=5)
    server.kill9()
    async with asyncio.timeout(20):
        await consumer.commit({(topic, 0): 1})  # not taken, not an error
        await consumer.close()
        await publisher.close()
    assert asyncio.all_tasks() - before == set()
    await in_thread_restart(server)


async def test_a_frozen_broker_is_down_until_it_wakes(server: KafkaServer, bus: KafkaBus) -> None:
    server.freeze()
    with pytest.raises(BusDown, match="no answer"):
        await bus.ping()
    server.thaw()
    async with asyncio.timeout(LIMIT_S):
        await bus.ping()


async def test_no_broker_at_all_is_said_at_once() -> None:
    [port] = free_ports(1)
    bus = KafkaBus(f"127.0.0.1:{port}", client_id="faults.1", timing=GroupTiming())
    async with asyncio.timeout(5):
        for attempt in (
            bus.publisher,
            bus.ping,
            lambda: bus.consumer(group="g", topics=["t.x"]),
            lambda: bus.create_topics(["t.x"]),
        ):
            with pytest.raises(BusDown, match="bootstrap"):
                await attempt()


async def test_a_stalled_consumer_is_given_up(bus: KafkaBus, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
    monkeypatch.setattr(kafka, "STALL_CHECK_INTERVAL_S", 0.2)
    monkeypatch.setattr(kafka, "STALL_LIMIT_S", 1.0)
    for _ in range(8):  # nothing there: no stall, however long
        assert await consumer.fetch(timeout_s=0.2) == []
    consumer._consumer.pause(*consumer._consumer.assignment())  # records there, none comes
    await publisher.publish([a_record(topic, 0)])

    async def fetch_on() -> None:
        for _ in range(20):
            assert await consumer.fetch(timeout_s=0.2) == []

    with pytest.raises(BusDown, match="no progress"):
        await fetch_on()
    await consumer.close()
    await publisher.close()
