"""The floor of a POST: a bare FastAPI handler, in a process of its own under the options of a node's web door, on the same
database layer (`shared.database`: SQLAlchemy, asyncpg, the same pool), that writes as many rows with as many bytes as the real
POST, in one transaction that is committed before the answer, and answers as many bytes. One statement for each table that the
real one writes.

No login, no access, no decision, no sealing, no audit.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from fastapi import FastAPI, Request, Response
from sqlalchemy import BigInteger, Column, Identity, LargeBinary, MetaData, Table, Uuid, insert
from uuid_utils.compat import uuid7

from services.bureau.process import bind, server_of
from services.bureau.wiring import WEB_OVERFLOW, WEB_POOL
from services.harness.bench.child import tell
from services.harness.registers import Register
from shared.database import Database, Session

HOST = "127.0.0.1"
PATH = "/bench/rows"
rows = Table(
    "bench_rows",
    MetaData(),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("key", Uuid, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
TABLES = (
    "CREATE TABLE bench_rows (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key uuid NOT NULL, body bytea NOT NULL)",
    "GRANT ALL ON bench_rows TO PUBLIC",
)
INSERT = insert(rows)


def build(database: Database, sizes: list[list[int]], answer: bytes) -> FastAPI:
    """`sizes`: for each statement the bytes of each of its rows."""
    app = FastAPI()
    bodies = [[os.urandom(size) for size in of_table] for of_table in sizes]

    @app.post(PATH)
    async def write(request: Request) -> Response:
        await request.json()

        async def unit(session: Session) -> None:
            for of_table in bodies:
                await session.execute(INSERT, [{"key": uuid7(), "body": body} for body in of_table])

        await database.run(unit, name="bench.rows")
        return Response(answer, media_type="application/json")

    return app


async def _serve(register: Register, sizes: list[list[int]], answer_bytes: int) -> None:
    database = register.open(pool_size=WEB_POOL + WEB_OVERFLOW)
    sock = bind(HOST, 0)
    tell(port=sock.getsockname()[1])
    await server_of(build(database, sizes, b" " * answer_bytes)).serve([sock])


if __name__ == "__main__":
    bureau, url, keys, written, length = sys.argv[1:]
    asyncio.run(_serve(Register(bureau, url, Path(keys)), json.loads(written), int(length)))
