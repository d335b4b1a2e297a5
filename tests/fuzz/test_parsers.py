"""Every parser of what comes from outside keeps its contract under a million wrong inputs: a value, or its declared refusals."""

import pytest

from tests.fuzz.conftest import Count
from tests.fuzz.loop import Parser, run
from tests.fuzz.parsers import parsers

PARSERS = parsers()
LEAST_INPUTS = 1_000_000


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_it_returns_or_refuses(parser: Parser, seed: int, count: Count) -> None:
    taken = run(parser, seed=seed)
    assert taken, "not one input was right: nothing behind the first check was reached"
    count("inputs", parser.inputs)
    count("taken", taken)
    count("parsers", 1)


def test_there_are_a_million() -> None:
    assert sum(parser.inputs for parser in PARSERS) >= LEAST_INPUTS
    assert len({parser.name for parser in PARSERS}) == len(PARSERS)
