"""The numbered checks 3 and 5 to 8 of `open_envelope` (trust.md 3.3), with what a careless or rogue bureau could send."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from shared.envelope.errors import REFUSALS, WAITS, NotYet, Refused
from shared.envelope.form import Place

if TYPE_CHECKING:
    from tests.unit.envelope.conftest import World


OTHER = "0199a3c0-0000-7000-8000-0000000000cc"


def test_right_envelope_of_the_second_implementation_is_opened(world: World, forge: ModuleType) -> None:
    assert world.open(forge.envelope()).content == forge.BODY


class TestPlace:
    @pytest.mark.parametrize("aud", ["anhui#enc-2026q3", "zhejiang#sig-2026q3", "zhejiang#enc-invented"])
    def test_envelope_for_another_is_refused(self, world: World, forge: ModuleType, aud: str) -> None:
        assert world.refusal(forge.envelope(h={"aud": aud})) == (3, "wrong_audience")

    def test_message_put_on_another_topic_is_refused(self, world: World, forge: ModuleType) -> None:
        place = Place("message", "transfers", topic="zhejiang.node")
        assert world.refusal(forge.envelope(), place=place) == (3, "wrong_place")

    def test_question_sent_to_another_path_is_refused(self, world: World, forge: ModuleType) -> None:
        place = Place("question", "transfers", path="/peer/v1/transfers/person-status")
        assert world.refusal(forge.envelope(h=forge.question()), place=place) == (3, "wrong_place")

    def test_record_under_another_key_is_refused(self, world: World, forge: ModuleType) -> None:
        place = Place("message", "transfers", topic="zhejiang.transfers", key="another case")
        assert world.refusal(forge.envelope(), place=place) == (3, "wrong_place")

    def test_place_that_tells_no_key_takes_any(self, world: World, forge: ModuleType) -> None:
        place = Place("message", "transfers", topic="zhejiang.transfers")
        assert world.open(forge.envelope(), place=place).key == forge.CASE

    @pytest.mark.parametrize("door", ["question", "answer", "journal"])
    def test_message_at_another_door_is_refused(self, world: World, forge: ModuleType, door: str) -> None:
        assert world.refusal(forge.envelope(), place=getattr(world, door)) == (3, "wrong_door")

    def test_message_of_another_capability_is_refused(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(h={"type": "node.message"})) == (3, "wrong_door")

    def test_journal_of_another_bureau_is_refused(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(h=forge.journal(iss="shanghai"))
        assert world.refusal(raw, place=world.journal) == (3, "wrong_door")

    @pytest.mark.parametrize("asked", [OTHER, None])
    def test_answer_to_a_question_that_we_did_not_ask_is_refused(
        self, world: World, forge: ModuleType, asked: str | None
    ) -> None:
        expect_re = UUID(asked) if asked else None
        raw = forge.envelope(h=forge.answer())
        assert world.refusal(raw, place=world.answer, expect_re=expect_re) == (3, "wrong_reply")

    def test_answer_of_another_bureau_than_asked_is_refused(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(h=forge.answer())
        asked = UUID(forge.QUESTION_JTI)
        assert world.refusal(raw, place=world.answer, expect_re=asked, expect_iss="jiangsu") == (3, "wrong_reply")


class TestSignature:
    def test_signature_by_another_key_is_refused(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(signer="jiangsu#sig-2026q3")) == (5, "signature")

    def test_header_changed_under_an_old_signature_is_refused(self, world: World, forge: ModuleType) -> None:
        head, _, signature = forge.envelope().split(b".")
        _, body, _ = forge.envelope(h={"inc": 2}).split(b".")
        assert world.refusal(b".".join((head, body, signature))) == (5, "signature")

    @pytest.mark.parametrize("signature", [b"", b"AA", b"A" * 86, b"A" * 87])
    def test_signature_of_another_length_or_form_is_refused(self, world: World, forge: ModuleType, signature: bytes) -> None:
        head, body, _ = forge.envelope().split(b".")
        assert world.refusal(b".".join((head, body, signature))) == (5, "signature")


class TestIncarnation:
    def test_lower_than_seen_is_refused(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(h={"inc": 1}), seen={"shanghai": 2}) == (6, "old_incarnation")

    @pytest.mark.parametrize("seen", [{}, {"shanghai": 1}, {"shanghai": 2}, {"jiangsu": 9}])
    def test_equal_or_higher_than_seen_of_the_same_bureau_is_opened(
        self, world: World, forge: ModuleType, seen: dict[str, int]
    ) -> None:
        assert world.open(forge.envelope(h={"inc": 2}), seen=seen).incarnation == 2


class TestTime:
    @pytest.mark.parametrize("age", [61, 3600, -61, -3600])
    @pytest.mark.parametrize("kind", ["question", "answer"])
    def test_question_or_answer_more_than_60_s_away_is_refused(
        self, world: World, forge: ModuleType, kind: str, age: int
    ) -> None:
        raw = forge.envelope(h=getattr(forge, kind)(iat=world.now - age))
        expect_re = UUID(forge.QUESTION_JTI) if kind == "answer" else None
        assert world.refusal(raw, place=getattr(world, kind), expect_re=expect_re) == (7, "stale")

    @pytest.mark.parametrize("age", [60, 0, -60])
    def test_question_within_60_s_is_opened(self, world: World, forge: ModuleType, age: int) -> None:
        raw = forge.envelope(h=forge.question(iat=world.now - age))
        assert world.open(raw, place=world.question).iat == world.now - age

    def test_message_older_than_receipts_are_kept_is_refused(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(h={"iat": world.now - 45 * forge.DAY - 1})) == (7, "too_old")

    def test_message_of_1970_is_refused_for_its_age(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(h={"iat": 0})) == (7, "too_old")

    def test_message_of_45_days_is_opened(self, world: World, forge: ModuleType) -> None:
        assert world.open(forge.envelope(h={"iat": world.now - 45 * forge.DAY})).content == forge.BODY

    def test_message_more_than_5_min_ahead_waits_and_names_the_bureau(self, world: World, forge: ModuleType) -> None:
        with pytest.raises(NotYet) as caught:
            world.open(forge.envelope(h={"iat": world.now + 301}))
        assert (caught.value.check, caught.value.reason, caught.value.about) == (7, "clock_ahead", "shanghai")

    def test_message_ahead_is_opened_once_the_time_has_come(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(h={"iat": world.now + 1000})
        assert world.wait(raw, received_at=world.now) == (7, "clock_ahead")
        assert world.open(raw, now=world.now + 700, received_at=world.now).content == forge.BODY

    def test_waiting_never_makes_a_message_too_old(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(h={"iat": world.now - 44 * forge.DAY})
        assert world.refusal(raw, now=world.now + 2 * forge.DAY) == (7, "too_old")
        assert world.open(raw, now=world.now + 2 * forge.DAY, received_at=world.now).content == forge.BODY


class TestDecrypt:
    def test_content_for_another_key_than_the_header_names_is_refused(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(recipient="anhui#enc-2026q3", h={"aud": forge.RECIPIENT})
        assert world.refusal(raw) == (8, "recipient_key")

    def test_content_encrypted_to_another_key_under_our_name_is_refused(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(recipient="anhui#enc-2026q3", jwe={"kid": forge.RECIPIENT})
        assert world.refusal(raw) == (8, "decrypt")

    def test_content_without_hh_is_refused(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(jwe={"hh": None})) == (8, "rewrapped")

    @pytest.mark.parametrize("hh", ["", "A" * 43, 7])
    def test_content_with_another_hh_is_refused(self, world: World, forge: ModuleType, hh: object) -> None:
        assert world.refusal(forge.envelope(jwe={"hh": hh})) == (8, "rewrapped")

    def test_another_bureau_cannot_pass_a_ciphertext_off_as_its_own(self, world: World, forge: ModuleType) -> None:
        h, jwe = forge.taken_apart(world.seal(forge.BODY))
        stolen = forge.compact_json({"h": {**h, "iss": "jiangsu"}, "jwe": jwe})
        assert world.refusal(forge.envelope(kid="jiangsu#sig-2026q3", payload=stolen)) == (8, "rewrapped")

    def test_another_bureau_could_do_so_without_hh_hence_its_absence_is_refused(self, world: World, forge: ModuleType) -> None:
        h, jwe = forge.taken_apart(forge.envelope(jwe={"hh": None}))
        stolen = forge.compact_json({"h": {**h, "iss": "jiangsu"}, "jwe": jwe})
        assert world.refusal(forge.envelope(kid="jiangsu#sig-2026q3", payload=stolen)) == (8, "rewrapped")

    def test_sender_cannot_sign_a_commitment_to_something_else(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(plaintext=forge.plaintext_of(b'{"another":1}'))
        assert world.refusal(raw) == (8, "commitment")

    def test_plaintext_shorter_than_its_salt_is_refused(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(plaintext=b"short")) == (8, "commitment")

    @pytest.mark.parametrize("x", ["A" * 43, "A" * 42 + "B", "_" * 43])
    def test_ephemeral_key_that_agrees_on_nothing_is_refused(self, world: World, forge: ModuleType, x: str) -> None:
        raw = world.with_encryption_header(epk={"kty": "OKP", "crv": "X25519", "x": x})
        assert world.refusal(raw) == (8, "decrypt")

    @pytest.mark.parametrize("name", ["enc-expired", "enc-revoked"])
    def test_old_or_revoked_key_of_ours_still_opens_with_an_alarm(self, world: World, forge: ModuleType, name: str) -> None:
        kid = f"zhejiang#{name}"
        opened = world.open(forge.envelope(recipient=kid, h={"aud": kid}))
        assert opened.content == forge.BODY
        assert opened.alarms == ("recipient_key_old",)

    def test_key_of_ours_is_old_from_the_second_of_its_end(self, world: World, forge: ModuleType) -> None:
        end = forge.LIVES[forge.RECIPIENT][1]
        raw = forge.envelope(kid="shanghai#sig-2026q4", h={"iat": end})
        assert world.open(raw, now=end - 1).alarms == ()
        assert world.open(raw, now=end).alarms == ("recipient_key_old",)

    def test_key_of_ours_that_is_listed_but_not_on_this_node_makes_the_envelope_wait(
        self, world: World, forge: ModuleType
    ) -> None:
        kid = "zhejiang#enc-elsewhere"
        assert world.wait(forge.envelope(recipient=kid, h={"aud": kid})) == (8, "recipient_key_missing")


def test_content_is_not_judged_here_but_its_error_has_number_and_sentence() -> None:
    assert str(Refused(9, "content", "body.case")) == "check 9: the content does not fit its schema (body.case)"
    assert NotYet(9, "unknown_content", "Unheard/1").about == "Unheard/1"


def test_earlier_check_decides_when_several_fail(world: World, forge: ModuleType) -> None:
    wrong_everywhere = {"iss": "shanghai", "aud": "anhui#enc-2026q3", "inc": 1, "iat": 5}
    raw = forge.envelope(kid="shanghai#sig-revoked", signer="jiangsu#sig-2026q3", h=wrong_everywhere, jwe={"hh": "x"})
    assert world.refusal(raw, seen={"shanghai": 2}) == (3, "wrong_audience")
    raw = forge.envelope(kid="shanghai#sig-revoked", signer="jiangsu#sig-2026q3", h={"iat": 5}, jwe={"hh": "x"})
    assert world.refusal(raw, seen={"shanghai": 2}) == (4, "key_revoked")
    raw = forge.envelope(signer="jiangsu#sig-2026q3", h={"iat": 5}, jwe={"hh": "x"})
    assert world.refusal(raw, seen={"shanghai": 2}) == (5, "signature")
    raw = forge.envelope(h={"iat": 5}, jwe={"hh": "x"})
    assert world.refusal(raw, seen={"shanghai": 2}) == (6, "old_incarnation")
    assert world.refusal(raw) == (7, "too_old")


@pytest.mark.parametrize("table", [REFUSALS, WAITS])
def test_every_code_has_a_sentence(table: Mapping[str, str]) -> None:
    assert all(sentence and sentence[0].islower() for sentence in table.values())
