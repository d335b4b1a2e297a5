"""Names, passwords and addresses of bureaus' databases, without a server."""

import json
import stat
from pathlib import Path

import pytest

from services.harness.stack import Databases, ExternalPostgres, StackError, node_role, owner_role
from services.harness.stack.ports import free_ports


@pytest.fixture
def databases(tmp_path: Path) -> Databases:
    return Databases(
        lambda: "postgresql://postgres:secret@db.example:5433/postgres?sslmode=require", passwords=tmp_path / "p.json"
    )


def test_a_bureau_has_a_role_that_owns_and_a_role_that_runs() -> None:
    assert (owner_role("zhejiang"), node_role("zhejiang")) == ("zhejiang_owner", "zhejiang_node")


def test_an_address_names_the_role_with_a_password_that_stays_the_same(databases: Databases, tmp_path: Path) -> None:
    dsn = databases.dsn("zhejiang", "zhejiang_node")
    password = json.loads((tmp_path / "p.json").read_text())["zhejiang_node"]
    assert dsn == f"postgresql://zhejiang_node:{password}@db.example:5433/zhejiang?sslmode=require"
    assert databases.dsn("zhejiang", "zhejiang_node") == dsn
    assert databases.url("zhejiang", "zhejiang_node") == dsn.replace("postgresql://", "postgresql+asyncpg://")


def test_passwords_are_for_our_eyes_only_and_differ(databases: Databases, tmp_path: Path) -> None:
    databases.dsn("d", "a_owner")
    databases.dsn("d", "a_node")
    assert stat.S_IMODE((tmp_path / "p.json").stat().st_mode) == 0o600
    assert len(set(json.loads((tmp_path / "p.json").read_text()).values())) == 2


@pytest.mark.parametrize("name", ['x"; DROP DATABASE y; --', "Upper", "", "1st", "a" * 64])
def test_a_name_that_is_none_never_reaches_the_server(databases: Databases, name: str) -> None:
    for attempt in (
        lambda: databases.create_database(name, bureau="zhejiang"),
        lambda: databases.create_database("zhejiang", bureau=name),
        lambda: databases.clone_database(name, "copy", bureau="zhejiang"),
        lambda: databases.drop_database(name),
    ):
        with pytest.raises(ValueError, match="not a name"):
            attempt()


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    [port] = free_ports(1)
    server = ExternalPostgres(f"postgresql://postgres:secret@127.0.0.1:{port}/postgres", folder=tmp_path)
    with pytest.raises(StackError, match=f"PostgreSQL at 127.0.0.1:{port} refused") as caught:
        server.create_database("zhejiang", bureau="zhejiang")
    assert "secret" not in str(caught.value)
