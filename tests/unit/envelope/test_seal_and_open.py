"""What is sealed for a bureau is opened there, whole, at any size, in one way only."""

from __future__ import annotations

import json
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from shared.envelope.errors import NoKey, TooLarge
from shared.envelope.form import BODY_LIMIT_BYTES, ENVELOPE_LIMIT_BYTES, Place, transport_headers
from shared.envelope.seal import signing_key

if TYPE_CHECKING:
    from tests.unit.envelope.conftest import World


KIB = 1024
OTHER = UUID("0199a3c0-0000-7000-8000-0000000000cc")


def body_of(size: int) -> bytes:
    return b'{"x":"' + b"a" * (size - 8) + b'"}'


def test_message_arrives_with_every_signed_member(world: World, forge: ModuleType) -> None:
    opened = world.open(world.seal(forge.BODY, incarnation=3))

    assert opened.content == forge.BODY
    assert (opened.iss, opened.kid, opened.aud) == ("shanghai", "shanghai#sig-2026q3", "zhejiang#enc-2026q3")
    assert (opened.jti, opened.iat, opened.incarnation) == (UUID(forge.JTI), world.now, 3)
    assert (opened.type, opened.schema, opened.key) == ("transfers.message", "transfers/1", forge.CASE)
    assert (opened.re, opened.alarms) == (None, ())


def test_question_and_answer_arrive(world: World, forge: ModuleType) -> None:
    asked = world.open(world.seal(forge.BODY, place=world.question), place=world.question)
    replied = world.seal(b"{}", sender="zhejiang", to="shanghai", place=world.answer, re=asked.jti)
    opened = world.open(replied, at="shanghai", place=world.answer, expect_re=asked.jti, expect_iss="zhejiang")

    assert opened.re == asked.jti
    assert opened.content == b"{}"


def test_own_journal_arrives_whatever_its_age_and_incarnation(world: World, forge: ModuleType) -> None:
    raw = world.seal(forge.BODY, sender="zhejiang", place=world.journal)

    opened = world.open(raw, place=world.journal, now=world.now + 800 * forge.DAY, seen={"zhejiang": 9})
    assert opened.content == forge.BODY
    assert opened.alarms == ("recipient_key_old",)


@pytest.mark.parametrize(
    "size", [8, KIB - 1, KIB, KIB + 1, 4 * KIB, 16 * KIB, 16 * KIB + 1, 64 * KIB, 130 * KIB, BODY_LIMIT_BYTES]
)
def test_every_size_up_to_the_limit_both_seals_and_opens(world: World, size: int) -> None:
    raw = world.seal(body_of(size))

    assert len(raw) <= ENVELOPE_LIMIT_BYTES
    assert world.open(raw).content == body_of(size)


def test_body_over_the_limit_is_refused_when_sealing(world: World) -> None:
    with pytest.raises(TooLarge) as caught:
        world.seal(body_of(BODY_LIMIT_BYTES + 1))
    assert (caught.value.size_bytes, caught.value.limit_bytes) == (512_001, 512_000)


def test_envelope_over_the_limit_is_refused_when_sealing(world: World) -> None:
    place = Place("message", "transfers", topic="zhejiang.transfers", key="k" * 200_000)
    with pytest.raises(TooLarge) as caught:
        world.seal(body_of(BODY_LIMIT_BYTES), place=place)
    assert caught.value.limit_bytes == ENVELOPE_LIMIT_BYTES


@pytest.mark.parametrize(("small", "large"), [(8, KIB), (KIB + 1, 4 * KIB), (4 * KIB + 1, 16 * KIB), (17 * KIB, 32 * KIB)])
def test_length_tells_only_the_step(world: World, small: int, large: int) -> None:
    assert len(world.seal(body_of(small))) == len(world.seal(body_of(large)))


def test_sealed_sizes_are_those_of_the_design(world: World) -> None:
    sizes = [len(world.seal(body_of(size))) for size in (KIB, 4 * KIB, 16 * KIB, BODY_LIMIT_BYTES)]
    assert [round(size / 1000) for size in sizes] == [3, 8, 30, 933]


def test_two_sealings_of_one_message_differ_and_one_sealing_never_does(world: World, forge: ModuleType) -> None:
    first, second = world.seal(forge.BODY), world.seal(forge.BODY)

    assert world.open(first).content_hash != world.open(second).content_hash
    assert world.open(first).content_hash == world.open(first).content_hash
    assert world.open(first).salt != world.open(second).salt


def test_reader_on_the_way_learns_no_more_than_the_signed_header(world: World, forge: ModuleType) -> None:
    h, jwe = forge.taken_apart(world.seal(b'{"name":"Wang"}'))

    always = {"iss", "aud", "jti", "iat", "inc", "type", "topic", "key", "schema", "enc_scheme", "pc"}
    assert h.keys() == always
    assert "Wang" not in json.dumps(h) + jwe


def test_envelope_salt_and_content_prove_to_a_third_party_what_was_said(world: World, forge: ModuleType) -> None:
    raw = world.seal(forge.BODY)
    opened = world.open(raw)

    h, _ = forge.taken_apart(raw)
    assert h == forge.header(forge.plaintext_of(opened.content, opened.salt), {"iat": world.now})


