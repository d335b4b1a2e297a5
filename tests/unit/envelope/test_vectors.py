"""The envelopes in `tests/vectors/envelopes`: what any implementation must open, refuse, or keep waiting."""

import importlib.util
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from joserfc.jwk import OKPKey

from shared.envelope.errors import REFUSALS, WAITS, NotYet, Refused
from shared.envelope.form import Place
from shared.envelope.keys import Ring
from shared.envelope.open import open_envelope
from shared.envelope.trust_list import Anchors, verify

VECTORS = Path(__file__).parents[2] / "vectors" / "envelopes"
WORLD = json.loads((VECTORS / "world.json").read_bytes())
FILES = sorted([*VECTORS.glob("valid/*.json"), *VECTORS.glob("invalid/*.json")])


def outcome(vector: dict[str, Any]) -> dict[str, Any]:
    """What `open_envelope` makes of a vector, in the vector's own words."""
    place = Place(**vector["place"])
    bureau = WORLD["reader"]
    ring = Ring(bureau, (), {kid: OKPKey.import_key(jwk) for kid, jwk in WORLD["decryption_keys"].items()})
    trust = verify(json.dumps(WORLD["trust_list"]).encode(), anchors=Anchors.parse(json.dumps(WORLD["anchors"]).encode()))
    given = {name: vector[name] for name in ("headers", "received_at", "expect_iss") if name in vector}
    if "expect_re" in vector:
        given["expect_re"] = UUID(vector["expect_re"])
    now, seen = vector.get("now", WORLD["now"]), vector.get("seen", {})
    try:
        opened = open_envelope(vector["envelope"].encode(), place=place, ring=ring, trust=trust, seen=seen, now=now, **given)
    except Refused as refused:
        return {"refused": refused.code, "check": refused.check}
    except NotYet as waits:
        return {"not_yet": waits.reason, "check": waits.check}
    told = {"iss": opened.iss, "kid": opened.kid, "jti": str(opened.jti), "key": opened.key, "alarms": list(opened.alarms)}
    return {"opened": {**told, "content": opened.content.decode()}}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_vector(file: Path) -> None:
    vector = json.loads(file.read_bytes())
    assert vector["comment"][-1] == "."
    assert outcome(vector) == vector["expected"]
    assert ("opened" in vector["expected"]) == (file.parent.name == "valid")


def test_every_check_and_nearly_every_code_has_a_vector() -> None:
    expected = [json.loads(file.read_bytes())["expected"] for file in FILES]
    assert {one["check"] for one in expected if "check" in one} == {1, 2, 3, 4, 5, 6, 7, 8}
    # Content is the contract's; an oversize file of 1 MiB tells nobody more than its size.
    assert {one["refused"] for one in expected if "refused" in one} == REFUSALS.keys() - {"content", "too_large"}
    assert {one["not_yet"] for one in expected if "not_yet" in one} == WAITS.keys() - {"unknown_content"}


def test_generator_makes_these_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Salts, ephemeral keys and signatures differ from run to run; everything else is as written."""
    monkeypatch.syspath_prepend(str(VECTORS))
    spec = importlib.util.spec_from_file_location("generate_vectors", VECTORS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write(tmp_path)

    made = {str(path.relative_to(tmp_path)): json.loads(path.read_bytes()) for path in tmp_path.rglob("*.json")}
    kept = {str(path.relative_to(VECTORS)): json.loads(path.read_bytes()) for path in VECTORS.rglob("*.json")}
    assert made.keys() == kept.keys()
    for name, vector in made.items():
        assert {**vector, "envelope": ""} == {**kept[name], "envelope": ""}
        if name != "world.json":
            assert outcome(vector) == vector["expected"]
