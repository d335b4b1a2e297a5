"""`quanyu keys`: the key ceremony of a federation (trust.md 2, 4)."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from services.cli.common import language_of
from services.harness.network import BUREAUS, SERVICES
from services.harness.registers import profile_of
from services.harness.stories.telling import Teller
from shared.envelope import CeremonyError, TrustStore
from shared.envelope.ceremony import (
    BureauEntry,
    add_bureau,
    current_list,
    fingerprint,
    make_federation,
    revoke_key,
    root_holders,
    rotate_key,
)
from shared.envelope.keys import parse_kid
from shared.identifiers.texts import N_

DEFAULT_HOST: Final = "127.0.0.1"
HELP = N_("Keys and the trust list: make a federation, show its list, let a key follow another, revoke one.")
MAKE_HELP = N_(
    "Make the keys of all bureaus and the signed trust list in a new folder: one folder a bureau for its node, roots/ for the"
    " root keys, anchors.json to compare by telephone."
)
LIST_HELP = N_("Show the trust list in force: its version, the bureaus, every key with its life.")
ROTATE_HELP = N_("Make the key that follows a bureau's sig or enc key; its life begins in seven days, or now with --now.")
REVOKE_HELP = N_("Revoke a key from now on: what it signs is refused everywhere as soon as the new list is there.")
ADD_HELP = N_("Make the keys of a bureau that joins and list it; every member's nodes take up the new list by themselves.")
SETTLE_HELP = N_(
    "A person's decision between two signed lists of one version, at one bureau's node: keep the list with this digest. Without"
    " DIGEST: show both."
)

FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help=N_("folder of the federation's keys"))]


def add_to(app: typer.Typer) -> None:
    keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    keys.command("make", help=MAKE_HELP, epilog=N_("Example: quanyu keys make keys --host 10.0.0.5"))(make)
    keys.command("list", help=LIST_HELP, epilog=N_("Example: quanyu keys list run/demo/keys"))(show)
    keys.command("rotate", help=ROTATE_HELP, epilog=N_("Example: quanyu keys rotate run/demo/keys shanghai sig"))(rotate)
    revoking = N_("Example: quanyu keys revoke run/demo/keys 'shanghai#sig-2026q4' --reason stolen")
    keys.command("revoke", help=REVOKE_HELP, epilog=revoking)(revoke)
    adding = N_("Example: quanyu keys add keys fujian=http://10.0.0.9:8035,https://10.0.0.9:9035")
    keys.command("add", help=ADD_HELP, epilog=adding)(add)
    keys.command("settle", help=SETTLE_HELP, epilog=N_("Example: quanyu keys settle run/demo/keys anhui"))(settle)
    app.add_typer(keys, name="keys", help=HELP)


def make(
    context: typer.Context,
    folder: FolderArgument,
    bureau: Annotated[
        list[str] | None, typer.Option(metavar="CODE=WEB,PEER", help=N_("a member and the addresses of its ports; repeat it"))
    ] = None,
    host: Annotated[
        str, typer.Option(help=N_("without --bureau: the four bureaus on their own ports of this host"))
    ] = DEFAULT_HOST,
) -> None:
    entries = [_entry(text) for text in bureau] if bureau else [_default_entry(code, host) for code in BUREAUS]
    folder.mkdir(parents=True, exist_ok=True)
    listed = make_federation(folder, entries, int(time.time()))
    teller = Teller(language_of(context))
    teller.say(N_("trust list version {version} with {count} bureaus is in {folder}"), version=listed.version,
               count=len(listed.bureaus), folder=str(folder))  # fmt: skip
    for key in listed.keys:
        if key.use == "root" and key.jwk is not None:
            teller.write(f"  {key.kid}  {fingerprint(key.jwk)}")
    teller.say(N_("compare the fingerprints by telephone, and take roots/ off this machine"))


def show(context: typer.Context, folder: FolderArgument) -> None:
    listed = current_list(folder)
    teller = Teller(language_of(context))
    now = int(time.time())
    teller.say(
        N_("trust list version {version}, issued {issued}, renewed by {next_update}: {freshness}"),
        version=listed.version,
        issued=_day(listed.issued),
        next_update=_day(listed.next_update),
        freshness=listed.freshness(now),
    )
    for member in listed.bureaus:
        teller.write(f"{member.code}  {member.web}  {member.peer}")
        for key in (one for one in listed.keys if one.bureau == member.code):
            ended = "" if key.revoked_at is None else f"  ✗ {_day(key.revoked_at)} {key.reason or ''}"
            teller.write(f"  {key.kid:32} {_day(key.nbf)} – {_day(key.exp)}{ended}")


def rotate(
    context: typer.Context,
    folder: FolderArgument,
    bureau: Annotated[str, typer.Argument(metavar="BUREAU", help=N_("code of the bureau"))],
    use: Annotated[str, typer.Argument(metavar="USE", help=N_("sig or enc"))],
    at_once: Annotated[bool, typer.Option("--now", help=N_("its life begins now"))] = False,
) -> None:
    _require_member(folder, bureau)
    now = int(time.time())
    kid = rotate_key(folder, bureau, use, now=now, nbf=now if at_once else None)
    _tell_version(context, folder, N_("{kid} is in trust list version {version}"), kid=kid)


def revoke(
    context: typer.Context,
    folder: FolderArgument,
    kid: Annotated[str, typer.Argument(metavar="KID", help=N_("name of the key, as `quanyu keys list` shows it"))],
    reason: Annotated[str, typer.Option(help=N_("why, for everybody to read"))],
) -> None:
    revoke_key(folder, kid, now=int(time.time()), reason=reason)
    _tell_version(context, folder, N_("{kid} is revoked in trust list version {version}"), kid=kid)


def add(
    context: typer.Context,
    folder: FolderArgument,
    bureau: Annotated[str, typer.Argument(metavar="CODE=WEB,PEER", help=N_("the member and the addresses of its ports"))],
) -> None:
    entry = _entry(bureau)
    if current_list(folder).bureau(entry.code) is not None:
        raise CeremonyError(N_("{bureau} is in the trust list already"), bureau=entry.code)
    add_bureau(folder, entry, now=int(time.time()))
    _tell_version(context, folder, N_("{kid} is a member from trust list version {version} on"), kid=entry.code)


def settle(
    context: typer.Context,
    folder: FolderArgument,
    bureau: Annotated[str, typer.Argument(metavar="BUREAU", help=N_("code of the bureau"))],
    digest: Annotated[str | None, typer.Argument(metavar="DIGEST", help=N_("digest of the list to keep"))] = None,
) -> None:
    _require_member(folder, bureau)
    store = TrustStore(folder / bureau / "trust")
    teller = Teller(language_of(context))
    if digest is not None:
        kept = store.settle_fork(digest)
        teller.say(N_("trust list version {version} with digest {digest} is in force"), version=kept.version, digest=kept.digest)
        return
    teller.say(N_("in force: version {version}, digest {digest}"), version=store.current.version, digest=store.current.digest)
    for theirs in store.fork_digests():
        teller.say(
            N_("contradicts it: digest {digest}; find out by telephone which one the roots' holders signed"), digest=theirs
        )
    if not store.forks():
        teller.say(N_("no list contradicts it"))


def _tell_version(context: typer.Context, folder: Path, message: str, *, kid: str) -> None:
    teller = Teller(language_of(context))
    teller.say(message, kid=kid, version=current_list(folder).version)
    holders = ", ".join(root_holders(folder))
    teller.say(
        N_("signed by the roots of {holders}; installed for every bureau in {folder}"), holders=holders, folder=str(folder)
    )


def _require_member(folder: Path, bureau: str) -> None:
    if current_list(folder).bureau(bureau) is None:
        raise CeremonyError(N_("{bureau} is not in the trust list"), bureau=bureau)


def _entry(text: str) -> BureauEntry:
    code, _, addresses = text.partition("=")
    web, _, peer = addresses.partition(",")
    if parse_kid(f"{code}#sig-1") is None or not web.startswith("http") or not peer.startswith("https://"):
        raise typer.BadParameter(f"{text!r}: shanghai=http://10.0.0.5:8031,https://10.0.0.5:9031")
    known = (SERVICES / code / "bureau.toml").is_file()  # a bureau that joins may keep its folder elsewhere
    return BureauEntry(code, profile_of(code).name if known else code, web=web, peer=peer)


def _default_entry(code: str, host: str) -> BureauEntry:
    profile = profile_of(code)
    return BureauEntry(code, profile.name, web=f"http://{host}:{profile.web_port}", peer=f"https://{host}:{profile.peer_port}")


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
