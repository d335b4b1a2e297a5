"""The bus on Apache Kafka: aiokafka, supervised from outside.

aiokafka is fast and correct while nothing fails; after a failure its objects may hang, burn sequence numbers or never consume
again. So nothing of it is ever repaired here, three rules hold instead:

* Every call is bounded and runs in a task of its own (`bounded.within`): aiokafka also ends calls with CancelledError of its own
  making, which must not be taken for ours.
* Any error finishes the object it came from; its owner asks for a new one. A producer that raised has a hole in its sequence
  numbers, and every later send through it fails (OutOfOrderSequenceNumber); a consumer may raise for ever after a bad heartbeat.
* A finished producer is dropped hard (`_drop_producer`): an orderly stop leaves a sender behind that delivers old batches
  minutes later.

Measured on brokers 4.3.1 and 4.4.0 with aiokafka 0.14.0; the private names used here are why it is pinned.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.codec import has_zstd
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from shared.messaging.bounded import CANCEL_WAIT_S, cancelled, ended, within
from shared.messaging.bus import FETCH_LIMIT_RECORDS, BusDown, Delivered, Record, refuse_oversize

PARTITIONS = 6  # per topic, fixed: a changed number would change the partition of a key
RETENTION_MS = 14 * 86_400_000
REPLICATION_FACTOR = 3

BATCH_LIMIT_RECORDS = 500  # a batch is acknowledged as one, so it is also what is sent again after a failure
BATCH_LIMIT_BYTES = 524_288  # half of the broker's message.max.bytes: room for a batch's own framing
REQUEST_LIMIT_BYTES = 1_048_576
PRODUCER_REQUEST_TIMEOUT_MS = 15_000  # above Kafka's own failure detection (12.6 s): below it, rebuilds make duplicates
RETRY_BACKOFF_MS = 200
METADATA_MAX_AGE_MS = 60_000
FETCH_MAX_WAIT_MS = 500
PARTITION_FETCH_LIMIT_BYTES = 1_048_576
MAX_POLL_INTERVAL_MS = 300_000  # the watchdog acts earlier
SESSION_TIMEOUT_FLOOR_MS = 6_000  # group.min.session.timeout.ms of a broker: it refuses less
REQUEST_OVER_REBALANCE_MS = 10_000  # aiokafka bounds JoinGroup by the request timeout: less, and a second member never joins

START_TIMEOUT_S = 30.0  # a join waits for the members' rebalance; a missing topic would block for ever
SEND_TIMEOUT_S = 2 * PRODUCER_REQUEST_TIMEOUT_MS / 1000  # an idempotent send to dead brokers never ends by itself
COMMIT_TIMEOUT_S = 5.0
QUERY_TIMEOUT_S = 5.0
CONSUMER_STOP_TIMEOUT_S = 5.0
PRODUCER_STOP_TIMEOUT_S = 3.0
CLIENT_CLOSE_TIMEOUT_S = 2.0

SILENCE_LIMIT_S = 60.0  # watchdog: a fetch that does not even come back empty
STALL_LIMIT_S = 120.0  # watchdog: records are there, or no partition is ours, and nothing comes
STALL_CHECK_INTERVAL_S = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GroupTiming:
    """How soon a dead member is noticed, in milliseconds. A combination under which members could not join is refused."""

    session_timeout_ms: int = 10_000  # a dead member holds its partitions this long
    heartbeat_interval_ms: int = 3_000
    rebalance_timeout_ms: int = 8_000
    request_timeout_ms: int = 20_000  # a frozen broker holds its partitions this long

    def __post_init__(self) -> None:
        if self.request_timeout_ms < self.rebalance_timeout_ms + REQUEST_OVER_REBALANCE_MS:
            least = self.rebalance_timeout_ms + REQUEST_OVER_REBALANCE_MS
            raise ValueError(f"request_timeout_ms={self.request_timeout_ms} must be {least} or more: rebalance_timeout_ms + 10 s")
        if self.session_timeout_ms < SESSION_TIMEOUT_FLOOR_MS:
            raise ValueError(f"session_timeout_ms={self.session_timeout_ms} must be {SESSION_TIMEOUT_FLOOR_MS} or more")
        if self.heartbeat_interval_ms * 3 > self.session_timeout_ms:
            raise ValueError("heartbeat_interval_ms must be at most a third of session_timeout_ms")


@dataclass(frozen=True, slots=True)
class KafkaTls:
    """Files in PEM for mutual TLS: the authority of the brokers, our certificate, its private key."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """TLS 1.3, the broker's host name checked. Raises OSError (ssl.SSLError among them) when a file is unusable."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(cafile=self.ca)
        context.load_cert_chain(self.certificate, self.key)
        return context


