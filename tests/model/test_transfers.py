"""The promises of the transfer protocol hold in every world that can be reached (ONE, NONE, BACK, VOID, ALIVE, FINISH, SUCCESS).

The numbers of worlds are those of the reference beside the design: another number means that another protocol has been explored.
"""

import pytest

from tests.model.explorer import Explorer, Result
from tests.model.world import Scenario

ONE_TRANSFER = (((0,), 1),)
TWO_APPLICATIONS = (((0,), 1), ((0,), 2))
THERE_AND_BACK = (((0,), 1), ((1,), 0))
CHAIN = (((0,), 1), ((1, 0), 2))  # on from the first destination, or asked of the wrong origin

SCENARIOS = {
    "one transfer": (209, Scenario(ONE_TRANSFER, bureaus=2)),
    "one transfer, 3 messages lost": (6_324, Scenario(ONE_TRANSFER, bureaus=2, losses=3)),
    "one transfer, a third bureau lies about it": (2_856, Scenario(ONE_TRANSFER, losses=1, rogue=True)),
    "two applications at two bureaus": (23_054, Scenario(TWO_APPLICATIONS)),
    "there and back": (10_712, Scenario(THERE_AND_BACK, bureaus=2)),
    "chain, or asked of the wrong origin": (33_557, Scenario(CHAIN)),
    "there and back, 2 messages lost": (364_808, Scenario(THERE_AND_BACK, bureaus=2, losses=2)),
    "one transfer, 3 restores": (39_975, Scenario(ONE_TRANSFER, bureaus=2, restores=3, backups=2)),
    "one transfer, 2 restores, 2 messages lost": (389_085, Scenario(ONE_TRANSFER, bureaus=2, restores=2, backups=2, losses=2)),
}
LONG = {
    "there and back, 1 restore": (688_778, Scenario(THERE_AND_BACK, bureaus=2, restores=1, backups=1)),
    "two applications, 1 restore": (1_077_605, Scenario(TWO_APPLICATIONS, restores=1, backups=1)),
    "chain, 1 restore": (1_524_163, Scenario(CHAIN, restores=1, backups=1)),
}


@pytest.mark.parametrize(("states", "scenario"), SCENARIOS.values(), ids=SCENARIOS)
def test_every_promise_holds(states: int, scenario: Scenario) -> None:
    assert Explorer(scenario).run() == Result(states, "", ())


@pytest.mark.long
@pytest.mark.parametrize(("states", "scenario"), LONG.values(), ids=LONG)
def test_every_promise_holds_in_the_largest(states: int, scenario: Scenario) -> None:
    assert Explorer(scenario).run() == Result(states, "", ())
