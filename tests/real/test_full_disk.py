"""The disk under one bureau's database is full: "not now" and nothing half done, said by the node, over by itself.

The database lies on a small file system of its own, which the test fills with one big file and frees again.
"""

import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy import text

from services.harness.processes import DATABASE
from tests.real import verdict
from tests.real.people import PLACES, Person, application
from tests.real.stage import Stage, staged
from tests.real.waiting import Measured, until

pytestmark = pytest.mark.kafka

VICTIM, PEER = "zhejiang", "shanghai"
DISK_MEGABYTES = 256  # a fresh server with its first segments of log takes 60
MOST_APPLICATIONS = 60  # pages that have room for a few rows more take the first ones
DISK_FULL = "53100"  # what PostgreSQL calls it
CHUNK = b"\0" * 65_536
KEPT = text(
    "SELECT (SELECT count(*) FROM transfer_case) AS cases, (SELECT count(*) FROM transfer_member) AS members,"
    " (SELECT count(*) FROM audit WHERE action = 'transfers.open') AS opened"
)


class SmallDisk:
    """A tmpfs of DISK_MEGABYTES at `place`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    def mount(self) -> None:
        """Raises PermissionError with the reason where this machine lets nobody mount."""
        self.place.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0700", "tmpfs", str(self.place)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
        if done.returncode != 0:
            raise PermissionError(done.stderr.strip())

    def fill(self) -> None:
        """Not one byte is left."""
        with self._ballast.open("ab", buffering=0) as file:
            for chunk in (CHUNK, CHUNK[:4096], b"\0"):
                try:
                    while file.write(chunk):
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.place)], check=False, capture_output=True, timeout=10)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    made = SmallDisk(tmp_path_factory.mktemp("federation") / "postgres" / VICTIM)
    try:
        made.mount()
    except (PermissionError, FileNotFoundError) as error:
        reason = f"a full disk needs a file system of its own, and mounting one takes root: {error}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    yield made
    made.unmount()


@pytest.fixture(scope="module")
async def cramped(disk: SmallDisk) -> AsyncIterator[Stage]:
    """Four nodes; the database of VICTIM has the small disk."""
    async with staged(disk.place.parents[1]) as stage:
        try:
            yield stage
        finally:
            disk.free()


async def kept(stage: Stage) -> tuple[int, ...]:
    """How many cases, members and applications the cramped bureau has."""
    return tuple((await verdict.rows_of(stage.databases[VICTIM], KEPT))[0])


async def open_until_refused(stage: Stage, people: Sequence[Person]) -> tuple[int, httpx.Response]:
    """Applications at the cramped bureau, one after the other: how many were taken, and what the next one was told."""
    for taken, person in enumerate(people):
        form = application(person, PLACES[VICTIM], stage.sponsor(VICTIM))
        answer = await stage.officers.post(VICTIM, PLACES[VICTIM].counter, "/api/v1/transfers", form)
        if not answer.is_success:
            return taken, answer
    raise AssertionError("the disk is not full")


async def test_a_full_disk_takes_an_act_whole_or_not_at_all_and_is_over_by_itself(
    cramped: Stage, disk: SmallDisk, measured: Measured
) -> None:
    stage = cramped
    arriving = [await stage.begin(VICTIM, PEER) for _ in range(4)]
    people = await stage.settle_people(PEER, MOST_APPLICATIONS)
    # A fresh segment of log: the disk is to be full for rows, and not for the log itself, which would end the server.
    stage.federation.postgres[VICTIM].execute(DATABASE, ["SELECT pg_switch_wal()", "CHECKPOINT"])
    before = await kept(stage)
    disk.fill()

    taken, refused = await open_until_refused(stage, people)
    assert (refused.status_code, refused.json()["code"]) == (httpx.codes.SERVICE_UNAVAILABLE, "database_down")
    assert await kept(stage) == tuple(count + taken for count in before)
    assert await stage.officers.serves(VICTIM)  # reading goes on
    report = await stage.officers.health(VICTIM)
    assert (report["status"], DISK_FULL in report["parts"]["database"]["reason"]) == ("failing", True)
    assert DISK_FULL in stage.nodes[VICTIM].log.read_text()

    for transfer in arriving:
        await transfer.approve()
    await until(stage.officers.is_degraded, VICTIM, "loop.consumer")
    assert [await transfer.state("origin") for transfer in arriving] == [None] * len(arriving)

    disk.free()
    freed = time.monotonic()
    for transfer in arriving:
        await transfer.reached("RECEIVED")
    measured("space freed on a full disk: what had arrived is taken", time.monotonic() - freed)
    late = await stage.open(people[taken], PLACES[VICTIM])
    assert await stage.officers.is_ok(VICTIM)
    for transfer in arriving:
        await transfer.run("received")
    await late.run()
    await stage.verify([*arriving, late])
