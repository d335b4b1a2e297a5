"""The small world of `tests/vectors/envelopes/forge.py` with our own types around it."""

import importlib.util
import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from shared.envelope.errors import NotYet, Refused
from shared.envelope.form import Place
from shared.envelope.keys import Ring, SigningKey, private_key
from shared.envelope.open import Opened, open_envelope
from shared.envelope.seal import seal
from shared.envelope.trust_list import Anchors, TrustList, verify

VECTORS = Path(__file__).parents[2] / "vectors" / "envelopes"


@dataclass
class World:
    """Four bureaus with keys in every state, frozen at `now`. `seal` and `open` have the defaults of an ordinary message."""

    forge: ModuleType
    anchors: Anchors
    trust: TrustList
    now: int
    rings: dict[str, Ring] = field(default_factory=dict)

    @property
    def message(self) -> Place:
        return Place("message", "transfers", topic="zhejiang.transfers", key=self.forge.CASE)

    @property
    def question(self) -> Place:
        return Place("question", "transfers", path=self.forge.QUESTION_PATH, key=self.forge.CASE)

    @property
    def answer(self) -> Place:
        return Place("answer", "transfers", path=self.forge.QUESTION_PATH, key=self.forge.CASE)

    @property
    def journal(self) -> Place:
        return Place("journal", "transfers", topic="journal.zhejiang", key=self.forge.CASE)

    def ring(self, bureau: str) -> Ring:
        if bureau not in self.rings:
            self.rings[bureau] = self._make_ring(bureau)
        return self.rings[bureau]

    def seal(self, body: bytes, *, sender: str = "shanghai", to: str = "zhejiang", **changes: Any) -> bytes:
        given = {"place": self.message, "trust": self.trust, "now": self.now, "jti": UUID(self.forge.JTI)}
        return seal(body, to=to, ring=self.ring(sender), **given | {"incarnation": 1, "schema": "transfers/1"} | changes)

    def open(self, raw: bytes, *, at: str = "zhejiang", **changes: Any) -> Opened:
        given = {"place": self.message, "trust": self.trust, "seen": {}, "now": self.now}
        return open_envelope(raw, ring=self.ring(at), **given | changes)

    def refusal(self, raw: bytes, **changes: Any) -> tuple[int, str]:
        """Open what must be refused: the number of the check and the code."""
        with pytest.raises(Refused) as caught:
            self.open(raw, **changes)
        return caught.value.check, caught.value.code

    def wait(self, raw: bytes, **changes: Any) -> tuple[int, str]:
        """Open what must wait: the number of the check and the reason."""
        with pytest.raises(NotYet) as caught:
            self.open(raw, **changes)
        return caught.value.check, caught.value.reason

    def with_encryption_header(self, **changes: Any) -> bytes:
        """An envelope, well signed, in which the JWE's header was changed after encryption; None takes a member out."""
        h, jwe = self.forge.taken_apart(self.forge.envelope())
        head = json.loads(urlsafe_b64decode(jwe.partition(".")[0] + "==")) | changes
        changed = {name: value for name, value in head.items() if value is not None}
        token = f"{self.forge.b64(self.forge.compact_json(changed))}.{jwe.partition('.')[2]}"
        return bytes(self.forge.envelope(payload=self.forge.compact_json({"h": h, "jwe": token})))

    def _make_ring(self, bureau: str) -> Ring:
        def private(kid: str) -> Any:
            return private_key("X25519" if "#enc-" in kid else "Ed25519", self.forge.seed(kid))

        lives = {kid: life for kid, life in self.forge.LIVES.items() if kid.startswith(f"{bureau}#sig-")}
        newest_first = sorted(lives.items(), key=lambda item: item[1][0], reverse=True)
        signing = tuple(SigningKey(kid, nbf, exp, private(kid)) for kid, (nbf, exp, _) in newest_first)
        held = [f"{bureau}#{name}" for name in self.forge.RING.get(bureau, ["enc-2026q3"])]
        return Ring(bureau, signing, {kid: private(kid) for kid in held})


@pytest.fixture(scope="session")
def forge() -> ModuleType:
    """The second implementation; it lies with the vectors, whose generator uses it too."""
    spec = importlib.util.spec_from_file_location("forge", VECTORS / "forge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def world(forge: ModuleType) -> World:
    anchors = Anchors.parse(forge.anchors_file())
    trust = verify(forge.list_file(forge.list_content()), anchors=anchors)
    return World(forge, anchors, trust, forge.NOW)
