"""What both adapters of the bus promise: one suite, run on the local bus and on Apache Kafka."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.harness.stack import KafkaServer
from shared.messaging.bus import FETCH_LIMIT_RECORDS, RECORD_LIMIT_BYTES, Bus, BusDown, Consumer, Delivered, Record
from shared.messaging.kafka import KafkaBus
from shared.messaging.local import LocalBus

ARRIVAL_LIMIT_S = 15.0
SECOND_MEMBER_LIMIT_S = 30.0


def a_record(topic: str, *, key: str = "case-1", value: bytes = b"sealed") -> Record:
    return Record(topic=topic, key=key, headers={"ce_type": "transfers", "note": "迁移"}, value=value)


async def take(consumer: Consumer, count: int) -> list[Delivered]:
    """Fetch until `count` records are there; fails after ARRIVAL_LIMIT_S."""
    taken: list[Delivered] = []
    async with asyncio.timeout(ARRIVAL_LIMIT_S):
        while len(taken) < count:
            taken += await consumer.fetch(timeout_s=0.5)
    return taken


def after(delivered: list[Delivered]) -> dict[tuple[str, int], int]:
    """The offsets to commit when all of these are done."""
    return {(each.record.topic, each.partition): each.offset + 1 for each in delivered}


class BusContract:
    @pytest.fixture
    async def topic(self, bus: Bus) -> str:
        name = f"t{uuid.uuid4().hex[:12]}.transfers"
        await bus.create_topics([name])
        return name

    async def test_a_record_arrives_as_it_was_published(self, bus: Bus, topic: str) -> None:
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        sent = Record(topic=topic, key="0199-案", headers={"ce_type": "transfers", "note": "迁移"}, value=bytes(range(256)))
        await publisher.publish([sent])
        [delivered] = await take(consumer, 1)
        assert delivered.record == sent
        await consumer.close()
        await publisher.close()

    async def test_records_of_one_key_come_in_the_order_of_publishing(self, bus: Bus, topic: str) -> None:
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        for start in range(0, 120, 40):
            await publisher.publish([a_record(topic, key=f"k{n % 7}", value=b"%d" % n) for n in range(start, start + 40)])
        delivered = await take(consumer, 120)
        for key in {each.record.key for each in delivered}:
            of_key = [each for each in delivered if each.record.key == key]
            numbers = [int(each.record.value) for each in of_key]
            assert numbers == sorted(numbers)
            assert len({each.partition for each in of_key}) == 1
        await consumer.close()
        await publisher.close()

    async def test_a_new_group_reads_from_the_beginning(self, bus: Bus, topic: str) -> None:
        publisher = await bus.publisher()
        await publisher.publish([a_record(topic, value=b"before anybody listened")])
        consumer = await bus.consumer(group=topic, topics=[topic])
        [delivered] = await take(consumer, 1)
        assert delivered.record.value == b"before anybody listened"
        await consumer.close()
        await publisher.close()

    async def test_a_group_goes_on_where_it_committed(self, bus: Bus, topic: str) -> None:
        publisher, first = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        await publisher.publish([a_record(topic, value=b"done")])
        await first.commit(after(await take(first, 1)))
        await publisher.publish([a_record(topic, value=b"seen, not committed")])
        await take(first, 1)
        await first.close()
        second = await bus.consumer(group=topic, topics=[topic])
        [delivered] = await take(second, 1)
        assert delivered.record.value == b"seen, not committed"
        await second.close()
        await publisher.close()

    async def test_every_group_sees_every_record(self, bus: Bus, topic: str) -> None:
        publisher = await bus.publisher()
        one, other = (
            await bus.consumer(group=f"{topic}.1", topics=[topic]),
            await bus.consumer(group=f"{topic}.2", topics=[topic]),
        )
        await publisher.publish([a_record(topic)])
        assert len(await take(one, 1)) == len(await take(other, 1)) == 1
        for each in (one, other, publisher):
            await each.close()

    async def test_a_consumer_sees_only_its_topics_and_all_of_them(self, bus: Bus, topic: str) -> None:
        topics = [topic, f"{topic}.second", f"{topic}.foreign"]
        await bus.create_topics(topics)
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=topics[:2])
        await publisher.publish([a_record(each) for each in reversed(topics)])
        assert {each.record.topic for each in await take(consumer, 2)} == set(topics[:2])
        assert await consumer.fetch(timeout_s=0.3) == []
        await consumer.close()
        await publisher.close()

    async def test_rewind_fetches_again(self, bus: Bus, topic: str) -> None:
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        await publisher.publish([a_record(topic, value=b"%d" % n) for n in range(3)])
        first = await take(consumer, 3)
        consumer.rewind({(topic, first[1].partition): first[1].offset, ("not.ours", 0): 0})
        assert await take(consumer, 2) == first[1:]
        await consumer.close()
        await publisher.close()

    async def test_lag_counts_what_fetch_has_not_handed_out(self, bus: Bus, topic: str) -> None:
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        assert await consumer.lag() == 0
        await publisher.publish([a_record(topic, key=f"k{n}") for n in range(5)])
        assert await consumer.lag() == 5
        await take(consumer, 5)
        assert await consumer.lag() == 0
        await consumer.close()
        await publisher.close()

    async def test_an_idle_fetch_ends_empty_in_time(self, bus: Bus, topic: str) -> None:
        consumer = await bus.consumer(group=topic, topics=[topic])
        started = asyncio.get_running_loop().time()
        assert await consumer.fetch(timeout_s=0.3) == []
        assert 0.2 < asyncio.get_running_loop().time() - started < 2
        await consumer.close()

    async def test_a_waiting_fetch_returns_as_soon_as_something_comes(self, bus: Bus, topic: str) -> None:
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        await publisher.publish([a_record(topic)])
        await take(consumer, 1)  # whatever the first record costs is paid
        waiting = asyncio.create_task(consumer.fetch(timeout_s=20))
        await asyncio.sleep(0.2)
        await publisher.publish([a_record(topic)])
        assert len(await asyncio.wait_for(waiting, 5)) == 1
        await consumer.close()
        await publisher.close()

    async def test_a_backlog_comes_in_bounded_portions(self, bus: Bus, topic: str) -> None:
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        total = 2 * FETCH_LIMIT_RECORDS + 100
        for start in range(0, total, 300):
            await publisher.publish(
                [a_record(topic, key=f"k{n}", value=b"%d" % n) for n in range(start, min(start + 300, total))]
            )
        portions: list[list[Delivered]] = []
        async with asyncio.timeout(ARRIVAL_LIMIT_S):
            while sum(map(len, portions)) < total:
                portions.append(await consumer.fetch(timeout_s=0.5))
        assert max(map(len, portions)) <= FETCH_LIMIT_RECORDS
        assert {int(each.record.value) for portion in portions for each in portion} == set(range(total))
        await consumer.close()
        await publisher.close()

    async def test_more_than_a_batch_of_large_records_arrives(self, bus: Bus, topic: str) -> None:
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        large = [a_record(topic, value=bytes([n]) * 933_000) for n in range(4)]
        await publisher.publish(large)
        assert [each.record for each in await take(consumer, 4)] == large
        await consumer.close()
        await publisher.close()

    async def test_a_record_that_is_too_large_is_named_and_nothing_is_published(self, bus: Bus, topic: str) -> None:
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        with pytest.raises(BusDown) as caught:
            await publisher.publish([a_record(topic), a_record(topic, value=b"x" * RECORD_LIMIT_BYTES), a_record(topic)])
        assert caught.value.refused == {1}
        assert caught.value.acknowledged == frozenset()
        assert await consumer.fetch(timeout_s=0.5) == []
        await publisher.publish([a_record(topic)])  # this refusal costs nobody the publisher
        assert len(await take(consumer, 1)) == 1
        await consumer.close()
        await publisher.close()

    async def test_publishing_nothing_is_fine(self, bus: Bus, topic: str) -> None:
        publisher = await bus.publisher()
        await publisher.publish([])
        assert topic
        await publisher.close()
        with pytest.raises(BusDown):
            await publisher.publish([a_record(topic)])

    async def test_committing_what_is_not_ours_changes_nothing(self, bus: Bus, topic: str) -> None:
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        await publisher.publish([a_record(topic)])
        await consumer.commit({("not.ours", 0): 7, **after(await take(consumer, 1))})
        await consumer.close()
        again = await bus.consumer(group=topic, topics=[topic])
        assert await again.fetch(timeout_s=0.5) == []
        await again.close()
        await publisher.close()

    async def test_several_publishers_at_once_lose_nothing(self, bus: Bus, topic: str) -> None:
        publishers = [await bus.publisher() for _ in range(4)]
        consumer = await bus.consumer(group=topic, topics=[topic])

        async def publish(name: int) -> None:
            for n in range(25):
                await publishers[name].publish([a_record(topic, key=f"k{name}", value=b"%d.%d" % (name, n))])

        await asyncio.gather(*(publish(name) for name in range(4)))
        delivered = await take(consumer, 100)
        assert len({each.record.value for each in delivered}) == 100
        for each in (consumer, *publishers):
            await each.close()

    async def test_two_members_of_a_group_see_everything_and_one_goes_on_alone(self, bus: Bus, topic: str) -> None:
        publisher = await bus.publisher()
        members = [await bus.consumer(group=topic, topics=[topic])]
        polling = asyncio.create_task(members[0].fetch(timeout_s=SECOND_MEMBER_LIMIT_S))
        members.append(await bus.consumer(group=topic, topics=[topic]))
        await publisher.publish([a_record(topic, key=f"k{n}", value=b"%d" % n) for n in range(60)])
        seen = {each.record.value for each in await polling}
        async with asyncio.timeout(SECOND_MEMBER_LIMIT_S):
            while len(seen) < 60:
                for member in members:
                    delivered = await member.fetch(timeout_s=0.2)
                    seen |= {each.record.value for each in delivered}
                    await member.commit(after(delivered))
        await members[1].close()
        await publisher.publish([a_record(topic, key=f"k{n}", value=b"later %d" % n) for n in range(12)])
        async with asyncio.timeout(SECOND_MEMBER_LIMIT_S):
            while len(seen) < 72:
                seen |= {each.record.value for each in await members[0].fetch(timeout_s=0.2)}
        assert len(seen) == 72
        await members[0].close()
        await publisher.close()

    async def test_making_a_topic_twice_is_fine(self, bus: Bus, topic: str) -> None:
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        await publisher.publish([a_record(topic)])
        await bus.create_topics([topic])
        assert len(await take(consumer, 1)) == 1  # and what was in it is still there
        for each in (publisher, consumer):
            await each.close()

    async def test_everything_closes_twice_and_leaves_no_task(self, bus: Bus, topic: str) -> None:
        before = asyncio.all_tasks()
        publisher, consumer = await bus.publisher(), await bus.consumer(group=topic, topics=[topic])
        await publisher.publish([a_record(topic)])
        await take(consumer, 1)
        for each in (publisher, consumer, publisher, consumer):
            await each.close()
        await bus.close()
        await bus.close()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() - before == set()


class TestLocalBus(BusContract):
    @pytest.fixture
    async def bus(self, tmp_path: Path) -> AsyncIterator[LocalBus]:
        bus = LocalBus(tmp_path / "bus.sqlite3")
        yield bus
        await bus.close()


@pytest.mark.kafka
class TestKafkaBus(BusContract):
    @pytest.fixture
    def bus(self, kafka_server: KafkaServer) -> KafkaBus:
        return KafkaBus(kafka_server.bootstrap_servers, client_id="contract.1", replication_factor=1)
