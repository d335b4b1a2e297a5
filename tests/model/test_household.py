"""A household moves as one case, and yet each member has exactly one register that answers."""

from collections import deque
from dataclasses import replace

import pytest

from services.bureau.transfers.states import DESTINATION, ORIGIN, TRANSFER, On, Row, RowKind, State, Tables
from tests.model.household import Household, World

TWO_MEMBERS = 2
ANSWERS_HERE = (RowKind.ACTIVE, RowKind.IN_TRANSIT)
ENDED = (State.HERE, State.VOID, State.GONE, State.RESTORED, State.RETURNED, State.UNKNOWN)

Graph = dict[World, list[World]]


def explored(household: Household, start: World) -> Graph:
    """Every world that can be reached, with those that follow it."""
    graph: Graph = {}
    todo = deque([start])
    while todo:
        world = todo.popleft()
        if world not in graph:
            graph[world] = [move.world for move in household.moves(world)]
            todo.extend(graph[world])
    return graph


def broken(world: World) -> set[str]:
    """The promises that the world breaks, over all members."""
    found = set()
    for origin, destination in zip(world.origin, world.destination, strict=True):
        here = [member.row.kind for member in (origin, destination) if member.row.kind in ANSWERS_HERE]
        coming = origin.row.kind is RowKind.MOVED and destination.state is State.SETTLING
        if len(here) > 1:
            found.add("ONE")
        if len(here) + coming != 1:
            found.add("NONE")
    return found


def stuck(graph: Graph) -> list[World]:
    """The worlds from which not all members can come to an end."""
    back: Graph = {world: [] for world in graph}
    for world, following in graph.items():
        for new in following:
            back[new].append(world)
    todo = [world for world in graph if all(member.state in ENDED for member in world.origin + world.destination)]
    reached = set(todo)
    while todo:
        found = set(back[todo.pop()]) - reached
        reached |= found
        todo.extend(found)
    return [world for world in graph if world not in reached]


def promises_broken(tables: Tables) -> set[str]:
    household = Household(TWO_MEMBERS, tables=tables)
    graph = explored(household, household.start(losses=2, asks=4))
    return set().union(*map(broken, graph)) | ({"ALIVE"} if stuck(graph) else set())


def test_each_member_is_held_by_exactly_one_register_and_can_always_come_to_an_end() -> None:
    assert promises_broken(TRANSFER) == set()


def test_one_member_signs_and_settles_while_the_other_is_voided_and_restored() -> None:
    household = Household(TWO_MEMBERS)
    settled = [
        world
        for world in explored(household, household.start(losses=1, asks=1))
        if [member.state for member in world.destination] == [State.HERE, State.VOID]
        and [member.state for member in world.origin] == [State.GONE, State.RESTORED]
    ]
    assert settled
    for world in settled:
        assert [member.row for member in world.destination] == [Row(RowKind.ACTIVE, 2), Row(RowKind.ABSENT, 0)]
        assert [member.row for member in world.origin] == [Row(RowKind.MOVED, 1), Row(RowKind.ACTIVE, 1)]


def test_the_origin_can_close_the_one_and_restore_the_other_in_one_commit() -> None:
    household = Household(TWO_MEMBERS)
    graph = explored(household, household.start())
    before = {
        tuple(member.state for member in world.origin)
        for world, following in graph.items()
        for new in following
        if [member.state for member in new.origin] == [State.GONE, State.RESTORED] and new.origin != world.origin
    }
    assert before >= {(State.SEALED, State.SEALED), (State.CANCELLING, State.CANCELLING)}


@pytest.mark.parametrize(
    ("tables", "promise"),
    [
        pytest.param(
            replace(TRANSFER, destination={**DESTINATION, (State.CERTIFIED, On.SIGN): (State.HERE, RowKind.ACTIVE)}),
            "ONE",
            id="signing answers",
        ),
        pytest.param(
            replace(TRANSFER, destination={**DESTINATION, (State.SETTLING, On.VOID): (State.VOID, None)}),
            "NONE",
            id="a signature is voided",
        ),
        pytest.param(
            replace(TRANSFER, origin={key: to for key, to in ORIGIN.items() if key[1] is not On.TransferVoided}),
            "ALIVE",
            id="a voided member is not restored",
        ),
    ],
)
def test_a_broken_household_is_caught(tables: Tables, promise: str) -> None:
    assert promise in promises_broken(tables)
