"""The trust lists of a node on disk: what was in force stays in force, whatever is offered, found or restarted."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.envelope.errors import Fork, TrustListRefused
from shared.envelope.trust_list import TrustList
from shared.envelope.trust_store import TrustStore, install_first

Follow = Callable[..., bytes]


@pytest.fixture
def folder(tmp_path: Path, forge: ModuleType) -> Path:
    install_first(tmp_path / "trust", anchors=forge.anchors_file(), raw=forge.list_file(forge.list_content()))
    return tmp_path / "trust"


@pytest.fixture
def store(folder: Path) -> TrustStore:
    return TrustStore(folder)


@pytest.fixture
def follow(forge: ModuleType) -> Follow:
    """The file of the list that follows `current`."""

    def file(current: TrustList, **changes: Any) -> bytes:
        return forge.list_file(forge.list_content(version=current.version + 1, prev=current.digest, **changes))

    return file


def rule_of(function: Callable[..., object], *args: Any) -> str:
    with pytest.raises(TrustListRefused) as caught:
        function(*args)
    return caught.value.rule


def test_accepted_list_is_in_force_at_once_and_after_a_restart(store: TrustStore, folder: Path, follow: Follow) -> None:
    raw = follow(store.current)
    assert store.install(raw).version == 2
    assert (store.current.version, store.raw(2)) == (2, raw)
    assert TrustStore(folder).current.digest == store.current.digest
    assert TrustStore(folder).raw(3) is None


def test_keys_are_found_in_the_list_in_force(store: TrustStore, forge: ModuleType, follow: Follow) -> None:
    keys = forge.list_content()["keys"]
    next(key for key in keys if key["kid"] == forge.SENDER).update(revoked_at=forge.NOW)
    assert store.key(forge.SENDER).revoked_at is None
    store.install(follow(store.current, keys=keys))
    assert store.key(forge.SENDER).revoked_at == forge.NOW
    assert store.key(forge.UNLISTED) is None


def test_refused_list_changes_neither_memory_nor_disk(store: TrustStore, folder: Path, forge: ModuleType) -> None:
    raw = forge.list_file(forge.list_content(version=2, prev="0" * 64))
    assert rule_of(store.install, raw) == "prev"
    assert (store.current.version, store.raw(2)) == (1, None)
    assert sorted(path.name for path in folder.iterdir()) == ["anchors.json", "trust-list-1.json"]


def test_same_list_again_changes_nothing(store: TrustStore, forge: ModuleType) -> None:
    assert store.install(forge.list_file(forge.list_content())) is store.current


def test_rollback_is_refused_after_a_restart_too(store: TrustStore, folder: Path, forge: ModuleType, follow: Follow) -> None:
    store.install(follow(store.current))
    assert rule_of(TrustStore(folder).install, forge.list_file(forge.list_content())) == "rollback"


def test_node_without_any_list_does_not_start(folder: Path) -> None:
    (folder / "trust-list-1.json").unlink()
    assert rule_of(TrustStore, folder) == "missing"


def test_node_without_anchors_does_not_start(folder: Path) -> None:
    (folder / "anchors.json").unlink()
    with pytest.raises(TrustListRefused, match=r"anchors \(anchors\.json: No such file"):
        TrustStore(folder)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]"])
def test_node_with_a_damaged_list_does_not_start(folder: Path, damage: bytes) -> None:
    (folder / "trust-list-1.json").write_bytes(damage)
    assert rule_of(TrustStore, folder) == "form"


def test_list_put_into_the_folder_without_quorum_is_not_believed(store: TrustStore, folder: Path, forge: ModuleType) -> None:
    content = forge.list_content(version=2, prev=store.current.digest)
    (folder / "trust-list-2.json").write_bytes(forge.list_file(content, ["shanghai", "anhui"]))
    assert rule_of(TrustStore, folder) == "quorum"
    assert rule_of(store.reload) == "quorum"
    assert store.current.version == 1


def test_lists_of_another_process_are_taken_up(store: TrustStore, folder: Path, follow: Follow) -> None:
    other = TrustStore(folder)
    two = other.install(follow(other.current))
    other.install(follow(two, issued=1_789_000_000))
    assert store.reload().version == 3


def test_missing_list_between_is_asked_for_and_then_both_are_accepted(
    store: TrustStore, folder: Path, tmp_path: Path, forge: ModuleType, follow: Follow
) -> None:
    ahead = install_first(tmp_path / "ahead", anchors=forge.anchors_file(), raw=store.raw(1))
    two = ahead.install(follow(ahead.current))
    ahead.install(follow(two))
    assert rule_of(store.install, ahead.raw(3)) == "gap"
    store.install(ahead.raw(2))
    assert store.install(ahead.raw(3)).version == 3


class TestFork:
    @pytest.fixture
    def other(self, store: TrustStore, forge: ModuleType) -> bytes:
        """A second, properly signed list of version 1, already offered once."""
        raw = forge.list_file(forge.list_content(issued=forge.NOW))
        with pytest.raises(Fork):
            store.install(raw)
        return raw

    def test_both_are_kept_and_ours_stays_in_force(
        self, store: TrustStore, folder: Path, forge: ModuleType, other: bytes
    ) -> None:
        assert [path.read_bytes() for path in store.forks()] == [other]
        assert store.current.issued == forge.list_content()["issued"]
        assert TrustStore(folder).forks() == store.forks()
        assert store.install(forge.list_file(forge.list_content())) is store.current

    def test_fork_offered_twice_is_kept_once(self, store: TrustStore, other: bytes) -> None:
        with pytest.raises(Fork):
            store.install(other)
        assert len(store.forks()) == 1

    def test_nothing_newer_is_accepted_until_a_person_decides(self, store: TrustStore, follow: Follow, other: bytes) -> None:
        newer = follow(store.current)
        assert rule_of(store.install, newer) == "fork"
        store.settle_fork(store.current.digest)
        assert store.forks() == []
        assert store.install(newer).version == 2

    def test_person_may_decide_for_the_other(self, store: TrustStore, folder: Path, forge: ModuleType, other: bytes) -> None:
        theirs = store.current.parse(forge.compact_json(forge.list_content(issued=forge.NOW))).digest
        assert store.settle_fork(theirs).issued == forge.NOW
        assert (store.forks(), TrustStore(folder).current.digest) == ([], theirs)

    def test_person_can_decide_only_for_a_list_that_is_here(self, store: TrustStore, other: bytes) -> None:
        assert rule_of(store.settle_fork, "0" * 64) == "fork"
        assert len(store.forks()) == 1

    def test_what_a_person_decides_elsewhere_is_taken_up_by_a_running_node(
        self, store: TrustStore, folder: Path, other: bytes
    ) -> None:
        running = TrustStore(folder)
        rule_of(store.install, other)
        theirs = store.fork_digests()[0]
        store.settle_fork(theirs)
        assert running.reload().digest == theirs

    def test_file_that_is_no_fork_cannot_be_chosen(
        self, store: TrustStore, folder: Path, forge: ModuleType, other: bytes
    ) -> None:
        content = forge.list_content(issued=5)
        (folder / "fork-1-planted.json").write_bytes(forge.list_file(content, ["anhui"]))
        planted = store.current.parse(forge.compact_json(content)).digest
        assert rule_of(store.settle_fork, planted) == "fork"


def test_trust_folder_is_set_up_once(folder: Path, forge: ModuleType) -> None:
    with pytest.raises(FileExistsError):
        install_first(folder, anchors=forge.anchors_file(), raw=forge.list_file(forge.list_content()))
