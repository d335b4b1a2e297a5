"""Every numbered check of `open_envelope` (trust.md 3.3), with what a careless or rogue bureau could send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from shared.envelope.errors import REFUSALS, WAITS, NotYet, Refused
from shared.envelope.form import ENVELOPE_LIMIT_BYTES, Place, transport_headers

if TYPE_CHECKING:
    from tests.unit.envelope.conftest import World


OTHER = "0199a3c0-0000-7000-8000-0000000000cc"


def refusal(world: World, raw: bytes, **changes: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        world.open(raw, **changes)
    return caught.value.check, caught.value.code


def wait(world: World, raw: bytes, **changes: Any) -> tuple[int, str]:
    with pytest.raises(NotYet) as caught:
        world.open(raw, **changes)
    return caught.value.check, caught.value.reason


def with_encryption_header(forge: ModuleType, **changes: Any) -> bytes:
    """An envelope, well signed, in which the JWE's header was changed after encryption; None takes a member out."""
    h, jwe = forge.taken_apart(forge.envelope())
    head = json.loads(forge.base64.urlsafe_b64decode(jwe.partition(".")[0] + "==")) | changes
    changed = {name: value for name, value in head.items() if value is not None}
    token = f"{forge.b64(forge.compact_json(changed))}.{jwe.partition('.')[2]}"
    return forge.envelope(payload=forge.compact_json({"h": h, "jwe": token}))


def test_right_envelope_of_the_second_implementation_is_opened(world: World, forge: ModuleType) -> None:
    assert world.open(forge.envelope()).content == forge.BODY


class TestSize:
    def test_more_than_1_mib_is_refused_before_parsing(self, world: World) -> None:
        assert refusal(world, b"{" * (ENVELOPE_LIMIT_BYTES + 1)) == (1, "too_large")

    def test_1_mib_is_still_read(self, world: World) -> None:
        assert refusal(world, b"{" * ENVELOPE_LIMIT_BYTES) == (2, "not_an_envelope")

    def test_compressed_content_is_refused(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(jwe={"zip": "DEF"})) == (1, "zip")

    def test_compression_in_the_signature_header_is_refused(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(jws={"zip": "DEF"})) == (1, "zip")


