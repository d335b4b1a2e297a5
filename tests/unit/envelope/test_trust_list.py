"""The rules of the trust list (trust.md 4): who must sign, what may follow what, and what is never believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from shared.envelope.errors import Fork, TrustListRefused
from shared.envelope.trust_list import Anchors, TrustList, accept, assemble, draft, sign, threshold, verify

if TYPE_CHECKING:
    from tests.unit.envelope.conftest import World

Content = Callable[..., dict[str, Any]]
Offer = Callable[..., TrustList]


ALL = ["shanghai", "jiangsu", "zhejiang", "anhui"]
DAY = 86400


def refused(function: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(TrustListRefused) as caught:
        function(*args, **kwargs)
    return caught.value.rule


@pytest.fixture
def second(world: World, forge: ModuleType) -> Content:
    """The content of an ordinary version 2, with changes."""

    def content(**changes: Any) -> dict[str, Any]:
        return forge.list_content(version=2, prev=world.trust.digest, **changes)

    return content


@pytest.fixture
def offered(world: World, forge: ModuleType) -> Offer:
    """What becomes of a list offered to a node that has version 1."""

    def offer(content: dict[str, Any], signers: list[str] | None = None) -> TrustList:
        return accept(forge.list_file(content, signers), current=world.trust, anchors=world.anchors)

    return offer


class TestQuorum:
    @pytest.mark.parametrize("missing", ALL)
    def test_any_three_of_four_are_enough(self, world: World, second: Content, offered: Offer, missing: str) -> None:
        signers = [code for code in ALL if code != missing]
        assert offered(second(), signers).version == 2

    @pytest.mark.parametrize("signers", [[], ["anhui"], ["shanghai", "jiangsu"], ["zhejiang", "anhui"]])
    def test_two_are_not(self, second: Content, offered: Offer, signers: list[str]) -> None:
        assert refused(offered, second(), signers) == "quorum"

    def test_one_signer_twice_counts_once(self, second: Content, offered: Offer) -> None:
        assert refused(offered, second(), ["shanghai", "jiangsu", "shanghai", "jiangsu"]) == "quorum"

    def test_bad_and_unknown_signatures_harm_nothing_and_count_nothing(
        self, world: World, forge: ModuleType, second: Content
    ) -> None:
        payload = forge.compact_json(second())
        good = [forge.list_signature(f"{code}#root-2026", payload) for code in ALL[:3]]
        bad = [
            forge.list_signature("anhui#root-2026", b"another list"),
            forge.list_signature("fujian#root-2026", payload),
            {"protected": "!!", "signature": "!!"},
            forge.list_signature("nobody", payload),
            {"protected": forge.b64(b"[]"), "signature": ""},
            {"protected": "\ud800", "signature": "\ud800"},
        ]
        accepted = accept(assemble(payload, [*bad, *good]), current=world.trust, anchors=world.anchors)
        assert accepted.version == 2
        assert refused(accept, assemble(payload, [*bad, *good[:2]]), current=world.trust, anchors=world.anchors) == "quorum"

    @pytest.mark.parametrize("changes", [{"alg": "EdDSA"}, {"alg": "none"}, {"typ": "quanyu-env+jws"}, {"crit": ["x"]}])
    def test_signature_under_another_header_counts_nothing(
        self, world: World, forge: ModuleType, second: Content, changes: dict[str, Any]
    ) -> None:
        payload = forge.compact_json(second())
        signatures = [forge.list_signature(f"{code}#root-2026", payload, **changes) for code in ALL]
        assert refused(accept, assemble(payload, signatures), current=world.trust, anchors=world.anchors) == "quorum"

    @pytest.mark.parametrize("use", ["sig-2026q3", "enc-2026q3"])
    def test_only_roots_sign(self, world: World, forge: ModuleType, second: Content, use: str) -> None:
        payload = forge.compact_json(second())
        signatures = [forge.list_signature(f"{code}#{use}", payload) for code in ALL]
        assert refused(accept, assemble(payload, signatures), current=world.trust, anchors=world.anchors) == "quorum"

    def test_root_cannot_sign_in_the_name_of_another(self, world: World, forge: ModuleType, second: Content) -> None:
        payload = forge.compact_json(second())
        stolen = [forge.sign("shanghai#root-2026", {"alg": "Ed25519", "kid": f"{code}#root-2026"}, payload) for code in ALL]
        signatures = [{"protected": head, "signature": signature} for head, _, signature in stolen]
        assert refused(accept, assemble(payload, signatures), current=world.trust, anchors=world.anchors) == "quorum"

    @pytest.mark.parametrize(("roots", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (31, 21)])
    def test_threshold_is_more_than_two_thirds(self, roots: int, needed: int) -> None:
        assert threshold(roots) == needed
        assert needed * 3 > roots * 2 >= (needed - 1) * 3

    def test_gone_bureau_no_longer_counts(self, world: World, forge: ModuleType, second: Content, offered: Offer) -> None:
        bureaus = second()["bureaus"]
        bureaus[3] |= {"gone_at": forge.NOW, "successor": "jiangsu"}
        without_anhui = offered(second(bureaus=bureaus), ALL[:3])
        third = forge.list_content(version=3, prev=without_anhui.digest, bureaus=bureaus)
        given = {"current": without_anhui, "anchors": world.anchors, "before": world.trust}
        assert refused(accept, forge.list_file(third, ["anhui", "shanghai", "jiangsu"]), **given) == "quorum"
        assert accept(forge.list_file(third, ALL[:3]), **given).version == 3


class TestFirstList:
    @pytest.mark.parametrize("missing", ALL)
    def test_is_believed_by_the_anchors(self, world: World, forge: ModuleType, missing: str) -> None:
        raw = forge.list_file(forge.list_content(), [code for code in ALL if code != missing])
        assert accept(raw, current=None, anchors=world.anchors).digest == world.trust.digest

    def test_of_two_signers_is_refused(self, world: World, forge: ModuleType) -> None:
        raw = forge.list_file(forge.list_content(), ALL[:2])
        assert refused(accept, raw, current=None, anchors=world.anchors) == "quorum"

    def test_with_another_root_than_the_anchor_needs_that_root_too(self, world: World, forge: ModuleType) -> None:
        keys = forge.list_content()["keys"]
        keys[0] |= {"jwk": forge.jwk("shanghai#root-stolen")}
        raw = forge.list_file(forge.list_content(keys=keys), ALL)
        assert refused(accept, raw, current=None, anchors=world.anchors) == "new_root"

    @pytest.mark.parametrize(
        "change",
        [
            lambda content: content.update(threshold=2),
            lambda content: content.update(threshold=5),
            lambda content: (content["roots"].append(content["roots"][0]), content.update(threshold=4)),
            lambda content: content.pop("roots"),
        ],
    )
    def test_anchors_that_are_no_quorum_are_refused(self, forge: ModuleType, change: Any) -> None:
        content = json.loads(forge.anchors_file())
        change(content)
        assert refused(Anchors.parse, json.dumps(content).encode()) == "anchors"


class TestSuccession:
    def test_same_list_again_changes_nothing(self, world: World, forge: ModuleType, offered: Offer) -> None:
        assert offered(forge.list_content()) is world.trust

    def test_same_list_with_fewer_signatures_changes_nothing(self, world: World, forge: ModuleType, offered: Offer) -> None:
        assert offered(forge.list_content(), ALL[:1]) is world.trust

    def test_lower_version_is_refused(self, world: World, forge: ModuleType, second: Content, offered: Offer) -> None:
        two = offered(second())
        raw = forge.list_file(forge.list_content())
        assert refused(accept, raw, current=two, anchors=world.anchors, before=world.trust) == "rollback"

    @pytest.mark.parametrize("prev", [None, "0" * 64, ""])
    def test_wrong_prev_is_refused(self, forge: ModuleType, offered: Offer, prev: str | None) -> None:
        assert refused(offered, forge.list_content(version=2, prev=prev)) == "prev"

    def test_version_after_the_next_waits_for_the_one_between(
        self, world: World, forge: ModuleType, second: Content, offered: Offer
    ) -> None:
        two = offered(second())
        three = forge.list_content(version=3, prev=two.digest)
        assert refused(offered, three) == "gap"
        assert accept(forge.list_file(three), current=two, anchors=world.anchors, before=world.trust).version == 3

    def test_second_list_of_one_version_is_a_fork(self, world: World, forge: ModuleType, offered: Offer) -> None:
        with pytest.raises(Fork) as caught:
            offered(forge.list_content(issued=forge.NOW))
        assert (caught.value.rule, caught.value.version, caught.value.ours) == ("fork", 1, world.trust.digest)
        assert caught.value.theirs != world.trust.digest

    def test_unsigned_list_of_one_version_is_no_fork(self, forge: ModuleType, offered: Offer) -> None:
        assert refused(offered, forge.list_content(issued=forge.NOW), ALL[:2]) == "quorum"

    def test_fork_is_judged_by_the_roots_before_it(self, world: World, forge: ModuleType, second: Content) -> None:
        """Version 2 replaced Anhui's root; a second version 2 needs the roots of version 1, Anhui's old one among them."""
        keys, bureaus = second()["keys"], second()["bureaus"]
        keys.append({**keys[3], "kid": "anhui#root-2027", "jwk": forge.jwk("anhui#root-2027")})
        bureaus[3] |= {"root": "anhui#root-2027"}
        payload = forge.compact_json(second(keys=keys, bureaus=bureaus))
        signers = [*(f"{code}#root-2026" for code in ALL), "anhui#root-2027"]
        raw = assemble(payload, [forge.list_signature(kid, payload) for kid in signers])
        two = accept(raw, current=world.trust, anchors=world.anchors)

        other = forge.list_file(second(issued=forge.NOW), ["jiangsu", "zhejiang", "anhui"])
        with pytest.raises(Fork):
            accept(other, current=two, anchors=world.anchors, before=world.trust)

    def test_key_is_never_dropped(self, second: Content, offered: Offer) -> None:
        keys = second()["keys"]
        assert refused(offered, second(keys=keys[:-1])) == "history"

    @pytest.mark.parametrize("change", [{"nbf": 1}, {"jwk": "another"}])
    def test_key_is_never_changed(self, forge: ModuleType, second: Content, offered: Offer, change: Any) -> None:
        keys = second()["keys"]
        position = next(at for at, key in enumerate(keys) if key["kid"] == forge.SENDER)
        keys[position] |= {name: forge.jwk("another#sig-1") if value == "another" else value for name, value in change.items()}
        assert refused(offered, second(keys=keys)) == "history"

    @pytest.mark.parametrize("revoked_at", [None, 1_790_000_000])
    def test_revocation_is_never_taken_back_or_moved_later(self, second: Content, offered: Offer, revoked_at: int | None) -> None:
        keys = second()["keys"]
        next(key for key in keys if key["kid"] == "shanghai#sig-revoked")["revoked_at"] = revoked_at
        assert refused(offered, second(keys=keys)) == "history"

    def test_key_may_be_revoked_and_its_life_shortened(self, forge: ModuleType, second: Content, offered: Offer) -> None:
        keys = second()["keys"]
        next(key for key in keys if key["kid"] == forge.SENDER).update(revoked_at=forge.NOW, exp=forge.NOW)
        assert offered(second(keys=keys)).key(forge.SENDER).revoked_at == forge.NOW


class TestNewRoot:
    def changed(self, forge: ModuleType, second: Content, signers: list[str]) -> bytes:
        keys, bureaus = second()["keys"], second()["bureaus"]
        keys.append({**keys[3], "kid": "anhui#root-2027", "jwk": forge.jwk("anhui#root-2027")})
        bureaus[3] |= {"root": "anhui#root-2027"}
        payload = forge.compact_json(second(keys=keys, bureaus=bureaus))
        return assemble(payload, [forge.list_signature(kid, payload) for kid in signers])

    def test_three_others_replace_a_lost_root(self, world: World, forge: ModuleType, second: Content) -> None:
        signers = [*(f"{code}#root-2026" for code in ALL[:3]), "anhui#root-2027"]
        raw = self.changed(forge, second, signers)
        listed = accept(raw, current=world.trust, anchors=world.anchors)
        assert listed.roots()["anhui"].kid == "anhui#root-2027"

    def test_new_root_must_sign_too(self, world: World, forge: ModuleType, second: Content) -> None:
        raw = self.changed(forge, second, [f"{code}#root-2026" for code in ALL])
        assert refused(accept, raw, current=world.trust, anchors=world.anchors) == "new_root"

    def test_new_root_does_not_count_for_the_quorum_that_brings_it(
        self, world: World, forge: ModuleType, second: Content
    ) -> None:
        raw = self.changed(forge, second, ["shanghai#root-2026", "jiangsu#root-2026", "anhui#root-2027"])
        assert refused(accept, raw, current=world.trust, anchors=world.anchors) == "quorum"

    def test_revoked_root_must_be_replaced(self, forge: ModuleType, second: Content, offered: Offer) -> None:
        keys = second()["keys"]
        keys[3] |= {"revoked_at": forge.NOW, "reason": "lost"}
        assert refused(offered, second(keys=keys)) == "form"


class TestForm:
    @pytest.mark.parametrize("change", [{"bureaus": []}, {"keys": []}, {"bureaus": [], "keys": []}])
    def test_empty_list_is_refused_even_when_all_sign(self, second: Content, offered: Offer, change: Any) -> None:
        assert refused(offered, second(**change)) == "empty"

    @pytest.mark.parametrize(
        "raw",
        [b"", b"[]", b"{}", b'{"payload":5,"signatures":[]}', b'{"payload":"e30","signatures":5}', b"\xff", b'{"payload":"e30"}'],
    )
    def test_other_file_is_refused(self, world: World, raw: bytes) -> None:
        assert refused(accept, raw, current=world.trust, anchors=world.anchors) == "form"

    def test_file_over_its_limit_is_refused(self, world: World, forge: ModuleType) -> None:
        full = forge.list_file(forge.list_content()).ljust(1024 * 1024)
        assert verify(full, anchors=world.anchors).version == 1
        assert refused(verify, full + b" ", anchors=world.anchors) == "form"

    @pytest.mark.parametrize(
        "change",
        [{"version": 0}, {"version": "two"}, {"grace": None}, {"issued": 1.5}, {"bureaus": [{"code": "Shanghai"}]}],
        ids=str,
    )
    def test_malformed_content_is_refused(self, second: Content, offered: Offer, change: Any) -> None:
        assert refused(offered, second() | change) == "form"

    @pytest.mark.parametrize(
        "change",
        [
            {"kid": "jiangsu#sig-2026q3"},
            {"kid": "shanghai#enc-2026q3-x"},
            {"kid": "shanghai"},
            {"bureau": "jiangsu"},
            {"jwk": None},
            {"x5c": ["AA"]},
            {"nbf": 5, "exp": 5},
            {"jwk": {"kty": "OKP", "crv": "X25519", "x": "A" * 43}},
            {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A"}},
            {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "d": "A" * 43}},
        ],
        ids=str,
    )
    def test_malformed_key_is_refused(self, forge: ModuleType, second: Content, offered: Offer, change: Any) -> None:
        keys = second()["keys"]
        next(key for key in keys if key["kid"] == forge.SENDER).update(change)
        assert refused(offered, second(keys=keys)) == "form"

    @pytest.mark.parametrize("what", ["keys", "bureaus"])
    def test_anything_listed_twice_is_refused(self, second: Content, offered: Offer, what: str) -> None:
        items = second()[what]
        assert refused(offered, second(**{what: [*items, items[0]]})) == "form"

    @pytest.mark.parametrize("root", ["shanghai#root-none", "jiangsu#root-2026", "shanghai#sig-2026q3"])
    def test_member_whose_root_is_not_its_root_is_refused(self, second: Content, offered: Offer, root: str) -> None:
        bureaus = second()["bureaus"]
        bureaus[0] |= {"root": root}
        assert refused(offered, second(bureaus=bureaus)) == "form"

    def test_uses_suites_and_members_of_a_later_release_are_kept_and_ignored(
        self, forge: ModuleType, second: Content, offered: Offer
    ) -> None:
        keys = second()["keys"]
        keys.append({**keys[0], "kid": "shanghai#cred-2026", "use": "cred", "jwk": {"kty": "EC", "crv": "P-256"}})
        keys.append({**keys[0], "kid": "shanghai#sig-gm1-2026q4", "use": "sig", "suite": "gm-1", "jwk": {"kty": "EC"}})
        listed = offered(second(keys=keys) | {"later": 1})
        assert len(listed.keys) == len(keys)
        assert listed.key("shanghai#cred-2026") is None
        assert listed.key("shanghai#sig-gm1-2026q4") is None


class TestUse:
    def test_draft_sign_assemble_make_what_is_verified(self, world: World, forge: ModuleType, second: Content) -> None:
        payload = draft(second())
        signatures = [
            sign(payload, kid=f"{code}#root-2026", root=world.ring(code).signing_keys[0].key.import_key(
                forge.jwk(f"{code}#root-2026", private=True)
            ))
            for code in ALL[1:]
        ]  # fmt: skip
        listed = accept(assemble(payload, signatures), current=world.trust, anchors=world.anchors)
        assert (listed.version, listed.prev) == (2, world.trust.digest)
        assert TrustList.parse(payload).digest == listed.digest

    def test_draft_refuses_what_nobody_would_accept(self, second: Content) -> None:
        assert refused(draft, second(keys=[])) == "empty"

    def test_verifying_needs_somebody_to_believe(self, forge: ModuleType) -> None:
        with pytest.raises(ValueError, match="either the anchors or the previous list"):
            verify(forge.list_file(forge.list_content()))

    @pytest.mark.parametrize(
        ("days", "state"),
        [(0, "fresh"), (55, "fresh"), (56, "due"), (69, "due"), (70, "stale"), (99, "stale"), (100, "past_grace")],
    )
    def test_age_is_told_in_four_steps(self, world: World, days: int, state: str) -> None:
        assert world.trust.freshness(world.now + days * DAY) == state

    def test_encryption_key_is_the_newest_that_has_begun_is_not_revoked_and_has_not_ended(
        self, world: World, forge: ModuleType
    ) -> None:
        template = next(key for key in forge.list_content()["keys"] if key["kid"] == "anhui#enc-2026q3")
        begins, ends, grace = world.now, world.now + 10 * DAY, 30 * DAY

        def used(now: int, *changes: dict[str, Any]) -> str | None:
            keys = [{**template, "kid": f"anhui#enc-{at}", **change} for at, change in enumerate(changes)]
            others = [key for key in forge.list_content()["keys"] if key["kid"] != template["kid"]]
            key = world.trust.parse(forge.compact_json(forge.list_content(keys=[*others, *keys]))).encryption_key("anhui", now)
            return None if key is None else key.kid

        older, newer = {"nbf": begins - DAY, "exp": ends}, {"nbf": begins, "exp": ends + DAY}
        assert used(begins, older, newer) == "anhui#enc-1"
        assert used(begins - 1, older, newer) == "anhui#enc-0"
        assert used(begins, older, newer | {"revoked_at": begins}) == "anhui#enc-0"
        assert used(begins, older, newer | {"revoked_at": begins + 1}) == "anhui#enc-1"
        assert used(begins - 2 * DAY, older) is None
        assert used(ends, older | {"exp": ends + DAY}, newer | {"exp": ends}) == "anhui#enc-0"
        assert used(ends + grace - 1, older) == "anhui#enc-0"
        assert used(ends + grace, older) is None

    def test_bureaus_are_found_by_code(self, world: World) -> None:
        assert world.trust.bureau("anhui").name == "安徽"
        assert world.trust.bureau("fujian") is None
