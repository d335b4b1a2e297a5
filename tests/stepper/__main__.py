"""`make stepper`: one seed, each step a line, or many seeds with their progress."""

import argparse
import asyncio
import multiprocessing
import sys
import time

from tests.stepper.ground import made_ground
from tests.stepper.seeds import run_seed, work

TELL_EVERY = 50  # seeds


async def one(seed: int) -> int:
    """Tell the whole story of a seed."""
    async with made_ground() as ground:
        found = await run_seed(ground, seed, print)
    print("every promise held" if found is None else f"WRONG: {found.wrong}")
    return int(found is not None)


def many(count: int, workers: int) -> int:
    """Seeds 1 to `count`; tells those that fail, and how to see them again."""
    started, failed = time.monotonic(), []
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=work, args=(range(1 + one, count + 1, workers), results)) for one in range(workers)]
    for process in processes:
        process.start()
    done = 0
    while done < count and (any(process.is_alive() for process in processes) or not results.empty()):
        if results.empty():
            time.sleep(0.1)
            continue
        done += 1
        _, found = results.get()
        if found is not None:
            failed.append(found)
            print(found, flush=True)
        if done % TELL_EVERY == 0 or done == count:
            seconds = time.monotonic() - started
            print(f"{done} of {count} seeds, {len(failed)} failed, {seconds:.0f} s, {done / seconds:.1f} a second", flush=True)
    for process in processes:
        process.join()
    if done < count:
        print(f"{count - done} seeds were not run: a worker ended before")
    return int(bool(failed) or done < count)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stepper", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    return many(asked.seeds, asked.workers) if asked.seed is None else asyncio.run(one(asked.seed))


if __name__ == "__main__":
    sys.exit(main())
