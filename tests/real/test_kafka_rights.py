"""Apache Kafka with mutual TLS and access rights, prepared by the program that prepares it in production."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.harness.network import BUREAUS
from services.harness.stack import KafkaServer, StackError
from services.harness.stack.certificates import ADMIN, BusCertificates
from services.harness.stack.kafka import Seat, broker_name, new_id
from services.harness.stack.kafka_admin import BusAdmin
from services.harness.stack.ports import free_ports
from shared.messaging.bus import BusDown, Record
from shared.messaging.kafka import KafkaBus, KafkaTls

pytestmark = pytest.mark.kafka

TOPIC_OF = "{}.transfers"
NOT_LET_IN = "bootstrap"  # the reason is only in the broker's log
RIGHTS = 20  # four bureaus: own topics, own groups, three others' topics


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> BusCertificates:
    made = BusCertificates(tmp_path_factory.mktemp("certificates"))
    assert made.make_authority()
    made.issue(broker_name(1), ("localhost", "127.0.0.1"))
    for name in (ADMIN, *BUREAUS):
        made.issue(name)
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificates: BusCertificates) -> Iterator[KafkaServer]:
    [port, controller] = free_ports(2)
    seat = Seat(1, new_id(), ((port, controller),))
    server = KafkaServer(tmp_path_factory.mktemp("kafka"), seat=seat, certificates=certificates)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def admin(server: KafkaServer, certificates: BusCertificates) -> BusAdmin:
    """The administrator of a bus that is prepared."""
    admin = BusAdmin(server.bootstrap_servers, certificates.client(ADMIN))
    topics = [change.message for change in admin.prepare_topics(BUREAUS, copies=1)]
    rights = [change.message for change in admin.prepare_rights(BUREAUS)]
    assert set(topics) == {"topic made: {topic}"}
    assert rights == ["right given: {right}"] * RIGHTS
    return admin


def bus_of(server: KafkaServer, tls: KafkaTls, name: str) -> KafkaBus:
    return KafkaBus(server.bootstrap_servers, client_id=f"{name}.1", ssl_context=tls.context(), replication_factor=1)


async def publish(bus: KafkaBus, topic: str, value: bytes = b"sealed") -> None:
    publisher = await bus.publisher()
    try:
        await publisher.publish([Record(topic=topic, key="case", headers={}, value=value)])
    finally:
        await publisher.close()


def test_prepared_again_nothing_is_changed(admin: BusAdmin) -> None:
    assert admin.prepare_topics(BUREAUS, copies=1) == []
    assert admin.prepare_rights(BUREAUS) == []


def test_what_was_set_otherwise_is_set_right_and_foreign_rights_are_told(admin: BusAdmin) -> None:
    [joined] = {
        change.values["right"] for change in admin.prepare_rights([*BUREAUS, "fujian"]) if "read group" in str(change.values)
    }
    assert joined == "User:fujian read group fujian.*"
    left = admin.prepare_rights(BUREAUS)
    assert {change.wanted for change in left} == {False}
    assert joined in {change.values["right"] for change in left}


def test_a_topic_with_too_few_copies_is_refused_with_a_sentence(admin: BusAdmin) -> None:
    with pytest.raises(StackError, match=r"6 partitions in 1 copies, not 6 in 3"):
        admin.prepare_topics(BUREAUS, copies=3)


async def test_a_message_travels_between_bureaus_with_their_certificates(
    server: KafkaServer, certificates: BusCertificates, admin: BusAdmin
) -> None:
    assert admin
    shanghai, zhejiang = (bus_of(server, certificates.client(name), name) for name in ("shanghai", "zhejiang"))
    consumer = await zhejiang.consumer(group="zhejiang.node", topics=[TOPIC_OF.format("zhejiang")])
    await publish(shanghai, TOPIC_OF.format("zhejiang"))
    got = []
    async with asyncio.timeout(20):
        while not got:
            got = await consumer.fetch(timeout_s=0.5)
    await consumer.commit({(one.record.topic, one.partition): one.offset + 1 for one in got})
    await consumer.close()
    assert [one.record.value for one in got] == [b"sealed"]


async def test_a_bureau_cannot_read_another_ones_topic(
    server: KafkaServer, certificates: BusCertificates, admin: BusAdmin
) -> None:
    assert admin
    bus = bus_of(server, certificates.client("shanghai"), "shanghai")
    foreign = TOPIC_OF.format("zhejiang")
    consumer = await bus.consumer(group="shanghai.node", topics=[foreign])  # it may write there, so it sees that it is there
    with pytest.raises(BusDown, match="TopicAuthorizationFailed"):
        await consumer.fetch(timeout_s=2)
    await consumer.close()
    with pytest.raises(BusDown, match="GroupAuthorizationFailed"):
        await bus.consumer(group="zhejiang.node", topics=[TOPIC_OF.format("shanghai")])


@pytest.mark.parametrize("topic", ["shanghai.transfers", "journal.zhejiang", "journal.shanghai", "elsewhere"])
async def test_a_bureau_writes_only_to_the_others(
    server: KafkaServer, certificates: BusCertificates, admin: BusAdmin, topic: str
) -> None:
    assert admin
    with pytest.raises(BusDown, match="TopicAuthorizationFailed"):
        await publish(bus_of(server, certificates.client("shanghai"), "shanghai"), topic)


async def test_a_bureau_makes_and_deletes_no_topic(server: KafkaServer, certificates: BusCertificates, admin: BusAdmin) -> None:
    assert admin
    tls = certificates.client("shanghai").context()
    client = AIOKafkaAdminClient(bootstrap_servers=server.bootstrap_servers, security_protocol="SSL", ssl_context=tls)
    await client.start()
    try:
        made = await client.create_topics([NewTopic("shanghai.more", 1, 1)])
        deleted = await client.delete_topics([TOPIC_OF.format("shanghai")])
    finally:
        await client.close()
    refused = 29
    assert [error[1] for error in made.topic_errors] == [refused]
    assert [error[1] for error in deleted.topic_error_codes] == [refused]


async def test_a_stranger_is_not_let_in(server: KafkaServer, certificates: BusCertificates, tmp_path: Path) -> None:
    with pytest.raises(BusDown, match=NOT_LET_IN):  # no TLS at all
        await KafkaBus(server.bootstrap_servers, client_id="stranger.1").ping()
    bare = certificates.client("shanghai").context()
    bare = type(bare)(bare.protocol)
    bare.load_verify_locations(cafile=certificates.ca)
    with pytest.raises(BusDown, match=NOT_LET_IN):  # no certificate
        await KafkaBus(server.bootstrap_servers, client_id="stranger.1", ssl_context=bare).ping()
    other = BusCertificates(tmp_path / "other")
    other.make_authority()
    other.issue("shanghai")
    mixed = KafkaTls(certificates.ca, other.client("shanghai").certificate, other.client("shanghai").key)
    with pytest.raises(BusDown, match=NOT_LET_IN):  # a certificate in Shanghai's name by another authority
        await bus_of(server, mixed, "shanghai").ping()
    real = certificates.client("shanghai")
    with pytest.raises(BusDown, match=NOT_LET_IN):  # and a broker of another authority is not believed
        await bus_of(server, KafkaTls(other.ca, real.certificate, real.key), "shanghai").ping()
