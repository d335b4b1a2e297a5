"""The trust list: which bureaus and keys there are, in one file signed by more than two thirds of the bureau roots (trust.md 4).

The file is a JWS in general JSON form over the list. `draft`, `sign` and `assemble` make one; `verify` and `accept` return a
verified list or raise. Each signature is verified alone and distinct bureaus are counted: joserfc's own function for general JSON
fails the whole when one signature is bad, and takes a signature listed twice for two. Times are unix seconds, machine clock.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, Self

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from shared.envelope.errors import Fork, TrustListRefused
from shared.envelope.form import SIGNATURE_ALGORITHM, SIGNATURES, canonical, read_base64_object, read_object
from shared.envelope.keys import CURVES, parse_kid
from shared.identifiers.bureau import BureauCode

LIST_LIMIT_BYTES: Final = 1024 * 1024  # a list of four bureaus has 4 KB; it only grows, by some 300 bytes a key
LIST_TYPE: Final = "quanyu-trust-list+jws"
SUITE: Final = "intl-1"
NEXT_UPDATE_SECONDS: Final = 90 * 86400  # the roots are offline: no daily signing
GRACE_SECONDS: Final = 30 * 86400  # a stale list hinders nothing for so long
DUE_SECONDS: Final = 14 * 86400  # how long before `next_update` to remind people


class Bureau(BaseModel):
    """A member of the federation: `web` and `peer` are URLs, `root` the kid of its root key."""

    model_config = ConfigDict(frozen=True)

    code: BureauCode
    name: str
    web: str
    peer: str
    root: str
    gone_at: int | None = None
    successor: BureauCode | None = None


class KeyEntry(BaseModel):
    """A key ever used: `jwk` for root, sig, enc; `x5c` (base64 DER) for tls-ca. Life is [nbf, exp)."""

    model_config = ConfigDict(frozen=True)

    kid: str
    bureau: BureauCode
    use: str
    suite: str = SUITE
    jwk: dict[str, str] | None = None
    x5c: tuple[str, ...] | None = None
    nbf: int
    exp: int
    revoked_at: int | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        kid = parse_kid(self.kid)
        if kid is None or kid.bureau != self.bureau or kid.use != self.use:
            raise ValueError(f"{self.kid} is not named after its bureau and use")
        if (self.jwk is None) == (self.x5c is None):
            raise ValueError(f"{self.kid} needs either jwk or x5c")
        if self.nbf >= self.exp:
            raise ValueError(f"{self.kid} has no life")
        return self


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A listed root, sig or enc key, parsed."""

    kid: str
    bureau: str
    use: str
    nbf: int
    exp: int
    revoked_at: int | None
    public: OKPKey


class TrustList(BaseModel):
    """A trust list. Only `verify` and `accept` return one that may be believed. `prev` is the digest of the list before."""

    model_config = ConfigDict(frozen=True)

    version: int = Field(ge=1)
    prev: str | None
    issued: int
    next_update: int
    grace: int
    bureaus: tuple[Bureau, ...]
    keys: tuple[KeyEntry, ...]

    _digest: str = PrivateAttr(default="")

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The list in the signed bytes, believed or not. Raises TrustListRefused (form, empty)."""
        try:
            parsed = cls.model_validate(read_object(payload))
        except ValueError as error:  # pydantic's ValidationError is one
            raise TrustListRefused("form", _first_line(error)) from error
        parsed._digest = hashlib.sha256(payload).hexdigest()
        parsed._check_content()
        return parsed

    def _check_content(self) -> None:
        if not self.bureaus or not self.keys:
            raise TrustListRefused("empty", "never read as: trust nobody")
        if len({key.kid for key in self.keys}) != len(self.keys) or len({one.code for one in self.bureaus}) != len(self.bureaus):
            raise TrustListRefused("form", "a key or bureau is listed twice")
        for bureau in self.bureaus:
            root = self.key(bureau.root)
            if root is None or root.use != "root" or root.bureau != bureau.code:
                raise TrustListRefused("form", f"the root of {bureau.code} is not among the keys")
            if root.revoked_at is not None and bureau.gone_at is None:  # else a stolen root would go on to elect
                raise TrustListRefused("form", f"the root of {bureau.code} is revoked and not replaced")

    @property
    def digest(self) -> str:
        """SHA-256 of the signed bytes in hex; the `prev` of the next version."""
        return self._digest

    @cached_property
    def _by_kid(self) -> dict[str, TrustedKey]:
        trusted = {}
        for entry in self.keys:
            # Uses and suites of a later release are kept in the list and ignored here.
            if entry.suite == SUITE and entry.use in CURVES and entry.jwk is not None:
                public = _public(entry.kid, entry.use, entry.jwk)
                life = (entry.nbf, entry.exp, entry.revoked_at)
                trusted[entry.kid] = TrustedKey(entry.kid, entry.bureau, entry.use, *life, public)
        return trusted

    def key(self, kid: str) -> TrustedKey | None:
        """The listed root, sig or enc key of that name, in whatever state; None when it is not listed."""
        return self._by_kid.get(kid)

    def bureau(self, code: str) -> Bureau | None:
        """The member of that code; None when there is none."""
        return next((bureau for bureau in self.bureaus if bureau.code == code), None)

    def peers_of(self, code: str) -> list[Bureau]:
        """The members that are not gone, but for this one."""
        return [bureau for bureau in self.bureaus if bureau.gone_at is None and bureau.code != code]

    @cached_property
    def _encryption_keys(self) -> dict[str, list[TrustedKey]]:
        by_bureau: dict[str, list[TrustedKey]] = {}
        for key in sorted(self._by_kid.values(), key=lambda key: (key.nbf, key.kid), reverse=True):
            if key.use == "enc":
                by_bureau.setdefault(key.bureau, []).append(key)
        return by_bureau

    def encryption_key(self, bureau: str, now: int) -> TrustedKey | None:
        """The newest enc key of a bureau in its life; failing that the newest within the list's grace (the recipient opens with
        any key it ever had, and a stale list must not stop work); None when there is neither.
        """
        listed = self._encryption_keys.get(bureau, ())
        usable = [key for key in listed if key.nbf <= now and (key.revoked_at is None or now < key.revoked_at)]
        fresh = (key for key in usable if now < key.exp)
        return next(fresh, next((key for key in usable if now < key.exp + self.grace), None))

    def roots(self) -> dict[str, TrustedKey]:
        """The root keys that count for the next version, by bureau: of members that are not gone."""
        members = (bureau for bureau in self.bureaus if bureau.gone_at is None)
        return {bureau.code: self._by_kid[bureau.root] for bureau in members}

    def tls_authorities(self) -> tuple[str, ...]:
        """The certificates (base64 DER) of all bureaus' TLS authorities that are not revoked; TLS itself judges their life."""
        entries = (key for key in self.keys if key.use == "tls-ca" and key.revoked_at is None)
        return tuple(entry.x5c[0] for entry in entries if entry.x5c)

    def freshness(self, now: int) -> Literal["fresh", "due", "stale", "past_grace"]:
        """How old the list is; `due` and worse are alarms, `past_grace` stops new high-risk acts."""
        if now >= self.next_update + self.grace:
            return "past_grace"
        if now >= self.next_update:
            return "stale"
        return "due" if now >= self.next_update - DUE_SECONDS else "fresh"


