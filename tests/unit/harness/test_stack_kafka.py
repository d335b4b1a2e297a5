"""What the Kafka part of the stack decides without a broker: what is missing, what is cached, what is written."""

import socket
import struct
import threading
from pathlib import Path

import pytest

from services.harness.stack import kafka
from services.harness.stack.errors import StackError
from services.harness.stack.ports import free_ports
from tests.unit.harness.conftest import install


def test_a_machine_without_maven_is_told_what_to_install(programs: Path, tmp_path: Path) -> None:
    assert not list(programs.iterdir())
    with pytest.raises(StackError, match="fetched by Maven the first time: install it"):
        kafka.fetch_jars(tmp_path / "cache")


def test_maven_is_asked_once(programs: Path, tmp_path: Path) -> None:
    fetch = """for word in "$@"; do case "$word" in -DoutputDirectory=*) /bin/mkdir -p "${word#*=}";; esac; done"""
    install(programs, "mvn", fetch)
    jars = kafka.fetch_jars(tmp_path / "cache")
    assert jars.is_dir()
    (programs / "mvn").unlink()
    assert kafka.fetch_jars(tmp_path / "cache") == jars


def test_what_maven_says_when_it_fails_is_passed_on_and_nothing_half_fetched_stays(programs: Path, tmp_path: Path) -> None:
    install(programs, "mvn", "echo 'no such host'; exit 1")
    with pytest.raises(StackError, match="mvn failed: no such host"):
        kafka.fetch_jars(tmp_path / "cache")
    [folder] = (tmp_path / "cache").iterdir()
    assert list(folder.iterdir()) == []


def test_a_comma_in_the_data_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="has a comma"):
        kafka._write_properties(
            tmp_path / "server.properties", data=tmp_path / "a,b", seat=kafka.Seat(1, "", ((1, 2),)), certificates=None
        )


def test_ids_are_16_bytes_that_no_tool_takes_for_an_option() -> None:
    ids = {kafka.new_id() for _ in range(300)}
    assert len(ids) == 300
    assert all(len(each) == 22 and not each.startswith("-") for each in ids)


@pytest.mark.parametrize(("listed", "expected"), [(1, 1), (0, 0)])  # a fenced broker answers, but is not listed
def test_readiness_is_what_the_broker_lists(listed: int, expected: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                (size,) = struct.unpack(">i", connection.recv(4))
                request = connection.recv(size)
                assert request[:4] == b"\x00\x03\x00\x04"  # Metadata, version 4
                connection.sendall(struct.pack(">iiii", 12, 1, 0, listed))

        thread = threading.Thread(target=answer)
        thread.start()
        assert kafka.brokers_known_at(server.getsockname()[1]) == expected
        thread.join()


def test_a_port_that_nobody_listens_on_is_not_ready() -> None:
    assert kafka.brokers_known_at(free_ports(1)[0]) == 0