class KafkaBus:
    """`servers`: "host:port,host:port". `client_id`: `{node}.{replica}`, who is who in the brokers' logs.

    With `ssl_context` the connection is mutual TLS; without it plain, for a laptop. `replication_factor` is for `create_topics`.
    """

    name = "kafka"

    def __init__(
        self,
        servers: str,
        *,
        client_id: str,
        ssl_context: ssl.SSLContext | None = None,
        timing: GroupTiming | None = None,
        replication_factor: int = REPLICATION_FACTOR,
    ) -> None:
        self._connection = {
            "bootstrap_servers": servers,
            "client_id": client_id,
            "security_protocol": "SSL" if ssl_context else "PLAINTEXT",
            "ssl_context": ssl_context,
            "retry_backoff_ms": RETRY_BACKOFF_MS,
            "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        }
        self._timing = timing or GroupTiming()
        self._replication_factor = replication_factor

    async def publisher(self) -> "KafkaPublisher":
        producer = AIOKafkaProducer(
            **self._connection,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,  # the relay makes the batches
            max_batch_size=BATCH_LIMIT_BYTES,
            max_request_size=REQUEST_LIMIT_BYTES,
            compression_type="zstd" if has_zstd() else "gzip",
            request_timeout_ms=PRODUCER_REQUEST_TIMEOUT_MS,
        )
        try:
            await within(START_TIMEOUT_S, producer.start(), what="producer start")
        except BaseException:
            await _drop_producer(producer)
            raise
        return KafkaPublisher(producer)

    async def consumer(self, *, group: str, topics: Sequence[str]) -> "KafkaConsumer":
        consumer = AIOKafkaConsumer(
            *topics,
            **self._connection,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=FETCH_LIMIT_RECORDS,
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            max_partition_fetch_bytes=PARTITION_FETCH_LIMIT_BYTES,
            max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
            session_timeout_ms=self._timing.session_timeout_ms,
            heartbeat_interval_ms=self._timing.heartbeat_interval_ms,
            rebalance_timeout_ms=self._timing.rebalance_timeout_ms,
            request_timeout_ms=self._timing.request_timeout_ms,
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),  # exactly one: each costs a JoinGroup of its own
        )
        try:
            await within(START_TIMEOUT_S, consumer.start(), what="consumer start")
        except BaseException:
            await _drop_consumer(consumer)
            raise
        return KafkaConsumer(consumer)

    async def ping(self) -> None:
        """Return when a broker answers with the cluster's metadata."""
        await (await self._admin()).close()

    async def create_topics(self, topics: Sequence[str]) -> None:
        admin = await self._admin()
        try:
            configs = {"retention.ms": str(RETENTION_MS)}
            wanted = [NewTopic(topic, PARTITIONS, self._replication_factor, topic_configs=configs) for topic in topics]
            answer = await within(START_TIMEOUT_S, admin.create_topics(wanted), what="create topics")
        finally:
            await ended(CLIENT_CLOSE_TIMEOUT_S, admin.close())
        created, already_there = 0, 36
        failed = {topic: code for topic, code, *_ in answer.topic_errors if code not in (created, already_there)}
        if failed:  # the admin client returns error codes instead of raising
            raise BusDown(f"create topics: error codes {failed}")

    async def close(self) -> None:
        """Nothing of the bus itself is open."""

    async def _admin(self) -> Any:
        admin = AIOKafkaAdminClient(**self._connection)
        try:
            await within(QUERY_TIMEOUT_S, admin.start(), what="connect")
        except BaseException:
            await ended(CLIENT_CLOSE_TIMEOUT_S, admin.close())
            raise
        return admin


