"""Making envelopes, right but for what is asked to be wrong. The product's own `seal` makes only right ones."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwe
from joserfc.jwk import OKPKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode
from uuid_utils.compat import uuid7

from shared.contract.fields import Content
from shared.contract.messages import Message, MigrationCertificateIssued, PermitIssued
from shared.contract.registry import schema_of
from shared.envelope import Place, Ring, TrustList, load_ring, read_kek, transport_headers
from shared.envelope.ceremony import generate_key, install_list, next_list
from shared.envelope.form import (
    CONTENT_ENCRYPTION,
    ENCRYPTION,
    ENCRYPTION_SCHEME,
    ENVELOPE_TYPE,
    KEY_AGREEMENT,
    SALT_BYTES,
    SIGNATURE_ALGORITHM,
    canonical,
    commitment,
    digest,
    padded,
    read_object,
)
from shared.envelope.keys import Kid, raw_private
from shared.messaging.bus import Record

DAY_SECONDS: Final = 86400
# Begun so long ago that they have ended: a signing key lives 180 days, and its messages are taken for 30 more.
OLD_KEY_DAYS, STOLEN_KEY_DAYS, NEXT_KEY_DAYS = 220, 30, 5
OLD, STOLEN, NEXT = "sig-old", "sig-stolen", "sig-next"
REVOKED_DAYS_AGO = 1

Header = Mapping[str, Any]


def add_worn_keys(folder: Path, bureau: str) -> None:
    """List three more signing keys of `bureau` in the federation's folder: one that has ended, one revoked, one to come."""
    now, own = int(time.time()), folder / bureau
    begins = {OLD: now - OLD_KEY_DAYS * DAY_SECONDS, STOLEN: now - STOLEN_KEY_DAYS * DAY_SECONDS}
    begins[NEXT] = now + NEXT_KEY_DAYS * DAY_SECONDS
    entries = [generate_key(own, Kid(bureau, *name.split("-")), kek=read_kek(own), nbf=nbf) for name, nbf in begins.items()]
    install_list(folder, next_list(folder, now=now, add_keys=entries))
    stolen = {f"{bureau}#{STOLEN}": "stolen"}
    install_list(folder, next_list(folder, now=now - REVOKED_DAYS_AGO * DAY_SECONDS, revoke=stolen))


@dataclass(frozen=True, kw_only=True)
class Loot:
    """What the rogue has got hold of: a transfer of two others, as anybody on the bus sees it, and as a talkative officer would
    tell it. `elsewhere` is a record for a third bureau; `own_permit` is what the rogue may rightly say: a permit of its own."""

    victim: str
    counterpart: str
    case: UUID
    overheard: Record
    elsewhere: Record
    permit: PermitIssued
    certificate: MigrationCertificateIssued
    own_permit: PermitIssued


@dataclass
class Rogue:
    """A member that has gone bad: its keys, the list, and the incarnation that it claims."""

    ring: Ring
    trust: TrustList
    incarnation: int = 1

    @classmethod
    def of(cls, folder: Path, bureau: str, trust: TrustList) -> Self:
        """With the keys in the bureau's folder. Raises KeyFileError."""
        return cls(load_ring(folder, bureau, read_kek(folder)), trust)

    @property
    def bureau(self) -> str:
        return self.ring.bureau

    def secret(self, name: str = "") -> bytes:
        """The raw private key of that use and period; without a name the one that an honest node would sign with."""
        now = time.time()
        held = (key for key in self.ring.signing_keys if (key.kid.endswith(name) if name else self._is_usable(key.kid, now)))
        return raw_private(next(held).key)

    def kid(self, bureau: str, use: str = "sig") -> str:
        """The current key of that bureau, by the list."""
        now = time.time()
        keys = (key.kid for key in self.trust.keys if (key.bureau, key.use) == (bureau, use))
        return next(kid for kid in keys if self._is_usable(kid, now))

    def public(self, kid: str) -> OKPKey:
        """What everybody can read in the list."""
        key = self.trust.key(kid)
        if key is None:
            raise KeyError(kid)
        return key.public

    def _is_usable(self, kid: str, now: float) -> bool:
        key = self.trust.key(kid)
        return key is not None and key.nbf <= now < key.exp and key.revoked_at is None


