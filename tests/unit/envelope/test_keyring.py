"""A running node uses a key that was put into its folder, and keeps the ring it has when the folder is broken."""

from pathlib import Path

import pytest

from shared.envelope.ceremony import generate_bureau, generate_key
from shared.envelope.errors import KeyFileError
from shared.envelope.keyring import Keyring
from shared.envelope.keys import Kid, read_kek

NOW = 1_790_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generate_bureau(tmp_path / "anhui", "anhui", now=NOW, period="2026q3")
    return tmp_path / "anhui"


@pytest.fixture
def keyring(folder: Path) -> Keyring:
    return Keyring(folder, "anhui", read_kek(folder))


def test_next_key_is_used_without_a_restart(folder: Path, keyring: Keyring) -> None:
    generate_key(folder, Kid("anhui", "sig", "2026q4"), kek=read_kek(folder), nbf=NOW)
    assert keyring.ring.signing_keys[0].kid == "anhui#sig-2026q3"
    assert keyring.reload()
    assert keyring.ring.signing_keys[0].kid == "anhui#sig-2026q4"


def test_folder_that_has_not_changed_is_not_read_again(keyring: Keyring) -> None:
    ring = keyring.ring
    assert not keyring.reload()
    assert keyring.ring is ring


def test_broken_file_is_told_each_time_and_the_ring_stays(folder: Path, keyring: Keyring) -> None:
    ring, path = keyring.ring, folder / "keys" / "sig-2026q4.key"
    path.touch(0o600)
    for _ in range(2):
        with pytest.raises(KeyFileError, match=r"sig-2026q4\.key: damaged"):
            keyring.reload()
    assert keyring.ring is ring
    path.unlink()
    assert not keyring.reload()
