"""The local bus when a participant is killed at any instant, the disk is full, or the file is not the one it was."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.messaging.bus import BusDown, Record
from shared.messaging.local import KEEPER_INTERVAL_S, LocalBus

ROOT = Path(__file__).parents[2]
TOPIC = "zhejiang.transfers"
GROUP = "zhejiang.node"
LIMIT_S = 15.0

# Appends numbered records without end; prints each number once it is acknowledged.
WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from shared.messaging.bus import Record
from shared.messaging.local import LocalBus

async def main(path, name):
    publisher = await LocalBus(Path(path)).publisher()
    for n in itertools.count():
        await publisher.publish([Record("zhejiang.transfers", name, {}, f"{name}.{n}.{part}".encode()) for part in range(3)])
        print(n, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""

KEEPER_PATIENCE_S = 60 * KEEPER_INTERVAL_S  # a busy machine gives the keeper its turn late


# Wants the file alone, as a process does that closes it and takes itself for the last one.
ALONE = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1], timeout=0).execute('PRAGMA journal_mode=DELETE').fetchone()[0])"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bus.sqlite3"


@pytest.fixture
async def bus(path: Path) -> AsyncIterator[LocalBus]:
    bus = LocalBus(path)
    yield bus
    await bus.close()


@pytest.fixture
def writers(path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Three processes that append as fast as they can."""
    command = [sys.executable, "-c", WRITER, str(path)]
    started = [subprocess.Popen([*command, f"w{n}"], cwd=ROOT, stdout=subprocess.PIPE) for n in range(3)]
    yield started
    for each in started:
        each.kill()
        each.wait()
        assert each.stdout is not None
        each.stdout.close()


def a_record(value: bytes) -> Record:
    return Record(topic=TOPIC, key="case-1", headers={}, value=value)


async def read_all(bus: LocalBus, *, group: str = GROUP) -> list[bytes]:
    consumer = await bus.consumer(group=group, topics=[TOPIC])
    values: list[bytes] = []
    while delivered := await consumer.fetch(timeout_s=0.1):
        values += [each.record.value for each in delivered]
    await consumer.close()
    return values


def acknowledged_until_killed(writer: subprocess.Popen[bytes], *, at: int) -> int:
    """Kill -9 once `at` is acknowledged; the last number that was."""
    assert writer.stdout is not None
    last = -1
    while last < at:
        last = int(writer.stdout.readline())
    writer.kill()
    return max([last, *(int(line) for line in writer.stdout.read().split(b"\n")[:-1])])


async def test_kill_9_of_writers_loses_nothing_acknowledged_and_leaves_no_half_batch(
    bus: LocalBus, path: Path, writers: list[subprocess.Popen[bytes]]
) -> None:
    last = {f"w{n}": acknowledged_until_killed(writer, at=20 + 30 * n) for n, writer in enumerate(writers)}
    values = await read_all(bus)
    batches: dict[tuple[str, int], set[int]] = {}
    for name, number, part in (value.decode().split(".") for value in values):
        batches.setdefault((name, int(number)), set()).add(int(part))
    assert {(name, n) for name, end in last.items() for n in range(end + 1)} <= batches.keys()
    assert all(parts == {0, 1, 2} for parts in batches.values())
    assert len(values) == len(set(values))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_another_process_keeps_the_file_when_the_keeper_is_killed(
    path: Path, writers: list[subprocess.Popen[bytes]]
) -> None:
    for writer in writers:  # one of them is the keeper
        acknowledged_until_killed(writer, at=5)
        writer.wait()
    bus = LocalBus(path)
    publisher = await bus.publisher()
    await publisher.publish([a_record(b"after the keeper's death"), *[a_record(b"x" * 900_000)] * 5])
    async with asyncio.timeout(LIMIT_S):
        while not in_the_file_itself(path, b"after the keeper's death"):  # noqa: ASYNC110  the keeper's work gives no signal
            await asyncio.sleep(0.2)
    await publisher.close()
    await bus.close()


def in_the_file_itself(path: Path, value: bytes) -> bool:
    """Whether a checkpoint has brought the record from the write-ahead log into the file."""
    copy = path.with_name("copy.sqlite3")
    copy.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as connection:
        try:
            return bool(connection.execute("SELECT 1 FROM log WHERE value = ?", (value,)).fetchone())
        except sqlite3.DatabaseError:  # copied in the middle of a checkpoint
            return False


async def test_only_one_bus_object_keeps_the_file(path: Path) -> None:
    first, second = LocalBus(path), LocalBus(path)
    publishers = [await first.publisher(), await second.publisher()]
    await asyncio.sleep(0.1)
    with closing(sqlite3.connect(f"{path}.keeper", timeout=0, isolation_level=None)) as lock:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            lock.execute("BEGIN EXCLUSIVE")
        for each in (*publishers, first, second):
            await each.close()
        lock.execute("BEGIN EXCLUSIVE")


async def test_nobody_checkpoints_on_commit(bus: LocalBus, path: Path) -> None:
    publisher = await bus.publisher()
    await bus.close()  # no keeper
    for _ in range(20):
        await publisher.publish([a_record(b"x" * 500_000)])  # far beyond SQLite's default of 1,000 pages
    assert Path(f"{path}-wal").stat().st_size > 10_000_000
    await publisher.close()


