"""The ring in force, exchangeable while the node runs: a key that is put into the folder is used without a restart."""

from pathlib import Path

from shared.envelope.keys import Ring, load_ring


class Keyring:
    """One bureau's ring, read from its folder; ask `.ring` anew for each envelope."""

    def __init__(self, folder: Path, bureau: str, kek: bytes) -> None:
        """Raises KeyFileError."""
        self._folder, self._bureau, self._kek = folder, bureau, kek
        self._stamp = self._look()
        self._ring = load_ring(folder, bureau, kek)

    @property
    def ring(self) -> Ring:
        return self._ring

    def reload(self) -> bool:
        """Take up what has changed in the folder; says whether anything had. Raises KeyFileError and keeps the ring it has."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._ring = load_ring(self._folder, self._bureau, self._kek)
        self._stamp = stamp
        return True

    def _look(self) -> tuple[tuple[str, int], ...]:
        files = sorted((self._folder / "keys").glob("*.key"))
        return tuple((file.name, file.stat().st_mtime_ns) for file in files)
