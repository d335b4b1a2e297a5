"""The key ceremony, `quanyu keys`: make a federation, let a key follow another, revoke one (trust.md 2, 4).

Everything here runs where people hold the keys: on one machine in the demo, with `roots/` on four sticks in production. Layout::

    <folder>/<bureau>/        what the bureau's node gets (`keys.py`), its trust list installed
    <folder>/roots/<bureau>/  the root key with a key-encryption key of its own; signs lists, nothing else
    <folder>/anchors.json     the four root keys and the threshold, compared by telephone
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from joserfc.jwk import OKPKey

from shared.envelope.errors import CeremonyError
from shared.envelope.keys import (
    CURVES,
    Kid,
    StoredKey,
    parse_kid,
    private_key,
    public_jwk,
    raw_private,
    read_kek,
    read_keys,
    write_kek,
    write_key,
    write_vault_keys,
)
from shared.envelope.tls import LOCAL_HOSTS, issue_leaf, make_authority
from shared.envelope.trust_list import GRACE_SECONDS, NEXT_UPDATE_SECONDS, SUITE, TrustList, assemble, draft, sign, threshold
from shared.envelope.trust_store import TrustStore, install_first
from shared.identifiers.texts import N_

DAY_SECONDS: Final = 86400
LIVES_SECONDS: Final[Mapping[str, int]] = {
    "root": 4 * 365 * DAY_SECONDS,
    "sig": 180 * DAY_SECONDS,
    "enc": 90 * DAY_SECONDS,
    "tls-ca": 4 * 365 * DAY_SECONDS,
}
NOTICE_SECONDS: Final = 7 * DAY_SECONDS  # a next key is listed so long before its life begins
BACKDATE_SECONDS: Final = 3600  # first keys begin a little before now: clocks differ

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BureauEntry:
    """A member to be: code and name, and where its web and peer ports are reached (URLs)."""

    code: str
    name: str
    web: str
    peer: str


def generate_bureau(folder: Path, bureau: str, *, now: int, period: str, hosts: Sequence[str] = ()) -> list[Entry]:
    """Make all keys of one bureau's node in its `folder`; returns their entries for the trust list.

    `hosts` are the names and addresses of its peer port besides this machine's own. Raises CeremonyError when keys are there.
    """
    if (folder / "kek").exists():
        raise CeremonyError(N_("{folder} already holds keys; they are never overwritten"), folder=folder.name)
    kek = write_kek(folder)
    write_vault_keys(folder, kek=kek)
    names = tuple(dict.fromkeys((*LOCAL_HOSTS, *hosts)))
    nbf = now - BACKDATE_SECONDS
    entries = [generate_key(folder, Kid(bureau, use, period), kek=kek, nbf=nbf) for use in ("sig", "enc")]
    authority = Kid(bureau, "tls-ca", period)
    life = (nbf, nbf + LIVES_SECONDS["tls-ca"])
    certificate = make_authority(folder, str(authority), kek=kek, life=life, hosts=names)
    issue_leaf(folder, bureau, kek=kek, now=now, hosts=names)
    return [*entries, _entry(authority, life, x5c=[certificate])]


def generate_key(folder: Path, kid: Kid, *, kek: bytes, nbf: int) -> Entry:
    """Make one root, sig or enc key in a bureau's folder; returns its entry for the trust list. Raises FileExistsError."""
    key = OKPKey.generate_key(CURVES[kid.use])
    life = (nbf, nbf + LIVES_SECONDS[kid.use])
    write_key(folder, StoredKey(str(kid), kid.use, *life, raw_private(key)), kek=kek)
    return _entry(kid, life, jwk=public_jwk(key))


def make_federation(folder: Path, bureaus: Sequence[BureauEntry], now: int) -> TrustList:
    """A fresh federation: keys of all bureaus and roots, trust list version 1 signed by all, installed in every bureau's folder.

    Made aside and then moved into place, so that a ceremony broken off leaves nothing half-done. Raises CeremonyError when one
    is there already, or with no bureau.
    """
    if not bureaus:
        raise CeremonyError(N_("a federation needs at least one bureau"))
    parts = [*(bureau.code for bureau in bureaus), "roots", "anchors.json"]
    if any((folder / part).exists() for part in parts):
        raise CeremonyError(N_("{folder} already holds keys; they are never overwritten"), folder=folder.name)
    aside = folder / ".ceremony"
    shutil.rmtree(aside, ignore_errors=True)
    listed = _make_aside(aside, bureaus, now)
    for part in parts:
        (aside / part).rename(folder / part)
    aside.rmdir()
    return listed


