"""Private keys on disk: readable by their owner alone, useless without the key-encryption key, never overwritten or edited."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from shared.envelope.ceremony import generate_bureau, generate_key
from shared.envelope.errors import CeremonyError, KeyFileError
from shared.envelope.keys import Kid, StoredKey, load_ring, load_vault_keys, parse_kid, read_kek, write_kek, write_key

NOW = 1_790_000_000
DAY = 86400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generate_bureau(tmp_path / "anhui", "anhui", now=NOW, period="2026q3")
    return tmp_path / "anhui"


@pytest.fixture
def kek(folder: Path) -> bytes:
    return read_kek(folder)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("shanghai#sig-2026q4", ("shanghai", "sig", "2026q4")),
        ("shanghai#sig-gm1-2026q4", ("shanghai", "sig", "gm1-2026q4")),
        ("shanghai#tls-ca-2026", ("shanghai", "tls-ca", "2026")),
        ("new-bureau#root-2026-2", ("new-bureau", "root", "2026-2")),
    ],
)
def test_key_names_are_read_and_written(text: str, parts: tuple[str, str, str]) -> None:
    assert parse_kid(text) == Kid(*parts)
    assert str(Kid(*parts)) == text


@pytest.mark.parametrize(
    "text", ["", "shanghai", "shanghai#sig", "Shanghai#sig-1", "a#sig-1", "shanghai#sig-", "shanghai#sig-1\n", "x#y#z-1"]
)
def test_other_names_are_none(text: str) -> None:
    assert parse_kid(text) is None


def test_everything_private_is_0600(folder: Path) -> None:
    private = [path for path in folder.rglob("*") if path.is_file()]
    assert len(private) == 10
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_no_secret_is_in_a_file_in_clear(folder: Path, kek: bytes) -> None:
    ring, vault = load_ring(folder, "anhui", kek), load_vault_keys(folder, kek)
    secrets = [str(key.as_dict(private=True)["d"]).encode() for key in (ring.signing_keys[0].key, *ring.decryption_keys.values())]
    secrets += [*vault.data_keys.values(), vault.blind_key, vault.pseudonym_key]
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert len(secrets) == 5
    assert not any(secret in content for secret in secrets)


def test_secrets_are_not_in_a_repr(folder: Path, kek: bytes) -> None:
    ring, vault = load_ring(folder, "anhui", kek), load_vault_keys(folder, kek)
    assert "OKPKey" not in repr(ring)
    assert repr(vault) == "VaultKeys()"


def test_ring_has_the_newest_signing_key_first(folder: Path, kek: bytes) -> None:
    generate_key(folder, Kid("anhui", "sig", "2026q4"), kek=kek, nbf=NOW + 7 * DAY)
    ring = load_ring(folder, "anhui", kek)
    assert [key.kid for key in ring.signing_keys] == ["anhui#sig-2026q4", "anhui#sig-2026q3"]


def test_ring_keeps_every_decryption_key(folder: Path, kek: bytes) -> None:
    generate_key(folder, Kid("anhui", "enc", "2026q4"), kek=kek, nbf=NOW + 900 * DAY)
    ring = load_ring(folder, "anhui", kek)
    assert ring.decryption_keys.keys() == {"anhui#enc-2026q3", "anhui#enc-2026q4"}
    assert ring.decryption_key("anhui#enc-1999") is None


def test_vault_keys_are_three_different_ones_of_32_bytes(folder: Path, kek: bytes) -> None:
    vault = load_vault_keys(folder, kek)
    keys = {*vault.data_keys.values(), vault.blind_key, vault.pseudonym_key}
    assert vault.data_keys.keys() == {1}
    assert {len(key) for key in keys} == {32}
    assert len(keys) == 3


def test_keys_under_another_key_encryption_key_are_refused(folder: Path, tmp_path: Path) -> None:
    other = write_kek(tmp_path / "other")
    with pytest.raises(KeyFileError, match="wrapped by another key-encryption key"):
        load_ring(folder, "anhui", other)
    with pytest.raises(KeyFileError, match="wrapped by another key-encryption key"):
        load_vault_keys(folder, other)


@pytest.mark.parametrize(
    ("name", "value"), [("exp", 9_999_999_999), ("nbf", 0), ("kid", "anhui#sig-2027"), ("use", "enc"), ("more", 1)]
)
def test_edited_metadata_are_refused(folder: Path, kek: bytes, name: str, value: Any) -> None:
    path = folder / "keys" / "sig-2026q3.key"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {name: value}))
    with pytest.raises(KeyFileError, match="damaged, edited"):
        load_ring(folder, "anhui", kek)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"wrapped":5}', b'{"wrapped":"AAAA"}', b'{"wrapped":"!"}', b"\xff"])
def test_damaged_file_is_refused(folder: Path, kek: bytes, data: bytes | None) -> None:
    (folder / "keys" / "enc-2026q3.key").write_bytes(data)
    with pytest.raises(KeyFileError, match=r"enc-2026q3\.key: damaged"):
        load_ring(folder, "anhui", kek)


def test_file_of_something_else_is_refused(folder: Path, kek: bytes) -> None:
    (folder / "keys" / "blind.key").rename(folder / "keys" / "sig-2026q4.key")
    with pytest.raises(KeyFileError, match="its metadata are not those of a key"):
        load_ring(folder, "anhui", kek)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_file_that_others_can_read_is_refused(folder: Path, kek: bytes, mode: int) -> None:
    (folder / "keys" / "sig-2026q3.key").chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode is {mode:o}, should be 600"):
        load_ring(folder, "anhui", kek)


def test_ring_of_another_bureau_is_refused(folder: Path, kek: bytes) -> None:
    with pytest.raises(KeyFileError, match=r"anhui#sig-2026q3 is not a key of jiangsu"):
        load_ring(folder, "jiangsu", kek)


@pytest.mark.parametrize("use", ["sig", "enc"])
def test_ring_needs_one_key_of_each_use(folder: Path, kek: bytes, use: str) -> None:
    (folder / "keys" / f"{use}-2026q3.key").unlink()
    with pytest.raises(KeyFileError, match="needs at least one sig and one enc key"):
        load_ring(folder, "anhui", kek)


@pytest.mark.parametrize("use", ["sig", "enc"])
def test_key_of_another_length_is_refused(folder: Path, kek: bytes, use: str) -> None:
    write_key(folder, StoredKey(f"anhui#{use}-short", use, NOW, NOW + DAY, bytes(31)), kek=kek)
    with pytest.raises(KeyFileError, match="not 32 bytes in a sig or enc key"):
        load_ring(folder, "anhui", kek)


def test_vault_needs_a_data_key(folder: Path, kek: bytes) -> None:
    (folder / "keys" / "data-1.key").unlink()
    with pytest.raises(KeyFileError, match="there is no data key"):
        load_vault_keys(folder, kek)


@pytest.mark.parametrize(("data", "message"), [(None, "No such file"), (b"short", "5 bytes, should be 32")])
def test_key_encryption_key_that_is_missing_or_short_is_named(folder: Path, data: bytes | None, message: str) -> None:
    (folder / "kek").unlink()
    if data is not None:
        (folder / "kek").touch(0o600)
        (folder / "kek").write_bytes(data)
    with pytest.raises(KeyFileError, match=f"kek: {message}"):
        read_kek(folder)


def test_keys_are_never_overwritten(folder: Path, kek: bytes) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(CeremonyError, match="anhui already holds keys"):
        generate_bureau(folder, "anhui", now=NOW, period="2026q3")
    with pytest.raises(FileExistsError):
        generate_key(folder, Kid("anhui", "sig", "2026q3"), kek=kek, nbf=NOW)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
