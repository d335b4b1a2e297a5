"""Two bureaus never talk in circles: a finished case has said a finite, small number of messages."""

from dataclasses import replace

import pytest

from services.bureau.transfers.states import ANSWERS_AGAIN, TRANSFER, On, Side, State
from tests.model.household import Household, World

# Permit, certificate, cancellation asked, and three voids: the officer's own, one for the certificate, one for the cancellation.
WITHOUT_ASKING = 6
A_REPEAT = 2  # what is asked again, and the answer


class Circle(Exception):
    """A world comes after itself: messages go round for ever."""


def most_messages(household: Household, start: World) -> int:
    """The longest talk from `start`, each message being delivered once."""
    most: dict[World, int | None] = {}

    def longest(world: World) -> int:
        if world not in most:
            most[world] = None
            most[world] = max((move.letters + longest(move.world) for move in household.moves(world)), default=0)
        found = most[world]
        if found is None:
            raise Circle
        return found

    return longest(start)


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("asks", [0, 1, 2, 3])
def test_a_finished_case_has_said_a_handful_of_messages(members: int, asks: int) -> None:
    household = Household(members, lingering=False)
    assert most_messages(household, household.start(asks=asks)) == WITHOUT_ASKING + A_REPEAT * asks


def test_answering_an_answer_is_caught() -> None:
    circle = {(Side.ORIGIN, State.RETURNED, On.TransferVoided), (Side.DESTINATION, State.VOID, On.PermitReturned)}
    household = Household(1, lingering=False, tables=replace(TRANSFER, answered_again=ANSWERS_AGAIN | circle))
    with pytest.raises(Circle):
        most_messages(household, household.start())