def _make_aside(folder: Path, bureaus: Sequence[BureauEntry], now: int) -> TrustList:
    roots = [_generate_root(folder, bureau.code, now=now) for bureau in bureaus]
    keys = [*roots, *(entry for bureau in bureaus for entry in _generate_node(folder, bureau, now=now))]
    members = [_member(bureau, root) for bureau, root in zip(bureaus, roots, strict=True)]
    payload = draft(_content(version=1, prev=None, now=now, members=members, keys=keys))
    raw = assemble(payload, [sign_at_stick(folder, bureau.code, payload) for bureau in bureaus])
    anchors = _anchors(roots)
    (folder / "anchors.json").write_bytes(anchors)
    stores = [install_first(folder / bureau.code / "trust", anchors=anchors, raw=raw) for bureau in bureaus]
    return stores[0].current


def add_bureau(folder: Path, bureau: BureauEntry, *, now: int) -> TrustList:
    """A further member: its keys, and a list signed by the roots at hand and its own, installed everywhere.

    Raises CeremonyError when its keys are there; TrustListRefused (quorum) when too few roots are at hand.
    """
    root = _generate_root(folder, bureau.code, now=now)
    keys = [root, *_generate_node(folder, bureau, now=now)]
    raw = next_list(folder, now=now, add_keys=keys, members={bureau.code: _member(bureau, root)})
    listed = install_list(folder, raw)
    roots = [entry.model_dump(mode="json") for entry in listed.keys if entry.use == "root"]
    install_first(folder / bureau.code / "trust", anchors=_anchors(roots), raw=raw)
    return listed


def next_list(
    folder: Path,
    *,
    now: int,
    add_keys: Sequence[Entry] = (),
    revoke: Mapping[str, str] | None = None,
    members: Mapping[str, Mapping[str, Any]] | None = None,
    signers: Sequence[str] | None = None,
) -> bytes:
    """The next version of the federation's list, signed by `signers` (default: every root in `roots/`); not installed.

    `revoke` gives a reason by kid, effective `now`; `members` changes or adds bureaus by code. Raises CeremonyError.
    """
    current = current_list(folder)
    content = current.model_dump(mode="json")
    keys = [*content["keys"], *add_keys]
    for kid, reason in (revoke or {}).items():
        entry = next((entry for entry in keys if entry["kid"] == kid), None)
        if entry is None:
            raise CeremonyError(N_("{kid} is not in the trust list"), kid=kid)
        if entry["revoked_at"] is None:
            entry.update(revoked_at=now, reason=reason)
    changed: dict[str, Any] = {bureau["code"]: bureau for bureau in content["bureaus"]}
    for code, change in (members or {}).items():
        changed[code] = {**changed.get(code, {}), **change, "code": code}
    drafted = _content(version=current.version + 1, prev=current.digest, now=now, members=[*changed.values()], keys=keys)
    payload = draft(drafted)
    return assemble(payload, [sign_at_stick(folder, code, payload) for code in signers or root_holders(folder)])


def install_list(folder: Path, raw: bytes) -> TrustList:
    """Install a list in the folder of every bureau on this machine. Raises TrustListRefused."""
    installed = [TrustStore(node).install(raw) for node in _nodes(folder)]
    return installed[-1]


def rotate_key(folder: Path, bureau: str, use: str, *, now: int, nbf: int | None = None) -> str:
    """Make a bureau's next sig or enc key, list it, install the list; returns its kid.

    Its life begins at `nbf`, by default 7 days after `now`, so that every node knows it before it is used.
    """
    if use not in ("sig", "enc"):
        raise CeremonyError(N_("only sig and enc keys follow one another here, not {use}"), use=use)
    begins = now + NOTICE_SECONDS if nbf is None else nbf
    node = folder / bureau
    kid = _free_kid(node, current_list(folder), Kid(bureau, use, quarter(begins)))
    entry = generate_key(node, kid, kek=read_kek(node), nbf=begins)
    install_list(folder, next_list(folder, now=now, add_keys=[entry]))
    return str(kid)


