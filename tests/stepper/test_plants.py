"""Planted faults are found: a stepper that finds nothing in a broken program would prove nothing about a sound one."""

import pytest

from tests.model.test_mutants import MUTANTS
from tests.stepper.ground import Ground
from tests.stepper.plants import MESSAGES, NOT_IN_THE_NODE, PROTOCOL
from tests.stepper.seeds import run_seed

PLANTS = {**MESSAGES, **PROTOCOL}


@pytest.mark.parametrize("name", PLANTS)
async def test_a_planted_fault_is_found(ground: Ground, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    planted = PLANTS[name]
    with planted.plant():
        for seed in planted.seeds:
            found = await run_seed(ground, seed)
            if found is not None:
                with capsys.disabled():
                    print(f"\n  {name}: found by seed {seed}")
                return
    pytest.fail(f"{name}: not found by the seeds of {planted.seeds}")


def test_every_mutant_of_the_explorer_is_planted_or_named_with_its_reason() -> None:
    assert set(PROTOCOL) | set(NOT_IN_THE_NODE) == set(MUTANTS)
