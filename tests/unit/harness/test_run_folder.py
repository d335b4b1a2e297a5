"""Run folders and the ports of the bureaus: one run at a time, nobody else's folder, the next block where a port is taken."""

import errno
import shutil
import socket
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


def test_taken_port_moves_all_bureaus_to_the_next_block_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = nodes.FIRST_WEB_PORT + BUREAUS.index("zhejiang")
    monkeypatch.setattr(nodes, "is_free", lambda port: port != taken)  # whatever else runs on this machine
    told: list[dict[str, str | int]] = []
    ports = profile_ports(lambda message, /, **values: told.append(values))
    assert [one["port"] for one in told] == [taken]
    assert ports["zhejiang"].web == taken + nodes.PORT_STEP  # the last digit still tells the bureau
    assert len({port for pair in ports.values() for port in (pair.web, pair.peer)}) == 2 * len(BUREAUS)


def test_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert not nodes.is_free(other.getsockname()[1])


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTEMPTY])
def test_folder_is_emptied_even_while_somebody_else_deletes_or_writes_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    run = RunFolder(tmp_path / "run")
    run.take()
    for name in ("data", "log"):
        (run.path / name).mkdir()
        (run.path / name / "file").touch()
    remove, vanishing = shutil.rmtree, [run.path / "data" / "file"]

    def rmtree(folder: Path) -> None:
        while vanishing:
            vanishing.pop().unlink()
            raise OSError(number, "as shutil says, when what it has listed is gone or more has come")
        remove(folder)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    run.empty()
    assert {file.name for file in run.path.iterdir()} == {"lock", MARK}
