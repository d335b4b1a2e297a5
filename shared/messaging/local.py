"""The bus of a laptop: one SQLite file that every node appends to and reads, no server.

The file is the truth. A datagram to the readers' doorbells says "look now"; a lost one costs at most SWEEP_INTERVAL_S. Numbers
are drawn under SQLite's single writer lock, so here, and only here, the order of offsets is the order of commits and a cursor
loses nothing. Any participant may be killed at any instant: the lock it held goes with its process, its half-written commit is
never read.

SQLite up to 3.51.2 can lose commits when a checkpoint begins in the instant in which another connection starts the write-ahead
log anew (sqlite.org/wal.html#walresetbug). So nobody checkpoints on commit; the one bus object that holds the keeper's lock does
it for all, and only in the TRUNCATE mode, which takes the writer lock first: while it works, nobody else starts the log anew. The
keeper also deletes what is older than the retention.
"""

import asyncio
import json
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from shared.messaging.bus import FETCH_LIMIT_RECORDS, BusDown, Delivered, Record, refuse_oversize
from shared.messaging.datagrams import Datagrams

RETENTION_S = 14 * 86_400.0  # as the topics on Kafka
SWEEP_INTERVAL_S = 0.5  # how long a lost doorbell delays a reader
BUSY_TIMEOUT_S = 10.0  # how long a writer waits for another one, or for a frozen one
CLOSE_TIMEOUT_S = BUSY_TIMEOUT_S + 2.0
FETCH_LIMIT_BYTES = 8 * 1_048_576  # bounds a reader's memory; the record that crosses it still belongs to the batch
DOORBELL_LIFE_S = 60.0  # a reader that died is rung this much longer, to nobody's harm
DOORBELL_RENEW_S = 20.0
KEEPER_INTERVAL_S = 1.0
KEEPER_BUSY_TIMEOUT_MS = 2_000  # a checkpoint holds up the writers while it waits for a frozen reader
CHECKPOINT_BYTES = 4 * 1_048_576  # of write-ahead log; less often for nothing, more often for a growing log
KEEPER_BATCH_RECORDS = 1_000  # one deletion; a longer one would hold up the writers
PARTITION = 0

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS log (
        off INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key TEXT NOT NULL, headers TEXT NOT NULL,
        value BLOB NOT NULL, at REAL NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS log_topic_off ON log (topic, off)",
    """CREATE TABLE IF NOT EXISTS group_offset (
        group_name TEXT NOT NULL, topic TEXT NOT NULL, log_id TEXT NOT NULL, next_off INTEGER NOT NULL,
        PRIMARY KEY (group_name, topic)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS doorbell (
        topic TEXT NOT NULL, port INTEGER NOT NULL, until REAL NOT NULL, PRIMARY KEY (topic, port)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS identity (only INTEGER PRIMARY KEY CHECK (only = 1), log_id TEXT NOT NULL)",
)
APPEND = "INSERT INTO log (topic, key, headers, value, at) VALUES (?, ?, ?, ?, ?)"
READ = "SELECT off, key, headers, value FROM log WHERE topic = ? AND off >= ? ORDER BY off LIMIT ?"
COUNT = "SELECT count(*) FROM log WHERE topic = ? AND off >= ?"
DOORBELLS = "SELECT DISTINCT port FROM doorbell WHERE until > ? AND topic IN (SELECT value FROM json_each(?))"
# A late commit of a member that was replaced must not take the group back; a log that was made anew starts over.
COMMIT_OFFSET = """INSERT INTO group_offset (group_name, topic, log_id, next_off) VALUES (?, ?, ?, ?)
    ON CONFLICT (group_name, topic) DO UPDATE SET log_id = excluded.log_id, next_off =
        CASE WHEN group_offset.log_id = excluded.log_id THEN max(group_offset.next_off, excluded.next_off)
             ELSE excluded.next_off END"""
# A stored offset of another log, or beyond the end of this one, is worth nothing: the group reads from the beginning.
START_OFFSET = """SELECT next_off FROM group_offset WHERE group_name = ? AND topic = ? AND log_id = (SELECT log_id FROM identity)
    AND next_off <= 1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0)"""
EXPIRE = """DELETE FROM log WHERE off <=
    (SELECT max(off) FROM (SELECT off, at FROM log ORDER BY off LIMIT ?) WHERE at < ?)"""

T = TypeVar("T")


class LocalBus:
    """The bus in the file `path`; its folder is made when missing. `retention_s`: how long a record stays readable."""

    name = "local"

    def __init__(self, path: Path, *, retention_s: float = RETENTION_S) -> None:
        self._path = path
        self._retention_s = retention_s
        self._keeper: _Keeper | None = None

    async def publisher(self) -> "LocalPublisher":
        thread = await _Thread.open(self._path)
        self._ensure_keeper()
        return LocalPublisher(thread)

    async def consumer(self, *, group: str, topics: Sequence[str]) -> "LocalConsumer":
        consumer = LocalConsumer(await _Thread.open(self._path), group=group, topics=topics)
        self._ensure_keeper()
        try:
            await consumer.join()
        except BaseException:
            await consumer.close()
            raise
        return consumer

    async def ping(self) -> None:
        """Return when the file can be read and written."""
        thread = await _Thread.open(self._path)
        try:
            await thread.run(partial(_write, APPEND, []))
        finally:
            await thread.close()

    async def create_topics(self, topics: Sequence[str]) -> None:
        """Nothing to make: a topic is a word in a row."""

    async def close(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.close()

    def _ensure_keeper(self) -> None:
        if self._keeper is None:
            self._keeper = _Keeper(self._path, retention_s=self._retention_s)


class LocalPublisher:
    def __init__(self, thread: "_Thread") -> None:
        self._thread = thread
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    async def publish(self, records: Sequence[Record]) -> None:
        refuse_oversize(records)
        if records:
            await self._thread.run(partial(self._append, records))

    async def close(self) -> None:
        await self._thread.close()
        self._socket.close()

    def _append(self, records: Sequence[Record], connection: sqlite3.Connection) -> None:
        now = time.time()
        rows = [(record.topic, record.key, json.dumps(dict(record.headers)), record.value, now) for record in records]
        topics = json.dumps(sorted({record.topic for record in records}))
        with _transaction(connection):
            connection.executemany(APPEND, rows)
            ports = [port for (port,) in connection.execute(DOORBELLS, (now, topics))]
        for port in ports:
            with suppress(OSError):  # nobody there, or the queue is full: the sweep finds the record
                self._socket.sendto(b"", ("127.0.0.1", port))


class LocalConsumer:
    """One reader. Two of them in one group both see everything: harmless, as receivers drop what they know."""

    def __init__(self, thread: "_Thread", *, group: str, topics: Sequence[str]) -> None:
        self._thread = thread
        self._group = group
        self._topics = list(topics)
        self._log_id = ""
        self._next: dict[str, int] = {}
        self._doorbell = Datagrams()
        self._renew_at = 0.0

    async def join(self) -> None:
        """Bind the doorbell, write its port down, take up the group's offsets."""
        await self._doorbell.bind()
        self._log_id, self._next = await self._thread.run(self._start_offsets)
        await self._renew_doorbell()

    async def fetch(self, *, timeout_s: float) -> list[Delivered]:
        ends_at = time.monotonic() + timeout_s
        while True:
            self._doorbell.clear()
            if time.monotonic() >= self._renew_at:
                await self._renew_doorbell()
            delivered = await self._thread.run(partial(self._read, dict(self._next)))
            if delivered:
                self._next.update((each.record.topic, each.offset + 1) for each in delivered)
                self._topics.append(self._topics.pop(0))  # a busy topic must not starve the next one
                return delivered
            remaining_s = ends_at - time.monotonic()
            if remaining_s <= 0:
                return []
            await self._doorbell.wait(min(remaining_s, SWEEP_INTERVAL_S))

    async def commit(self, next_offsets: Mapping[tuple[str, int], int]) -> bool:
        rows = [(self._group, topic, self._log_id, offset) for (topic, _), offset in next_offsets.items() if topic in self._next]
        if rows:
            await self._thread.run(partial(_write, COMMIT_OFFSET, rows))
        return True

    def rewind(self, to: Mapping[tuple[str, int], int]) -> None:
        self._next.update((topic, offset) for (topic, _), offset in to.items() if topic in self._next)

    async def lag(self) -> int:
        return await self._thread.run(partial(_count, dict(self._next)))

    async def close(self) -> None:
        port = self._doorbell.close()
        with suppress(BusDown):
            await self._thread.run(partial(_write, "DELETE FROM doorbell WHERE port = ?", [(port,)]))
        await self._thread.close()

    def _start_offsets(self, connection: sqlite3.Connection) -> tuple[str, dict[str, int]]:
        (log_id,) = connection.execute("SELECT log_id FROM identity").fetchone()
        found = {topic: connection.execute(START_OFFSET, (self._group, topic)).fetchone() for topic in self._topics}
        return log_id, {topic: row[0] if row else 0 for topic, row in found.items()}

    async def _renew_doorbell(self) -> None:
        rows = [(topic, self._doorbell.port, time.time() + DOORBELL_LIFE_S) for topic in self._topics]
        await self._thread.run(partial(_write, "INSERT OR REPLACE INTO doorbell (topic, port, until) VALUES (?, ?, ?)", rows))
        self._renew_at = time.monotonic() + DOORBELL_RENEW_S

    def _read(self, start: Mapping[str, int], connection: sqlite3.Connection) -> list[Delivered]:
        delivered: list[Delivered] = []
        size_bytes = 0
        for topic in self._topics:
            limit = FETCH_LIMIT_RECORDS - len(delivered)
            for offset, key, headers, value in connection.execute(READ, (topic, start[topic], limit)):
                record = Record(topic=topic, key=key, headers=json.loads(headers), value=value)
                delivered.append(Delivered(record=record, partition=PARTITION, offset=offset))
                size_bytes += record.size_bytes
                if size_bytes > FETCH_LIMIT_BYTES:
                    return delivered
        return delivered


