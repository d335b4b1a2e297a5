"""jwcrypto, knowing only the written form, opens what we seal and seals what we open; RFC vectors hold for our registries."""

from __future__ import annotations

import hashlib
import json
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from shared.envelope.form import BODY_LIMIT_BYTES, SIGNATURES

if TYPE_CHECKING:
    from tests.unit.envelope.conftest import World


def private(forge: ModuleType, kid: str) -> JWK:
    return JWK(**forge.jwk(kid, private=True))


@pytest.mark.parametrize("size", [2, 1024, 20_000, BODY_LIMIT_BYTES])
def test_jwcrypto_opens_ours(world: World, forge: ModuleType, size: int) -> None:
    body = json.dumps({"x": "测" * ((size - 12) // 3)}, ensure_ascii=False).encode() if size > 20 else b"{}"
    raw = world.seal(body)

    outer = JWS()
    outer.allowed_algs = ["Ed25519"]
    outer.deserialize(raw.decode(), JWK(**forge.jwk(forge.SENDER)))
    assert json.loads(outer.objects["protected"]) == {"alg": "Ed25519", "kid": forge.SENDER, "typ": "quanyu-env+jws"}
    payload = json.loads(outer.payload)
    inner = JWE()
    inner.deserialize(payload["jwe"], private(forge, payload["h"]["aud"]))

    head = json.loads(inner.objects["protected"])
    assert head["kid"] == payload["h"]["aud"]
    assert head["hh"] == forge.b64(hashlib.sha256(forge.compact_json(payload["h"])).digest())
    assert payload["h"]["pc"] == forge.b64(hashlib.sha256(b"env1" + inner.payload).digest())
    assert inner.payload[16:].rstrip() == body


@pytest.mark.parametrize("size", [2, 1024, 20_000, BODY_LIMIT_BYTES])
def test_ours_opens_jwcryptos(world: World, forge: ModuleType, size: int) -> None:
    body = b'{"x":"' + b"a" * (size - 8) + b'"}' if size > 10 else b"{}"
    plaintext = forge.plaintext_of(body)
    h = forge.header(plaintext, {})
    hh = forge.b64(hashlib.sha256(forge.compact_json(h)).digest())
    inner = JWE(plaintext, json.dumps({"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": forge.RECIPIENT, "hh": hh}))
    inner.add_recipient(JWK(**forge.jwk(forge.RECIPIENT)))
    # Spaces and another order of members on purpose: canonical is what is hashed, not what is sent.
    payload = json.dumps({"jwe": inner.serialize(compact=True), "h": dict(reversed(h.items()))}, indent=1)
    outer = JWS(payload)
    outer.allowed_algs = ["Ed25519"]
    header = json.dumps({"typ": "quanyu-env+jws", "alg": "Ed25519", "kid": forge.SENDER})
    outer.add_signature(private(forge, forge.SENDER), protected=header)

    assert world.open(outer.serialize(compact=True).encode()).content == body


def test_rfc_8037_appendix_a4_signature_holds_under_the_name_of_rfc_9864() -> None:
    """The key and message of RFC 8037 A.4; its own header says EdDSA, which RFC 9864 replaced and we refuse."""
    key = OKPKey.import_key(
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }
    )
    original = (
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    with pytest.raises(Exception, match="Algorithm of 'EdDSA' is not allowed"):
        jws.deserialize_compact(original, key, registry=SIGNATURES)
    ours = jws.serialize_compact({"alg": "Ed25519"}, b"Example of Ed25519 signing", key, registry=SIGNATURES)
    assert jws.deserialize_compact(ours, key, registry=SIGNATURES).payload == b"Example of Ed25519 signing"
    public = JWK(kty="OKP", crv="Ed25519", x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    theirs = JWS()
    theirs.allowed_algs = ["Ed25519", "EdDSA"]
    theirs.deserialize(original, public)
    theirs.deserialize(ours, public)
    assert theirs.payload == b"Example of Ed25519 signing"
