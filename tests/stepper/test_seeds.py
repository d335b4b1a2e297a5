"""Whatever the seed: no person answered for twice or by nobody, every message applied once, all at an end and agreed on."""

import os

import pytest

from tests.stepper.ground import Ground
from tests.stepper.seeds import run_seed, run_seeds

SEEDS = int(os.environ.get("STEPPER_SEEDS", "1000"))
AT_ONCE = 25  # seeds in one test, so that two workers share them evenly


@pytest.mark.parametrize("first", range(1, SEEDS + 1, AT_ONCE))
async def test_every_promise_holds(ground: Ground, first: int) -> None:
    found = await run_seeds(ground, range(first, min(first + AT_ONCE, SEEDS + 1)))
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("seed", [1, 2, 3, 7])
async def test_a_seed_tells_the_same_story_twice(ground: Ground, seed: int) -> None:
    stories: list[list[str]] = [[], []]
    for story in stories:
        await run_seed(ground, seed, story.append)
        await run_seed(ground, seed + 1000)  # what lies between does not matter
    assert stories[0] == stories[1]
    assert len(stories[0]) > 40
