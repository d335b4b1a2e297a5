"""`quanyu keys`: a federation from nothing, keys that follow one another, revocation, a fifth bureau."""

import shutil
import time
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import pytest

from shared.envelope.ceremony import (
    BureauEntry,
    add_bureau,
    current_list,
    fingerprint,
    install_list,
    make_federation,
    next_list,
    quarter,
    revoke_key,
    root_holders,
    rotate_key,
)
from shared.envelope.errors import CeremonyError, NotYet, Refused, TrustListRefused
from shared.envelope.form import Place
from shared.envelope.keys import Ring, load_ring, read_kek
from shared.envelope.open import Opened, open_envelope
from shared.envelope.seal import seal
from shared.envelope.trust_list import TrustList
from shared.envelope.trust_store import TrustStore

NOW = 1_790_000_000
DAY = 86400
FOUR = [
    BureauEntry(code, name, f"http://127.0.0.1:80{division}", f"https://127.0.0.1:90{division}")
    for code, name, division in (
        ("shanghai", "上海", 31),
        ("jiangsu", "江苏", 32),
        ("zhejiang", "浙江", 33),
        ("anhui", "安徽", 34),
    )
]
FUJIAN = BureauEntry("fujian", "福建", "https://fujian.example", "https://peer.fujian.example:9035")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "federation"
    make_federation(folder, FOUR, NOW)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the federation for one test."""
    return shutil.copytree(made, tmp_path / "federation")


def ring(folder: Path, bureau: str) -> Ring:
    return load_ring(folder / bureau, bureau, read_kek(folder / bureau))


def send(folder: Path, *, now: int | None, sender: str = "shanghai", to: str = "zhejiang") -> bytes:
    place = Place("message", "transfers", topic=f"{to}.transfers", key="case")
    trust = TrustStore(folder / sender / "trust").current
    given = {"place": place, "to": to, "trust": trust, "now": now, "jti": uuid4(), "incarnation": 1, "schema": "transfers/1"}
    return seal(b"{}", ring=ring(folder, sender), **given)


def read(folder: Path, raw: bytes, *, now: int, at: str = "zhejiang", trust: TrustList | None = None) -> Opened:
    place = Place("message", "transfers", topic=f"{at}.transfers")
    listed = trust or TrustStore(folder / at / "trust").current
    return open_envelope(raw, place=place, ring=ring(folder, at), trust=listed, seen={}, now=now)


class TestFederation:
    def test_any_bureau_opens_what_any_other_seals(self, made: Path) -> None:
        codes = [bureau.code for bureau in FOUR]
        for sender in codes:
            for to in codes:
                assert read(made, send(made, now=NOW, sender=sender, to=to), now=NOW, at=to).iss == sender

    def test_list_names_bureaus_and_addresses(self, made: Path) -> None:
        listed = current_list(made)
        assert [(one.code, one.name, one.peer) for one in listed.bureaus] == [(one.code, one.name, one.peer) for one in FOUR]
        assert (listed.version, listed.prev, listed.freshness(NOW)) == (1, None, "fresh")
        assert sorted(key.use for key in listed.keys) == sorted(["root", "sig", "enc", "tls-ca"] * 4)

    def test_node_gets_no_root_and_nothing_of_another(self, made: Path) -> None:
        assert sorted(path.name for path in (made / "anhui" / "keys").iterdir()) == [
            "blind.key", "data-1.key", "enc-2026q3.key", "pseudonym.key", "sig-2026q3.key", "tls-ca-2026q3.key",
        ]  # fmt: skip
        assert [path.name for path in (made / "roots" / "anhui" / "keys").iterdir()] == ["root-2026q3.key"]
        assert len({(made / bureau.code / "kek").read_bytes() for bureau in FOUR}) == 4

    def test_is_made_in_well_under_a_second(self, tmp_path: Path) -> None:
        started = time.process_time()
        make_federation(tmp_path / "federation", FOUR, NOW)
        assert time.process_time() - started < 1

    def test_is_never_made_twice(self, folder: Path) -> None:
        before = current_list(folder).digest
        with pytest.raises(CeremonyError, match="federation already holds keys"):
            make_federation(folder, FOUR, NOW)
        assert current_list(folder).digest == before

    def test_ceremony_that_was_broken_off_leaves_nothing_and_can_be_repeated(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_args: object, **_kwargs: Any) -> NoReturn:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("shared.envelope.ceremony.install_first", broken)
            with pytest.raises(KeyboardInterrupt):
                make_federation(tmp_path / "federation", FOUR, NOW)
        assert make_federation(tmp_path / "federation", FOUR, NOW).version == 1
        assert not (tmp_path / "federation" / ".ceremony").exists()

    def test_needs_bureaus_with_proper_codes(self, tmp_path: Path) -> None:
        with pytest.raises(CeremonyError, match="at least one bureau"):
            make_federation(tmp_path / "none", [], NOW)
        with pytest.raises(CeremonyError, match="is not a name for a key"):
            make_federation(tmp_path / "bad", [BureauEntry("Shanghai", "上海", "", "")], NOW)

    def test_root_has_a_fingerprint_for_the_telephone(self, made: Path) -> None:
        root = current_list(made).keys[0]
        assert len(fingerprint(root.jwk).split()) == 8
        assert fingerprint(root.jwk) != fingerprint(current_list(made).keys[1].jwk)


class TestRotation:
    def test_next_key_is_listed_a_week_before_it_is_used(self, folder: Path) -> None:
        kid = rotate_key(folder, "shanghai", "sig", now=NOW)
        begins = NOW + 7 * DAY

        assert read(folder, send(folder, now=begins - 1), now=begins - 1).kid == "shanghai#sig-2026q3"
        assert read(folder, send(folder, now=begins), now=begins).kid == kid
        assert {TrustStore(folder / one.code / "trust").current.version for one in FOUR} == {2}

    def test_message_under_the_old_key_is_still_opened(self, folder: Path) -> None:
        raw = send(folder, now=NOW)
        rotate_key(folder, "shanghai", "sig", now=NOW, nbf=NOW)
        assert read(folder, raw, now=NOW + 60).kid == "shanghai#sig-2026q3"

    def test_node_with_an_old_list_waits_and_opens_with_the_new_one(self, folder: Path) -> None:
        old = TrustStore(folder / "zhejiang" / "trust").current
        kid = rotate_key(folder, "shanghai", "sig", now=NOW, nbf=NOW)
        raw = send(folder, now=NOW)
        with pytest.raises(NotYet) as caught:
            read(folder, raw, now=NOW, trust=old)
        assert (caught.value.reason, caught.value.about) == ("unknown_key", kid)
        assert read(folder, raw, now=NOW).kid == kid

    def test_encryption_key_follows_and_the_old_one_still_opens(self, folder: Path) -> None:
        raw = send(folder, now=NOW)
        kid = rotate_key(folder, "zhejiang", "enc", now=NOW, nbf=NOW)
        assert read(folder, raw, now=NOW).aud == "zhejiang#enc-2026q3"
        assert read(folder, send(folder, now=NOW), now=NOW).aud == kid

    def test_names_are_never_used_again(self, folder: Path) -> None:
        kids = [rotate_key(folder, "anhui", "sig", now=NOW, nbf=NOW) for _ in range(3)]
        assert kids == ["anhui#sig-2026q3-2", "anhui#sig-2026q3-3", "anhui#sig-2026q3-4"]

    def test_ceremony_without_quorum_lists_nothing_and_can_be_repeated(self, folder: Path, tmp_path: Path) -> None:
        for code in ("jiangsu", "zhejiang"):
            shutil.move(folder / "roots" / code, tmp_path / code)
        with pytest.raises(TrustListRefused) as caught:
            rotate_key(folder, "anhui", "sig", now=NOW, nbf=NOW)
        assert caught.value.rule == "quorum"
        assert read(folder, send(folder, now=NOW, sender="anhui"), now=NOW).kid == "anhui#sig-2026q3"
        shutil.move(tmp_path / "jiangsu", folder / "roots" / "jiangsu")
        assert root_holders(folder) == ["anhui", "jiangsu", "shanghai"]
        assert rotate_key(folder, "anhui", "sig", now=NOW, nbf=NOW) == "anhui#sig-2026q3-3"

    @pytest.mark.parametrize("use", ["root", "tls-ca", "cred"])
    def test_other_uses_do_not_follow_here(self, folder: Path, use: str) -> None:
        with pytest.raises(CeremonyError, match=f"not {use}"):
            rotate_key(folder, "anhui", use, now=NOW)


class TestRevocation:
    def test_message_under_a_revoked_key_is_refused(self, folder: Path) -> None:
        raw = send(folder, now=NOW)
        listed = revoke_key(folder, "shanghai#sig-2026q3", now=NOW + 1, reason="stolen")
        assert listed.key("shanghai#sig-2026q3").revoked_at == NOW + 1
        with pytest.raises(Refused) as caught:
            read(folder, raw, now=NOW + 2)
        assert caught.value.code == "key_revoked"

    def test_owner_goes_on_under_its_next_key(self, folder: Path) -> None:
        kid = rotate_key(folder, "shanghai", "sig", now=NOW, nbf=NOW)
        revoke_key(folder, kid, now=NOW, reason="stolen")
        assert read(folder, send(folder, now=NOW), now=NOW).kid == "shanghai#sig-2026q3"

    def test_first_date_of_a_revocation_stays(self, folder: Path) -> None:
        revoke_key(folder, "shanghai#sig-2026q3", now=NOW, reason="stolen")
        listed = revoke_key(folder, "shanghai#sig-2026q3", now=NOW + DAY, reason="again")
        assert listed.key("shanghai#sig-2026q3").revoked_at == NOW

    def test_unlisted_key_cannot_be_revoked(self, folder: Path) -> None:
        with pytest.raises(CeremonyError, match="anhui#sig-none is not in the trust list"):
            revoke_key(folder, "anhui#sig-none", now=NOW, reason="stolen")


class TestMembers:
    def test_fifth_bureau_joins_with_four_signatures_and_its_own(self, folder: Path) -> None:
        listed = add_bureau(folder, FUJIAN, now=NOW)
        assert [bureau.code for bureau in listed.bureaus] == ["shanghai", "jiangsu", "zhejiang", "anhui", "fujian"]
        assert read(folder, send(folder, now=NOW, sender="fujian"), now=NOW).iss == "fujian"
        assert read(folder, send(folder, now=NOW, to="fujian"), now=NOW, at="fujian").iss == "shanghai"
        assert rotate_key(folder, "fujian", "sig", now=NOW) == "fujian#sig-2026q3-2"

    def test_member_is_not_added_twice(self, folder: Path) -> None:
        with pytest.raises(CeremonyError, match="roots/anhui already holds keys"):
            add_bureau(folder, FOUR[3], now=NOW)

    def test_address_changes_by_quorum(self, folder: Path) -> None:
        raw = next_list(
            folder, now=NOW, members={"anhui": {"web": "https://new.example"}}, signers=["anhui", "jiangsu", "shanghai"]
        )
        assert install_list(folder, raw).bureau("anhui").web == "https://new.example"

    def test_root_that_is_not_here_cannot_sign(self, folder: Path) -> None:
        with pytest.raises(CeremonyError, match="the root key of fujian is not here"):
            next_list(folder, now=NOW, signers=["fujian"])

    def test_empty_folder_has_no_federation(self, tmp_path: Path) -> None:
        with pytest.raises(CeremonyError, match="there is no federation in"):
            current_list(tmp_path)


@pytest.mark.parametrize(
    ("now", "name"), [(1_767_225_600, "2026q1"), (1_775_001_599, "2026q1"), (1_775_001_600, "2026q2"), (1_795_500_000, "2026q4")]
)
def test_keys_are_named_after_their_quarter(now: int, name: str) -> None:
    assert quarter(now) == name