@dataclass(frozen=True, kw_only=True)
class Forgery:
    """An envelope that is right, but for what is given. None in `h`, `jws` or `jwe` takes a member out.

    `kid` is the key that the header names, `secret` the one that signs; `iss`, `iat`, `inc` what it claims; `key` the signed key.
    """

    content: Message | bytes
    place: Place
    to: str
    iss: str = ""
    kid: str = ""
    secret: bytes = field(default=b"", repr=False)
    iat: int | None = None
    jti: UUID = field(default_factory=uuid7)
    h: Header = field(default_factory=dict)
    jws: Header = field(default_factory=dict)
    jwe: Header = field(default_factory=dict)

    def header(self, rogue: Rogue, plaintext: bytes) -> dict[str, Any]:
        place, now = self.place, int(time.time())
        where = {"topic": place.topic} if place.topic is not None else {"path": str(place.path)}
        right = {
            "iss": self.iss or rogue.bureau,
            "aud": rogue.kid(self.to, "enc"),
            "jti": str(self.jti),
            "iat": now if self.iat is None else self.iat,
            "inc": rogue.incarnation,
            "type": place.type,
            "key": place.key,
            "schema": schema_of(place.capability),
            "enc_scheme": ENCRYPTION_SCHEME,
            "pc": commitment(plaintext),
        }
        return _changed({**right, **where}, self.h)

    def envelope(self, rogue: Rogue) -> bytes:
        content = self.content if isinstance(self.content, bytes) else encode_unchecked(self.content)
        plaintext = secrets.token_bytes(SALT_BYTES) + padded(content)
        h = canonical(self.header(rogue, plaintext))
        recipient = rogue.kid(self.to, "enc")
        inner = {"alg": KEY_AGREEMENT, "enc": CONTENT_ENCRYPTION, "kid": recipient, "hh": digest(h)}
        sealed = relabelled(jwe.encrypt_compact(inner, plaintext, rogue.public(recipient), registry=ENCRYPTION), self.jwe)
        return self.signed(rogue, b'{"h":' + h + b',"jwe":"' + sealed.encode() + b'"}')

    def signed(self, rogue: Rogue, payload: bytes) -> bytes:
        """`payload`, whatever it is, under this forgery's name and key."""
        right = {"alg": SIGNATURE_ALGORITHM, "kid": self.kid or rogue.kid(rogue.bureau), "typ": ENVELOPE_TYPE}
        return sign(self.secret or rogue.secret(), canonical(_changed(right, self.jws)), payload)

    def record(self, rogue: Rogue, **headers: str) -> Record:
        """As it goes onto the bus, `headers` beside the right ones."""
        return self.record_of(self.envelope(rogue), rogue, **headers)

    def record_of(self, envelope: bytes, rogue: Rogue, **headers: str) -> Record:
        """Any bytes, where this forgery would lie on the bus."""
        iat, iss = int(time.time()) if self.iat is None else self.iat, self.iss or rogue.bureau
        named = transport_headers(self.place, iss=iss, jti=self.jti, iat=iat, schema=schema_of(self.place.capability))
        for name in ("ce_time", "ce_dataschema"):  # what a kind changes in the signed header must not already fail here
            named.pop(name)
        return Record(str(self.place.topic), self.place.key, {**named, **headers}, envelope)

    def but(self, **changes: Any) -> "Forgery":
        """The same with other members."""
        return replace(self, **changes)


def encode_unchecked(message: Content) -> bytes:
    """The content of an envelope, whether the contract would take it or not."""
    return canonical(
        {
            "name": type(message).__name__,
            "version": message.wire_version,
            "body": message.model_dump(mode="json", exclude_none=True),
        }
    )


def sign(secret: bytes, header: bytes, payload: bytes) -> bytes:
    """A compact JWS by an Ed25519 key, whatever the header claims."""
    signed = urlsafe_b64encode(header) + b"." + urlsafe_b64encode(payload)
    return signed + b"." + urlsafe_b64encode(Ed25519PrivateKey.from_private_bytes(secret).sign(signed))


def relabelled(compact: str, changes: Header) -> str:
    """A compact JWE with members of its header replaced; it cannot be decrypted any more."""
    if not changes:
        return compact
    head, _, rest = compact.partition(".")
    header = _changed(read_object(urlsafe_b64decode(head.encode())), changes)
    return f"{urlsafe_b64encode(canonical(header)).decode()}.{rest}"


def taken_apart(envelope: bytes) -> tuple[dict[str, Any], bytes]:
    """(h, payload) of an envelope, as anybody can read it who sees it."""
    payload = urlsafe_b64decode(envelope.split(b".")[1])
    return read_object(payload)["h"], payload


def _changed(members: Header, changes: Header) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not None}
