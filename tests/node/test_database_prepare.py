"""`quanyu database prepare` on a server of its own kind: roles, rights, schema; the node finds its password in a file."""

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from services.cli.program import run
from services.harness.stack import PostgresServer


def prepare(server: PostgresServer, folder: Path) -> int:
    files = ["--superuser-password", str(server.folder / "superuser"), "--roles", str(folder / "roles.json")]
    passwords = ["--node-passwords", str(folder / "pgpass")]
    return run(["database", "prepare", "anhui", f"127.0.0.1:{server.port}", *files, *passwords], "en")


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The command gives the database a fixed name, which must not meet that of other tests."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.start()
    yield server
    server.stop()


async def test_a_node_connects_with_its_file_and_can_change_no_table(
    own_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare(own_server, tmp_path) == 0
    before = (tmp_path / "pgpass").read_text()
    assert prepare(own_server, tmp_path) == 0  # as at every start
    assert (tmp_path / "pgpass").read_text() == before
    assert (tmp_path / "pgpass").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    node = await asyncpg.connect(f"postgresql://anhui_node@127.0.0.1:{own_server.port}/quanyu")
    try:
        assert await node.fetchval("SELECT count(*) FROM outbox") == 0
        for statement in ("CREATE TABLE mine (id int)", "ALTER TABLE audit ADD COLUMN more int", "DELETE FROM audit"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await node.execute(statement)
    finally:
        await node.close()


def test_a_wrong_password_is_a_sentence(own_server: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    files = ["--superuser-password", str(wrong), "--roles", str(tmp_path / "r"), "--node-passwords", str(tmp_path / "p")]
    assert run(["database", "prepare", "anhui", f"127.0.0.1:{own_server.port}", *files], "en") == 1
    assert "refused" in capsys.readouterr().err