class TestForm:
    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b".",
            b"..",
            b"a.b.c",
            b"\xff\xfe.e30.AA",
            b"e30.e30",
            b"e30.e30.AA.AA",
            b"bnVsbA.e30.AA",
            b"MQ.e30.AA",
            b"ImFsZyI.e30.AA",
        ],
    )
    def test_garbage_is_refused(self, world: World, raw: bytes) -> None:
        check, code = refusal(world, raw)
        assert (check, code) in {(2, "not_an_envelope"), (2, "header")}

    @pytest.mark.parametrize(
        "changes",
        [
            {"alg": "none"},
            {"alg": "EdDSA"},
            {"alg": "HS256"},
            {"alg": None},
            {"typ": "JWT"},
            {"typ": None},
            {"kid": None},
            {"kid": 7},
            {"crit": ["exp"]},
            {"b64": False, "crit": ["b64"]},
            {"jwk": {"kty": "OKP"}},
        ],
    )
    def test_other_signature_header_is_refused(self, world: World, forge: ModuleType, changes: dict[str, Any]) -> None:
        assert refusal(world, forge.envelope(jws=changes)) == (2, "header")

    @pytest.mark.parametrize(
        "changes", [{"alg": "ECDH-ES"}, {"alg": "ECDH-ES+A128KW"}, {"enc": "A128GCM"}, {"enc": "A256CBC-HS512"}]
    )
    def test_other_encryption_is_refused(self, world: World, forge: ModuleType, changes: dict[str, Any]) -> None:
        assert refusal(world, forge.envelope(jwe=changes)) == (2, "scheme")

    @pytest.mark.parametrize("name", ["cty", "apu", "x5u", "unknown"])
    def test_unknown_member_of_the_encryption_header_is_refused(self, world: World, forge: ModuleType, name: str) -> None:
        assert refusal(world, forge.envelope(jwe={name: "eA"})) == (2, "scheme")

    @pytest.mark.parametrize(
        "epk",
        [
            None,
            "text",
            {"kty": "OKP", "crv": "X25519"},
            {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43},
            {"kty": "OKP", "crv": "X448", "x": "A" * 75},
            {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
            {"kty": "OKP", "crv": "P-256", "x": "A" * 43},
            {"kty": "OKP", "crv": "X25519", "x": 5},
            {"kty": "OKP", "crv": ["X25519"], "x": "A" * 43},
            {"kty": "OKP", "crv": "X25519", "x": "A" * 43, "d": "A" * 43},
        ],
        ids=str,
    )
    def test_ephemeral_key_that_is_none_is_refused(self, world: World, forge: ModuleType, epk: object) -> None:
        assert refusal(world, with_encryption_header(forge, epk=epk)) == (2, "scheme")

    def test_other_encryption_scheme_is_refused(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(h={"enc_scheme": "hpke-1"})) == (2, "scheme")

    @pytest.mark.parametrize(
        "changes",
        [
            {"extra": "x"},
            {"path": "/peer/v1/x"},
            {"re": OTHER},
            *({name: None} for name in ("iss", "aud", "jti", "iat", "inc", "type", "topic", "key", "schema", "enc_scheme", "pc")),
            {"iat": "1790000000"},
            {"iat": -1},
            {"iat": 2**53},
            {"inc": 0},
            {"inc": True},
            {"jti": OTHER.upper()},
            {"jti": OTHER.replace("-", "")},
            {"jti": "1"},
            {"type": "transfers"},
            {"type": "transfers.message.x"},
            {"type": 5},
            {"schema": "transfers"},
            {"schema": "transfers/01"},
            {"iss": "Shanghai"},
            {"aud": "zhejiang"},
            {"pc": "short"},
            {"key": {"case": 1}},
            {"topic": ["zhejiang.transfers"]},
        ],
        ids=str,
    )
    def test_unknown_missing_or_malformed_member_is_refused(
        self, world: World, forge: ModuleType, changes: dict[str, Any]
    ) -> None:
        assert refusal(world, forge.envelope(h=changes)) == (2, "members")

    def test_answer_without_re_is_refused(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(h=forge.answer(re=None)), place=world.answer) == (2, "members")

    def test_lone_surrogate_has_no_canonical_form_and_is_refused(self, world: World, forge: ModuleType) -> None:
        h, jwe = forge.taken_apart(forge.envelope())
        payload = json.dumps({"h": {**h, "key": "\ud800"}, "jwe": jwe}).encode()
        assert refusal(world, forge.envelope(payload=payload)) == (2, "members")

    @pytest.mark.parametrize("iss", ["jiangsu", "zhejiang"])
    def test_sender_that_is_not_the_bureau_of_the_key_is_refused(self, world: World, forge: ModuleType, iss: str) -> None:
        assert refusal(world, forge.envelope(h={"iss": iss})) == (2, "issuer")

    @pytest.mark.parametrize("kid", ["shanghai", "shanghai#", "shanghai#sig", "#sig-1", "shanghai#sig-2026q3 "])
    def test_key_name_of_another_form_is_refused(self, world: World, forge: ModuleType, kid: str) -> None:
        assert refusal(world, forge.envelope(kid=kid, signer=forge.SENDER)) == (2, "issuer")

    def test_payload_that_is_more_than_header_and_content_is_refused(self, world: World, forge: ModuleType) -> None:
        h, jwe = forge.taken_apart(forge.envelope())
        payload = forge.compact_json({"h": h, "jwe": jwe, "more": 1})
        assert refusal(world, forge.envelope(payload=payload)) == (2, "not_an_envelope")

    @pytest.mark.parametrize(
        "payload",
        [b'{"h":1,"jwe":"a"}', b'{"h":{},"jwe":5}', b"[]", b'{"h":{"a":1.5},"jwe":""}', b'{"h":NaN,"jwe":""}', b"[" * 100_000],
    )
    def test_other_payload_is_refused(self, world: World, forge: ModuleType, payload: bytes) -> None:
        assert refusal(world, forge.envelope(payload=payload)) == (2, "not_an_envelope")

    @pytest.mark.parametrize("token", ["a.b.c.d", "a.b.c.d.e.f", "e30.a.a.a.", "W10.a.a.a.a", "****.a.a.a.a", "e30.a.a.a.a\n"])
    def test_other_content_than_a_compact_jwe_is_refused(self, world: World, forge: ModuleType, token: str) -> None:
        check, code = refusal(world, forge.envelope(token=token))
        assert (check, code) in {(2, "not_an_envelope"), (2, "scheme")}

    @pytest.mark.parametrize("end", [".AA", ".", " ", "\n", "=", "é"])
    def test_content_with_something_behind_it_is_refused(self, world: World, forge: ModuleType, end: str) -> None:
        _, jwe = forge.taken_apart(forge.envelope())
        assert refusal(world, forge.envelope(token=jwe + end)) == (2, "not_an_envelope")

    def test_member_that_occurs_twice_is_refused(self, world: World, forge: ModuleType) -> None:
        h, jwe = forge.taken_apart(forge.envelope())
        twice = forge.compact_json({"h": h, "jwe": jwe}).replace(b'"h":{', b'"h":{"aud":"anhui#enc-2026q3",')
        assert refusal(world, forge.envelope(payload=twice)) == (2, "not_an_envelope")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("ce_id", OTHER),
            ("ce_source", "jiangsu"),
            ("ce_type", "node.message"),
            ("ce_subject", "another"),
            ("ce_time", "2020-01-01T00:00:00Z"),
            ("ce_dataschema", "transfers/2"),
            ("ce_partitionkey", "another"),
            ("ce_specversion", "0.3"),
            ("content-type", "application/json"),
        ],
    )
    def test_transport_header_that_disagrees_is_refused(self, world: World, forge: ModuleType, name: str, value: Any) -> None:
        agreeing = transport_headers(world.message, iss="shanghai", jti=UUID(forge.JTI), iat=world.now - 5, schema="transfers/1")
        assert world.open(forge.envelope(), headers=agreeing).content == forge.BODY
        assert refusal(world, forge.envelope(), headers={**agreeing, name: value}) == (2, "transport_headers")