class KafkaPublisher:
    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._partition_of = DefaultPartitioner()  # murmur2, as Java's: every producer puts a key in the same place
        self._finished = False

    async def publish(self, records: Sequence[Record]) -> None:
        refuse_oversize(records)
        if self._finished:
            raise BusDown("this publisher is finished")
        by_topic: dict[str, list[int]] = {}
        for index, record in enumerate(records):
            by_topic.setdefault(record.topic, []).append(index)
        attempt = _Attempt(records)
        sends = [asyncio.create_task(self._send_topic(attempt, topic, indexes)) for topic, indexes in by_topic.items()]
        try:
            if sends:
                await asyncio.wait(sends, timeout=SEND_TIMEOUT_S)
        except BaseException:
            await self._finish(sends)
            raise
        if len(attempt.acknowledged) == len(records):
            return
        await self._finish(sends)
        raise BusDown(
            attempt.error or f"not acknowledged within {SEND_TIMEOUT_S:.0f} s",
            acknowledged=frozenset(attempt.acknowledged),
            refused=frozenset(attempt.refused),
        )

    async def close(self) -> None:
        if not self._finished:
            self._finished = True
            await ended(PRODUCER_STOP_TIMEOUT_S, self._producer.stop())
        await _drop_producer(self._producer)

    async def _finish(self, sends: Sequence[asyncio.Task[None]]) -> None:
        self._finished = True
        for send in sends:
            send.cancel()
        await _drop_producer(self._producer)
        if sends:
            await asyncio.wait(sends, timeout=CANCEL_WAIT_S)

    async def _send_topic(self, attempt: "_Attempt", topic: str, indexes: Sequence[int]) -> None:
        try:
            partitions = sorted(await self._producer.partitions_for(topic))
        except Exception as error:  # whatever aiokafka raises: the attempt has failed, other topics go on
            attempt.failed(error)
            return
        by_partition: dict[int, list[int]] = {}
        for index in indexes:
            partition = self._partition_of(attempt.records[index].key.encode(), partitions, partitions)
            by_partition.setdefault(partition, []).append(index)
        await asyncio.gather(*(self._send_partition(attempt, topic, each) for each in by_partition.items()))

    async def _send_partition(self, attempt: "_Attempt", topic: str, work: tuple[int, list[int]]) -> None:
        """Batch after batch, the next only when the last is acknowledged: a failure must not let later records overtake."""
        partition, indexes = work
        for batch, members in self._batches(attempt.records, indexes):
            try:
                await (await self._producer.send_batch(batch, topic, partition=partition))
            except Exception as error:  # as above: the other partitions go on
                attempt.failed(error)
                if isinstance(error, MessageSizeTooLargeError) and len(members) == 1:
                    attempt.refused.update(members)
                return
            attempt.acknowledged.update(members)

    def _batches(self, records: Sequence[Record], indexes: Sequence[int]) -> Iterator[tuple[Any, list[int]]]:
        batch, members = self._producer.create_batch(), list[int]()
        for index in indexes:
            if len(members) == BATCH_LIMIT_RECORDS or not _append(batch, records[index]):
                yield batch, members
                batch, members = self._producer.create_batch(), []
                _append(batch, records[index])  # the first record of a batch is taken even when it is larger than a batch
            members.append(index)
        if members:
            yield batch, members