def revoke_key(folder: Path, kid: str, *, now: int, reason: str) -> TrustList:
    """Revoke a key from `now` on and install the list. An already revoked key keeps its first date. Raises CeremonyError."""
    return install_list(folder, next_list(folder, now=now, revoke={kid: reason}))


def current_list(folder: Path) -> TrustList:
    """The highest list among the bureaus on this machine. Raises CeremonyError when there is no federation."""
    lists = [TrustStore(node).current for node in _nodes(folder)]
    if not lists:
        raise CeremonyError(N_("there is no federation in {folder}"), folder=folder.name)
    return max(lists, key=lambda listed: listed.version)


def fingerprint(jwk: Mapping[str, str]) -> str:
    """A root's fingerprint for the telephone: SHA-256 of the public key, in groups of four hex digits."""
    text = hashlib.sha256(jwk["x"].encode()).hexdigest()[:32]
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def quarter(now: int) -> str:
    """The period that names a key, e.g. `2026q4`."""
    day = datetime.fromtimestamp(now, UTC)
    return f"{day.year}q{(day.month + 2) // 3}"


def root_holders(folder: Path) -> list[str]:
    """The bureaus whose root is at hand."""
    return sorted(path.parent.name for path in (folder / "roots").glob("*/kek"))


def sign_at_stick(folder: Path, bureau: str, payload: bytes) -> dict[str, str]:
    """One bureau's signature over a draft with the newest root on its stick. Raises CeremonyError, KeyFileError."""
    stick = folder / "roots" / bureau
    if not (stick / "kek").exists():
        raise CeremonyError(N_("the root key of {bureau} is not here"), bureau=bureau)
    stored = read_keys(stick, "root", kek=read_kek(stick))[0]
    return sign(payload, kid=stored.kid, root=private_key("Ed25519", stored.secret))


def _generate_root(folder: Path, bureau: str, *, now: int) -> Entry:
    stick = folder / "roots" / bureau
    if stick.exists():
        raise CeremonyError(N_("{folder} already holds keys; they are never overwritten"), folder=f"roots/{bureau}")
    return generate_key(stick, Kid(bureau, "root", quarter(now)), kek=write_kek(stick), nbf=now - BACKDATE_SECONDS)


def _generate_node(folder: Path, bureau: BureauEntry, *, now: int) -> list[Entry]:
    host = urlsplit(bureau.peer).hostname
    hosts = [host] if host else []
    return generate_bureau(folder / bureau.code, bureau.code, now=now, period=quarter(now), hosts=hosts)


def _nodes(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/trust/anchors.json"))


def _free_kid(node: Path, listed: TrustList, wanted: Kid) -> Kid:
    """`wanted`, or with a number behind: not listed, and not left on the disk by a ceremony that was broken off."""
    taken = {entry.kid.partition("#")[2] for entry in listed.keys if entry.bureau == wanted.bureau}
    taken |= {path.stem for path in (node / "keys").glob("*.key")}
    kid, number = wanted, 1
    while str(kid).partition("#")[2] in taken:
        number += 1
        kid = Kid(wanted.bureau, wanted.use, f"{wanted.period}-{number}")
    return kid


def _entry(kid: Kid, life: tuple[int, int], **public: object) -> Entry:
    if parse_kid(str(kid)) != kid:
        raise CeremonyError(N_("{kid} is not a name for a key"), kid=str(kid))
    common = {"kid": str(kid), "bureau": kid.bureau, "use": kid.use, "suite": SUITE, "nbf": life[0], "exp": life[1]}
    return {**common, "revoked_at": None, "reason": None, **public}


def _member(bureau: BureauEntry, root: Entry) -> dict[str, Any]:
    return {**asdict(bureau), "root": root["kid"], "gone_at": None, "successor": None}


def _content(*, version: int, prev: str | None, now: int, members: list[Any], keys: list[Any]) -> dict[str, Any]:
    dates = {"issued": now, "next_update": now + NEXT_UPDATE_SECONDS, "grace": GRACE_SECONDS}
    return {"version": version, "prev": prev, **dates, "bureaus": members, "keys": keys}


def _anchors(roots: Sequence[Entry]) -> bytes:
    content = {
        "threshold": threshold(len(roots)),
        "roots": [{"bureau": root["bureau"], "kid": root["kid"], "jwk": root["jwk"]} for root in roots],
    }
    return json.dumps(content, indent=1).encode() + b"\n"
