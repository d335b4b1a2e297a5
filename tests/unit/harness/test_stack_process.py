"""Servers as children: ports, readiness, kills, leftovers and the lock on a folder."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from services.harness.stack.errors import StackError
from services.harness.stack.ports import FIRST_PORT, LAST_PORT, free_ports
from services.harness.stack.process import FolderLock, ServerProcess

ROOT = Path(__file__).parents[3]
SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
DIES = [sys.executable, "-c", "print('no such disk'); raise SystemExit(3)"]
IGNORES_TERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def process(tmp_path: Path) -> ServerProcess:
    return ServerProcess("The server", log=tmp_path / "log", pid_file=tmp_path / "pid")


def up(process: ServerProcess) -> bool:
    return "up" in process.tail()


def test_ports_are_free_different_and_below_those_of_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        assert FIRST_PORT <= port <= LAST_PORT < 32_768
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_an_error_is_a_sentence_with_its_msgid_and_values() -> None:
    error = StackError("{server} is {state}", server="PostgreSQL", state="away")
    assert str(error) == "PostgreSQL is away"
    assert error.message == "{server} is {state}"
    assert error.values == {"server": "PostgreSQL", "state": "away"}


def test_a_child_that_becomes_ready_has_a_pid_until_it_is_stopped(process: ServerProcess) -> None:
    process.launch(SLEEPER)
    process.wait_ready(lambda: up(process), timeout_s=10)
    assert process.running
    assert process.pid
    process.stop(signal.SIGTERM, timeout_s=5)
    assert not process.running
    assert process.pid == 0
    process.stop(signal.SIGTERM, timeout_s=5)  # nothing to stop is fine


def test_a_child_that_dies_while_starting_is_reported_with_its_log(process: ServerProcess) -> None:
    process.launch(DIES)
    with pytest.raises(StackError, match=r"The server ended while starting.*no such disk"):
        process.wait_ready(lambda: False, timeout_s=10)


def test_a_child_that_does_not_become_ready_is_killed(process: ServerProcess) -> None:
    process.launch(SLEEPER)
    with pytest.raises(StackError, match="not ready after 0 s"):
        process.wait_ready(lambda: False, timeout_s=0.1)
    assert not process.running


def test_a_child_that_ignores_the_request_is_killed(process: ServerProcess) -> None:
    process.launch([sys.executable, "-c", IGNORES_TERM])
    process.wait_ready(lambda: up(process), timeout_s=10)
    process.stop(signal.SIGTERM, timeout_s=0.2)
    assert not process.running


def test_a_child_that_is_given_up_ends_with_its_helpers_and_none_starts_any_more(process: ServerProcess) -> None:
    process.launch(["sh", "-c", "sleep 60 & echo helper $!; echo up; wait"])
    process.wait_ready(lambda: up(process), timeout_s=10)
    helper = int(process.tail().split()[1])
    process.give_up(signal.SIGTERM)
    with pytest.raises(StackError, match="was not to start any more"):
        process.wait_done(timeout_s=10)
    process.stop(signal.SIGTERM, timeout_s=5)
    ends_at = time.monotonic() + 5
    while psutil.pid_exists(helper) and psutil.Process(helper).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < ends_at
        time.sleep(0.01)
    with pytest.raises(StackError, match="was not to start any more"):
        process.launch(SLEEPER)
    assert not process.running


def test_a_tool_that_fails_or_takes_too_long_is_reported_with_its_log(process: ServerProcess) -> None:
    process.launch(DIES)
    with pytest.raises(StackError, match=r"The server failed: no such disk"):
        process.wait_done(timeout_s=10)
    process.launch(SLEEPER)
    with pytest.raises(StackError, match="The server failed"):
        process.wait_done(timeout_s=0.1)
    assert not process.running


def test_a_frozen_child_can_be_stopped(process: ServerProcess) -> None:
    process.launch(SLEEPER)
    process.wait_ready(lambda: up(process), timeout_s=10)
    process.freeze()
    started = time.monotonic()
    process.stop(signal.SIGTERM, timeout_s=5)
    assert time.monotonic() - started < 4


def test_the_child_of_a_harness_that_died_is_killed_if_it_is_the_one_we_mean(process: ServerProcess, tmp_path: Path) -> None:
    with subprocess.Popen([*SLEEPER, "the-mark"], stdout=subprocess.PIPE) as leftover:
        assert leftover.stdout is not None
        assert leftover.stdout.readline() == b"up\n"
        (tmp_path / "pid").write_text(str(leftover.pid))
        process.kill_leftover("another-mark")  # the number may meanwhile belong to somebody else
        assert leftover.poll() is None
        process.kill_leftover("the-mark")
        assert leftover.wait(5) == -signal.SIGKILL


def test_a_pid_file_of_nobody_is_no_trouble(process: ServerProcess, tmp_path: Path) -> None:
    process.kill_leftover("mark")
    (tmp_path / "pid").write_text("999999999")
    process.kill_leftover("mark")
    assert not process.running


def test_a_folder_is_run_by_one_harness_at_a_time(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.take()
    first.take()  # ours already
    with pytest.raises(StackError, match="in use by another run"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_a_killed_harness_gives_its_folder_back(tmp_path: Path) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from services.harness.stack.process import FolderLock;"
        "lock = FolderLock(Path(sys.argv[1])); lock.take(); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StackError):
            FolderLock(tmp_path).take()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    lock = FolderLock(tmp_path)
    lock.take()
    lock.release()
