"""A second implementation of the envelope's form, for tests: jwcrypto and cryptography only, nothing of ours, nothing of joserfc.

It makes right envelopes, and wrong ones that a rogue bureau could make: every part can be replaced. All keys follow from their
names, so that vectors and tests speak of the same small world, frozen at `NOW`.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

NOW = 1_790_000_000  # 2026-09-21, unix seconds
DAY = 86400
SALT = bytes(range(16))
BODY = b'{"name":"TransferClosed","version":1,"body":{"case":"0199a3c0-0000-7000-8000-000000000001"}}'
CASE = "0199a3c0-0000-7000-8000-000000000001"
JTI = "0199a3c0-0000-7000-8000-0000000000aa"
QUESTION_JTI = "0199a3c0-0000-7000-8000-0000000000bb"
QUESTION_PATH = "/peer/v1/transfers/transfer-state"
SENDER, RECIPIENT = "shanghai#sig-2026q3", "zhejiang#enc-2026q3"
BUREAUS = {"shanghai": "上海", "jiangsu": "江苏", "zhejiang": "浙江", "anhui": "安徽"}

CURRENT = (NOW - 30 * DAY, NOW + 60 * DAY, None)
LIVES: dict[str, tuple[int, int, int | None]] = {
    **{f"{code}#root-2026": (NOW - 300 * DAY, NOW + 700 * DAY, None) for code in BUREAUS},
    **{f"{code}#sig-2026q3": CURRENT for code in BUREAUS},
    **{f"{code}#enc-2026q3": CURRENT for code in BUREAUS},
    "shanghai#sig-expired": (NOW - 200 * DAY, NOW - 10 * DAY, None),
    "shanghai#sig-ancient": (NOW - 400 * DAY, NOW - 31 * DAY, None),
    "shanghai#sig-revoked": (NOW - 30 * DAY, NOW + 60 * DAY, NOW - DAY),
    "shanghai#sig-2026q4": (NOW + 5 * DAY, NOW + 100 * DAY, None),
    "zhejiang#sig-expired": (NOW - 900 * DAY, NOW - 700 * DAY, None),
    "zhejiang#sig-revoked": (NOW - 30 * DAY, NOW + 60 * DAY, NOW - DAY),
    "zhejiang#sig-2026q4": (NOW + 5 * DAY, NOW + 100 * DAY, None),
    "zhejiang#enc-expired": (NOW - 200 * DAY, NOW - 40 * DAY, None),
    "zhejiang#enc-revoked": (NOW - 40 * DAY, NOW + 50 * DAY, NOW - DAY),
    "zhejiang#enc-elsewhere": (NOW - 40 * DAY, NOW + 50 * DAY, None),
}
"""(nbf, exp, revoked_at) of every listed key. `zhejiang#enc-elsewhere` is listed, but its private part is not in the ring."""

UNLISTED = "shanghai#sig-unlisted"
RING = {"zhejiang": ["enc-2026q3", "enc-expired", "enc-revoked"]}
"""The decryption keys that a node holds, where they are not just the current one."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def seed(kid: str) -> bytes:
    return hashlib.sha256(b"quanyu test key, worthless: " + kid.encode()).digest()


def jwk(kid: str, *, private: bool = False) -> dict[str, str]:
    """The key of that name as a JWK; enc keys on X25519, all others on Ed25519."""
    exchange = "#enc-" in kid
    key = X25519PrivateKey.from_private_bytes(seed(kid)) if exchange else Ed25519PrivateKey.from_private_bytes(seed(kid))
    public = {"kty": "OKP", "crv": "X25519" if exchange else "Ed25519", "x": b64(key.public_key().public_bytes_raw())}
    return {**public, "d": b64(seed(kid))} if private else public


def sign(kid: str, protected: Mapping[str, Any], payload: bytes) -> tuple[str, str, str]:
    """The three segments of a JWS by the Ed25519 key of that name, whatever the header claims."""
    head, body = b64(compact_json(protected)), b64(payload)
    return head, body, b64(Ed25519PrivateKey.from_private_bytes(seed(kid)).sign(f"{head}.{body}".encode()))


# --- trust lists --------------------------------------------------------------------------------------


def list_content(**changes: Any) -> dict[str, Any]:
    """The members of the world's trust list, version 1; `changes` replace some."""
    keys = [
        {"kid": kid, "bureau": kid.partition("#")[0], "use": kid.partition("#")[2].partition("-")[0], "suite": "intl-1"}
        | {"jwk": jwk(kid), "nbf": nbf, "exp": exp, "revoked_at": revoked_at, "reason": "stolen" if revoked_at else None}
        for kid, (nbf, exp, revoked_at) in LIVES.items()
    ]
    bureaus = [
        {"code": code, "name": name, "web": f"https://{code}.example", "peer": f"https://peer.{code}.example"}
        | {"root": f"{code}#root-2026", "gone_at": None, "successor": None}
        for code, name in BUREAUS.items()
    ]
    dates = {"issued": NOW - 20 * DAY, "next_update": NOW + 70 * DAY, "grace": 30 * DAY}
    return {"version": 1, "prev": None, **dates, "bureaus": bureaus, "keys": keys, **changes}


