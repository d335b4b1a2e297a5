"""A bureau's private keys: names, files, and the ring that a running node holds (trust.md 2).

Folder of one bureau, everything 0600 in folders 0700, backed up apart from the database::

    kek                     32 random bytes: the key-encryption key
    keys/<use>-<period>.key private keys (sig, enc, tls-ca; root on a stick of its own), wrapped
    keys/data-1.key         data key 1 of the encrypted columns; blind.key, pseudonym.key: HMAC keys; wrapped
    tls/leaf.pem, leaf.key  certificate of the peer port and of our client (`tls.py`)
    trust/                  anchors and trust lists (`trust_store.py`)

A wrapped file is JSON: metadata in clear, the secret under AES-256-GCM-SIV with the metadata as associated data, so that a life
or a name cannot be edited. Times are unix seconds of the machine clock.
"""

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from joserfc.jwk import OKPKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from shared.envelope.errors import KeyFileError
from shared.envelope.form import canonical, read_object

KEK_BYTES: Final = 32
NONCE_BYTES: Final = 12
SECRET_BYTES: Final = 32  # data keys, HMAC keys, and the raw form of Ed25519 and X25519 keys
PRIVATE_FILE_MODE: Final = 0o600
PRIVATE_FOLDER_MODE: Final = 0o700

Curve = Literal["Ed25519", "X25519"]
CURVES: Final[Mapping[str, Curve]] = {"root": "Ed25519", "sig": "Ed25519", "enc": "X25519"}

_KID = re.compile(r"(?P<bureau>[a-z][a-z0-9-]{1,30})#(?P<use>tls-ca|[a-z]{1,12})-(?P<period>[a-z0-9][a-z0-9-]{0,30})")


@dataclass(frozen=True, slots=True)
class Kid:
    """The parts of a key's name, `<bureau>#<use>-<period>`, e.g. `shanghai#sig-2026q4`."""

    bureau: str
    use: str
    period: str

    def __str__(self) -> str:
        return f"{self.bureau}#{self.use}-{self.period}"


def parse_kid(text: str) -> Kid | None:
    """The parts of a key's name; None when it has not that form."""
    found = _KID.fullmatch(text)
    return Kid(**found.groupdict()) if found else None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One private key as its file holds it; `secret` is the raw key (32 bytes) or, for tls-ca, PKCS 8 DER."""

    kid: str
    use: str
    nbf: int
    exp: int
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private Ed25519 key in its life [nbf, exp)."""

    kid: str
    nbf: int
    exp: int
    key: OKPKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ring:
    """The private keys of one bureau's node, parsed once. Signing keys newest first; decryption keys are never dropped."""

    bureau: str
    signing_keys: tuple[SigningKey, ...]
    decryption_keys: Mapping[str, OKPKey] = field(repr=False)

    def decryption_key(self, kid: str) -> OKPKey | None:
        """The private X25519 key of that name, of any age; None when this node does not hold it."""
        return self.decryption_keys.get(kid)


@dataclass(frozen=True, slots=True)
class VaultKeys:
    """The keys of the bureau's own database, 32 bytes each: data keys by version, HMAC keys of blind index and pseudonyms."""

    data_keys: Mapping[int, bytes] = field(repr=False)
    blind_key: bytes = field(repr=False)
    pseudonym_key: bytes = field(repr=False)


def raw_private(key: OKPKey) -> bytes:
    """The 32 bytes of a private Ed25519 or X25519 key."""
    return urlsafe_b64decode(str(key.as_dict(private=True)["d"]).encode())


def private_key(curve: Curve, secret: bytes) -> OKPKey:
    """The joserfc key of 32 raw bytes. Raises ValueError on another length."""
    raw = OKPKey.binding.from_private_bytes(curve, secret)
    return OKPKey.import_key(raw)


def public_jwk(key: OKPKey) -> dict[str, str]:
    """The public part as a JWK of kty, crv, x (RFC 8037)."""
    public = key.as_dict(private=False)
    return {name: str(public[name]) for name in ("kty", "crv", "x")}


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner reads. Raises FileExistsError: a private key is never overwritten."""
    path.parent.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def read_private(path: Path) -> bytes:
    """The bytes of a private file. Raises KeyFileError when it is missing or others may read it."""
    try:
        mode = path.stat().st_mode & 0o777
        data = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path.name}: {error.strerror}") from error
    if mode & 0o077:
        raise KeyFileError(f"{path.name}: mode is {mode:o}, should be {PRIVATE_FILE_MODE:o}: others can read it")
    return data


def read_kek(folder: Path) -> bytes:
    """The key-encryption key of a bureau's folder, 32 bytes. Raises KeyFileError."""
    kek = read_private(folder / "kek")
    if len(kek) != KEK_BYTES:
        raise KeyFileError(f"kek: {len(kek)} bytes, should be {KEK_BYTES}")
    return kek