async def test_the_write_ahead_log_stays_short_under_load(bus: LocalBus, path: Path) -> None:
    publisher = await bus.publisher()
    ends_at = time.monotonic() + KEEPER_PATIENCE_S
    longest_bytes, log_bytes = 0, 0
    while log_bytes >= longest_bytes:  # until it has begun anew
        assert time.monotonic() < ends_at
        longest_bytes = log_bytes
        await publisher.publish([a_record(b"x" * 100_000) for _ in range(5)])
        log_bytes = Path(f"{path}-wal").stat().st_size
    await publisher.close()


async def test_a_lost_doorbell_costs_half_a_second(bus: LocalBus, path: Path) -> None:
    publisher, consumer = await bus.publisher(), await bus.consumer(group=GROUP, topics=[TOPIC])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM doorbell")
    waiting = asyncio.create_task(consumer.fetch(timeout_s=5))
    await asyncio.sleep(0.05)
    published_at = time.monotonic()
    await publisher.publish([a_record(b"unheard")])
    assert len(await waiting) == 1
    assert time.monotonic() - published_at < 1.0
    await consumer.close()
    await publisher.close()


async def test_a_full_disk_is_said_and_nothing_half_written_stays(bus: LocalBus) -> None:
    publisher = await bus.publisher()
    await publisher.publish([a_record(b"before")])
    await publisher._thread.run(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone())  # SQLITE_FULL
    with pytest.raises(BusDown, match="full"):
        await publisher.publish([a_record(b"a" * 100_000), a_record(b"b" * 100_000)])
    await publisher.close()
    publisher = await bus.publisher()
    await publisher.publish([a_record(b"after")])
    assert await read_all(bus) == [b"before", b"after"]
    await publisher.close()


async def test_a_replaced_file_ends_publishers_and_consumers(bus: LocalBus, path: Path) -> None:
    publisher, consumer = await bus.publisher(), await bus.consumer(group=GROUP, topics=[TOPIC])
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with pytest.raises(BusDown):
        await publisher.publish([a_record(b"nobody would read this")])
    with pytest.raises(BusDown):
        await consumer.fetch(timeout_s=0.1)
    await publisher.close()
    await consumer.close()


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    bus = LocalBus(tmp_path / "file" / "bus.sqlite3")
    for attempt in (bus.publisher, bus.ping):
        with pytest.raises(BusDown):
            await attempt()
    with pytest.raises(BusDown):
        await bus.consumer(group=GROUP, topics=[TOPIC])
    await bus.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE group_offset SET log_id = 'another log'",  # the bus file was made anew, the group's offsets came from a backup
        "UPDATE group_offset SET next_off = 100",  # beyond the end: the log was restored to an earlier day
    ],
)
async def test_an_offset_that_does_not_fit_the_log_starts_from_the_beginning(bus: LocalBus, path: Path, damage: str) -> None:
    publisher, consumer = await bus.publisher(), await bus.consumer(group=GROUP, topics=[TOPIC])
    await publisher.publish([a_record(b"one"), a_record(b"two")])
    await consumer.commit({(TOPIC, 0): 3})
    assert await read_all(bus) == []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(damage)
    assert await read_all(bus) == [b"one", b"two"]
    await consumer.close()
    await publisher.close()


async def test_a_late_commit_does_not_take_the_group_back(bus: LocalBus) -> None:
    publisher = await bus.publisher()
    old, new = [await bus.consumer(group=GROUP, topics=[TOPIC]) for _ in range(2)]
    await publisher.publish([a_record(b"one"), a_record(b"two")])
    await new.commit({(TOPIC, 0): 3})
    await old.commit({(TOPIC, 0): 2})
    assert await read_all(bus) == []
    for each in (old, new, publisher):
        await each.close()


async def test_old_records_go_and_their_numbers_are_not_used_again(path: Path) -> None:
    bus = LocalBus(path, retention_s=0.2)
    publisher, consumer = await bus.publisher(), await bus.consumer(group=GROUP, topics=[TOPIC])
    await publisher.publish([a_record(b"old")])
    async with asyncio.timeout(LIMIT_S):
        while await consumer.lag():  # noqa: ASYNC110  the keeper's work gives no signal
            await asyncio.sleep(0.1)
    await publisher.publish([a_record(b"new")])
    [delivered] = await consumer.fetch(timeout_s=1)
    assert (delivered.offset, delivered.record.value) == (2, b"new")
    for each in (consumer, publisher, bus):
        await each.close()


async def test_opening_another_connection_gives_up_no_lock_of_those_that_are_open(bus: LocalBus, path: Path) -> None:
    # Two in one process: with the locks of the first one lost, another process deletes the log that it still reads and writes.
    consumer = await bus.consumer(group=GROUP, topics=[TOPIC])
    await bus.ping()
    command = [sys.executable, "-c", ALONE, str(path)]
    alone = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    await consumer.close()
    assert "database is locked" in alone.stderr, alone.stdout
