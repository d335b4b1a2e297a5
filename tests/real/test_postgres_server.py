"""The embedded PostgreSQL: rights of the roles, copies, kill -9, leftovers, four at once."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from services.harness.interrupts import Interrupts
from services.harness.stack import ExternalPostgres, PostgresServer, StackError, start_all, stop_all

ROOT = Path(__file__).parents[2]
TABLE = "CREATE TABLE resident (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(Path(tmp_path_factory.mktemp("postgres")))
    server.start()
    server.create_database("zhejiang", bureau="zhejiang")
    server.create_database("anhui", bureau="anhui")
    yield server
    server.stop()


async def run(dsn: str, *statements: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        rows: list[asyncpg.Record] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


async def test_the_owner_makes_the_schema_and_the_node_only_rows(server: PostgresServer) -> None:
    owner, node = server.dsn("zhejiang", "zhejiang_owner"), server.dsn("zhejiang", "zhejiang_node")
    await run(owner, TABLE)
    await run(node, "INSERT INTO resident (name) VALUES ('王')", "UPDATE resident SET name = '李'", "DELETE FROM resident")
    for forbidden in ("CREATE TABLE t (i int)", "DROP TABLE resident", "CREATE TEMPORARY TABLE t (i int)", "CREATE ROLE r"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(node, forbidden)


async def test_no_bureau_connects_to_anothers_database(server: PostgresServer) -> None:
    for role in ("anhui_owner", "anhui_node"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(server.dsn("zhejiang", role), "SELECT 1")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await run(server.dsn("zhejiang", "zhejiang_node").replace("zhejiang_node:", "zhejiang_node:x"), "SELECT 1")


async def test_the_server_is_durable_and_a_node_that_hangs_in_a_transaction_is_cut_off(server: PostgresServer) -> None:
    node = server.dsn("zhejiang", "zhejiang_node")
    shown = {
        name: (await run(node, f"SHOW {name}"))[0][0]
        for name in ("fsync", "max_connections", "password_encryption", "idle_in_transaction_session_timeout")
    }
    assert shown == {
        "fsync": "on",
        "max_connections": "200",
        "password_encryption": "scram-sha-256",
        "idle_in_transaction_session_timeout": "30s",
    }


async def test_a_copy_has_schema_rows_and_rights_of_its_own(server: PostgresServer) -> None:
    server.create_database("zhejiang-template", bureau="zhejiang")
    await run(server.dsn("zhejiang-template", "zhejiang_owner"), TABLE, "INSERT INTO resident (name) VALUES ('王')")
    still_connected = await asyncpg.connect(server.dsn("zhejiang-template", "zhejiang_owner"))
    asyncio.get_running_loop().call_later(0.2, still_connected.terminate)
    await asyncio.to_thread(server.clone_database, "zhejiang-template", "zhejiang-copy", bureau="zhejiang")
    assert (await run(server.dsn("zhejiang-copy", "zhejiang_node"), "SELECT name FROM resident"))[0]["name"] == "王"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(server.dsn("zhejiang-copy", "anhui_node"), "SELECT 1")
    server.drop_database("zhejiang-copy")
    server.drop_database("zhejiang-copy")
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await run(server.dsn("zhejiang-copy", "zhejiang_node"), "SELECT 1")


async def test_making_a_database_again_keeps_its_rows(server: PostgresServer) -> None:
    await run(server.dsn("anhui", "anhui_owner"), "CREATE TABLE kept (i int)", "INSERT INTO kept VALUES (1)")
    server.create_database("anhui", bureau="anhui")
    assert len(await run(server.dsn("anhui", "anhui_node"), "SELECT i FROM kept")) == 1


async def test_kill_9_keeps_everything_committed_and_the_address(server: PostgresServer) -> None:
    owner = server.dsn("anhui", "anhui_owner")
    await run(owner, "CREATE TABLE survives (i int)", *["INSERT INTO survives VALUES (1)"] * 50)
    for _ in range(3):
        server.kill9()
        assert server.pid == 0
        server.restart()
        assert len(await run(owner, "SELECT i FROM survives")) == 50


async def test_a_server_given_by_its_address_serves_the_same(server: PostgresServer, tmp_path: Path) -> None:
    external = ExternalPostgres(server._superuser_dsn(), folder=tmp_path)
    external.create_database("office", bureau="office")
    await run(external.dsn("office", "office_owner"), TABLE)
    external.execute("office", ["DROP TABLE resident"])


def test_four_start_at_once_and_one_that_cannot_stops_all(tmp_path: Path) -> None:
    servers = [PostgresServer(tmp_path / name) for name in ("shanghai", "jiangsu", "zhejiang", "anhui")]
    start_all(servers)
    assert len({each.port for each in servers}) == 4
    assert all(each.pid for each in servers)
    stop_all(servers)
    again = [PostgresServer(tmp_path / "shanghai"), PostgresServer(tmp_path / "shanghai")]
    with pytest.raises(StackError, match="in use by another run"):
        start_all(again)
    assert not any(each.pid for each in again)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0, 2.0])  # before initdb, in it, about its end, in the servers' start
def test_an_interrupt_while_four_start_leaves_none_and_their_folders_can_be_used_again(seconds: float, tmp_path: Path) -> None:
    servers = [PostgresServer(tmp_path / name) for name in ("shanghai", "jiangsu", "zhejiang", "anhui")]

    def start_and_stop() -> None:
        try:
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM)).start()
            start_all(servers)
            time.sleep(5)  # on a fast machine the interrupt finds them started
        finally:
            stop_all(servers)

    with Interrupts():
        with pytest.raises(KeyboardInterrupt):
            start_and_stop()
    assert not any(each.pid for each in servers)
    assert [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(one.info["cmdline"] or ())] == []
    again = PostgresServer(tmp_path / "shanghai")
    again.start()
    again.stop()


def test_the_server_of_a_killed_harness_is_stopped_by_the_next_one(tmp_path: Path) -> None:
    harness = (
        "import sys, time; from pathlib import Path; from services.harness.stack import PostgresServer;"
        "server = PostgresServer(Path(sys.argv[1])); server.start(); print(server.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", harness, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        leftover = int(killed.stdout.readline())
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
    server = PostgresServer(tmp_path)
    server.start()
    assert server.pid != leftover
    assert not psutil.pid_exists(leftover) or psutil.Process(leftover).status() == psutil.STATUS_ZOMBIE
    server.stop()
