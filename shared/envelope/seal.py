"""Seal a body for one bureau: sign the clear header and a commitment, encrypt the rest (trust.md 3.1, 3.2)."""

import secrets
from typing import Any
from uuid import UUID

from joserfc import jwe, jws

from shared.envelope.errors import NoKey, TooLarge
from shared.envelope.form import (
    BODY_LIMIT_BYTES,
    CONTENT_ENCRYPTION,
    ENCRYPTION,
    ENCRYPTION_SCHEME,
    ENVELOPE_LIMIT_BYTES,
    ENVELOPE_TYPE,
    KEY_AGREEMENT,
    SALT_BYTES,
    SCHEMA,
    SIGNATURE_ALGORITHM,
    SIGNATURES,
    TYPE,
    Place,
    canonical,
    commitment,
    digest,
    padded,
)
from shared.envelope.keys import Ring, SigningKey
from shared.envelope.trust_list import TrustedKey, TrustList


def seal(
    plaintext_json: bytes,
    *,
    place: Place,
    to: str,
    ring: Ring,
    trust: TrustList,
    now: int,
    jti: UUID,
    incarnation: int,
    schema: str,
    re: UUID | None = None,
) -> bytes:
    """The envelope of `plaintext_json` from the ring's bureau to the bureau `to`, at most 1 MiB of ASCII.

    `now` is unix seconds of the machine clock; `incarnation` 1 or more; `schema` like `transfers/1`; `re` the question's jti, for
    an answer only. A body of 500 KiB takes 8 ms: seal it in a thread. Raises TooLarge, NoKey; ValueError on what none would open.
    """
    if len(plaintext_json) > BODY_LIMIT_BYTES:
        raise TooLarge(len(plaintext_json), BODY_LIMIT_BYTES)
    if (re is not None) != (place.kind == "answer"):
        raise ValueError("an answer, and nothing else, names the question it answers")
    if incarnation < 1 or not SCHEMA.fullmatch(schema) or not TYPE.fullmatch(place.type):
        raise ValueError(f"nobody would open this: incarnation {incarnation}, schema {schema!r}, type {place.type!r}")
    signing, _ = signing_key(ring, trust, now)
    recipient = trust.encryption_key(to, now)
    if recipient is None:
        raise NoKey(to, "enc")
    plaintext = secrets.token_bytes(SALT_BYTES) + padded(plaintext_json)
    h = {
        "iss": ring.bureau,
        "aud": recipient.kid,
        "jti": str(jti),
        "iat": now,
        "inc": incarnation,
        "type": place.type,
        "key": place.key,
        "schema": schema,
        "enc_scheme": ENCRYPTION_SCHEME,
        "pc": commitment(plaintext),
        **_where(place, re),
    }
    envelope = _sign(h, plaintext, signing, recipient)
    if len(envelope) > ENVELOPE_LIMIT_BYTES:
        raise TooLarge(len(envelope), ENVELOPE_LIMIT_BYTES)
    return envelope


def _where(place: Place, re: UUID | None) -> dict[str, str]:
    where = {"topic": place.topic} if place.topic is not None else {"path": str(place.path)}
    return where if re is None else {**where, "re": str(re)}


def _sign(h: dict[str, Any], plaintext: bytes, signing: SigningKey, recipient: TrustedKey) -> bytes:
    header = canonical(h)
    jwe_header = {"alg": KEY_AGREEMENT, "enc": CONTENT_ENCRYPTION, "kid": recipient.kid, "hh": digest(header)}
    encrypted = jwe.encrypt_compact(jwe_header, plaintext, recipient.public, registry=ENCRYPTION)
    payload = b'{"h":' + header + b',"jwe":"' + encrypted.encode() + b'"}'
    jws_header = {"alg": SIGNATURE_ALGORITHM, "kid": signing.kid, "typ": ENVELOPE_TYPE}
    return jws.serialize_compact(jws_header, payload, signing.key, registry=SIGNATURES).encode()


def signing_key(ring: Ring, trust: TrustList, now: int) -> tuple[SigningKey, int]:
    """The key that `seal` signs with at `now`, and when it ends (unix seconds). Raises NoKey.

    The newest own key in its life that the others can know: one that our list has, and has not revoked."""
    for held in ring.signing_keys:
        listed = trust.key(held.kid)
        if listed is None or listed.use != "sig":
            continue
        ends_at = min(end for end in (held.exp, listed.exp, listed.revoked_at) if end is not None)
        if held.nbf <= now < ends_at:
            return held, ends_at
    raise NoKey(ring.bureau, "sig")
