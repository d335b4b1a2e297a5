"""No byte of an envelope can be changed unseen: by an outsider anywhere, by a signer in what was encrypted."""

from __future__ import annotations

import json
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from shared.envelope.errors import EnvelopeError, NotYet, Refused

if TYPE_CHECKING:
    from tests.unit.envelope.conftest import World


MASKS = (0x01, 0x02, 0x20, 0x80)
TAMPERED_AT = {1, 2, 3, 4, 5}  # the checks up to the signature: nothing later may be reached by an outsider


def flipped(data: bytes, at: int, mask: int) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


@pytest.mark.parametrize("mask", MASKS)
def test_outsider_can_change_no_byte(world: World, forge: ModuleType, mask: int) -> None:
    raw = world.seal(forge.BODY)

    for at in range(len(raw)):
        with pytest.raises(EnvelopeError) as caught:
            world.open(flipped(raw, at, mask))
        assert isinstance(caught.value, Refused | NotYet), at
        assert caught.value.check in TAMPERED_AT, at


@pytest.mark.parametrize("at", [0, 1, 2])
def test_outsider_can_add_or_drop_no_byte_in_any_segment(world: World, forge: ModuleType, at: int) -> None:
    segments = world.seal(forge.BODY).split(b".")

    for changed in (segments[at] + b"A", segments[at] + b"=", segments[at][:-1], b"A" + segments[at], segments[at][1:], b""):
        raw = b".".join([*segments[:at], changed, *segments[at + 1 :]])
        with pytest.raises(Refused) as caught:
            world.open(raw)
        assert caught.value.check in TAMPERED_AT


@pytest.mark.parametrize("around", [b" ", b"\n", b"."])
def test_nothing_can_stand_around_an_envelope(world: World, forge: ModuleType, around: bytes) -> None:
    raw = world.seal(forge.BODY)

    for changed in (raw + around, around + raw):
        with pytest.raises(Refused) as caught:
            world.open(changed)
        assert caught.value.check in TAMPERED_AT


@pytest.mark.parametrize(("segment", "name"), list(enumerate(["header", "encrypted key", "iv", "ciphertext", "tag"])))
def test_signer_can_change_no_byte_of_what_was_encrypted(world: World, forge: ModuleType, segment: int, name: str) -> None:
    h, jwe = forge.taken_apart(forge.envelope(body=b"{}"))
    segments = jwe.encode().split(b".")

    for at in range(len(segments[segment])):
        mask = MASKS[at % len(MASKS)]
        changed = b".".join([*segments[:segment], flipped(segments[segment], at, mask), *segments[segment + 1 :]])
        payload = json.dumps({"h": h, "jwe": changed.decode("latin-1")}).encode()
        with pytest.raises(Refused) as caught:
            world.open(forge.envelope(payload=payload))
        assert caught.value.check in {1, 2, 8}, (name, at)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jti", "0199a3c0-0000-7000-8000-0000000000cc"),
        ("iat", 1_790_000_000),
        ("inc", 2),
        ("key", "another case"),
        ("schema", "transfers/2"),
        ("pc", "A" * 43),
    ],
)
def test_signer_can_change_no_member_around_a_ciphertext(world: World, forge: ModuleType, name: str, value: Any) -> None:
    h, jwe = forge.taken_apart(forge.envelope())
    payload = forge.compact_json({"h": {**h, name: value}, "jwe": jwe})

    with pytest.raises(Refused) as caught:
        world.open(forge.envelope(payload=payload), place=type(world.message)("message", "transfers", topic="zhejiang.transfers"))
    assert (caught.value.check, caught.value.code) == (8, "rewrapped")
