"""Checks 1 (size) and 2 (form) of `open_envelope` (trust.md 3.3): whatever is not an envelope is refused, and crashes nothing."""

from __future__ import annotations

import json
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from shared.envelope.form import ENVELOPE_LIMIT_BYTES, transport_headers

if TYPE_CHECKING:
    from tests.unit.envelope.conftest import World


OTHER = "0199a3c0-0000-7000-8000-0000000000cc"


class TestSize:
    def test_more_than_1_mib_is_refused_before_parsing(self, world: World) -> None:
        assert world.refusal(b"{" * (ENVELOPE_LIMIT_BYTES + 1)) == (1, "too_large")

    def test_1_mib_is_still_read(self, world: World) -> None:
        assert world.refusal(b"{" * ENVELOPE_LIMIT_BYTES) == (2, "not_an_envelope")

    def test_compressed_content_is_refused(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(jwe={"zip": "DEF"})) == (1, "zip")

    def test_compression_in_the_signature_header_is_refused(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(jws={"zip": "DEF"})) == (1, "zip")


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
        check, code = world.refusal(raw)
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
        assert world.refusal(forge.envelope(jws=changes)) == (2, "header")

    @pytest.mark.parametrize(
        "changes", [{"alg": "ECDH-ES"}, {"alg": "ECDH-ES+A128KW"}, {"enc": "A128GCM"}, {"enc": "A256CBC-HS512"}]
    )
    def test_other_encryption_is_refused(self, world: World, forge: ModuleType, changes: dict[str, Any]) -> None:
        assert world.refusal(forge.envelope(jwe=changes)) == (2, "scheme")

    @pytest.mark.parametrize("name", ["cty", "apu", "x5u", "unknown"])
    def test_unknown_member_of_the_encryption_header_is_refused(self, world: World, forge: ModuleType, name: str) -> None:
        assert world.refusal(forge.envelope(jwe={name: "eA"})) == (2, "scheme")

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
        assert world.refusal(world.with_encryption_header(epk=epk)) == (2, "scheme")

    def test_other_encryption_scheme_is_refused(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(h={"enc_scheme": "hpke-1"})) == (2, "scheme")

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
            {"iat": 253_402_300_800},  # the year 10000, of which no date can be made
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
        assert world.refusal(forge.envelope(h=changes)) == (2, "members")

    def test_answer_without_re_is_refused(self, world: World, forge: ModuleType) -> None:
        assert world.refusal(forge.envelope(h=forge.answer(re=None)), place=world.answer) == (2, "members")

    def test_lone_surrogate_has_no_canonical_form_and_is_refused(self, world: World, forge: ModuleType) -> None:
        h, jwe = forge.taken_apart(forge.envelope())
        payload = json.dumps({"h": {**h, "key": "\ud800"}, "jwe": jwe}).encode()
        assert world.refusal(forge.envelope(payload=payload)) == (2, "members")

    @pytest.mark.parametrize("iss", ["jiangsu", "zhejiang"])
    def test_sender_that_is_not_the_bureau_of_the_key_is_refused(self, world: World, forge: ModuleType, iss: str) -> None:
        assert world.refusal(forge.envelope(h={"iss": iss})) == (2, "issuer")

    @pytest.mark.parametrize("kid", ["shanghai", "shanghai#", "shanghai#sig", "#sig-1", "shanghai#sig-2026q3 "])
    def test_key_name_of_another_form_is_refused(self, world: World, forge: ModuleType, kid: str) -> None:
        assert world.refusal(forge.envelope(kid=kid, signer=forge.SENDER)) == (2, "issuer")

    def test_payload_that_is_more_than_header_and_content_is_refused(self, world: World, forge: ModuleType) -> None:
        h, jwe = forge.taken_apart(forge.envelope())
        payload = forge.compact_json({"h": h, "jwe": jwe, "more": 1})
        assert world.refusal(forge.envelope(payload=payload)) == (2, "not_an_envelope")

    @pytest.mark.parametrize(
        "payload",
        [b'{"h":1,"jwe":"a"}', b'{"h":{},"jwe":5}', b"[]", b'{"h":{"a":1.5},"jwe":""}', b'{"h":NaN,"jwe":""}', b"[" * 100_000],
    )
    def test_other_payload_is_refused(self, world: World, forge: ModuleType, payload: bytes) -> None:
        assert world.refusal(forge.envelope(payload=payload)) == (2, "not_an_envelope")

    @pytest.mark.parametrize("token", ["a.b.c.d", "a.b.c.d.e.f", "e30.a.a.a.", "W10.a.a.a.a", "****.a.a.a.a", "e30.a.a.a.a\n"])
    def test_other_content_than_a_compact_jwe_is_refused(self, world: World, forge: ModuleType, token: str) -> None:
        check, code = world.refusal(forge.envelope(token=token))
        assert (check, code) in {(2, "not_an_envelope"), (2, "scheme")}

    @pytest.mark.parametrize("end", [".AA", ".", " ", "\n", "=", "é"])
    def test_content_with_something_behind_it_is_refused(self, world: World, forge: ModuleType, end: str) -> None:
        _, jwe = forge.taken_apart(forge.envelope())
        assert world.refusal(forge.envelope(token=jwe + end)) == (2, "not_an_envelope")

    def test_member_that_occurs_twice_is_refused(self, world: World, forge: ModuleType) -> None:
        h, jwe = forge.taken_apart(forge.envelope())
        twice = forge.compact_json({"h": h, "jwe": jwe}).replace(b'"h":{', b'"h":{"aud":"anhui#enc-2026q3",')
        assert world.refusal(forge.envelope(payload=twice)) == (2, "not_an_envelope")

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
        assert world.refusal(forge.envelope(), headers={**agreeing, name: value}) == (2, "transport_headers")
