"""A node dies before or after a commit of the transfer's path, and comes back: one effect of each, and nobody forgotten.

The process dies by an exception that nothing catches; only what is on disk is left. kill -9 of real processes is in `tests/real`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.database import Database, Session
from tests.federation.clerk import Clerk, Transfer
from tests.federation.gauge import ONE_OF_EACH, effects_of_messages

ACTS = ("accept", "submit", "approve", "seal", "settle")
# bureau, whose commit, at which one of that name. Destination Shanghai, origin Zhejiang.
COMMITS = [
    ("shanghai", "transfers.open", 1),
    ("shanghai", "transfers.accept", 1),
    ("shanghai", "transfers.submit", 1),
    ("shanghai", "transfers.approve", 1),
    ("shanghai", "relay.read", 1),  # before: nothing was sent; after: about to send the permit
    ("shanghai", "relay.mark", 1),  # before: the permit is sent, but not marked, and goes out again
    ("zhejiang", "receive PermitIssued", 1),
    ("zhejiang", "transfers.seal", 2),  # the first reads whom to ask, the second seals
    ("zhejiang", "relay.mark", 1),  # the certificate
    ("shanghai", "receive MigrationCertificateIssued", 1),
    ("shanghai", "transfers.settle", 1),
    ("shanghai", "relay.mark", 2),  # the settlement
    ("zhejiang", "receive TransferSettled", 1),  # the commit point
    ("zhejiang", "relay.mark", 2),  # the close
    ("shanghai", "receive TransferClosed", 1),
]


class Died(BaseException):
    """The process is gone. No `except Exception` of the program may survive it."""


def mortal(name: str, occurrence: int, *, after: bool) -> type[Database]:
    """A database in whose n-th commit of that name the process dies, once; its `deaths` counts."""

    class Mortal(Database):
        commits = 0
        deaths = 0

        async def commit(self, session: Session, unit: str) -> None:
            if unit != name:
                return await super().commit(session, unit)
            Mortal.commits += 1
            dies = Mortal.commits == occurrence
            if dies and not after:
                Mortal.deaths += 1
                raise Died(name)
            await super().commit(session, unit)
            if dies:
                Mortal.deaths += 1
                raise Died(name)
            return None

    return Mortal


async def through(clerk: Clerk, bureau: str, step: Callable[[], Awaitable[Any]]) -> Any:
    """A step; when the node dies in it, it is started anew, and whoever waited for an answer does the same thing again."""
    try:
        return await step()
    except Died:
        await clerk.network.restart(bureau)
        return await step()


async def whole_transfer(clerk: Clerk, bureau: str) -> Transfer:
    """Every step under a key of its own, with real deliveries."""
    person = await clerk.resident("zhejiang")
    await clerk.sponsor("310116910000", "shanghai")
    transfer: Transfer = await through(clerk, bureau, lambda: clerk.apply(person, key="open"))
    for act in ACTS:
        await through(clerk, bureau, lambda act=act: transfer.do(act, key=act))  # type: ignore[misc]
        await through(clerk, bureau, clerk.network.settle)
        await clerk.watch.check()
    return transfer


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("bureau", "name", "occurrence"), COMMITS)
async def test_a_node_that_dies_at_a_commit_comes_back_and_every_effect_is_there_once(
    clerk: Clerk, bureau: str, name: str, occurrence: int, after: bool
) -> None:
    database = mortal(name, occurrence, after=after)
    await clerk.network.restart(bureau, database)
    transfer = await whole_transfer(clerk, bureau)
    assert database.deaths == 1  # type: ignore[attr-defined]
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH
    assert await clerk.watch.who_answers(transfer.people[0]) == "shanghai"
    assert not any([await transfer.owed(one) for one in clerk.network.nodes])


async def test_all_four_nodes_are_started_anew_between_any_two_steps(clerk: Clerk) -> None:
    async def restart() -> None:
        for bureau in clerk.network.nodes:
            await clerk.network.restart(bureau)

    transfer = await clerk.apply(await clerk.resident("zhejiang"))
    for act in ACTS:
        await restart()
        await transfer.do(act)
        await restart()
        await clerk.wire.collect()
        while clerk.wire.waiting:
            await restart()
            await clerk.wire.hand_over(clerk.wire.waiting[0])
            await restart()
            await clerk.wire.collect()
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH


# an officer's act whose answer was lost: the node died after its commit, or before it
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("act", "occurrence"), [("approve", 1), ("seal", 2), ("settle", 1)])
async def test_an_officer_who_got_no_answer_sends_the_act_again_and_gets_the_one_answer(
    clerk: Clerk, act: str, occurrence: int, after: bool
) -> None:
    transfer = await clerk.apply(await clerk.resident("zhejiang"))
    for one in ACTS[: ACTS.index(act)]:
        await transfer.do(one)
        await clerk.wire.settle()
    bureau, _ = transfer.where(act)
    await clerk.network.restart(bureau, mortal(f"transfers.{act}", occurrence, after=after))
    with pytest.raises(Died):
        await transfer.do(act, key="the same")
    await clerk.network.restart(bureau)
    first = await transfer.do(act, key="the same")
    assert await transfer.do(act, key="the same") == first
    await clerk.wire.settle()
    assert clerk.wire.names(transfer.case) == list(ONE_OF_EACH)[: len(clerk.wire.names(transfer.case))]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_timer_that_dies_while_asking_asks_again_without_a_second_effect(clerk: Clerk, after: bool) -> None:
    await clerk.network.restart("shanghai", mortal("owed.ask_due", 1, after=after))
    transfer = await clerk.approved(await clerk.resident("zhejiang"))
    with pytest.raises(Died):
        await clerk.network.tick(minutes=2)
    await clerk.network.restart("shanghai")
    await clerk.network.tick()
    await clerk.wire.settle()
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])
    assert clerk.wire.names(transfer.case) == ["PermitIssued"] * 2
    assert (await transfer.owed("shanghai"))["transfers.certificate"].asks == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_household_is_closed_and_restored_as_one_when_the_node_dies_in_it(clerk: Clerk, after: bool) -> None:
    people = await clerk.household("zhejiang", ("02", "10"))
    transfer = await clerk.certified(people)
    await transfer.do("settle", {"signed": [2], "not_signing": [1]})
    await clerk.network.restart("zhejiang", mortal("receive TransferSettled", 1, after=after))
    with pytest.raises(Died):
        await clerk.network.settle()
    expected = ["RESTORED", "GONE"] if after else ["SEALED", "SEALED"]
    assert (await transfer.states())[1] == expected
    await clerk.network.restart("zhejiang")
    await clerk.network.settle()
    assert await transfer.states() == (["VOID", "HERE"], ["RESTORED", "GONE"])
