"""Floor (b): the bare hop. What any delivery with these guarantees must do, with nothing around it, on asyncpg and a socket:

transaction {row, outbox row}, sign, seal -> loopback TCP -> open, verify -> transaction {receipt, row}, its end -> acknowledge ->
mark. Sender and receiver are two processes on two PostgreSQL servers, as two nodes are.
"""

import asyncio
import struct
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from services.harness.bench.child import Child, tell
from services.harness.bench.ground import DESTINATION, ORIGIN, Ground
from services.harness.processes import DATABASE
from shared.envelope import Place, Ring, TrustList, TrustStore, load_ring, open_envelope, read_kek, seal

TABLES = (
    "CREATE TABLE bench_row (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL)",
    "CREATE TABLE bench_outbox (id uuid PRIMARY KEY, sealed bytea NOT NULL, sent_at timestamptz)",
    "CREATE TABLE bench_receipt (id uuid PRIMARY KEY, at timestamptz NOT NULL)",
    "GRANT ALL ON bench_row, bench_outbox, bench_receipt TO PUBLIC",
)
PLACE = Place("message", "transfers", topic=f"{ORIGIN}.transfers", key="bench")
LENGTH, COMMITTED = struct.Struct("!I"), struct.Struct("!d")
SCHEMA = "transfers/1"


def make_tables(ground: Ground) -> None:
    for bureau in (DESTINATION, ORIGIN):
        ground.federation.postgres[bureau].execute(DATABASE, TABLES)


class Hop:
    """The sending half: `lanes` connections to database and receiver, each with one message under way."""

    def __init__(self, ground: Ground, body: bytes) -> None:
        self._dsn = ground.registers[DESTINATION].dsn
        self._keys = ground.registers[DESTINATION].keys_folder
        self._child = Child(__name__, ground.registers[ORIGIN].dsn, str(ground.registers[ORIGIN].keys_folder))
        self._ring, self._trust = _keys_of(self._keys, DESTINATION)
        self._body = body

    async def latencies(self, *, count: int, a_second: float) -> list[float]:
        """Seconds from the intended start of each to the receiver's commit, `a_second` of them a second (open loop)."""
        async with self._child as child:
            port = int((await child.said())["port"])
            lanes = [await _Lane.open(self._dsn, port) for _ in range(8)]
            free: asyncio.Queue[_Lane] = asyncio.Queue()
            for lane in lanes:
                free.put_nowait(lane)
            begun = time.time() + 0.5

            async def one(number: int) -> float:
                intended = begun + number / a_second
                await asyncio.sleep(max(0.0, intended - time.time()))
                lane = await free.get()
                try:
                    return await self._send(lane) - intended
                finally:
                    free.put_nowait(lane)

            try:
                return list(await asyncio.gather(*(one(number) for number in range(count))))
            finally:
                for lane in lanes:
                    await lane.close()

    async def rate(self, *, count: int, lanes: int) -> float:
        """Messages a second, each lane starting its next as soon as the last is marked (closed loop)."""
        async with self._child as child:
            port = int((await child.said())["port"])
            opened = [await _Lane.open(self._dsn, port) for _ in range(lanes)]
            begun = time.time()

            async def many(lane: _Lane) -> None:
                for _ in range(count // lanes):
                    await self._send(lane)

            await asyncio.gather(*(many(lane) for lane in opened))
            taken = time.time() - begun
            for lane in opened:
                await lane.close()
        return count // lanes * lanes / taken

    async def _send(self, lane: "_Lane") -> float:
        """One message; gives the time of the receiver's commit."""
        jti = uuid4()
        async with lane.database.transaction():
            await lane.database.execute("INSERT INTO bench_row (body) VALUES ($1)", self._body)
            sealed = seal(
                self._body, place=PLACE, to=ORIGIN, ring=self._ring, trust=self._trust, now=int(time.time()), jti=jti,
                incarnation=1, schema=SCHEMA,
            )  # fmt: skip
            await lane.database.execute("INSERT INTO bench_outbox (id, sealed) VALUES ($1, $2)", jti, sealed)
        lane.writer.write(LENGTH.pack(len(sealed)) + sealed)
        (committed,) = COMMITTED.unpack(await lane.reader.readexactly(COMMITTED.size))
        await lane.database.execute("UPDATE bench_outbox SET sent_at = now() WHERE id = $1", jti)
        return float(committed)


class _Lane:
    def __init__(self, database: asyncpg.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.database, self.reader, self.writer = database, reader, writer

    @classmethod
    async def open(cls, dsn: str, port: int) -> "_Lane":
        return cls(await asyncpg.connect(dsn), *await asyncio.open_connection("127.0.0.1", port))

    async def close(self) -> None:
        self.writer.close()
        await self.database.close()


def _keys_of(folder: Path, bureau: str) -> tuple[Ring, TrustList]:
    return load_ring(folder, bureau, read_kek(folder)), TrustStore(folder / "trust").current


async def _serve(dsn: str, keys: Path) -> None:
    ring, trust = _keys_of(keys, ORIGIN)

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        database = await asyncpg.connect(dsn)
        try:
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                sealed = await reader.readexactly(length)
                opened = open_envelope(sealed, place=PLACE, ring=ring, trust=trust, seen={}, now=int(time.time()))
                await _keep(database, opened.jti, opened.content)
                writer.write(COMMITTED.pack(time.time()))
        except asyncio.IncompleteReadError:
            await database.close()
            writer.close()

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    tell(port=server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _keep(database: asyncpg.Connection, jti: UUID, content: bytes) -> None:
    async with database.transaction():
        await database.execute("INSERT INTO bench_receipt (id, at) VALUES ($1, now())", jti)
        await database.execute("INSERT INTO bench_row (body) VALUES ($1)", content)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], Path(sys.argv[2])))