class KafkaConsumer:
    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._progress_at = self._checked_at = time.monotonic()

    async def fetch(self, *, timeout_s: float) -> list[Delivered]:
        poll = self._consumer.getmany(timeout_ms=int(timeout_s * 1000), max_records=FETCH_LIMIT_RECORDS)
        polled = await within(SILENCE_LIMIT_S, poll, what="fetch")
        delivered = [_delivered(message) for messages in polled.values() for message in messages]
        if delivered:
            self._progress_at = time.monotonic()
        else:
            await self._watch()
        return delivered

    async def commit(self, next_offsets: Mapping[tuple[str, int], int]) -> bool:
        wanted = {TopicPartition(*place): offset for place, offset in next_offsets.items()}
        try:
            # One partition that is no longer ours would make aiokafka refuse the whole commit.
            ours = {place: wanted[place] for place in wanted.keys() & self._consumer.assignment()}
            if ours:
                await within(COMMIT_TIMEOUT_S, self._consumer.commit(ours), what="offset commit")
        except BusDown as error:
            log.info("offsets not committed yet: %s", error)
            return False
        return True

    def rewind(self, to: Mapping[tuple[str, int], int]) -> None:
        assignment = self._consumer.assignment()
        for place, offset in to.items():
            if TopicPartition(*place) in assignment:
                self._consumer.seek(TopicPartition(*place), offset)

    async def lag(self) -> int:
        return await within(QUERY_TIMEOUT_S, self._lag(), what="lag")

    async def close(self) -> None:
        await _drop_consumer(self._consumer)

    async def _lag(self) -> int:
        assignment = self._consumer.assignment()
        if not assignment:
            return 0
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(assignment)
        return sum([end - await self._consumer.position(place) for place, end in ends.items()])

    async def _watch(self) -> None:
        """Raise BusDown when nothing has come for STALL_LIMIT_S although something should have."""
        now = time.monotonic()
        if now - self._checked_at < STALL_CHECK_INTERVAL_S:
            return
        self._checked_at = now
        assignment = self._consumer.assignment()
        try:
            nothing_to_do = bool(assignment) and await self.lag() == 0
        except BusDown:  # brokers away: aiokafka comes back by itself, and if it has not in time, a new consumer will
            nothing_to_do = False
        if nothing_to_do:
            self._progress_at = now
        elif now - self._progress_at > STALL_LIMIT_S:
            raise BusDown(f"no progress for {STALL_LIMIT_S:.0f} s with {len(assignment)} partitions")


class _Attempt:
    """One publish: what is acknowledged so far, and the first error."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.acknowledged: set[int] = set()
        self.refused: set[int] = set()
        self.error: str | None = None

    def failed(self, error: Exception) -> None:
        self.error = self.error or f"{type(error).__name__}: {error}"


def _append(batch: Any, record: Record) -> bool:
    headers = [(name, text.encode()) for name, text in record.headers.items()]
    taken = batch.append(timestamp=None, key=record.key.encode(), value=record.value, headers=headers)
    return taken is not None


def _delivered(message: Any) -> Delivered:
    headers = {name: _text(raw) for name, raw in message.headers}
    record = Record(topic=message.topic, key=_text(message.key), headers=headers, value=message.value or b"")
    return Delivered(record=record, partition=message.partition, offset=message.offset)


def _text(raw: bytes | None) -> str:
    """Text from a record, whoever wrote it: what is not UTF-8, and NUL, which PostgreSQL cannot store, stays readable."""
    return (raw or b"").decode("utf-8", errors="backslashreplace").replace("\x00", "\\x00")


async def _drop_producer(producer: Any) -> None:
    """End a producer so that nothing it still holds is ever sent: the sender first, then the connections under it."""
    await cancelled(producer._sender.sender_task)
    producer._closed = True
    await ended(CLIENT_CLOSE_TIMEOUT_S, producer.client.close())


async def _drop_consumer(consumer: Any) -> None:
    """Leave the group in order if that goes quickly; in any case end every task of the consumer and its connections."""
    await ended(CONSUMER_STOP_TIMEOUT_S, consumer.stop())
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    names = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task")
    for task in (*(getattr(coordinator, name, None) for name in names), getattr(fetcher, "_fetch_task", None)):
        await cancelled(task)
    await ended(CLIENT_CLOSE_TIMEOUT_S, consumer._client.close())
