"""Run folders and the ports of the bureaus: one run at a time, nobody else's folder, the next block where a port is taken."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.harness import nodes
from services.harness.network import BUREAUS
from services.harness.nodes import profile_ports
from services.harness.run_folder import MARK, RunFolder
from services.harness.stack import StackError


def test_folder_of_a_run_is_taken_by_one_run_at_a_time(tmp_path: Path) -> None:
    first = RunFolder(tmp_path)
    first.take()
    with pytest.raises(StackError, match="in use by another run"):
        RunFolder(tmp_path).take()
    first.release()
    RunFolder(tmp_path).take()


def test_emptying_leaves_nothing_of_the_run_before(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.take()
    (run.path / "keys").mkdir()
    (run.path / "keys" / "kek").write_text("secret")
    (run.path / "ports.json").write_text("{}")
    run.empty()
    assert {file.name for file in run.path.iterdir()} == {"lock", MARK}


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("mine")
    run = RunFolder(tmp_path / "run")
    run.take()
    (run.path / "link").symlink_to(tmp_path / "precious")
    run.empty()
    assert (tmp_path / "precious" / "file").read_text() == "mine"


def test_folder_with_something_else_in_it_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(StackError, match="no run folder"):
        RunFolder(tmp_path).take()


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Somebody listens on the web port that Zhejiang would have."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setattr(nodes, "FIRST_WEB_PORT", port - BUREAUS.index("zhejiang"))
        monkeypatch.setattr(nodes, "FIRST_PEER_PORT", port + 1_000)
        yield port


def test_taken_port_moves_all_bureaus_to_the_next_block_and_is_told(listening: int) -> None:
    told: list[dict[str, str | int]] = []
    ports = profile_ports(lambda message, /, **values: told.append(values))
    assert [one["port"] for one in told] == [listening]
    assert (ports["zhejiang"].web - listening) % nodes.PORT_STEP == 0  # the last digit still tells the bureau
    assert listening not in {port for pair in ports.values() for port in (pair.web, pair.peer)}
    assert len({port for pair in ports.values() for port in (pair.web, pair.peer)}) == 2 * len(BUREAUS)
