"""Open an envelope: the numbered checks of trust.md 3.3 in one function. Pure: no I/O, no clock; returns `Opened` or raises."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from uuid import UUID

from joserfc import jwe, jws
from joserfc.errors import JoseError, MissingHeaderError

from shared.envelope.errors import NotYet, Refused
from shared.envelope.form import (
    CONTENT_ENCRYPTION,
    ENCRYPTION,
    ENCRYPTION_SCHEME,
    ENVELOPE_LIMIT_BYTES,
    ENVELOPE_TYPE,
    KEY_AGREEMENT,
    MEMBERS,
    SALT_BYTES,
    SCHEMA,
    SIGNATURE_ALGORITHM,
    SIGNATURES,
    TYPE,
    Place,
    canonical,
    commitment,
    digest,
    read_base64_object,
    read_object,
    transport_headers,
)
from shared.envelope.keys import Ring, parse_kid
from shared.envelope.trust_list import TrustedKey, TrustList
from shared.identifiers.bureau import BUREAU_PATTERN

LEEWAY_SECONDS: Final = 60  # how far two well-kept clocks may differ: key lives, age of questions and answers
CLOCK_AHEAD_SECONDS: Final = 5 * 60  # a message dated later than this waits: its sender's clock is wrong
MESSAGE_AGE_SECONDS: Final = 45 * 86400  # receipts are kept so long: an older message could take effect twice
EXPIRED_KEY_SECONDS: Final = 30 * 86400  # messages signed in a key's life may arrive so long after it
UNKNOWN_KEY_SECONDS: Final = 30 * 86400  # what waits for an unknown key is refused after this
LATEST_SECONDS: Final = 253_402_300_799  # the end of the year 9999: no date can be made of more

_BUREAU = re.compile(BUREAU_PATTERN)
_32_BYTES = re.compile(r"[A-Za-z0-9_-]{43}")
_COMPACT_JWE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){4}")


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope that passed checks 1-8. `content` is the JSON inside, not parsed: check 9 is the contract's.

    `content_hash` (SHA-256 in hex of the envelope) tells two sealings of one jti apart. Envelope, `salt` and `content` together
    prove to a third party what was said. `alarms`: `recipient_key_old` when the sender used an old key of ours.
    """

    iss: str
    kid: str
    aud: str
    jti: UUID
    iat: int
    incarnation: int
    type: str
    schema: str
    key: str
    re: UUID | None
    content_hash: str
    alarms: tuple[str, ...]
    content: bytes = field(repr=False)
    salt: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Parts:
    """An envelope taken apart, nothing in it believed yet."""

    kid: str
    h: dict[str, Any]
    signed: jws.CompactSignature
    jwe: str
    jwe_header: dict[str, Any]
    hh: str

    @property
    def kind(self) -> str:
        return str(self.h["type"]).rpartition(".")[2]


def open_envelope(
    raw: bytes,
    *,
    place: Place,
    ring: Ring,
    trust: TrustList,
    seen: Mapping[str, int],
    now: int,
    headers: Mapping[str, str] | None = None,
    received_at: int | None = None,
    expect_re: UUID | None = None,
    expect_iss: str | None = None,
) -> Opened:
    """Open what was read at `place`. Raises Refused or NotYet with the number of the check; check 9 (content) is the caller's.

    `seen` is the highest incarnation by bureau, `now` unix seconds of the machine clock, `received_at` when a kept envelope first
    arrived: it is judged as of then. `headers` are a Kafka record's. `expect_re`, `expect_iss`: for an answer, which question of
    ours it must answer, and who. `place.key`, when not empty, must be the signed key.
    """
    arrived_at = now if received_at is None else received_at
    refuse_oversize(raw)  # 1 size
    parts = take_apart(raw)  # 1 zip, 2 form
    _match_transport_headers(parts.h, headers)  # 2
    _match_place(parts.h, place, ring)  # 3 place
    _match_audience(parts.h, ring, trust)  # 3
    _match_reply(parts.h, expect_re, expect_iss)  # 3
    key = _accept_key(parts, trust, now=now, arrived_at=arrived_at)  # 4 key
    verify_signature(parts, key)  # 5 signature
    if parts.kind != "journal":  # our own past has no sender to doubt
        _refuse_older_incarnation(parts.h, seen)  # 6 incarnation
        _match_time(parts, now=now, arrived_at=arrived_at)  # 7 time
    plaintext = _decrypt(parts, ring)  # 8 decrypt
    return _opened(raw, parts, plaintext, alarms=_alarms(parts.h, trust, now))


