"""The loop finds what it is there for: parsers with a planted crash are caught, with an input that shows it again."""

import json
import re

import pytest

from shared.envelope import Refused
from shared.identifiers.citizen_id import parse_citizen_id_no
from shared.identifiers.errors import IdentifierError
from tests.fuzz.envelopes import golden, opened, vectors
from tests.fuzz.loop import Crash, Parser, run
from tests.fuzz.mutate import by_member, by_segment


def careless_reader(raw: bytes) -> object:
    """Trusts that a message of a peer has all members: a KeyError of its own in another's hands."""
    try:
        content = json.loads(raw)
    except ValueError:
        return None
    return content["name"] if isinstance(content, dict) else None


def careless_number(text: str) -> object:
    """`isdigit` says yes to "²", `int` does not."""
    return int(text[:17]) if text[:17].isdigit() else parse_citizen_id_no(text)


PLANTS = [
    Parser("plant: member", careless_reader, golden(), mutate=by_member, inputs=5_000),
    Parser("plant: digit", careless_number, ["330482198405129726"], (IdentifierError,), inputs=50_000),
]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda parser: parser.name)
def test_a_planted_crash_is_found_and_its_input_shows_it_again(plant: Parser, seed: int) -> None:
    with pytest.raises(Crash) as caught:
        run(plant, seed=seed)
    told = re.search(r"test: (bytes\.fromhex|str) (.+)$", str(caught.value))
    assert told is not None, str(caught.value)
    given = bytes.fromhex(told[2]) if told[1] == "bytes.fromhex" else eval(told[2])  # noqa: S307  # our own ascii()
    with pytest.raises(type(caught.value.__cause__)):  # type: ignore[arg-type]  # a crash has a cause
        plant.call(given)


def test_the_same_seed_gives_the_same_inputs_and_another_seed_others() -> None:
    def inputs(seed: int) -> list[bytes]:
        seen: list[bytes] = []
        samples = [one["envelope"].encode() for one in vectors()]
        run(Parser("seen", seen.append, samples, mutate=by_segment, inputs=200), seed=seed)
        return seen

    assert inputs(1) == inputs(1)
    assert len(set(inputs(1)) & set(inputs(2))) < 20


def test_an_undeclared_refusal_is_a_crash_too(seed: int) -> None:
    envelopes = [one["envelope"].encode() for one in vectors("valid")]
    with pytest.raises(Crash):
        run(Parser("plant: undeclared", opened, envelopes, (), by_segment, 100), seed=seed)
    with pytest.raises(Crash):
        run(Parser("plant: half declared", opened, envelopes, (Refused,), by_segment, 5_000), seed=seed)
