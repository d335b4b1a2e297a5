"""What the bus is prepared with, decided without a broker: rights, settings of topics, certificates."""

import ssl
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from services.harness.network import BUREAUS
from services.harness.stack import StackError
from services.harness.stack.certificates import ADMIN, BusCertificates
from services.harness.stack.kafka_admin import BusAdmin, topic_settings, wanted_rights
from tests.unit.harness.conftest import Quanyu


def test_a_bureau_reads_only_its_own_and_writes_only_to_the_others() -> None:
    rights = [right for right in wanted_rights(BUREAUS) if right.principal == "User:zhejiang"]
    reads = {(right.restype, right.name) for right in rights if right.operation is AclOperation.READ}
    writes = {right.name for right in rights if right.operation is AclOperation.WRITE}
    assert reads == {(ResourceType.TOPIC, "zhejiang."), (ResourceType.GROUP, "zhejiang.")}
    assert writes == {"shanghai.", "jiangsu.", "anhui."}
    assert len(rights) == len(reads) + len(writes)


def test_one_copy_is_written_through_and_three_need_two() -> None:
    assert topic_settings(1) == {"retention.ms": "1209600000", "min.insync.replicas": "1", "flush.messages": "1"}
    assert topic_settings(3) == {"retention.ms": "1209600000", "min.insync.replicas": "2"}


def test_certificates_are_made_once_and_renewed_when_asked(quanyu: Quanyu, tmp_path: Path) -> None:
    command = ("bus", "certificates", str(tmp_path / "bus"), "--broker", "broker-1=kafka-1", "--broker", "broker-1=127.0.0.1")
    first = quanyu(*command)
    assert [line.split()[2] for line in first.out.splitlines()[1:]] == [ADMIN, *BUREAUS, "broker-1"]
    assert quanyu(*command).out == ""
    before = (tmp_path / "bus" / "anhui.pem").read_bytes()
    quanyu(*command, "--renew")
    assert (tmp_path / "bus" / "anhui.pem").read_bytes() != before
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "bus").glob("*.key")} == {0o600}
    assert BusCertificates(tmp_path / "bus").client("anhui").context().verify_mode is ssl.CERT_REQUIRED


def test_a_certificate_without_its_authority_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="cannot be read"):
        BusCertificates(tmp_path).issue("anhui")


def test_a_file_that_is_missing_is_said(quanyu: Quanyu, tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("ca.pem", "admin.pem", "admin.key")]
    ran = quanyu("bus", "prepare", "127.0.0.1:1", "--ca", files[0], "--certificate", files[1], "--key", files[2])
    assert ran.code == 1
    assert "refuses" in ran.err
    assert quanyu("bus", "prepare", "127.0.0.1:1", "--ca", files[0]).code == 2


def test_a_broker_that_is_away_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.harness.stack.kafka_admin.CALL_TIMEOUT_S", 0.5)
    with pytest.raises(StackError, match=r"Apache Kafka at 127\.0\.0\.1:1 refuses"):
        BusAdmin("127.0.0.1:1").prepare_topics(BUREAUS)
