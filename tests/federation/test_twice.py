"""Whatever is sent twice has one effect, and two bureaus never talk in circles."""

from collections import Counter

import pytest

from tests.federation.clerk import Clerk, D, O, Transfer
from tests.federation.gauge import effects

ONE_OF_EACH = {"PermitIssued": 1, "MigrationCertificateIssued": 1, "TransferSettled": 1, "TransferClosed": 1}
QUIET_DAYS = 30


async def effects_of_messages(clerk: Clerk, transfer: Transfer) -> dict[str, int]:
    """How often each message of the case has changed a member, by its name."""
    return {name: count for name, count in (await effects(clerk.network, transfer.case)).items() if name[0].isupper()}


async def is_quiet(clerk: Clerk, transfer: Transfer) -> bool:
    """Nothing is owed, and weeks of timers say nothing more."""
    before = await transfer.said()
    for _ in range(2):
        await clerk.network.tick(days=QUIET_DAYS / 2)
        await clerk.wire.settle()
    owed = [await transfer.owed(bureau) for bureau in clerk.network.nodes]
    return not any(owed) and await transfer.said() == before


async def test_a_transfer_in_which_every_act_and_every_message_comes_twice_has_each_effect_once(clerk: Clerk) -> None:
    clerk.twice = clerk.wire.twice = True
    person = await clerk.resident("zhejiang")
    transfer = await clerk.settled(person)
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await clerk.gauge.who_answers(person) == "shanghai"
    assert await effects_of_messages(clerk, transfer) == ONE_OF_EACH
    # One answer more than without repeats: to the settlement that was said anew when the close could have been lost.
    assert Counter(clerk.wire.names(transfer.case)) == {**ONE_OF_EACH, "TransferClosed": 2}
    assert await is_quiet(clerk, transfer)


async def test_a_household_in_which_everything_comes_twice_has_each_effect_once_a_member(clerk: Clerk) -> None:
    clerk.twice = clerk.wire.twice = True
    people = await clerk.household("zhejiang", ("02", "10", "20"))
    transfer = await clerk.settled(people, new_household=True)
    assert await transfer.states() == (["HERE"] * 3, ["GONE"] * 3)
    assert await effects_of_messages(clerk, transfer) == {name: 3 for name in ONE_OF_EACH}
    assert Counter(clerk.wire.names(transfer.case)) == {**ONE_OF_EACH, "TransferClosed": 2}
    assert await is_quiet(clerk, transfer)


async def test_a_return_in_which_everything_comes_twice_has_each_effect_once(clerk: Clerk) -> None:
    clerk.twice = clerk.wire.twice = True
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("return", {"code": "R06"})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RETURNED"])
    assert await effects_of_messages(clerk, transfer) == {"PermitIssued": 1, "PermitReturned": 1}
    assert Counter(clerk.wire.names(transfer.case)) == {"PermitIssued": 1, "PermitReturned": 1, "TransferVoided": 1}
    assert await is_quiet(clerk, transfer)


async def test_a_cancellation_in_which_everything_comes_twice_has_each_effect_once(clerk: Clerk) -> None:
    clerk.twice = clerk.wire.twice = True
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("ask-cancel")
    await clerk.wire.settle()
    await transfer.do("restore")
    assert await transfer.states() == (["VOID"], ["RESTORED"])
    assert await effects_of_messages(clerk, transfer) == {
        "PermitIssued": 1,
        "MigrationCertificateIssued": 1,
        "CancellationRequested": 1,
        "TransferVoided": 1,
    }
    # The cancellation said anew is answered again: its sender cannot know that the void was not lost.
    assert Counter(clerk.wire.names(transfer.case))["TransferVoided"] == 2
    assert await is_quiet(clerk, transfer)


async def test_asking_again_in_every_state_that_asks_has_no_second_effect_and_comes_to_an_end(clerk: Clerk) -> None:
    transfer = await clerk.approved(await clerk.resident("zhejiang"))
    for _ in range(3):
        assert await transfer.ask_again(D) == ["certificate"]
    await clerk.wire.settle()
    await transfer.do("seal")
    for _ in range(3):
        assert await transfer.ask_again(O) == ["settlement"]
    await clerk.wire.settle()
    await transfer.do("settle")
    for _ in range(3):
        assert await transfer.ask_again(D) == ["close"]
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await effects_of_messages(clerk, transfer) == ONE_OF_EACH
    # Each of the four first messages, the nine repeats, and an answer to each repeated settlement.
    assert len(clerk.wire.names(transfer.case)) == 4 + 9 + 3
    assert await is_quiet(clerk, transfer)


async def test_asking_again_for_a_cancellation_has_one_effect(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("ask-cancel")
    for _ in range(3):
        assert await transfer.ask_again(O) == ["cancellation"]
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RESTORED"])
    assert (await effects_of_messages(clerk, transfer))["TransferVoided"] == 1
    assert await is_quiet(clerk, transfer)


async def test_whatever_was_said_is_said_anew_to_a_finished_case_without_effect(clerk: Clerk) -> None:
    transfer = await clerk.settled(await clerk.resident("zhejiang"))
    said = [parcel for parcel in clerk.wire.carried if parcel.case == transfer.case]
    for parcel in said * 2:
        await clerk.wire.hand_over(clerk.wire.said_anew(parcel))
        await clerk.wire.hand_over(parcel)
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await effects_of_messages(clerk, transfer) == ONE_OF_EACH
    assert Counter(clerk.wire.names(transfer.case)) == {**ONE_OF_EACH, "TransferClosed": 3}
    assert await is_quiet(clerk, transfer)


# An act that is repeated as a new request, not under its old key; each begins where the one before has ended.
ACTS_IN_ORDER = ("accept", "submit", "approve", "seal", "settle")


@pytest.mark.parametrize("repeated", ACTS_IN_ORDER)
async def test_an_act_that_is_done_again_under_a_new_key_is_refused_and_changes_nothing(clerk: Clerk, repeated: str) -> None:
    transfer = await clerk.apply(await clerk.resident("zhejiang"))
    for act in ACTS_IN_ORDER:
        await transfer.do(act)
        if act == repeated:
            problem = await transfer.do(act, expect=409)
            assert problem["code"] == "not_in_this_state"
        await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await effects_of_messages(clerk, transfer) == ONE_OF_EACH
    assert clerk.wire.names(transfer.case) == list(ONE_OF_EACH)
