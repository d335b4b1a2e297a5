"""Two clocks: the machine's for everything that signatures and leases depend on, the business clock for legal dates.

Only stories and the demo set the business clock, by an offset in a file of the run folder that all nodes read; it ticks on from
there. Nothing else ever moves it.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

LARGEST_OFFSET = timedelta(days=36_525)  # a century: no story is older, and every date that is computed from it exists


class MachineClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class BusinessClock:
    """The time of legal acts: real time plus the offset in `file`, if there is one."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._offset = timedelta(0)

    @property
    def offset(self) -> timedelta:
        """Raises ValueError when the file holds none."""
        if self._file is None:
            return self._offset
        try:
            status = os.stat(self._file)
        except FileNotFoundError:
            return timedelta(0)
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            self._offset = _read_offset(self._file)
            self._stamp = stamp
        return self._offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset


def _read_offset(file: Path) -> timedelta:
    try:
        offset = timedelta(seconds=json.loads(file.read_text())["offset_seconds"])
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{file.name} holds no offset in seconds") from error
    if abs(offset) > LARGEST_OFFSET:
        raise ValueError(f"{file.name}: the offset is more than a century")
    return offset


def set_business_clock(file: Path, at: datetime) -> None:
    """Let the business clock of all nodes that read `file` show `at` (aware) now; replaced at once, never half written."""
    scratch = file.with_suffix(f".{os.getpid()}.new")
    scratch.write_text(json.dumps({"offset_seconds": (at - datetime.now(UTC)).total_seconds()}))
    scratch.replace(file)