def test_newest_signing_key_in_its_life_is_used(world: World, forge: ModuleType) -> None:
    later = world.now + 6 * forge.DAY
    assert world.open(world.seal(forge.BODY, now=later), now=later).kid == "shanghai#sig-2026q4"


def test_signing_key_that_is_expired_revoked_or_unlisted_is_not_used(world: World, forge: ModuleType) -> None:
    keys = forge.list_content()["keys"]
    without = [key for key in keys if key["kid"] != "shanghai#sig-2026q3"]
    trust = world.trust.parse(forge.compact_json(forge.list_content(keys=without)))
    with pytest.raises(NoKey) as caught:
        world.seal(forge.BODY, trust=trust)
    assert (caught.value.bureau, caught.value.use) == ("shanghai", "sig")


def test_an_older_key_signs_while_the_newest_is_unlisted_or_revoked(world: World, forge: ModuleType) -> None:
    later = world.now + 6 * forge.DAY
    newest, end = signing_key(world.ring("shanghai"), world.trust, later)
    assert (newest.kid, end) == ("shanghai#sig-2026q4", forge.LIVES["shanghai#sig-2026q4"][1])
    keys = forge.list_content()["keys"]
    for changed in (
        [key for key in keys if key["kid"] != newest.kid],
        [key | {"revoked_at": later} if key["kid"] == newest.kid else key for key in keys],
    ):
        trust = world.trust.parse(forge.compact_json(forge.list_content(keys=changed)))
        assert signing_key(world.ring("shanghai"), trust, later)[0].kid == "shanghai#sig-2026q3"


def test_signing_key_is_used_to_the_last_second_of_its_life(world: World, forge: ModuleType) -> None:
    end = forge.LIVES["jiangsu#sig-2026q3"][1]
    assert world.seal(forge.BODY, sender="jiangsu", now=end - 1)
    with pytest.raises(NoKey, match="jiangsu has no usable sig key"):
        world.seal(forge.BODY, sender="jiangsu", now=end)


def test_newest_encryption_key_of_the_recipient_is_used_and_a_revoked_one_never(world: World) -> None:
    key = world.trust.encryption_key("zhejiang", world.now)
    assert key is not None
    assert key.kid == "zhejiang#enc-2026q3"


def test_stale_list_still_seals_to_the_recipient_within_its_grace(world: World, forge: ModuleType) -> None:
    in_grace, past_grace = world.now + 89 * forge.DAY, world.now + 91 * forge.DAY
    assert world.trust.encryption_key("jiangsu", in_grace).kid == "jiangsu#enc-2026q3"
    assert world.trust.encryption_key("jiangsu", past_grace) is None
    with pytest.raises(NoKey) as caught:
        world.seal(forge.BODY, to="jiangsu", now=past_grace)
    assert (caught.value.bureau, caught.value.use) == ("jiangsu", "enc")


def test_nothing_is_sealed_to_a_stranger(world: World, forge: ModuleType) -> None:
    with pytest.raises(NoKey, match="fujian has no usable enc key"):
        world.seal(forge.BODY, to="fujian")


@pytest.mark.parametrize("place_name", ["message", "question", "journal"])
def test_only_an_answer_names_a_question(world: World, forge: ModuleType, place_name: str) -> None:
    with pytest.raises(ValueError, match="an answer, and nothing else"):
        world.seal(forge.BODY, place=getattr(world, place_name), re=OTHER)


def test_answer_without_a_question_is_not_sealed(world: World, forge: ModuleType) -> None:
    with pytest.raises(ValueError, match="an answer, and nothing else"):
        world.seal(forge.BODY, place=world.answer)


@pytest.mark.parametrize(
    "changes",
    [{"incarnation": 0}, {"schema": "transfers"}, {"schema": "transfers/0"}, {"place": Place("message", "No", topic="x")}],
    ids=str,
)
def test_nothing_is_sealed_that_nobody_would_open(world: World, forge: ModuleType, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="nobody would open this"):
        world.seal(forge.BODY, **changes)


@pytest.mark.parametrize(
    ("kind", "topic", "path"),
    [
        ("message", None, "/peer/v1/x"),
        ("message", None, None),
        ("question", "t", None),
        ("answer", "t", "/p"),
        ("journal", None, None),
    ],
)
def test_place_is_a_topic_or_a_path_by_its_kind(kind: str, topic: str | None, path: str | None) -> None:
    with pytest.raises(ValueError, match=f"a {kind} is at a"):
        Place(kind, "transfers", topic=topic, path=path)


def test_transport_headers_are_text_and_agree_with_the_envelope(world: World, forge: ModuleType) -> None:
    headers = transport_headers(world.message, iss="shanghai", jti=UUID(forge.JTI), iat=world.now, schema="transfers/1")

    assert headers["ce_time"] == "2026-09-21T14:13:20Z"
    assert (headers["ce_source"], headers["ce_type"], headers["ce_partitionkey"]) == ("shanghai", "transfers.message", forge.CASE)
    assert world.open(world.seal(forge.BODY), headers={**headers, "traceparent": "00-1-1-01"}).content == forge.BODY
