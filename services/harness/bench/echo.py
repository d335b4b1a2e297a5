"""Floor (a): the same bytes through Apache Kafka alone, by aiokafka, from one process to another; nothing is kept.

A receiver in a process of its own notes when it has each record in hand. One way, as a message of ours travels.
"""

import asyncio
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.harness.bench.child import Child, tell
from shared.messaging.kafka import KafkaBus

TOPIC = "bench.echo"
PATIENCE_SECONDS = 60.0
FETCH_MS = 500  # a real broker answers on data, not after this


async def make_topic(servers: str) -> None:
    """Raises BusDown."""
    bus = KafkaBus(servers, client_id="bench", replication_factor=1)
    try:
        await bus.create_topics([TOPIC])
    finally:
        await bus.close()


async def latencies(servers: str, payload: bytes, *, count: int, a_second: float) -> list[float]:
    """Seconds from the intended send until the other process has the record, `a_second` of them a second (open loop)."""
    async with Child(__name__, servers, str(count)) as receiver:
        await receiver.said()  # it is subscribed
        producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True, linger_ms=0)
        await producer.start()
        try:
            begun, sends = time.time() + 1.0, []
            for number in range(count):
                await asyncio.sleep(max(0.0, begun + number / a_second - time.time()))
                sends.append(asyncio.ensure_future(producer.send_and_wait(TOPIC, payload, key=b"k", partition=0)))
            await asyncio.gather(*sends)
            arrived = (await receiver.said())["arrived"]
        finally:
            await producer.stop()
    return [at - (begun + number / a_second) for number, at in enumerate(arrived)]


async def _receive(servers: str, count: int) -> None:
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=servers, fetch_max_wait_ms=FETCH_MS, auto_offset_reset="latest")
    await consumer.start()
    while not consumer.assignment():
        await consumer.getmany(timeout_ms=FETCH_MS)
    for partition in consumer.assignment():
        await consumer.position(partition)
    tell(ready=True)
    arrived: list[float] = []
    while len(arrived) < count:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await consumer.getone()
        arrived.append(time.time())
    tell(arrived=arrived)
    await consumer.stop()


if __name__ == "__main__":
    asyncio.run(_receive(sys.argv[1], int(sys.argv[2])))