# --- 1 size, 2 form --------------------------------------------------------------------------------


def refuse_oversize(raw: bytes) -> None:
    if len(raw) > ENVELOPE_LIMIT_BYTES:
        raise Refused(1, "too_large", f"{len(raw)} bytes")


def take_apart(raw: bytes) -> Parts:
    try:
        protected = read_base64_object(raw.partition(b".")[0])
        _match_signature_header(protected)
        signed = jws.extract_compact(raw, registry=SIGNATURES)
        payload = read_object(signed.payload)
    except (JoseError, ValueError) as error:
        raise Refused(2, "not_an_envelope") from error
    if payload.keys() != {"h", "jwe"} or not isinstance(payload["h"], dict) or not isinstance(payload["jwe"], str):
        raise Refused(2, "not_an_envelope", "payload")
    h = payload["h"]
    jwe_header = _read_encryption_header(payload["jwe"])
    _match_members(h)
    parts = Parts(protected["kid"], h, signed, payload["jwe"], jwe_header, hh=digest(canonical(h)))
    if h["enc_scheme"] != ENCRYPTION_SCHEME:
        raise Refused(2, "scheme")
    kid = parse_kid(parts.kid)
    if kid is None or kid.bureau != h["iss"]:
        raise Refused(2, "issuer")
    return parts


def _match_signature_header(protected: dict[str, Any]) -> None:
    if "zip" in protected:
        raise Refused(1, "zip")
    if protected.keys() != {"alg", "kid", "typ"} or not isinstance(protected["kid"], str):
        raise Refused(2, "header", "members")
    if protected["alg"] != SIGNATURE_ALGORITHM or protected["typ"] != ENVELOPE_TYPE:
        raise Refused(2, "header", "alg or typ")


def _read_encryption_header(compact: str) -> dict[str, Any]:
    if not _COMPACT_JWE.fullmatch(compact):
        raise Refused(2, "not_an_envelope", "jwe")
    try:
        header = read_base64_object(compact.partition(".")[0].encode())
    except ValueError as error:
        raise Refused(2, "not_an_envelope", "jwe header") from error
    if "zip" in header:  # a small envelope must not grow without bound when opened
        raise Refused(1, "zip")
    if header.keys() | {"hh"} != {"alg", "enc", "kid", "epk", "hh"}:  # a missing hh is check 8
        raise Refused(2, "scheme", "members")
    if header["alg"] != KEY_AGREEMENT or header["enc"] != CONTENT_ENCRYPTION or not _is_ephemeral_key(header["epk"]):
        raise Refused(2, "scheme", "alg, enc or epk")
    return header


def _is_ephemeral_key(epk: object) -> bool:
    # joserfc 1.8 answers a foreign curve with a KeyError of its own: a peer must not be able to crash its reader.
    if not isinstance(epk, dict) or epk.keys() != {"kty", "crv", "x"} or (epk["kty"], epk["crv"]) != ("OKP", "X25519"):
        return False
    return isinstance(epk["x"], str) and _32_BYTES.fullmatch(epk["x"]) is not None


