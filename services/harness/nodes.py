"""One bureau's node as a process of the harness, and its ports."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx2 as httpx

from services.harness.interrupts import finished_first
from services.harness.network import BUREAUS
from services.harness.run_folder import PORTS
from services.harness.stack import StackError
from services.harness.stack.process import ServerProcess
from shared.identifiers.texts import N_

READY_SECONDS = 60.0  # a node is ready in 2 to 5; much later on a machine that is busy with something else
READY_POLL_SECONDS = 0.05
STOP_SECONDS = 25.0
ANSWER_SECONDS = 2.0
TAIL_CHARACTERS = 2_000
NODE_PROGRAM = "services.cli"
NODE_COMMAND = (sys.executable, "-m", NODE_PROGRAM, "node")
FIRST_WEB_PORT, FIRST_PEER_PORT = 8031, 9031  # the profiles' (architecture.md 5)
PORT_STEP = 10  # another block keeps the last digit, which tells the bureau
PORT_BLOCKS = 90


class Progress(Protocol):
    """Told what happens, as a msgid with its values."""

    def __call__(self, message: str, /, **values: str | int) -> None: ...


def no_progress(message: str, /, **values: str | int) -> None:
    """For who does not watch."""


@dataclass(frozen=True, slots=True)
class Ports:
    web: int
    peer: int


@dataclass
class NodeProcess:
    """One bureau's process. `environment` is all that it is told."""

    bureau: str
    ports: Ports
    environment: Mapping[str, str]
    command: Sequence[str] = NODE_COMMAND
    log: Path = field(default_factory=Path)
    process: subprocess.Popen[bytes] | None = None

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.ports.web}"

    @property
    def pid_file(self) -> Path:
        return pid_file(self.log.parent, self.bureau)

    def start(self) -> None:
        with self.log.open("ab") as log, finished_first():
            self.process = subprocess.Popen(
                [*self.command, self.bureau],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            self.pid_file.write_text(str(self.process.pid))

    @property
    def ended(self) -> int | None:
        """The exit code of a process that has ended by itself (a signal's number, negative); None while it runs."""
        return None if self.process is None else self.process.poll()

    def kill9(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def terminate(self) -> None:
        """Ask it to end; `stop` waits for it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        self.terminate()
        if self.process is None:
            return
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill9()
        self.process = None

    def kill_leftover(self) -> None:
        """Kill the node that an earlier harness, itself killed, has left, or that somebody has started again by hand."""
        _noted(self.log.parent, self.bureau).kill_leftover(NODE_PROGRAM)

    def wait_ready(self) -> None:
        """Until the node has prepared itself and its loops run. Raises StackError with the end of its log."""
        ends_at = time.monotonic() + READY_SECONDS
        while time.monotonic() < ends_at:
            if self.process is None or self.process.poll() is not None:
                break
            if self.is_ready():
                return
            time.sleep(READY_POLL_SECONDS)
        raise StackError(
            N_("the node of {bureau} does not start; the end of its log:\n{tail}"), bureau=self.bureau, tail=self.tail()
        )

    def is_ready(self) -> bool:
        try:
            report = httpx.get(f"{self.web}/health/ready", timeout=ANSWER_SECONDS, trust_env=False).json()
        except (httpx.HTTPError, ValueError):
            return False
        parts = report.get("parts", {})
        return all(parts.get(f"loop.{name}", {}).get("status") == "ok" for name in ("prepare", "relay", "consumer"))

    def tail(self) -> str:
        """The end of its log."""
        return tail_of(self.log)


def read_ports(folder: Path) -> dict[str, Ports]:
    """The ports of a run folder. StackError when no run was prepared there."""
    try:
        listed = json.loads((folder / PORTS).read_text())
    except (OSError, ValueError):
        raise StackError(
            N_("there is no run in {folder}: start one with `quanyu demo`, or name its folder with --folder"), folder=str(folder)
        ) from None
    return {bureau: Ports(**ports) for bureau, ports in listed.items()}


def profile_ports(progress: Progress) -> dict[str, Ports]:
    """8031-8034 and 9031-9034; where one of them is taken the next block of ten."""
    first_taken = 0
    for block in range(PORT_BLOCKS):
        shift = block * PORT_STEP
        chosen = {bureau: Ports(FIRST_WEB_PORT + shift + i, FIRST_PEER_PORT + shift + i) for i, bureau in enumerate(BUREAUS)}
        taken = next((port for ports in chosen.values() for port in (ports.web, ports.peer) if not is_free(port)), 0)
        if not taken:
            if first_taken:
                message = N_(
                    "port {port} is taken by another program: the bureaus are on {web} and {peer} and the three after each"
                )
                progress(message, port=first_taken, web=FIRST_WEB_PORT + shift, peer=FIRST_PEER_PORT + shift)
            return chosen
        first_taken = first_taken or taken
    raise StackError(N_("no eight free ports for four bureaus; port {port} is taken"), port=first_taken)


def is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what was just closed is free, as for the node
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def pid_file(folder: Path, bureau: str) -> Path:
    """Where a run folder notes the process of a node."""
    return folder / f"{bureau}.pid"


def running_pid(folder: Path, bureau: str) -> int:
    """The node of this run folder that runs, whoever started it; 0 when there is none."""
    return _noted(folder, bureau).leftover(f"{NODE_PROGRAM} node {bureau}")


def _noted(folder: Path, bureau: str) -> ServerProcess:
    return ServerProcess(bureau, log=folder / f"{bureau}.log", pid_file=pid_file(folder, bureau))


def tail_of(log: Path) -> str:
    """The last lines of a log; "" when there is none."""
    return log.read_text(errors="replace")[-TAIL_CHARACTERS:].strip() if log.exists() else ""
