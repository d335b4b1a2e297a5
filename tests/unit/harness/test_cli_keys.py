"""`quanyu keys`: a federation made, looked at, a key followed by another, one revoked."""

from pathlib import Path

import pytest

from services.harness.network import BUREAUS
from shared.envelope import Fork, TrustStore
from shared.envelope.ceremony import current_list, next_list
from tests.unit.harness.conftest import Quanyu


@pytest.fixture
def keys(quanyu: Quanyu, tmp_path: Path) -> Path:
    """A federation of the four bureaus."""
    assert quanyu("keys", "make", tmp_path / "keys").code == 0
    return tmp_path / "keys"


def signing_key(keys: Path, bureau: str) -> str:
    return next(key.kid for key in current_list(keys).keys if (key.bureau, key.use) == (bureau, "sig"))


def test_make_lists_the_four_bureaus_on_their_own_ports(keys: Path) -> None:
    listed = current_list(keys)
    assert tuple(member.code for member in listed.bureaus) == BUREAUS
    assert listed.bureaus[0].peer == "https://127.0.0.1:9031"


def test_make_takes_named_members(quanyu: Quanyu, tmp_path: Path) -> None:
    members = [part for code in ("east", "west") for part in ("--bureau", f"{code}=http://{code}:1,https://{code}:2")]
    assert quanyu("keys", "make", tmp_path, *members).code == 0
    assert [(one.code, one.web, one.peer) for one in current_list(tmp_path).bureaus] == [
        ("east", "http://east:1", "https://east:2"),
        ("west", "http://west:1", "https://west:2"),
    ]


def test_keys_that_are_there_are_never_overwritten(quanyu: Quanyu, keys: Path) -> None:
    before = (keys / "anchors.json").read_bytes()
    ran = quanyu("keys", "make", keys)
    assert ran.code == 1
    assert "already holds keys; they are never overwritten" in ran.err
    assert (keys / "anchors.json").read_bytes() == before


def test_list_shows_version_members_and_every_key(quanyu: Quanyu, keys: Path) -> None:
    shown = quanyu("keys", "list", keys).out
    assert "trust list version 1" in shown
    assert all(member.web in shown for member in current_list(keys).bureaus)
    assert all(key.kid in shown for key in current_list(keys).keys)


def test_rotated_key_is_in_the_next_list(quanyu: Quanyu, keys: Path) -> None:
    ran = quanyu("keys", "rotate", keys, "anhui", "sig", "--now")
    assert ran.code == 0
    assert "is in trust list version 2" in ran.out
    assert sum((key.bureau, key.use) == ("anhui", "sig") for key in current_list(keys).keys) == 2


def test_revoked_key_is_marked_with_its_reason(quanyu: Quanyu, keys: Path) -> None:
    kid = signing_key(keys, "anhui")
    assert quanyu("keys", "revoke", keys, kid, "--reason", "stolen").code == 0
    (revoked,) = [key for key in current_list(keys).keys if key.revoked_at is not None]
    assert (revoked.kid, revoked.reason) == (kid, "stolen")
    assert "stolen" in quanyu("keys", "list", keys).out


def test_a_fifth_bureau_joins_with_keys_of_its_own(quanyu: Quanyu, keys: Path) -> None:
    ran = quanyu("keys", "add", keys, "fujian=http://10.0.0.9:8035,https://10.0.0.9:9035")
    assert ran.code == 0
    listed = current_list(keys)
    assert (listed.version, listed.bureaus[-1].code, listed.bureaus[-1].peer) == (2, "fujian", "https://10.0.0.9:9035")
    assert {key.use for key in listed.keys if key.bureau == "fujian"} == {"root", "sig", "enc", "tls-ca"}
    for bureau in (*BUREAUS, "fujian"):
        assert TrustStore(keys / bureau / "trust").current.version == 2


def test_a_fork_is_shown_and_settled_by_a_person(quanyu: Quanyu, keys: Path) -> None:
    assert "no list contradicts it" in quanyu("keys", "settle", keys, "anhui").out
    now = current_list(keys).issued
    ours, theirs = (next_list(keys, now=now + later) for later in (10, 20))
    store = TrustStore(keys / "anhui" / "trust")
    store.install(ours)
    with pytest.raises(Fork) as fork:
        store.install(theirs)
    shown = quanyu("keys", "settle", keys, "anhui").out
    assert fork.value.theirs in shown
    ran = quanyu("keys", "settle", keys, "anhui", fork.value.theirs)
    assert ran.code == 0
    assert TrustStore(keys / "anhui" / "trust").current.digest == fork.value.theirs


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "anhui=http://127.0.0.1:1,https://127.0.0.1:2"), "anhui is in the trust list already"),
        (("settle", "paris"), "paris is not in the trust list"),
        (("rotate", "paris", "sig"), "paris is not in the trust list"),
        (("rotate", "anhui", "root"), "only sig and enc keys follow one another here"),
        (("revoke", "anhui#sig-1999q1", "--reason", "old"), "anhui#sig-1999q1 is not in the trust list"),
    ],
)
def test_what_cannot_be_done_is_told_and_leaves_the_list(
    arguments: tuple[str, ...], told: str, quanyu: Quanyu, keys: Path
) -> None:
    ran = quanyu("keys", arguments[0], keys, *arguments[1:])
    assert ran.code == 1
    assert told in ran.err
    assert current_list(keys).version == 1


def test_list_of_a_folder_without_keys_says_so(quanyu: Quanyu, tmp_path: Path) -> None:
    ran = quanyu("keys", "list", tmp_path)
    assert (ran.code, "there is no federation in" in ran.err) == (1, True)