def _match_members(h: dict[str, Any]) -> None:
    found = TYPE.fullmatch(h["type"]) if isinstance(h.get("type"), str) else None
    if found is None or h.keys() != MEMBERS[found[1]]:
        raise Refused(2, "members")
    for name, value in h.items():
        if not (_is_number(value) if name in ("iat", "inc") else _is_text(value)):
            raise Refused(2, "members", name)
    well_formed = {
        "iss": _BUREAU.fullmatch(h["iss"]),
        "aud": parse_kid(h["aud"]),
        "schema": SCHEMA.fullmatch(h["schema"]),
        "pc": _32_BYTES.fullmatch(h["pc"]),
        "jti": _is_uuid(h["jti"]),
        "re": _is_uuid(h["re"]) if "re" in h else True,
        "inc": h["inc"] >= 1,
        "iat": h["iat"] <= LATEST_SECONDS,
    }
    for name, well in well_formed.items():
        if not well:
            raise Refused(2, "members", name)


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53  # bool is an int in Python; 2^53 is what every JSON reader holds exactly


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not any(
        "\ud800" <= character <= "\udfff" for character in value
    )  # UTF-8 has no form for these


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text  # one spelling only: the receipt's key is compared as text elsewhere
    except ValueError:
        return False


def _match_transport_headers(h: dict[str, Any], headers: Mapping[str, str] | None) -> None:
    if headers is None:
        return
    kind: Any = h["type"].rpartition(".")[2]
    signed = Place(kind, h["type"].rpartition(".")[0], topic=h.get("topic"), path=h.get("path"), key=h["key"])
    expected = transport_headers(signed, iss=h["iss"], jti=UUID(h["jti"]), iat=h["iat"], schema=h["schema"])
    for name, value in expected.items():
        if name in headers and headers[name] != value:
            raise Refused(2, "transport_headers", name)


# --- 3 place ---------------------------------------------------------------------------------------


def _match_place(h: dict[str, Any], place: Place, ring: Ring) -> None:
    if h["type"] != place.type:
        raise Refused(3, "wrong_door")
    if place.kind == "journal" and h["iss"] != ring.bureau:  # a journal is believed without checks 6 and 7: only our own
        raise Refused(3, "wrong_door", "a journal of another bureau")
    if h.get("topic") != place.topic or h.get("path") != place.path:
        raise Refused(3, "wrong_place")
    if place.key and h["key"] != place.key:
        raise Refused(3, "wrong_place", "key")


def _match_audience(h: dict[str, Any], ring: Ring, trust: TrustList) -> None:
    aud = parse_kid(h["aud"])
    if aud is None or aud.bureau != ring.bureau or aud.use != "enc":
        raise Refused(3, "wrong_audience")
    if ring.decryption_key(h["aud"]) is None and trust.key(h["aud"]) is None:
        raise Refused(3, "wrong_audience", "no such key")


def _match_reply(h: dict[str, Any], expect_re: UUID | None, expect_iss: str | None) -> None:
    if h.get("re") != (None if expect_re is None else str(expect_re)):
        raise Refused(3, "wrong_reply")
    if expect_iss is not None and h["iss"] != expect_iss:
        raise Refused(3, "wrong_reply", "another bureau")


# --- 4 key (table 3.4), 5 signature ----------------------------------------------------------------


def _accept_key(parts: Parts, trust: TrustList, *, now: int, arrived_at: int) -> TrustedKey:
    """Table 3.4. What makes a key too old is judged as of the arrival, what it is too young for as of now: waiting only helps."""
    key = trust.key(parts.kid)
    if key is None:
        _await_unknown_key(parts, now=now, arrived_at=arrived_at)
    if key.use != "sig" or key.bureau != parts.h["iss"]:
        raise Refused(4, "wrong_key_use")
    if parts.kind == "journal":
        return key  # our own record, under any key we ever had
    if key.revoked_at is not None and arrived_at >= key.revoked_at:
        raise Refused(4, "key_revoked")  # `iat` is no evidence: a thief backdates
    if now < key.nbf - LEEWAY_SECONDS:
        if parts.kind == "message":
            raise NotYet(4, "key_not_yet_valid", parts.kid)
        raise Refused(4, "key_not_yet_valid")
    if arrived_at > key.exp + LEEWAY_SECONDS and not _is_late_message(parts, key, arrived_at):
        raise Refused(4, "key_expired")
    return key


