"""Proof for a third party that a bureau said something (trust.md 3.5): the envelope, with the salt and the JSON inside it.

Nobody but the recipient can open the envelope; but its signed header commits to salt and JSON, so that whoever has the trust
list can check both. The whole JSON is revealed: only messages without personal data are shown as proof.
"""

from dataclasses import dataclass
from typing import Self

from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from shared.envelope.errors import Refused
from shared.envelope.form import commitment, padded
from shared.envelope.open import Opened, Parts, refuse_oversize, take_apart, verify_signature
from shared.envelope.trust_list import TrustList


@dataclass(frozen=True, slots=True)
class Proof:
    """`envelope` as it arrived (compact JWS), `salt` (16 bytes, base64url) and `content` (the JSON) that were in it."""

    envelope: str
    salt: str
    content: str

    @classmethod
    def of(cls, envelope: bytes, opened: Opened) -> Self:
        return cls(envelope.decode(), urlsafe_b64encode(opened.salt).decode(), opened.content.decode())


@dataclass(frozen=True, slots=True)
class Proven:
    """Who said it (`iss`), to whom (`to`, a bureau), when (`iat`, seconds by its own clock), under which `schema`, about which
    `key` (the case)."""

    iss: str
    to: str
    iat: int
    schema: str
    key: str
    content: str


def verify_proof(proof: Proof, trust: TrustList) -> Proven:
    """What is proven. Raises Refused with the number of the check of `open_envelope` that fails.

    A key that has expired still proves; a revoked one proves nothing, since a thief can backdate."""
    raw = _bytes_of(proof.envelope)
    refuse_oversize(raw)
    parts = take_apart(raw)
    _verify_history(parts, trust)
    try:
        plaintext = urlsafe_b64decode(proof.salt.encode()) + padded(proof.content.encode())
    except ValueError as error:
        raise Refused(8, "commitment") from error
    if commitment(plaintext) != parts.h["pc"]:
        raise Refused(8, "commitment")
    h = parts.h
    return Proven(h["iss"], h["aud"].partition("#")[0], h["iat"], h["schema"], h["key"], proof.content)


def _bytes_of(envelope: str) -> bytes:
    try:
        return envelope.encode()
    except UnicodeEncodeError as error:  # half a surrogate
        raise Refused(2, "not_an_envelope") from error


def _verify_history(parts: Parts, trust: TrustList) -> None:
    key = trust.key(parts.kid)
    if key is None:
        raise Refused(4, "unknown_key", parts.kid)
    if key.use != "sig" or key.bureau != parts.h["iss"]:
        raise Refused(4, "wrong_key_use")
    if key.revoked_at is not None:
        raise Refused(4, "key_revoked")
    verify_signature(parts, key)
