"""Databases and roles of bureaus on a PostgreSQL server, embedded or given by URL.

Each bureau has two roles: `<bureau>_owner` owns the schema and runs migrations, `<bureau>_node` is the running node: it reads and
writes rows, and can neither change the schema nor connect to another bureau's database.
"""

import asyncio
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg

from services.harness.stack.errors import StackError
from shared.identifiers.texts import N_

NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
PASSWORD_BYTES = 24
DEFAULT_PORT = 5432
CONNECT_TIMEOUT_S = 10.0
IDLE_IN_TRANSACTION_LIMIT = "30s"  # a unit of work is milliseconds; a node that hangs inside one must not hold its locks
TEMPLATE_BUSY_LIMIT_S = 5.0  # a pool that is just closing still holds its connections to the template for a moment
RETRY_INTERVAL_S = 0.05

T = TypeVar("T")


def owner_role(bureau: str) -> str:
    return f"{bureau}_owner"


def node_role(bureau: str) -> str:
    return f"{bureau}_node"


class Databases:
    """What can be done on a server whose superuser is reached by `admin_dsn()` (a callable: the port may be chosen late).

    `passwords` is a file of ours (mode 0600) with the passwords of the roles that we make.
    """

    def __init__(self, admin_dsn: Callable[[], str], *, passwords: Path) -> None:
        self._admin_dsn = admin_dsn
        self._passwords = passwords

    def create_database(self, database: str, *, bureau: str) -> None:
        """Make the bureau's two roles and a database that only they can connect to; what exists stays, passwords are renewed."""
        owner, node = owner_role(bureau), node_role(bureau)
        _require_names(database, owner, node)

        async def make(admin: asyncpg.Connection) -> None:
            for role in (owner, node):
                if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                    await admin.execute(f'CREATE ROLE "{role}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE')
                await admin.execute(f"ALTER ROLE \"{role}\" PASSWORD '{self._password(role)}'")
            await admin.execute(f"ALTER ROLE \"{node}\" SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_LIMIT}'")
            if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
                await admin.execute(f'CREATE DATABASE "{database}" OWNER "{owner}"')
            await _close_to_others(admin, database, (owner, node))

        self._run(self._admin_dsn(), make)
        self._run(_with_database(self._admin_dsn(), database), lambda admin: _give_schema(admin, owner=owner, node=node))

    def clone_database(self, template: str, database: str, *, bureau: str) -> None:
        """A copy of `template`, made by `create_database` for the same bureau, with schema, rows and rights; 30-60 ms.

        Nobody may be connected to `template`; who still is after some seconds is thrown out.
        """
        owner, node = owner_role(bureau), node_role(bureau)
        _require_names(template, database, owner, node)

        async def copy(admin: asyncpg.Connection) -> None:
            ends_at = time.monotonic() + TEMPLATE_BUSY_LIMIT_S
            while True:
                try:
                    await admin.execute(f'CREATE DATABASE "{database}" OWNER "{owner}" TEMPLATE "{template}" STRATEGY wal_log')
                    break
                except asyncpg.ObjectInUseError:
                    if time.monotonic() > ends_at:
                        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", template)
                    await asyncio.sleep(RETRY_INTERVAL_S)
            await _close_to_others(admin, database, (owner, node))

        self._run(self._admin_dsn(), copy)

    def drop_database(self, database: str) -> None:
        """Drop it if it is there, throwing out whoever is connected."""
        _require_names(database)
        self._run(self._admin_dsn(), lambda admin: admin.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'))

    def execute(self, database: str, statements: Sequence[str]) -> None:
        """Run statements in `database` as superuser: for tests that break or inspect something."""

        async def run(admin: asyncpg.Connection) -> None:
            for statement in statements:
                await admin.execute(statement)

        self._run(_with_database(self._admin_dsn(), database), run)

    def dsn(self, database: str, role: str) -> str:
        """postgresql://role:password@host:port/database, for asyncpg and psql."""
        parts = urlsplit(_with_database(self._admin_dsn(), database))
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{role}:{quote(self._password(role), safe='')}@{host}"))

    def url(self, database: str, role: str) -> str:
        """The same for SQLAlchemy: postgresql+asyncpg://..."""
        return self.dsn(database, role).replace("postgresql://", "postgresql+asyncpg://", 1)

    def _run(self, dsn: str, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]]) -> T:
        async def connected() -> T:
            connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
            try:
                return await work(connection)
            finally:
                await connection.close(timeout=CONNECT_TIMEOUT_S)

        try:
            return _in_own_loop(connected)
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            host = urlsplit(dsn).netloc.rpartition("@")[2]
            raise StackError(N_("PostgreSQL at {server} refused: {error}"), server=host, error=str(error)) from error

    def _password(self, role: str) -> str:
        known: dict[str, str] = json.loads(self._passwords.read_text()) if self._passwords.exists() else {}
        if role not in known:
            known[role] = secrets.token_urlsafe(PASSWORD_BYTES)
            self._passwords.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._passwords.with_suffix(".new")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(known, file)
            fresh.replace(self._passwords)
        return known[role]


def pgpass_line(dsn: str) -> str:
    """`dsn` with its password as a line of PostgreSQL's password file, which asyncpg and psql read (PGPASSFILE)."""
    parts = urlsplit(dsn)
    values = (parts.hostname, parts.port or DEFAULT_PORT, parts.path.lstrip("/"), parts.username, unquote(parts.password or ""))
    return ":".join(str(value).replace("\\", "\\\\").replace(":", "\\:") for value in values) + "\n"


async def _close_to_others(admin: asyncpg.Connection, database: str, roles: Sequence[str]) -> None:
    await admin.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
    for role in roles:
        await admin.execute(f'GRANT CONNECT ON DATABASE "{database}" TO "{role}"')


async def _give_schema(admin: asyncpg.Connection, *, owner: str, node: str) -> None:
    await admin.execute(f'ALTER SCHEMA public OWNER TO "{owner}"')
    await admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await admin.execute(f'GRANT USAGE ON SCHEMA public TO "{node}"')
    defaults = f'ALTER DEFAULT PRIVILEGES FOR ROLE "{owner}" IN SCHEMA public GRANT'
    await admin.execute(f'{defaults} SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{node}"')
    await admin.execute(f'{defaults} USAGE, SELECT ON SEQUENCES TO "{node}"')


def _with_database(dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


def _require_names(*names: str) -> None:
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(f"not a name for a database or role: {name!r}")


def _in_own_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` to its end in a thread with a loop of its own: callable from synchronous code and from inside a running loop."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(work()))
        except BaseException as error:  # handed to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=run, name="databases")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