def _await_unknown_key(parts: Parts, *, now: int, arrived_at: int) -> NoReturn:
    if parts.kind == "message" and now > arrived_at + UNKNOWN_KEY_SECONDS:
        raise Refused(4, "unknown_key", parts.kid)
    raise NotYet(4, "unknown_key", parts.kid)


def _is_late_message(parts: Parts, key: TrustedKey, arrived_at: int) -> bool:
    sent_in_its_life = key.nbf - LEEWAY_SECONDS <= parts.h["iat"] <= key.exp + LEEWAY_SECONDS
    return parts.kind == "message" and sent_in_its_life and arrived_at <= key.exp + EXPIRED_KEY_SECONDS


def verify_signature(parts: Parts, key: TrustedKey) -> None:
    # The header's allow-list and the key's curve are settled by now: what is left to be wrong makes this False.
    if not jws.validate_compact(parts.signed, key.public, registry=SIGNATURES):
        raise Refused(5, "signature")


# --- 6 incarnation, 7 time -------------------------------------------------------------------------


def _refuse_older_incarnation(h: dict[str, Any], seen: Mapping[str, int]) -> None:
    if h["inc"] < seen.get(h["iss"], 0):
        raise Refused(6, "old_incarnation", f"{h['inc']} below {seen[h['iss']]}")


def _match_time(parts: Parts, *, now: int, arrived_at: int) -> None:
    iat = parts.h["iat"]
    if parts.kind != "message":
        if abs(now - iat) > LEEWAY_SECONDS:
            raise Refused(7, "stale", f"{now - iat} s")
    elif iat > now + CLOCK_AHEAD_SECONDS:
        raise NotYet(7, "clock_ahead", parts.h["iss"])
    elif iat < arrived_at - MESSAGE_AGE_SECONDS:
        raise Refused(7, "too_old")


# --- 8 decrypt -------------------------------------------------------------------------------------


def _decrypt(parts: Parts, ring: Ring) -> bytes:
    """The salted, padded plaintext that the signed header commits to."""
    if parts.jwe_header.get("kid") != parts.h["aud"]:
        raise Refused(8, "recipient_key")
    private = ring.decryption_key(parts.h["aud"])
    if private is None:  # listed as ours, verified, but its file is not here: an operator can still bring it
        raise NotYet(8, "recipient_key_missing", parts.h["aud"])
    if "hh" in parts.jwe_header and parts.jwe_header["hh"] != parts.hh:  # joserfc refuses a header without it
        raise Refused(8, "rewrapped")
    try:
        opened = jwe.decrypt_compact(parts.jwe, private, registry=ENCRYPTION)
    except MissingHeaderError as error:
        raise Refused(8, "rewrapped") from error
    except (JoseError, ValueError) as error:
        raise Refused(8, "decrypt") from error
    plaintext = opened.plaintext
    if plaintext is None or len(plaintext) < SALT_BYTES or commitment(plaintext) != parts.h["pc"]:
        raise Refused(8, "commitment")
    return plaintext


def _alarms(h: dict[str, Any], trust: TrustList, now: int) -> tuple[str, ...]:
    ours = trust.key(h["aud"])
    old = ours is None or now >= ours.exp or (ours.revoked_at is not None and now >= ours.revoked_at)
    return ("recipient_key_old",) if old else ()


def _opened(raw: bytes, parts: Parts, plaintext: bytes, *, alarms: tuple[str, ...]) -> Opened:
    h = parts.h
    return Opened(
        iss=h["iss"],
        kid=parts.kid,
        aud=h["aud"],
        jti=UUID(h["jti"]),
        iat=h["iat"],
        incarnation=h["inc"],
        type=h["type"],
        schema=h["schema"],
        key=h["key"],
        re=UUID(h["re"]) if "re" in h else None,
        content_hash=hashlib.sha256(raw).hexdigest(),
        alarms=alarms,
        content=plaintext[SALT_BYTES:].rstrip(b" "),
        salt=plaintext[:SALT_BYTES],
    )