def list_signature(kid: str, payload: bytes, **changes: Any) -> dict[str, str]:
    """One root's signature over a list, as a member of `signatures`."""
    protected = {"alg": "Ed25519", "kid": kid, "typ": "quanyu-trust-list+jws", **changes}
    head, _, signature = sign(kid, protected, payload)
    return {"protected": head, "signature": signature}


def list_file(content: Mapping[str, Any], signers: list[str] | None = None) -> bytes:
    """A trust list file signed by the roots of `signers` (bureaus; default all four)."""
    payload = compact_json(content)
    signatures = [list_signature(f"{code}#root-2026", payload) for code in (list(BUREAUS) if signers is None else signers)]
    return json.dumps({"payload": b64(payload), "signatures": signatures}).encode()


def anchors_file() -> bytes:
    roots = [{"bureau": code, "kid": f"{code}#root-2026", "jwk": jwk(f"{code}#root-2026")} for code in BUREAUS]
    return json.dumps({"threshold": 3, "roots": roots}).encode()


# --- envelopes ----------------------------------------------------------------------------------------


def plaintext_of(body: bytes, salt: bytes = SALT) -> bytes:
    size = next((step for step in (1024, 4096, 16384) if len(body) <= step), -(-len(body) // 16384) * 16384)
    return salt + body.ljust(size)


def header(plaintext: bytes, changes: Mapping[str, Any]) -> dict[str, Any]:
    """`h` of a message from Shanghai to Zhejiang about a case; `changes` replace members, None takes one out."""
    h = {"iss": "shanghai", "aud": RECIPIENT, "jti": JTI, "iat": NOW - 5, "inc": 1, "type": "transfers.message"}
    h |= {"topic": "zhejiang.transfers", "key": CASE, "schema": "transfers/1", "enc_scheme": "jwe-1"}
    h |= {"pc": b64(hashlib.sha256(b"env1" + plaintext).digest()), **changes}
    return {name: value for name, value in h.items() if value is not None}


def encrypt(plaintext: bytes, recipient: str, protected: Mapping[str, Any]) -> str:
    token = JWE(plaintext, protected=json.dumps(dict(protected)))
    token.allowed_algs = [*token.allowed_algs, "ECDH-ES", "ECDH-ES+A128KW", "A128GCM"]
    token.add_recipient(JWK(**jwk(recipient)))
    return str(token.serialize(compact=True))


def envelope(
    *,
    kid: str = SENDER,
    signer: str | None = None,
    recipient: str = RECIPIENT,
    body: bytes = BODY,
    plaintext: bytes | None = None,
    h: Mapping[str, Any] | None = None,
    jws: Mapping[str, Any] | None = None,
    jwe: Mapping[str, Any] | None = None,
    token: str | None = None,
    payload: bytes | None = None,
) -> bytes:
    """An envelope in which everything is right but for what is given.

    `kid` is the key that the header names, `signer` the one that signs; `h`, `jws`, `jwe` change members of the three headers
    (None takes one out); `plaintext`, `token` (the JWE) and `payload` replace the whole of it.
    """
    salted = plaintext_of(body) if plaintext is None else plaintext
    signed = header(plaintext_of(body), h or {})
    outer = {"alg": "Ed25519", "kid": kid, "typ": "quanyu-env+jws", **(jws or {})}
    if payload is None:
        inner = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": recipient}
        inner |= {"hh": b64(hashlib.sha256(compact_json(signed)).digest()), **(jwe or {})}
        sealed = token or encrypt(salted, recipient, {name: value for name, value in inner.items() if value is not None})
        payload = compact_json({"h": signed, "jwe": sealed})
    protected = {name: value for name, value in outer.items() if value is not None}
    return ".".join(sign(signer or kid, protected, payload)).encode()


def question(**changes: Any) -> dict[str, Any]:
    """The changes of `h` that make the message a question."""
    return {"type": "transfers.question", "topic": None, "path": QUESTION_PATH, **changes}


def answer(**changes: Any) -> dict[str, Any]:
    """The changes of `h` that make the message an answer to our question."""
    return {"type": "transfers.answer", "topic": None, "path": QUESTION_PATH, "re": QUESTION_JTI, **changes}


def journal(**changes: Any) -> dict[str, Any]:
    """The changes of `h` that make the message a record of Zhejiang's own journal."""
    return {"iss": "zhejiang", "type": "transfers.journal", "topic": "journal.zhejiang", **changes}


def taken_apart(raw: bytes) -> tuple[dict[str, Any], str]:
    """`h` and the JWE of an envelope, unverified: what anybody can read who sees it."""
    payload = json.loads(base64.urlsafe_b64decode(raw.split(b".")[1] + b"=="))
    return payload["h"], payload["jwe"]