class AnchorRoot(BaseModel):
    """A root key installed by hand."""

    model_config = ConfigDict(frozen=True)

    bureau: BureauCode
    kid: str
    jwk: dict[str, str]


class Anchors(BaseModel):
    """What a node believes before it has any list: the root keys and how many must sign (`anchors.json`)."""

    model_config = ConfigDict(frozen=True)

    threshold: int
    roots: tuple[AnchorRoot, ...]

    @model_validator(mode="after")
    def _is_a_quorum(self) -> Self:
        if len({root.bureau for root in self.roots}) != len(self.roots):
            raise ValueError("a bureau has two anchors")
        if not threshold(len(self.roots)) <= self.threshold <= len(self.roots):
            raise ValueError("the threshold must be more than two thirds of the anchors, and reachable")
        return self

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """The anchors in a file's bytes. Raises TrustListRefused (anchors)."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise TrustListRefused("anchors", _first_line(error)) from error


def threshold(roots: int) -> int:
    """More than two thirds: 3 of 3, 3 of 4, 4 of 5, 5 of 7."""
    return roots * 2 // 3 + 1


# --- making one ------------------------------------------------------------------------------------


def draft(content: Mapping[str, Any]) -> bytes:
    """The canonical bytes that the roots sign. `content` has the members of TrustList. Raises TrustListRefused."""
    payload = canonical(content)
    TrustList.parse(payload)
    return payload


def sign(payload: bytes, *, kid: str, root: OKPKey) -> dict[str, str]:
    """One bureau's signature over a draft, made where its root is: members `protected` and `signature`."""
    header = {"alg": SIGNATURE_ALGORITHM, "kid": kid, "typ": LIST_TYPE}
    protected, _, signature = jws.serialize_compact(header, payload, root, registry=SIGNATURES).split(".")
    return {"protected": protected, "signature": signature}


def assemble(payload: bytes, signatures: Sequence[Mapping[str, str]]) -> bytes:
    """The trust list file: draft and signatures as JWS general JSON."""
    text = {"payload": urlsafe_b64encode(payload).decode(), "signatures": [dict(one) for one in signatures]}
    return json.dumps(text, indent=1).encode() + b"\n"


# --- believing one ---------------------------------------------------------------------------------


def verify(raw: bytes, *, anchors: Anchors | None = None, previous: TrustList | None = None) -> TrustList:
    """The list in the file `raw`, signed by a quorum of the roots of the previous list, or of the anchors when there is none.

    Raises TrustListRefused with rule form, empty, quorum or new_root (a root that was not there before must sign too).
    """
    payload, signatures = _read_file(raw)
    roots, needed = _electors(anchors, previous)
    signers = _signers(payload, signatures, roots)
    if len(signers) < needed:
        raise TrustListRefused("quorum", f"{len(signers)} of {len(roots)} roots signed, {needed} must")
    listed = TrustList.parse(payload)
    added = {code: key for code, key in listed.roots().items() if code not in roots or key.public != roots[code]}
    missing = sorted(added.keys() - _signers(payload, signatures, {code: key.public for code, key in added.items()}))
    if missing:
        raise TrustListRefused("new_root", f"the new root of {', '.join(missing)} has not signed")
    return listed


