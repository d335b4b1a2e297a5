"""What a bureau has said can be shown to a third party: checked with the trust list alone, no key that opens it at hand."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from shared.envelope import Proof, Refused, TrustList, verify_proof

if TYPE_CHECKING:
    from tests.unit.envelope.conftest import World


@pytest.fixture
def proof(world: World, forge: ModuleType) -> Proof:
    raw = world.seal(forge.BODY)
    return Proof.of(raw, world.open(raw))


def test_it_tells_who_said_what_to_whom_about_which_case(world: World, forge: ModuleType, proof: Proof) -> None:
    proven = verify_proof(proof, world.trust)
    assert (proven.iss, proven.to, proven.iat) == ("shanghai", "zhejiang", world.now)
    assert (proven.schema, proven.key, proven.content) == ("transfers/1", forge.CASE, forge.BODY.decode())


@pytest.mark.parametrize("size", [10, 1024, 20_000])
def test_a_content_of_any_size_is_proven_whole(world: World, size: int) -> None:
    body = b'{"x":"' + b"a" * size + b'"}'
    raw = world.seal(body)
    assert verify_proof(Proof.of(raw, world.open(raw)), world.trust).content == body.decode()


def test_another_content_another_salt_and_another_envelope_prove_nothing(world: World, forge: ModuleType, proof: Proof) -> None:
    other = world.seal(forge.BODY)
    for wrong in (
        replace(proof, content=proof.content.replace("}", ',"more":1}')),
        replace(proof, content=proof.content + "x" * 2000),
        replace(proof, salt=proof.salt[:-2] + "AA"),
        replace(proof, salt="A"),
        replace(proof, salt=""),
        replace(proof, envelope=other.decode()),
    ):
        with pytest.raises(Refused) as refused:
            verify_proof(wrong, world.trust)
        assert (refused.value.check, refused.value.code) == (8, "commitment")


@pytest.mark.parametrize("part", ["envelope", "salt", "content"])
def test_half_a_surrogate_proves_nothing(world: World, proof: Proof, part: str) -> None:
    with pytest.raises(Refused):
        verify_proof(replace(proof, **{part: getattr(proof, part) + "\ud800"}), world.trust)


def test_a_signature_that_is_not_its_issuers_proves_nothing(world: World, forge: ModuleType, proof: Proof) -> None:
    raw = forge.envelope(signer="jiangsu#sig-2026q3")
    with pytest.raises(Refused) as refused:
        verify_proof(replace(proof, envelope=raw.decode()), world.trust)
    assert refused.value.check == 5


def test_an_expired_key_still_proves_and_a_revoked_one_does_not(world: World, proof: Proof) -> None:
    (kid,) = [one.kid for one in world.trust.keys if one.bureau == "shanghai" and one.use == "sig" and one.kid.endswith("2026q3")]
    for changes, accepted in (({"exp": world.now - 1}, True), ({"revoked_at": world.now + 5, "reason": "stolen"}, False)):
        keys = [one.model_dump() | (changes if one.kid == kid else {}) for one in world.trust.keys]
        trust = TrustList.model_validate(world.trust.model_dump() | {"keys": keys})
        if accepted:
            assert verify_proof(proof, trust).iss == "shanghai"
        else:
            with pytest.raises(Refused) as refused:
                verify_proof(proof, trust)
            assert (refused.value.check, refused.value.code) == (4, "key_revoked")