class TestPlace:
    @pytest.mark.parametrize("aud", ["anhui#enc-2026q3", "zhejiang#sig-2026q3", "zhejiang#enc-invented"])
    def test_envelope_for_another_is_refused(self, world: World, forge: ModuleType, aud: str) -> None:
        assert refusal(world, forge.envelope(h={"aud": aud})) == (3, "wrong_audience")

    def test_message_put_on_another_topic_is_refused(self, world: World, forge: ModuleType) -> None:
        place = Place("message", "transfers", topic="zhejiang.node")
        assert refusal(world, forge.envelope(), place=place) == (3, "wrong_place")

    def test_question_sent_to_another_path_is_refused(self, world: World, forge: ModuleType) -> None:
        place = Place("question", "transfers", path="/peer/v1/transfers/person-status")
        assert refusal(world, forge.envelope(h=forge.question()), place=place) == (3, "wrong_place")

    def test_record_under_another_key_is_refused(self, world: World, forge: ModuleType) -> None:
        place = Place("message", "transfers", topic="zhejiang.transfers", key="another case")
        assert refusal(world, forge.envelope(), place=place) == (3, "wrong_place")

    def test_place_that_tells_no_key_takes_any(self, world: World, forge: ModuleType) -> None:
        place = Place("message", "transfers", topic="zhejiang.transfers")
        assert world.open(forge.envelope(), place=place).key == forge.CASE

    @pytest.mark.parametrize("door", ["question", "answer", "journal"])
    def test_message_at_another_door_is_refused(self, world: World, forge: ModuleType, door: str) -> None:
        assert refusal(world, forge.envelope(), place=getattr(world, door)) == (3, "wrong_door")

    def test_message_of_another_capability_is_refused(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(h={"type": "node.message"})) == (3, "wrong_door")

    def test_journal_of_another_bureau_is_refused(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(h=forge.journal(iss="shanghai"))
        assert refusal(world, raw, place=world.journal) == (3, "wrong_door")

    @pytest.mark.parametrize("asked", [OTHER, None])
    def test_answer_to_a_question_that_we_did_not_ask_is_refused(
        self, world: World, forge: ModuleType, asked: str | None
    ) -> None:
        expect_re = UUID(asked) if asked else None
        raw = forge.envelope(h=forge.answer())
        assert refusal(world, raw, place=world.answer, expect_re=expect_re) == (3, "wrong_reply")

    def test_answer_of_another_bureau_than_asked_is_refused(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(h=forge.answer())
        asked = UUID(forge.QUESTION_JTI)
        assert refusal(world, raw, place=world.answer, expect_re=asked, expect_iss="jiangsu") == (3, "wrong_reply")


class TestSignature:
    def test_signature_by_another_key_is_refused(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(signer="jiangsu#sig-2026q3")) == (5, "signature")

    def test_header_changed_under_an_old_signature_is_refused(self, world: World, forge: ModuleType) -> None:
        head, _, signature = forge.envelope().split(b".")
        _, body, _ = forge.envelope(h={"inc": 2}).split(b".")
        assert refusal(world, b".".join((head, body, signature))) == (5, "signature")

    @pytest.mark.parametrize("signature", [b"", b"AA", b"A" * 86, b"A" * 87])
    def test_signature_of_another_length_or_form_is_refused(self, world: World, forge: ModuleType, signature: bytes) -> None:
        head, body, _ = forge.envelope().split(b".")
        assert refusal(world, b".".join((head, body, signature))) == (5, "signature")


class TestIncarnation:
    def test_lower_than_seen_is_refused(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(h={"inc": 1}), seen={"shanghai": 2}) == (6, "old_incarnation")

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
        assert refusal(world, raw, place=getattr(world, kind), expect_re=expect_re) == (7, "stale")

    @pytest.mark.parametrize("age", [60, 0, -60])
    def test_question_within_60_s_is_opened(self, world: World, forge: ModuleType, age: int) -> None:
        raw = forge.envelope(h=forge.question(iat=world.now - age))
        assert world.open(raw, place=world.question).iat == world.now - age

    def test_message_older_than_receipts_are_kept_is_refused(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(h={"iat": world.now - 45 * forge.DAY - 1})) == (7, "too_old")

    def test_message_of_1970_is_refused_for_its_age(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(h={"iat": 0})) == (7, "too_old")

    def test_message_of_45_days_is_opened(self, world: World, forge: ModuleType) -> None:
        assert world.open(forge.envelope(h={"iat": world.now - 45 * forge.DAY})).content == forge.BODY

    def test_message_more_than_5_min_ahead_waits_and_names_the_bureau(self, world: World, forge: ModuleType) -> None:
        with pytest.raises(NotYet) as caught:
            world.open(forge.envelope(h={"iat": world.now + 301}))
        assert (caught.value.check, caught.value.reason, caught.value.about) == (7, "clock_ahead", "shanghai")

    def test_message_ahead_is_opened_once_the_time_has_come(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(h={"iat": world.now + 1000})
        assert wait(world, raw, received_at=world.now) == (7, "clock_ahead")
        assert world.open(raw, now=world.now + 700, received_at=world.now).content == forge.BODY

    def test_waiting_never_makes_a_message_too_old(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(h={"iat": world.now - 44 * forge.DAY})
        assert refusal(world, raw, now=world.now + 2 * forge.DAY) == (7, "too_old")
        assert world.open(raw, now=world.now + 2 * forge.DAY, received_at=world.now).content == forge.BODY


class TestDecrypt:
    def test_content_for_another_key_than_the_header_names_is_refused(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(recipient="anhui#enc-2026q3", h={"aud": forge.RECIPIENT})
        assert refusal(world, raw) == (8, "recipient_key")

    def test_content_encrypted_to_another_key_under_our_name_is_refused(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(recipient="anhui#enc-2026q3", jwe={"kid": forge.RECIPIENT})
        assert refusal(world, raw) == (8, "decrypt")

    def test_content_without_hh_is_refused(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(jwe={"hh": None})) == (8, "rewrapped")

    @pytest.mark.parametrize("hh", ["", "A" * 43, 7])
    def test_content_with_another_hh_is_refused(self, world: World, forge: ModuleType, hh: object) -> None:
        assert refusal(world, forge.envelope(jwe={"hh": hh})) == (8, "rewrapped")

    def test_another_bureau_cannot_pass_a_ciphertext_off_as_its_own(self, world: World, forge: ModuleType) -> None:
        h, jwe = forge.taken_apart(world.seal(forge.BODY))
        stolen = forge.compact_json({"h": {**h, "iss": "jiangsu"}, "jwe": jwe})
        assert refusal(world, forge.envelope(kid="jiangsu#sig-2026q3", payload=stolen)) == (8, "rewrapped")

    def test_another_bureau_could_do_so_without_hh_hence_its_absence_is_refused(self, world: World, forge: ModuleType) -> None:
        h, jwe = forge.taken_apart(forge.envelope(jwe={"hh": None}))
        stolen = forge.compact_json({"h": {**h, "iss": "jiangsu"}, "jwe": jwe})
        assert refusal(world, forge.envelope(kid="jiangsu#sig-2026q3", payload=stolen)) == (8, "rewrapped")

    def test_sender_cannot_sign_a_commitment_to_something_else(self, world: World, forge: ModuleType) -> None:
        raw = forge.envelope(plaintext=forge.plaintext_of(b'{"another":1}'))
        assert refusal(world, raw) == (8, "commitment")

    def test_plaintext_shorter_than_its_salt_is_refused(self, world: World, forge: ModuleType) -> None:
        assert refusal(world, forge.envelope(plaintext=b"short")) == (8, "commitment")

    @pytest.mark.parametrize("x", ["A" * 43, "A" * 42 + "B", "_" * 43])
    def test_ephemeral_key_that_agrees_on_nothing_is_refused(self, world: World, forge: ModuleType, x: str) -> None:
        raw = with_encryption_header(forge, epk={"kty": "OKP", "crv": "X25519", "x": x})
        assert refusal(world, raw) == (8, "decrypt")

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
        assert wait(world, forge.envelope(recipient=kid, h={"aud": kid})) == (8, "recipient_key_missing")


def test_content_is_not_judged_here_but_its_error_has_number_and_sentence() -> None:
    assert str(Refused(9, "content", "body.case")) == "check 9: the content does not fit its schema (body.case)"
    assert NotYet(9, "unknown_content", "Unheard/1").about == "Unheard/1"


def test_earlier_check_decides_when_several_fail(world: World, forge: ModuleType) -> None:
    wrong_everywhere = {"iss": "shanghai", "aud": "anhui#enc-2026q3", "inc": 1, "iat": 5}
    raw = forge.envelope(kid="shanghai#sig-revoked", signer="jiangsu#sig-2026q3", h=wrong_everywhere, jwe={"hh": "x"})
    assert refusal(world, raw, seen={"shanghai": 2}) == (3, "wrong_audience")
    raw = forge.envelope(kid="shanghai#sig-revoked", signer="jiangsu#sig-2026q3", h={"iat": 5}, jwe={"hh": "x"})
    assert refusal(world, raw, seen={"shanghai": 2}) == (4, "key_revoked")
    raw = forge.envelope(signer="jiangsu#sig-2026q3", h={"iat": 5}, jwe={"hh": "x"})
    assert refusal(world, raw, seen={"shanghai": 2}) == (5, "signature")
    raw = forge.envelope(h={"iat": 5}, jwe={"hh": "x"})
    assert refusal(world, raw, seen={"shanghai": 2}) == (6, "old_incarnation")
    assert refusal(world, raw) == (7, "too_old")


@pytest.mark.parametrize("table", [REFUSALS, WAITS])
def test_every_code_has_a_sentence(table: Mapping[str, str]) -> None:
    assert all(sentence and sentence[0].islower() for sentence in table.values())