def write_kek(folder: Path) -> bytes:
    """Make and keep a new key-encryption key. Raises FileExistsError."""
    kek = secrets.token_bytes(KEK_BYTES)
    write_private(folder / "kek", kek)
    return kek


def write_wrapped(path: Path, meta: Mapping[str, str | int], secret: bytes, *, kek: bytes) -> None:
    """Write `secret` wrapped by `kek` and bound to `meta`. Raises FileExistsError."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    wrapped = nonce + AESGCMSIV(kek).encrypt(nonce, secret, canonical(meta))
    text = json.dumps({**meta, "wrapped": urlsafe_b64encode(wrapped).decode()}, indent=1)
    write_private(path, text.encode() + b"\n")


def read_wrapped(path: Path, *, kek: bytes) -> tuple[dict[str, Any], bytes]:
    """Metadata and secret of a wrapped file. Raises KeyFileError when it was edited or wrapped by another key."""
    try:
        meta = read_object(read_private(path))
        wrapped = urlsafe_b64decode(str(meta.pop("wrapped")).encode())
        secret = AESGCMSIV(kek).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], canonical(meta))
    except (KeyError, ValueError, InvalidTag) as error:
        raise KeyFileError(f"{path.name}: damaged, edited, or wrapped by another key-encryption key") from error
    return meta, secret


def write_key(folder: Path, stored: StoredKey, *, kek: bytes) -> None:
    """Keep a private key in `folder/keys`. Raises FileExistsError."""
    path = folder / "keys" / f"{stored.kid.partition('#')[2]}.key"
    meta: dict[str, str | int] = {"kid": stored.kid, "use": stored.use, "nbf": stored.nbf, "exp": stored.exp}
    write_wrapped(path, meta, stored.secret, kek=kek)


def read_keys(folder: Path, use: str, *, kek: bytes) -> list[StoredKey]:
    """All private keys of one use in a bureau's folder, newest first. Raises KeyFileError."""
    stored = []
    for path in sorted((folder / "keys").glob(f"{use}-*.key")):
        meta, secret = read_wrapped(path, kek=kek)
        try:
            stored.append(StoredKey(secret=secret, **meta))
        except TypeError as error:
            raise KeyFileError(f"{path.name}: its metadata are not those of a key") from error
    return sorted(stored, key=lambda held: (held.nbf, held.kid), reverse=True)


def load_ring(folder: Path, bureau: str, kek: bytes) -> Ring:
    """The ring of a node from its bureau's folder. Raises KeyFileError; also when the folder holds another bureau's keys."""
    held = {use: read_keys(folder, use, kek=kek) for use in ("sig", "enc")}
    for stored in (*held["sig"], *held["enc"]):
        if stored.kid.partition("#")[0] != bureau:
            raise KeyFileError(f"{stored.kid} is not a key of {bureau}")
    if not held["sig"] or not held["enc"]:
        raise KeyFileError(f"{folder.name}/keys: {bureau} needs at least one sig and one enc key")
    try:
        signing = tuple(SigningKey(key.kid, key.nbf, key.exp, private_key("Ed25519", key.secret)) for key in held["sig"])
        decryption = {key.kid: private_key("X25519", key.secret) for key in held["enc"]}
    except ValueError as error:
        raise KeyFileError(f"{folder.name}/keys: not 32 bytes in a sig or enc key") from error
    return Ring(bureau, signing, decryption)


def write_vault_keys(folder: Path, *, kek: bytes) -> None:
    """Make the keys of the bureau's database. Raises FileExistsError."""
    for name in ("data-1", "blind", "pseudonym"):
        write_wrapped(folder / "keys" / f"{name}.key", {"name": name}, secrets.token_bytes(SECRET_BYTES), kek=kek)


def load_vault_keys(folder: Path, kek: bytes) -> VaultKeys:
    """The keys of the bureau's database. Raises KeyFileError."""
    keys = folder / "keys"
    data_keys = {int(path.stem.removeprefix("data-")): read_wrapped(path, kek=kek)[1] for path in keys.glob("data-*.key")}
    if not data_keys:
        raise KeyFileError(f"{folder.name}/keys: there is no data key")
    blind_key, pseudonym_key = (read_wrapped(keys / f"{name}.key", kek=kek)[1] for name in ("blind", "pseudonym"))
    return VaultKeys(data_keys, blind_key, pseudonym_key)
