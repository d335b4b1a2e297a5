"""The folder of one run: locked while the run lasts, emptied before the next one, never a folder that is somebody else's."""

import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from services.harness.stack import StackError
from services.harness.stack.process import FolderLock
from shared.identifiers.texts import N_

MARK = "quanyu-run"
LOCK = "lock"
PORTS = "ports.json"
TEMPORARY_PREFIX = "quanyu-story-"
PRIVATE_MODE = 0o600
REMOVAL_LIMIT_S, REMOVAL_PAUSE_S = 10.0, 0.05


class RunFolder:
    """A folder that one harness at a time works in. What stands in it can be started again by `Federation`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = FolderLock(self.path)

    @classmethod
    def temporary(cls) -> "RunFolder":
        """A new folder below the system's temporary folder, taken."""
        folder = cls(Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX)))
        folder.take()
        return folder

    def take(self) -> None:
        """Make it ours. StackError: another run is in it, or it holds something that is no run of ours."""
        if self.path.exists() and not self.is_ours():
            raise StackError(
                N_("{folder} is not empty and no run folder: nothing there is touched; name another folder"),
                folder=str(self.path),
            )
        self._lock.take()
        (self.path / MARK).touch()

    def is_ours(self) -> bool:
        """Whether emptying it takes nothing that a run has not made."""
        return self.path.is_dir() and ((self.path / MARK).exists() or not any(self.path.iterdir()))

    def empty(self) -> None:
        """Remove what an earlier run left, even while its last process is tidying up itself; the lock stays."""
        for entry in self.path.iterdir():
            if entry.name in (LOCK, MARK):
                continue
            if entry.is_dir() and not entry.is_symlink():
                _remove_tree(entry)
            else:
                entry.unlink(missing_ok=True)

    def release(self) -> None:
        self._lock.release()

    def remove(self) -> None:
        """With all that is in it, even while the last process that wrote there is ending."""
        self.empty()
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_tree(folder: Path) -> None:
    """Again while something in it vanishes or comes, which ends soon. Raises OSError."""
    ends_at = time.monotonic() + REMOVAL_LIMIT_S
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY) or time.monotonic() > ends_at:
                raise
            time.sleep(REMOVAL_PAUSE_S)


def abandoned() -> list[RunFolder]:
    """Temporary run folders whose harness was killed, taken: what still runs in them must be stopped, then they can go."""
    found = []
    for path in Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*"):
        folder = RunFolder(path)
        try:
            if path.stat().st_uid != os.geteuid() or not (path / MARK).exists():
                continue  # without the mark it is only just being made
            folder.take()
        except (StackError, FileNotFoundError):
            continue
        found.append(folder)
    return found


def write_settings(folder: Path, bureau: str, told: Mapping[str, str]) -> None:
    """Keep what a node is told (QUANYU_… variables), so that `quanyu node BUREAU --folder DIR` can start it again."""
    fresh = _settings_file(folder, bureau).with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_MODE), "w") as file:
        json.dump(dict(told), file, indent=1)
    fresh.replace(_settings_file(folder, bureau))


def read_settings(folder: Path, bureau: str) -> dict[str, str]:
    """What the node of `bureau` was told in this run folder. StackError when no run was prepared here."""
    try:
        told: dict[str, str] = json.loads(_settings_file(folder, bureau).read_text())
    except (OSError, ValueError):
        raise StackError(
            N_("there is no run of {bureau} in {folder}: start one with `quanyu demo`, or name its folder with --folder"),
            bureau=bureau,
            folder=str(folder),
        ) from None
    return told


def _settings_file(folder: Path, bureau: str) -> Path:
    return folder / f"{bureau}.settings.json"
