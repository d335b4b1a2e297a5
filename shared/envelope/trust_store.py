"""The trust lists of a node on disk: the one in force, those before it, and forks that wait for a person (trust.md 4).

Folder `trust/`::

    anchors.json              installed by hand
    trust-list-<version>.json every list that was in force; the highest is
    fork-<version>-<hash>.json a properly signed second list of one version
"""

import os
import re
from pathlib import Path
from typing import Final

from shared.envelope.errors import Fork, TrustListRefused
from shared.envelope.trust_list import Anchors, TrustedKey, TrustList, accept

LIST_FILE_MODE: Final = 0o644  # public: each node serves its lists without login

_LIST_FILE = re.compile(r"trust-list-([1-9][0-9]{0,8})\.json")


class TrustStore:
    """The list in force, exchangeable while the node runs: ask `.current` anew for each envelope."""

    def __init__(self, folder: Path) -> None:
        """Read and verify the whole folder. Raises TrustListRefused; also when there is no list: never "trust nobody"."""
        self._folder = folder
        self._anchors = Anchors.parse(_read(folder / "anchors.json", rule="anchors"))
        self._before: TrustList | None = None
        self._current = self._verify_folder()
        self._seen_at = self._written_at()

    @property
    def current(self) -> TrustList:
        """The list in force."""
        return self._current

    def key(self, kid: str) -> TrustedKey | None:
        """The listed key of that name; None when the list in force has it not."""
        return self._current.key(kid)

    def raw(self, version: int) -> bytes | None:
        """The signed file of a version, as other nodes fetch it; None when we have it not."""
        path = self._list_path(version)
        return path.read_bytes() if path.exists() else None

    def forks(self) -> list[Path]:
        """Lists that contradict ours; while there is one, nothing newer is accepted."""
        return sorted(self._folder.glob("fork-*.json"))

    def install(self, raw: bytes) -> TrustList:
        """Accept a list and keep it durably. Raises TrustListRefused; a Fork is kept beside ours before it is raised.

        A list that is missing in between (rule `gap`) must be fetched and installed first. The same list again changes nothing.
        """
        try:
            listed = self._accept(raw)
        except Fork as fork:
            _write(self._folder / f"fork-{fork.version}-{fork.theirs[:16]}.json", raw)
            raise
        if listed.version > self._current.version:
            if self.forks():
                raise TrustListRefused("fork", "a person must decide first")
            _write(self._list_path(listed.version), raw)
            self._before, self._current = self._current, listed
            self._seen_at = self._written_at()
        return self._current

    def settle_fork(self, keep: str) -> TrustList:
        """A person's decision between two lists of the current version: keep the one with this digest (hex), drop the others.

        Raises TrustListRefused (fork) when neither ours nor a kept fork has that digest.
        """
        if keep != self._current.digest:
            chosen = next((path for path in self.forks() if self._fork_digest(path) == keep), None)
            if chosen is None:
                raise TrustListRefused("fork", f"no list with digest {keep[:12]} is here")
            _write(self._list_path(self._current.version), chosen.read_bytes())
        for path in self.forks():
            path.unlink()
        self._current = self._verify_folder()
        return self._current

    def fork_digests(self) -> list[str]:
        """The digests (hex) of the kept lists that contradict ours, by which a person tells them apart."""
        return [digest for path in self.forks() if (digest := self._fork_digest(path)) not in ("", self._current.digest)]

    def reload(self) -> TrustList:
        """Take up lists that another process (`quanyu keys`) has put into the folder. Raises TrustListRefused."""
        if self._written_at() != self._seen_at:  # a person has decided for the other list of this version
            self._current = self._verify_folder()
        while (raw := self.raw(self._current.version + 1)) is not None:
            self._before, self._current = self._current, self._accept(raw)
        self._seen_at = self._written_at()
        return self._current

    def _written_at(self) -> int:
        """When the file of the list in force was written, in nanoseconds; 0 when it is not there."""
        path = self._list_path(self._current.version)
        return path.stat().st_mtime_ns if path.exists() else 0

    def _accept(self, raw: bytes) -> TrustList:
        return accept(raw, current=self._current, anchors=self._anchors, before=self._before)

    def _list_path(self, version: int) -> Path:
        return self._folder / f"trust-list-{version}.json"

    def _verify_folder(self) -> TrustList:
        found = (_LIST_FILE.fullmatch(path.name) for path in self._folder.glob("trust-list-*.json"))
        current: TrustList | None = None
        for version in sorted(int(match[1]) for match in found if match):
            raw = _read(self._list_path(version), rule="missing")
            self._before, current = current, accept(raw, current=current, anchors=self._anchors)
        if current is None:
            raise TrustListRefused("missing", "there is no trust list in the folder")
        return current

    def _fork_digest(self, path: Path) -> str:
        try:
            self._accept(path.read_bytes())
        except Fork as fork:
            return fork.theirs
        except TrustListRefused:  # a file put there by hand that is not a fork of ours
            return ""
        return self._current.digest


def install_first(folder: Path, *, anchors: bytes, raw: bytes) -> TrustStore:
    """Set up a node's trust folder: anchors and a list that they sign. Raises TrustListRefused, FileExistsError."""
    listed = accept(raw, current=None, anchors=Anchors.parse(anchors))
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "anchors.json").exists():
        raise FileExistsError(f"{folder.name}/anchors.json")
    _write(folder / "anchors.json", anchors)
    _write(folder / f"trust-list-{listed.version}.json", raw)
    return TrustStore(folder)


def _read(path: Path, *, rule: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrustListRefused(rule, f"{path.name}: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    """All or nothing, and on the disk before we go on: a lost list would be a rollback."""
    temporary = path.with_suffix(".new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, LIST_FILE_MODE), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
