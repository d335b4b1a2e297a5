"""A server as our own child: its pid is ours, so that it can be killed, frozen and started again; its output goes to a file."""

import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from services.harness.interrupts import finished_first
from services.harness.stack.errors import StackError
from shared.identifiers.texts import N_

POLL_INTERVAL_S = 0.02
KILL_WAIT_S = 10.0
LOG_TAIL_LINES = 15


class ServerProcess:
    """One child process. `name` is for sentences, `log` receives its output (appended), `pid_file` its process id."""

    def __init__(self, name: str, *, log: Path, pid_file: Path | None = None) -> None:
        self.name = name
        self.log = log
        self._pid_file = pid_file
        self._child: subprocess.Popen[bytes] | None = None
        self._launching = threading.Lock()
        self._given_up = False

    @property
    def pid(self) -> int:
        """The child's process id; 0 when there is none."""
        return self._child.pid if self.running and self._child is not None else 0

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def launch(self, command: Sequence[str]) -> None:
        """Start it. StackError after `give_up`."""
        with self.log.open("ab") as output, finished_first(), self._launching:
            self._require_wanted()
            # A session of its own: Ctrl-C reaches the harness, which stops its servers after the nodes.
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
            if self._pid_file is not None:
                self._pid_file.write_text(str(self._child.pid))

    def give_up(self, sent: signal.Signals) -> None:
        """For another thread than the one that starts it: ask what runs to end, and launch nothing any more.

        The starting thread then gets a StackError, and stops what there is."""
        with self._launching:
            self._given_up = True
            child = self._child
            if child is not None and child.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, sent)  # with its helpers: it leads a session of its own

    def _require_wanted(self) -> None:
        if self._given_up:
            raise StackError(N_("{server} was not to start any more"), server=self.name)

    def wait_done(self, *, timeout_s: float) -> None:
        """Return when a tool has done its work. StackError with the end of its log when it failed, or the time is up."""
        if self._child is None:
            raise AssertionError("launch comes first")
        try:
            code = self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill9()
            code = -signal.SIGKILL
        self._require_wanted()
        if code != 0:
            raise StackError(N_("{program} failed: {output}"), program=self.name, output=self.tail())

    def wait_ready(self, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Return when `is_ready`. StackError with the end of the log when the child has died or the time is up."""
        ends_at = time.monotonic() + timeout_s
        while not is_ready():
            if not self.running:
                raise StackError(N_("{server} ended while starting; its log says: {log}"), server=self.name, log=self.tail())
            if time.monotonic() > ends_at:
                self.kill9()
                raise StackError(
                    N_("{server} was not ready after {seconds} s; its log says: {log}"),
                    server=self.name,
                    seconds=int(timeout_s),
                    log=self.tail(),
                )
            time.sleep(POLL_INTERVAL_S)

    def stop(self, sent: signal.Signals, *, timeout_s: float) -> None:
        """Ask with `sent`; after `timeout_s` kill. Nothing happens when the child is gone already."""
        if self._child is None:
            return
        self._child.send_signal(sent)
        self._child.send_signal(signal.SIGCONT)  # a frozen one would not hear it
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill9()
        self._child = None

    def kill9(self) -> None:
        """SIGKILL, as a power cut would; returns when the process is gone."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(KILL_WAIT_S)
            self._child = None

    def kill_leftover(self, mark: str) -> None:
        """Kill the child of an earlier harness that died: the process in the pid file, if `mark` stands in its command line."""
        ends_at = time.monotonic() + KILL_WAIT_S
        while (pid := self.leftover(mark)) and time.monotonic() < ends_at:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            time.sleep(POLL_INTERVAL_S)

    def leftover(self, mark: str) -> int:
        """The process in the pid file, if it runs, is neither our child nor we, and has `mark` in its command line; else 0."""
        if self._pid_file is None or self.running or not self._pid_file.exists():
            return 0
        pid = int(self._pid_file.read_text() or 0)
        return pid if pid != os.getpid() and mark in _command_line(pid) else 0

    def freeze(self) -> None:
        """SIGSTOP: a host that is there and does not answer."""
        if self._child is not None:
            self._child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._child is not None:
            self._child.send_signal(signal.SIGCONT)

    def tail(self) -> str:
        """The last lines of the log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-LOG_TAIL_LINES:])


def _command_line(pid: int) -> str:
    """What the process was started with; "" when it is gone, or dead and not yet collected by its parent."""
    if Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
        return ""
    shown = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True, timeout=KILL_WAIT_S
    )
    return shown.stdout


class FolderLock:
    """Held by the harness that runs a server in a folder; given back by the system when that harness dies, however it dies.

    So whoever gets the lock knows that a server it still finds in the folder is a leftover that nobody looks after.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def take(self) -> None:
        """StackError when another harness has it; nothing when we have it already."""
        if self._descriptor is not None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise StackError(N_("folder {folder} is in use by another run"), folder=str(self._folder)) from error
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class FolderServer:
    """One server in a folder of its own, which no other harness uses meanwhile; how it starts is said by its kind."""

    def __init__(self, folder: Path, process: ServerProcess, *, stop_signal: signal.Signals, stop_timeout_s: float) -> None:
        self.folder = folder
        self._process = process
        self._lock = FolderLock(folder)
        self._stop_signal = stop_signal
        self._stop_timeout_s = stop_timeout_s

    @property
    def pid(self) -> int:
        """The server's process id; 0 when it does not run."""
        return self._process.pid

    def stop(self) -> None:
        self._end()
        self._lock.release()

    def stop_leftover(self) -> None:
        """End what an earlier harness, itself killed, left running in the folder. StackError when another one uses it."""
        if self.folder.exists():
            self._lock.take()
            self._end_leftover()
            self._lock.release()

    def kill9(self) -> None:
        """SIGKILL. Data, ports and the lock on the folder stay: `restart` follows."""
        self._process.kill9()

    def freeze(self) -> None:
        self._process.freeze()

    def thaw(self) -> None:
        self._process.thaw()

    def _end(self) -> None:
        self._process.stop(self._stop_signal, timeout_s=self._stop_timeout_s)

    def _end_leftover(self) -> None:
        """We hold the folder's lock, so nobody needs what still runs in it."""
        raise NotImplementedError