def claimed(raw: bytes) -> TrustList:
    """What the file says, believed by nobody: enough to tell which list a peer serves. Raises TrustListRefused (form, empty)."""
    return TrustList.parse(_read_file(raw)[0])


def accept(raw: bytes, *, current: TrustList | None, anchors: Anchors, before: TrustList | None = None) -> TrustList:
    """The list that is in force once `raw` has been read: the verified new one, or `current` when it is the same.

    `before` is the list that `current` was made from, None when that was the anchors: its roots judge a second list of the
    current version. Raises TrustListRefused with the rules of `verify` and with rollback (lower version), gap (versions between
    are missing), prev (not made from our list), history (a key dropped, changed, or its revocation taken back), or Fork.
    """
    if current is None:
        return verify(raw, anchors=anchors)
    told = claimed(raw)
    if told.digest == current.digest:
        return current
    if told.version < current.version:
        raise TrustListRefused("rollback", f"version {told.version}, ours is {current.version}")
    listed = verify(raw, anchors=anchors, previous=before if told.version == current.version else current)
    if listed.version == current.version:
        raise Fork(listed.version, current.digest, listed.digest)
    if listed.version > current.version + 1:
        raise TrustListRefused("gap", f"version {listed.version}, ours is {current.version}")
    if listed.prev != current.digest:
        raise TrustListRefused("prev", f"version {listed.version} was not made from our version {current.version}")
    _check_history(current, listed)
    return listed


def _check_history(current: TrustList, listed: TrustList) -> None:
    # Old signatures must stay verifiable for ever: keys only grow, a revocation is final, and may not be moved to a later time.
    kept = {entry.kid: entry for entry in listed.keys}
    for old in current.keys:
        new = kept.get(old.kid)
        if new is None or (new.jwk, new.x5c, new.nbf) != (old.jwk, old.x5c, old.nbf):
            raise TrustListRefused("history", f"{old.kid} was dropped or changed")
        if old.revoked_at is not None and (new.revoked_at is None or new.revoked_at > old.revoked_at):
            raise TrustListRefused("history", f"the revocation of {old.kid} was taken back")


def _read_file(raw: bytes) -> tuple[bytes, list[dict[str, str]]]:
    if len(raw) > LIST_LIMIT_BYTES:
        raise TrustListRefused("form", f"more than {LIST_LIMIT_BYTES} bytes")
    try:
        file = read_object(raw)
        payload = urlsafe_b64decode(_text(file["payload"]).encode())
        signatures = [{name: _text(one[name]) for name in ("protected", "signature")} for one in file["signatures"]]
    except (KeyError, TypeError, ValueError) as error:
        raise TrustListRefused("form", "not a JWS in general JSON form") from error
    return payload, signatures


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _electors(anchors: Anchors | None, previous: TrustList | None) -> tuple[dict[str, OKPKey], int]:
    """The roots whose signatures count, by bureau, and how many are needed."""
    if previous is not None:
        roots = {code: key.public for code, key in previous.roots().items()}
        return roots, threshold(len(roots))
    if anchors is None:
        raise ValueError("either the anchors or the previous list decides")
    return {root.bureau: _public(root.kid, "root", root.jwk) for root in anchors.roots}, anchors.threshold


def _signers(payload: bytes, signatures: Iterable[Mapping[str, str]], roots: Mapping[str, OKPKey]) -> set[str]:
    """The distinct bureaus of which at least one signature holds; a bad or unknown one is worth nothing, and harms nothing."""
    segment = urlsafe_b64encode(payload)
    return {code for one in signatures for code, root in roots.items() if _holds(one, segment, code, root)}


def _holds(signature: Mapping[str, str], payload_segment: bytes, bureau: str, root: OKPKey) -> bool:
    try:
        protected = signature["protected"].encode()  # half a surrogate is a ValueError too
        header = read_base64_object(protected)
        kid = parse_kid(str(header.get("kid")))
        if kid is None or (kid.bureau, kid.use) != (bureau, "root") or header.get("typ") != LIST_TYPE:
            return False
        compact = b".".join((protected, payload_segment, signature["signature"].encode()))
        jws.deserialize_compact(compact, root, registry=SIGNATURES)
    except (JoseError, ValueError):
        return False
    return True


def _public(kid: str, use: str, jwk: Mapping[str, str]) -> OKPKey:
    if dict(jwk).keys() != {"kty", "crv", "x"} or jwk["kty"] != "OKP" or jwk["crv"] != CURVES[use]:
        raise TrustListRefused("form", f"{kid} is not a public {CURVES[use]} key")
    try:
        return OKPKey.import_key(dict(jwk))
    except (JoseError, ValueError) as error:
        raise TrustListRefused("form", f"{kid} is not a public {CURVES[use]} key") from error


def _first_line(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return str(error)
