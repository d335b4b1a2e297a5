"""The database itself refuses what no statement of ours may do: the node's role, the triggers, the constraints."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.bureau.schema import check
from services.harness.stack import node_role, owner_role
from tests.conftest import Ground
from tests.node.bureau import Bureau
from tests.node.people import WANG, ZHOU
from tests.node.transfers.cases import application, at_destination, opened, permit_for, sealed, voided

NOT_ALLOWED = asyncpg.InsufficientPrivilegeError  # 42501: by REVOKE, or by a trigger that says so


@pytest.fixture(scope="module")
async def lived_in(quiet_shanghai: Bureau) -> Bureau:
    """A bureau with a case, rows in every table that must keep them, and nobody who changes anything."""
    await at_destination(quiet_shanghai, "VOID")
    return quiet_shanghai


@pytest.fixture(scope="module")
async def as_node(ground: Ground, lived_in: Bureau) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the running node."""
    connection = await asyncpg.connect(ground.postgres.dsn(lived_in.database_name, node_role("shanghai")))
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def as_owner(ground: Ground, lived_in: Bureau) -> AsyncIterator[asyncpg.Connection]:
    """A connection as the role that owns the tables: triggers must hold it back too."""
    connection = await asyncpg.connect(ground.postgres.dsn(lived_in.database_name, owner_role("shanghai")))
    yield connection
    await connection.close()


@pytest.mark.parametrize("bureau", ["shanghai", "jiangsu", "zhejiang", "anhui"])
def test_the_migrations_make_the_tables_of_the_program(ground: Ground, bureau: str) -> None:
    check(ground.postgres.url(f"template_{bureau}", owner_role(bureau)))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET reason = 'nothing happened'",
        "DELETE FROM audit",
        "TRUNCATE audit CASCADE",
        "DELETE FROM resident",
        "TRUNCATE resident CASCADE",
        "UPDATE resident_change SET field = 'x'",
        "DELETE FROM resident_change",
        "TRUNCATE resident_change",
        "DELETE FROM transfer_case",
        "DELETE FROM transfer_member",
        "TRUNCATE transfer_case CASCADE",
        "TRUNCATE transfer_member",
        "DROP TABLE station",
        "CREATE TABLE surprise (id int)",
        "ALTER TABLE resident ADD COLUMN surprise int",
        "CREATE INDEX surprise ON resident (kind)",
        "DROP TRIGGER audit_append_only ON audit",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "CREATE FUNCTION surprise() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA surprise",
        "SET session_replication_role = replica",
        "DROP TABLE alembic_version",
    ],
)
async def test_the_nodes_role_may_not(as_node: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(NOT_ALLOWED):
        await as_node.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET reason = 'nothing happened'",
        "DELETE FROM audit",
        "TRUNCATE audit CASCADE",
        "DELETE FROM resident",
        "TRUNCATE resident CASCADE",
        "DELETE FROM resident_change",
        "DELETE FROM transfer_case",
        "DELETE FROM transfer_member",
    ],
)
async def test_triggers_hold_even_the_owner_back(as_owner: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(NOT_ALLOWED):
        await as_owner.execute(statement)


async def test_the_nodes_role_is_nobody_special_and_sees_no_other_database(ground: Ground, as_node: asyncpg.Connection) -> None:
    role = await as_node.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
    assert role["rolname"] == "shanghai_node"
    assert not any(role[right] for right in ("rolsuper", "rolcreatedb", "rolcreaterole", "rolreplication", "rolbypassrls"))
    elsewhere = ground.postgres.dsn("template_zhejiang", node_role("shanghai"))
    with pytest.raises(NOT_ALLOWED):
        await asyncpg.connect(elsewhere)


# ---- triggers and constraints -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "epoch = epoch - 1",
        "version = version - 1",
        "id = gen_random_uuid()",
        "kind = 'MOVED', case_id = NULL",
        "kind = 'ACTIVE', case_id = gen_random_uuid(), counterpart = 'anhui'",
        "kind = 'SOMEWHERE'",
        "kind = 'CANCELLED', case_id = NULL, counterpart = NULL, restoration_due = true",
        "epoch = 0",
    ],
)
async def test_a_row_goes_forward_and_is_one_of_the_legal_ones(zhejiang: Bureau, ground: Ground, change: str) -> None:
    await sealed(zhejiang)
    number = (await zhejiang.resident(WANG.citizen_id_no)).id
    connection = await asyncpg.connect(ground.postgres.dsn(zhejiang.database_name, node_role("zhejiang")))
    try:
        await connection.execute("UPDATE resident SET epoch = 2, version = 5 WHERE id = $1", number)
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(f"UPDATE resident SET {change} WHERE id = $1", number)  # noqa: S608  # from this file
    finally:
        await connection.close()


