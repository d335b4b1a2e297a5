"""The loop: many inputs into one parser, which returns or raises what it declares; anything else is a crash, shown to be kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.fuzz.mutate import Mutation, by_character

SHOWN_CHARACTERS = 4_000


@dataclass(frozen=True)
class Parser:
    """A reader of what comes from outside, with its contract: a value, or one of `raises`."""

    name: str
    call: Callable[[Any], object]
    samples: Sequence[Any]
    raises: tuple[type[Exception], ...] = ()
    mutate: Mutation = by_character
    inputs: int = 50_000


class Crash(AssertionError):
    """A parser raised what it does not declare. The text tells how to have it again."""


def run(parser: Parser, *, seed: int, part: str = "") -> int:
    """Give the parser its inputs; how many it did not refuse. Raises Crash."""
    random, taken = Random(f"{seed} {parser.name} {part}"), 0
    for number in range(parser.inputs):
        given = parser.mutate(random, parser.samples)
        try:
            parser.call(given)
            taken += 1
        except parser.raises:
            pass
        except Exception as error:
            raise Crash(_told(parser, given, number, seed)) from error
    return taken


def _told(parser: Parser, given: Any, number: int, seed: int) -> str:
    whole = given.hex() if isinstance(given, bytes) else ascii(given)
    shown = whole if len(whole) <= SHOWN_CHARACTERS else f"{whole[:SHOWN_CHARACTERS]}… ({len(whole)} characters)"
    kind = "bytes.fromhex" if isinstance(given, bytes) else type(given).__name__
    return f"{parser.name}: input {number} of FUZZ_SEED={seed}; as a regression test: {kind} {shown}"
