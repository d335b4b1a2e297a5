"""`make stepper`: one seed, each step a line, or many seeds with their progress."""

import asyncio
import sys
import time

from tests.stepper.ground import made_ground
from tests.stepper.seeds import run_seed


async def one(seed: int) -> int:
    """Tell the whole story of a seed."""
    async with made_ground() as ground:
        found = await run_seed(ground, seed, print)
    print("every promise held" if found is None else f"WRONG: {found.wrong}")
    return int(found is not None)


async def many(first: int, last: int) -> int:
    started, failed = time.monotonic(), 0
    async with made_ground() as ground:
        for seed in range(first, last + 1):
            found = await run_seed(ground, seed)
            if found is not None:
                failed += 1
                print(found, flush=True)
            if seed % 50 == 0:
                print(f"seed {seed}: {failed} failed, {time.monotonic() - started:.0f} s", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    arguments = [int(word) for word in sys.argv[1:]]
    sys.exit(asyncio.run(one(arguments[0]) if len(arguments) == 1 else many(*arguments)))
