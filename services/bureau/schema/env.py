"""Alembic's environment: an async engine, the program's metadata, and at the end the rights of the node's role."""

import asyncio
import threading
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from services.bureau.schema.tables import metadata
from shared.database import BlindIndex, Encrypted

config = context.config

# The node reads and writes rows; the audit log it only adds to and reads, and nothing of the register can it delete.
RIGHTS = (
    'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "{role}"',
    'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO "{role}"',
    'REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM "{role}"',
    'REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM "{role}"',
)


def render_item(kind: str, item: Any, autogen_context: Any) -> str | Literal[False]:
    """In a migration an encrypted column or a blind index is what the database sees of it: bytes."""
    return "sa.LargeBinary()" if kind == "type" and isinstance(item, Encrypted | BlindIndex) else False


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True, render_item=render_item)
    with context.begin_transaction():
        context.run_migrations()
        role = config.attributes.get("node_role")
        for statement in RIGHTS if role else ():
            connection.execute(text(statement.format(role=role)))


async def connect() -> None:
    engine = create_async_engine(config.attributes["url"], poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await engine.dispose()


def run() -> None:
    """In a thread of its own, so that it can be called from inside a running loop too."""
    failure: list[BaseException] = []

    def target() -> None:
        try:
            asyncio.run(connect())
        except BaseException as error:  # handed to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=target, name="alembic")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]


run()
