"""Every cell of trust.md 3.4: which signing key is accepted, by its state and the kind of envelope."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from shared.envelope.errors import NotYet, Refused

if TYPE_CHECKING:
    from tests.unit.envelope.conftest import World


DAY = 86400
OPENED = "opened"


def read(
    world: World,
    forge: ModuleType,
    kind: str,
    kid: str,
    *,
    iat: int | None = None,
    now: int | None = None,
    received_at: int | None = None,
) -> str | tuple[str, int, str]:
    """What comes out at Zhejiang of an envelope of this kind signed by this key: `opened`, or (outcome, check, code)."""
    moment = world.now if now is None else now
    sent = moment - 5 if iat is None else iat
    changes = {"iat": sent} if kind == "message" else getattr(forge, kind)(iat=sent)
    given = {"place": getattr(world, kind), "now": moment, "received_at": received_at}
    if kind == "answer":
        given["expect_re"] = UUID(forge.QUESTION_JTI)
    try:
        opened = world.open(forge.envelope(kid=kid, h=changes), **given)
    except Refused as refused:
        return "refused", refused.check, refused.code
    except NotYet as waits:
        return "not yet", waits.check, waits.reason
    assert opened.kid == kid
    return OPENED


def sender(kind: str, name: str) -> str:
    return f"{'zhejiang' if kind == 'journal' else 'shanghai'}#sig-{name}"


@pytest.mark.parametrize("kind", ["message", "question", "answer", "journal"])
class TestInItsLife:
    def test_is_accepted(self, world: World, forge: ModuleType, kind: str) -> None:
        assert read(world, forge, kind, sender(kind, "2026q3")) == OPENED

    def test_is_accepted_with_60_s_leeway_at_both_ends(self, world: World, forge: ModuleType, kind: str) -> None:
        kid = sender(kind, "2026q3")
        nbf, exp, _ = forge.LIVES[kid]
        assert read(world, forge, kind, kid, now=nbf - 60) == OPENED
        assert read(world, forge, kind, kid, now=exp + 60) == OPENED


class TestExpiredNotRevoked:
    EXPIRED = "shanghai#sig-expired"  # 10 days ago

    def test_message_sent_in_the_keys_life_is_accepted(self, world: World, forge: ModuleType) -> None:
        assert read(world, forge, "message", self.EXPIRED, iat=world.now - 11 * DAY) == OPENED

    def test_message_is_accepted_until_30_days_after_the_end(self, world: World, forge: ModuleType) -> None:
        exp = forge.LIVES[self.EXPIRED][1]
        assert read(world, forge, "message", self.EXPIRED, iat=exp, now=exp + 30 * DAY) == OPENED
        late = read(world, forge, "message", self.EXPIRED, iat=exp, now=exp + 30 * DAY + 1)
        assert late == ("refused", 4, "key_expired")

    @pytest.mark.parametrize("sent_after_end", [61, DAY])
    def test_message_sent_after_the_keys_life_is_refused(self, world: World, forge: ModuleType, sent_after_end: int) -> None:
        iat = forge.LIVES[self.EXPIRED][1] + sent_after_end
        assert read(world, forge, "message", self.EXPIRED, iat=iat) == ("refused", 4, "key_expired")

    def test_message_sent_before_the_keys_life_is_refused(self, world: World, forge: ModuleType) -> None:
        begins = forge.LIVES[self.EXPIRED][0]
        assert read(world, forge, "message", self.EXPIRED, iat=begins - 61) == ("refused", 4, "key_expired")
        assert read(world, forge, "message", self.EXPIRED, iat=begins - 60) == ("refused", 7, "too_old")

    def test_message_of_a_long_expired_key_is_refused(self, world: World, forge: ModuleType) -> None:
        assert read(world, forge, "message", "shanghai#sig-ancient", iat=world.now - 40 * DAY) == ("refused", 4, "key_expired")

    def test_message_that_was_kept_is_judged_as_of_its_arrival(self, world: World, forge: ModuleType) -> None:
        exp = forge.LIVES[self.EXPIRED][1]
        kept = read(world, forge, "message", self.EXPIRED, iat=exp - 5, now=exp + 90 * DAY, received_at=exp)
        assert kept == OPENED

    @pytest.mark.parametrize("kind", ["question", "answer"])
    def test_question_and_answer_are_refused(self, world: World, forge: ModuleType, kind: str) -> None:
        assert read(world, forge, kind, self.EXPIRED) == ("refused", 4, "key_expired")
        assert read(world, forge, kind, self.EXPIRED, iat=world.now - 11 * DAY) == ("refused", 4, "key_expired")

    def test_own_journal_is_accepted_under_any_key_ever(self, world: World, forge: ModuleType) -> None:
        assert read(world, forge, "journal", "zhejiang#sig-expired") == OPENED


class TestRevoked:
    REVOKED = "shanghai#sig-revoked"  # a day ago

    def test_message_is_refused_even_if_it_says_it_was_sent_before(self, world: World, forge: ModuleType) -> None:
        assert read(world, forge, "message", self.REVOKED) == ("refused", 4, "key_revoked")
        assert read(world, forge, "message", self.REVOKED, iat=world.now - 2 * DAY) == ("refused", 4, "key_revoked")

    def test_message_that_we_received_before_is_accepted(self, world: World, forge: ModuleType) -> None:
        received_at = world.now - DAY - 1
        assert read(world, forge, "message", self.REVOKED, iat=received_at - 5, received_at=received_at) == OPENED

    def test_message_received_in_the_second_of_revocation_is_refused(self, world: World, forge: ModuleType) -> None:
        received_at = world.now - DAY
        late = read(world, forge, "message", self.REVOKED, iat=received_at - 5, received_at=received_at)
        assert late == ("refused", 4, "key_revoked")

    @pytest.mark.parametrize("kind", ["question", "answer"])
    def test_question_and_answer_are_refused(self, world: World, forge: ModuleType, kind: str) -> None:
        assert read(world, forge, kind, self.REVOKED) == ("refused", 4, "key_revoked")

    def test_own_journal_is_accepted(self, world: World, forge: ModuleType) -> None:
        assert read(world, forge, "journal", "zhejiang#sig-revoked") == OPENED


class TestNotYetValid:
    FUTURE = "shanghai#sig-2026q4"  # in 5 days

    def test_message_waits_and_is_opened_when_the_life_begins(self, world: World, forge: ModuleType) -> None:
        assert read(world, forge, "message", self.FUTURE) == ("not yet", 4, "key_not_yet_valid")
        begins = forge.LIVES[self.FUTURE][0]
        assert read(world, forge, "message", self.FUTURE, iat=world.now, now=begins, received_at=world.now) == OPENED

    @pytest.mark.parametrize("kind", ["question", "answer"])
    def test_question_and_answer_are_refused(self, world: World, forge: ModuleType, kind: str) -> None:
        assert read(world, forge, kind, self.FUTURE) == ("refused", 4, "key_not_yet_valid")

    def test_own_journal_was_written_so_it_is_accepted(self, world: World, forge: ModuleType) -> None:
        assert read(world, forge, "journal", "zhejiang#sig-2026q4") == OPENED


class TestNotInOurList:
    @pytest.mark.parametrize("kind", ["message", "question", "answer", "journal"])
    def test_waits_for_a_newer_list(self, world: World, forge: ModuleType, kind: str) -> None:
        assert read(world, forge, kind, sender(kind, "unlisted")) == ("not yet", 4, "unknown_key")

    def test_names_the_key_to_fetch_a_list_for(self, world: World, forge: ModuleType) -> None:
        with pytest.raises(NotYet) as caught:
            world.open(forge.envelope(kid=forge.UNLISTED))
        assert caught.value.about == forge.UNLISTED

    def test_message_is_refused_after_30_days(self, world: World, forge: ModuleType) -> None:
        received_at = world.now - 30 * DAY
        given = {"iat": received_at - 5, "received_at": received_at}
        assert read(world, forge, "message", forge.UNLISTED, **given) == ("not yet", 4, "unknown_key")
        later = read(world, forge, "message", forge.UNLISTED, now=world.now + 1, **given)
        assert later == ("refused", 4, "unknown_key")

    def test_message_is_opened_once_a_list_has_the_key_however_long_it_waited(self, world: World, forge: ModuleType) -> None:
        keys = forge.list_content()["keys"]
        keys.append({**keys[4], "kid": forge.UNLISTED, "jwk": forge.jwk(forge.UNLISTED)})
        newer = world.trust.parse(forge.compact_json(forge.list_content(keys=keys)))
        raw = forge.envelope(kid=forge.UNLISTED)
        opened = world.open(raw, trust=newer, now=world.now + 29 * DAY, received_at=world.now)
        assert opened.content == forge.BODY


@pytest.mark.parametrize("kid", ["shanghai#root-2026", "shanghai#enc-2026q3"])
def test_key_listed_for_another_use_is_refused(world: World, forge: ModuleType, kid: str) -> None:
    raw = forge.envelope(kid=kid, signer="shanghai#sig-2026q3")
    with pytest.raises(Refused) as caught:
        world.open(raw)
    assert (caught.value.check, caught.value.code) == (4, "wrong_key_use")


def test_key_of_another_bureau_is_refused_whatever_it_calls_itself(world: World, forge: ModuleType) -> None:
    with pytest.raises(Refused) as caught:
        world.open(forge.envelope(kid="jiangsu#sig-2026q3", h={"iss": "shanghai"}))
    assert (caught.value.check, caught.value.code) == (2, "issuer")
