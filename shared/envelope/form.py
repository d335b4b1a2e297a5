"""The form of an envelope (trust.md 3.1), as both `seal` and `open_envelope` need it.

::

    envelope  = compact JWS {"alg":"Ed25519","kid":..,"typ":"quanyu-env+jws"} over {"h": h, "jwe": compact JWE}
    JWE       = {"alg":"ECDH-ES+A256KW","enc":"A256GCM","kid":aud,"epk":X25519,"hh":SHA-256(canonical h)}
    plaintext = salt(16) || JSON || spaces;  pc in h = SHA-256("env1" || plaintext)
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal
from uuid import UUID

from joserfc import jwe, jws
from joserfc.registry import HeaderParameter
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

ENVELOPE_LIMIT_BYTES: Final = 1024 * 1024  # the broker's message.max.bytes; nothing larger is even parsed
BODY_LIMIT_BYTES: Final = 500 * 1024  # of JSON: base64 twice makes it 933 KB, safely below the envelope's limit
SALT_BYTES: Final = 16  # stops guessing the content from its commitment
PADDING_STEPS_BYTES: Final = (1024, 4096, 16384)  # of JSON: a length tells only the step ...
PADDING_MULTIPLE_BYTES: Final = 16384  # ... and above the last step, only the multiple

ENVELOPE_TYPE: Final = "quanyu-env+jws"
SIGNATURE_ALGORITHM: Final = "Ed25519"
KEY_AGREEMENT: Final = "ECDH-ES+A256KW"
CONTENT_ENCRYPTION: Final = "A256GCM"
ENCRYPTION_SCHEME: Final = "jwe-1"  # named in the header, so that HPKE can follow as a second scheme

Kind = Literal["message", "question", "answer", "journal"]
TYPE: Final = re.compile(r"[a-z][a-z0-9_-]*\.(message|question|answer|journal)")
SCHEMA: Final = re.compile(r"[a-z][a-z0-9_-]*/[1-9][0-9]{0,5}")

_ALWAYS = frozenset({"iss", "aud", "jti", "iat", "inc", "type", "key", "schema", "enc_scheme", "pc"})
MEMBERS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "message": _ALWAYS | {"topic"},
        "journal": _ALWAYS | {"topic"},
        "question": _ALWAYS | {"path"},
        "answer": _ALWAYS | {"path", "re"},
    }
)
"""The members of `h` by kind: exactly these, no more and no less."""


def _base64_length(size_bytes: int) -> int:
    return -(-size_bytes * 4 // 3)


class _SignatureRegistry(jws.JWSRegistry):
    # joserfc's own limit of 128 KB bites only when opening, on the base64 text: sealing would succeed, opening fail.
    max_payload_length = ENVELOPE_LIMIT_BYTES


class _EncryptionRegistry(jwe.JWERegistry):
    # The same trap at 64 KB. The largest plaintext is the body limit, padded, and the salt.
    max_ciphertext_length = _base64_length(SALT_BYTES + BODY_LIMIT_BYTES + PADDING_MULTIPLE_BYTES)


SIGNATURES: Final = _SignatureRegistry(algorithms=[SIGNATURE_ALGORITHM])
# `hh` required: without it another bureau could sign our ciphertext as its own (trust.md 3.2).
ENCRYPTION: Final = _EncryptionRegistry(
    header_registry={"hh": HeaderParameter("SHA-256 of the canonical signed header", "str", True)},
    algorithms=[KEY_AGREEMENT, CONTENT_ENCRYPTION],
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an envelope is read or will be: a topic (message, journal) or a path (question, answer), and the key there.

    When opening, an empty `key` means that the place does not tell one.
    """

    kind: Kind
    capability: str
    topic: str | None = None
    path: str | None = None
    key: str = ""

    def __post_init__(self) -> None:
        by_topic = self.kind in ("message", "journal")
        if (self.topic is not None) != by_topic or (self.path is not None) == by_topic:
            raise ValueError(f"a {self.kind} is at a {'topic' if by_topic else 'path'}, not at {self.topic!r}, {self.path!r}")

    @property
    def type(self) -> str:
        """The coarse type in the signed header, e.g. `transfers.message`; the precise name is inside."""
        return f"{self.capability}.{self.kind}"


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def canonical(value: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys, no spaces, UTF-8. Raises UnicodeEncodeError (a ValueError) on lone surrogates."""
    return _canonical(value).encode()


def digest(data: bytes) -> str:
    """SHA-256 as base64url without padding, 43 characters."""
    return urlsafe_b64encode(hashlib.sha256(data).digest()).decode()


def commitment(plaintext: bytes) -> str:
    """`pc`: what the signed header commits to; the plaintext begins with the salt."""
    return digest(b"env1" + plaintext)


def padded(body: bytes) -> bytes:
    """The JSON followed by spaces, which JSON ignores, up to the next step."""
    for step in PADDING_STEPS_BYTES:
        if len(body) <= step:
            return body.ljust(step)
    return body.ljust(-(-len(body) // PADDING_MULTIPLE_BYTES) * PADDING_MULTIPLE_BYTES)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not an integer")


# Two readers must never see two things in one text: no member twice, integers only.
_decoder = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_float=_no_number, parse_constant=_no_number)


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`. Raises ValueError on anything else (not UTF-8, nested too deep, a member twice, a float)."""
    try:
        value = _decoder.decode(data.decode())
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def read_base64_object(segment: bytes) -> dict[str, Any]:
    """The JSON object in a base64url segment. Raises ValueError."""
    return read_object(urlsafe_b64decode(segment))


def signed_by(envelope: bytes) -> str:
    """The kid that an envelope names. Unverified: for envelopes of our own. Raises ValueError, KeyError."""
    return str(read_base64_object(envelope.partition(b".")[0])["kid"])


def transport_headers(place: Place, *, iss: str, jti: UUID, iat: int, schema: str) -> dict[str, str]:
    """The CloudEvents headers of a message's Kafka record (messaging.md 2.3): `open_envelope` refuses a record whose headers
    disagree with the signed header. `iat` in unix seconds.
    """
    return {
        "ce_specversion": "1.0",
        "ce_id": str(jti),
        "ce_source": iss,
        "ce_type": place.type,
        "ce_subject": place.key,
        "ce_time": datetime.fromtimestamp(iat, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ce_dataschema": schema,
        "ce_partitionkey": place.key,
        "content-type": "application/jose",
    }