class _Keeper:
    """Checkpoints and deletes for everybody, while it holds the lock beside the file; until then it tries to get it.

    The lock is an exclusive transaction on a second, empty SQLite file: the one lock that every platform's Python has and that
    a killed process gives back by itself.
    """

    def __init__(self, path: Path, *, retention_s: float) -> None:
        self._path = path
        self._retention_s = retention_s
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        lock: sqlite3.Connection | None = None
        try:
            while True:
                lock = lock or self._try_lock()
                if lock is not None:
                    with suppress(BusDown):  # the file is busy, gone or on a full disk: nodes say so, the keeper tries again
                        await self._keep()
                await asyncio.sleep(KEEPER_INTERVAL_S)
        finally:
            if lock is not None:
                lock.close()

    def _try_lock(self) -> sqlite3.Connection | None:
        try:
            connection = sqlite3.connect(f"{self._path}.keeper", timeout=0, isolation_level=None)
        except sqlite3.Error:
            return None
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error:
            connection.close()
            return None
        return connection

    async def _keep(self) -> None:
        thread = await _Thread.open(self._path)
        try:
            await thread.run(lambda connection: connection.execute(f"PRAGMA busy_timeout={KEEPER_BUSY_TIMEOUT_MS}").fetchone())
            while True:
                await thread.run(self._keep_once)
                await asyncio.sleep(KEEPER_INTERVAL_S)
        finally:
            await thread.close()

    def _keep_once(self, connection: sqlite3.Connection) -> None:
        now = time.time()
        with _transaction(connection):
            connection.execute(EXPIRE, (KEEPER_BATCH_RECORDS, now - self._retention_s))
            connection.execute("DELETE FROM doorbell WHERE until < ?", (now,))
        if Path(f"{self._path}-wal").stat().st_size >= CHECKPOINT_BYTES:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