async def test_a_members_epoch_never_goes_down(zhejiang: Bureau, ground: Ground) -> None:
    case, _ = await sealed(zhejiang)
    await _refused(zhejiang, ground, f"UPDATE transfer_member SET epoch = 1 WHERE case_id = '{case}'")  # noqa: S608


@pytest.mark.parametrize("state", ["HERE", "SETTLING", "LOST", "-"])
async def test_a_member_has_a_state_of_its_side(zhejiang: Bureau, ground: Ground, state: str) -> None:
    case, _ = await sealed(zhejiang)
    await _refused(zhejiang, ground, f"UPDATE transfer_member SET state = '{state}' WHERE case_id = '{case}'")  # noqa: S608


async def _refused(bureau: Bureau, ground: Ground, statement: str) -> None:
    connection = await asyncpg.connect(ground.postgres.dsn(bureau.database_name, node_role(bureau.code)))
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_person_has_one_row(zhejiang: Bureau, ground: Ground) -> None:
    connection = await asyncpg.connect(ground.postgres.dsn(zhejiang.database_name, node_role("zhejiang")))
    copy = (
        "INSERT INTO resident SELECT gen_random_uuid(), citizen_id_index, household_id, station_code, relation_code, personal,"
        " kind, epoch, counterpart, case_id, restoration_due, version, updated_at FROM resident LIMIT 1"
    )
    try:
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(copy)
    finally:
        await connection.close()


async def test_a_person_has_one_open_case_at_the_destination(shanghai: Bureau, ground: Ground) -> None:
    """The index, not only the rule: a second member row with the person's index is refused while the first is open."""
    first = await at_destination(shanghai, "APPROVED")
    second = await opened(shanghai, application(ZHOU))
    await _same_person(shanghai, ground, first, second, refused=True)
    await shanghai.done("D31001", first, "void", {"reason_code": "WITHDRAWN"})
    await _same_person(shanghai, ground, first, second, refused=False)


async def _same_person(bureau: Bureau, ground: Ground, first: str, second: str, *, refused: bool) -> None:
    statement = (
        "UPDATE transfer_member SET citizen_index = (SELECT citizen_index FROM transfer_member WHERE case_id = $1)"
        " WHERE case_id = $2"
    )
    connection = await asyncpg.connect(ground.postgres.dsn(bureau.database_name, node_role(bureau.code)))
    try:
        if refused:
            with pytest.raises(asyncpg.UniqueViolationError):
                await connection.execute(statement, UUID(first), UUID(second))
        else:
            assert await connection.execute(statement, UUID(first), UUID(second)) == "UPDATE 1"
    finally:
        await connection.close()


async def test_two_cases_of_one_person_may_be_received_at_the_origin(zhejiang: Bureau) -> None:
    for _ in range(2):
        await zhejiang.told(permit_for(), by="shanghai")
    rows: list[Any] = await zhejiang.rows("SELECT * FROM transfer_member WHERE state = 'RECEIVED'")
    assert len({row.citizen_index for row in rows}) == 1
    assert len(rows) == 2


async def test_a_tombstone_cannot_be_deleted(zhejiang: Bureau, ground: Ground) -> None:
    await zhejiang.told(voided(UUID("01936e00-0000-7000-8000-000000000001")), by="shanghai")
    connection = await asyncpg.connect(ground.postgres.dsn(zhejiang.database_name, node_role("zhejiang")))
    try:
        for table in ("transfer_member", "transfer_case"):
            with pytest.raises(NOT_ALLOWED):
                await connection.execute(f"DELETE FROM {table}")  # noqa: S608  # from this file
    finally:
        await connection.close()
    assert len(await zhejiang.rows("SELECT * FROM transfer_case")) == 1
