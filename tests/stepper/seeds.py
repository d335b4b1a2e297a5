"""Seeds one after another on one ground: what each of them found."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.stepper.checks import Wrong
from tests.stepper.ground import Ground, made_ground
from tests.stepper.stepper import Stepper


@dataclass(frozen=True)
class Found:
    """What is wrong with the seed; `make stepper SEED=<seed>` shows how it came about."""

    seed: int
    wrong: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.wrong}\n  make stepper SEED={self.seed}"


def unheard(line: str) -> None:
    return None


async def run_seed(
    ground: Ground, seed: int, tell: Callable[[str], None] = unheard, *, prepare: Callable[[Stepper], None] | None = None
) -> Found | None:
    """None when every promise held. `prepare` may break the stepper's own part."""
    stepper = Stepper(ground, seed, tell)
    if prepare is not None:
        prepare(stepper)
    try:
        await stepper.run()
    except Wrong as wrong:
        return Found(seed, str(wrong))
    except Exception as error:  # whatever the program should not raise is a finding too
        return Found(seed, f"{type(error).__name__}: {error}")
    return None


async def run_seeds(ground: Ground, seeds: Iterable[int]) -> list[Found]:
    return [found for seed in seeds if (found := await run_seed(ground, seed)) is not None]


async def some(seeds: Iterable[int], results: Any) -> None:
    async with made_ground() as ground:
        for seed in seeds:
            results.put((seed, await run_seed(ground, seed)))


def work(seeds: Iterable[int], results: Any) -> None:
    """What one process does: each has a server and four databases of its own."""
    asyncio.run(some(seeds, results))