class _Thread:
    """One connection to the file and the one thread that may touch it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bus")
        self._connection: sqlite3.Connection | None = None
        self._inode = -1

    @classmethod
    async def open(cls, path: Path) -> "_Thread":
        thread = cls(path)
        try:
            await asyncio.get_running_loop().run_in_executor(thread._executor, thread._open)
        except (sqlite3.Error, OSError) as error:
            await thread.close()
            raise BusDown(f"bus file {path.name}: {error}") from error
        return thread

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work` in the thread. BusDown on any error of SQLite, or when the file is no longer the one opened."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._guarded, work)
        except (sqlite3.Error, OSError, RuntimeError) as error:
            raise BusDown(f"bus file {self._path.name}: {error}") from error

    async def close(self) -> None:
        """Wait for the statement that runs, at most CLOSE_TIMEOUT_S, then close the connection."""
        with suppress(TimeoutError, RuntimeError):
            await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(self._executor, self._close), CLOSE_TIMEOUT_S)
        self._executor.shutdown(wait=False)

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        _create(self._path)
        self._connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        _prepare(self._connection)
        self._inode = self._path.stat().st_ino

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            raise sqlite3.ProgrammingError("closed")
        if self._path.stat().st_ino != self._inode:  # deleted under us: what we wrote would be read by nobody
            raise sqlite3.OperationalError("the file was replaced")
        return work(self._connection)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _create(path: Path) -> None:
    """Make the file, for the owner alone, if it is not there.

    Never open an existing one beside SQLite: closing any descriptor of a file gives up all locks that the process has on it
    (POSIX; sqlite.org/howtocorrupt.html 2.2). Another process then takes itself for the last one, and deletes the write-ahead
    log that this one goes on reading and writing."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with suppress(FileExistsError):  # another participant was first
        os.link(draft, path)
    draft.unlink()


def _prepare(connection: sqlite3.Connection) -> None:
    ends_at = time.monotonic() + BUSY_TIMEOUT_S
    while True:  # the change to WAL does not wait for other connections by itself
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'identity'").fetchone():
        return
    with _transaction(connection):
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute("INSERT OR IGNORE INTO identity (only, log_id) VALUES (1, ?)", (uuid.uuid4().hex,))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _write(statement: str, rows: Sequence[tuple[str | float, ...]], connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        connection.executemany(statement, rows)


def _count(start: Mapping[str, int], connection: sqlite3.Connection) -> int:
    return sum(int(connection.execute(COUNT, (topic, offset)).fetchone()[0]) for topic, offset in start.items())
