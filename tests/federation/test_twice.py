"""Whatever is sent twice has one effect, and two bureaus never talk in circles."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from services.bureau.transfers.states import Side
from tests.federation.clerk import DESTINATION, ORIGIN, Clerk, Transfer
from tests.federation.gauge import ONE_OF_EACH, effects_of_messages

QUIET_DAYS = 30


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
    assert await clerk.watch.who_answers(person) == "shanghai"
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH
    # One answer more than without repeats: to the settlement that was said anew when the close could have been lost.
    assert Counter(clerk.wire.names(transfer.case)) == {**ONE_OF_EACH, "TransferClosed": 2}
    assert await is_quiet(clerk, transfer)


async def test_a_household_in_which_everything_comes_twice_has_each_effect_once_a_member(clerk: Clerk) -> None:
    clerk.twice = clerk.wire.twice = True
    people = await clerk.household("zhejiang", ("02", "10", "20"))
    transfer = await clerk.settled(people, new_household=True)
    assert await transfer.states() == (["HERE"] * 3, ["GONE"] * 3)
    assert await effects_of_messages(clerk.network, transfer.case) == dict.fromkeys(ONE_OF_EACH, 3)
    assert Counter(clerk.wire.names(transfer.case)) == {**ONE_OF_EACH, "TransferClosed": 2}
    assert await is_quiet(clerk, transfer)


async def test_a_return_in_which_everything_comes_twice_has_each_effect_once(clerk: Clerk) -> None:
    clerk.twice = clerk.wire.twice = True
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("return", {"code": "R06"})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RETURNED"])
    assert await effects_of_messages(clerk.network, transfer.case) == {"PermitIssued": 1, "PermitReturned": 1}
    assert Counter(clerk.wire.names(transfer.case)) == {"PermitIssued": 1, "PermitReturned": 1, "TransferVoided": 1}
    assert await is_quiet(clerk, transfer)


async def test_a_cancellation_in_which_everything_comes_twice_has_each_effect_once(clerk: Clerk) -> None:
    clerk.twice = clerk.wire.twice = True
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("ask-cancel")
    await clerk.wire.settle()
    await transfer.do("restore")
    assert await transfer.states() == (["VOID"], ["RESTORED"])
    assert await effects_of_messages(clerk.network, transfer.case) == {
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
        assert await transfer.ask_again(DESTINATION) == ["certificate"]
    await clerk.wire.settle()
    await transfer.do("seal")
    for _ in range(3):
        assert await transfer.ask_again(ORIGIN) == ["settlement"]
    await clerk.wire.settle()
    await transfer.do("settle")
    for _ in range(3):
        assert await transfer.ask_again(DESTINATION) == ["close"]
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH
    # Each of the four first messages, the nine repeats, and an answer to each repeated settlement.
    assert len(clerk.wire.names(transfer.case)) == 4 + 9 + 3
    assert await is_quiet(clerk, transfer)


async def test_asking_again_for_a_cancellation_has_one_effect(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("ask-cancel")
    for _ in range(3):
        assert await transfer.ask_again(ORIGIN) == ["cancellation"]
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RESTORED"])
    assert (await effects_of_messages(clerk.network, transfer.case))["TransferVoided"] == 1
    assert await is_quiet(clerk, transfer)


async def test_whatever_was_said_is_said_anew_to_a_finished_case_without_effect(clerk: Clerk) -> None:
    transfer = await clerk.settled(await clerk.resident("zhejiang"))
    said = [parcel for parcel in clerk.wire.carried if parcel.case == transfer.case]
    for parcel in said * 2:
        await clerk.wire.hand_over(clerk.wire.said_anew(parcel))
        await clerk.wire.hand_over(parcel)
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH
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
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH
    assert clerk.wire.names(transfer.case) == list(ONE_OF_EACH)


async def test_a_bureau_whose_offsets_are_lost_reads_everything_again_without_effect(clerk: Clerk) -> None:
    transfer = await clerk.settled(await clerk.resident("zhejiang"))
    for node in clerk.network.nodes.values():
        consumer = await clerk.network.consumer_of(node)
        consumer.rewind({(name, 0): 0 for name in node.wiring.topics})
        assert await clerk.network.deliver(node) > 0
    assert await clerk.network.settle() == 0  # nobody has anything to say to it
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH


async def test_a_bus_that_has_lost_everything_is_healed_by_whoever_waits(clerk: Clerk) -> None:
    transfer = await clerk.approved(await clerk.resident("zhejiang"))
    await clerk.network.nodes["shanghai"].wiring.relay.pass_once()
    for bureau in clerk.network.nodes:
        await clerk.network.restart(bureau)
    for file in clerk.network.folder.glob("bus.sqlite*"):
        file.unlink()
    assert await clerk.network.settle() == 0
    assert await transfer.states() == (["APPROVED"], [])
    await clerk.network.tick(minutes=2)
    await clerk.network.settle()
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])


async def drafted(clerk: Clerk) -> Transfer:
    return await clerk.apply(await clerk.resident("zhejiang"))


async def accepted(clerk: Clerk) -> Transfer:
    transfer = await drafted(clerk)
    await transfer.do("accept")
    return transfer


async def supplement_asked(clerk: Clerk) -> Transfer:
    transfer = await accepted(clerk)
    await transfer.do("ask-supplement")
    return transfer


async def submitted(clerk: Clerk) -> Transfer:
    transfer = await accepted(clerk)
    await transfer.do("submit")
    return transfer


async def received(clerk: Clerk) -> Transfer:
    return await clerk.received(await clerk.resident("zhejiang"))


async def certified(clerk: Clerk) -> Transfer:
    return await clerk.certified(await clerk.resident("zhejiang"))


async def expired(clerk: Clerk) -> Transfer:
    transfer = await received(clerk)
    clerk.network.clock.at += timedelta(days=41)
    return transfer


async def restored(clerk: Clerk) -> Transfer:
    transfer = await certified(clerk)
    await transfer.do("void")
    await clerk.wire.settle()
    return transfer


# act, from where it begins, its side
EVERY_ACT = [
    ("accept", drafted, DESTINATION),
    ("ask-supplement", accepted, DESTINATION),
    ("supplemented", supplement_asked, DESTINATION),
    ("submit", accepted, DESTINATION),
    ("refuse", submitted, DESTINATION),
    ("withdraw", submitted, DESTINATION),
    ("approve", submitted, DESTINATION),
    ("void", certified, DESTINATION),
    ("wait", expired, DESTINATION),
    ("request-reissue", certified, DESTINATION),
    ("settle", certified, DESTINATION),
    ("seal", received, ORIGIN),
    ("return", received, ORIGIN),
    ("ask-cancel", certified, ORIGIN),
    ("reissue", certified, ORIGIN),
    ("restore", restored, ORIGIN),
]


@pytest.mark.parametrize(("act", "begun", "side"), EVERY_ACT)
async def test_every_act_sent_again_under_its_key_gives_the_same_answer_and_no_second_effect(
    clerk: Clerk, act: str, begun: Callable[[Clerk], Awaitable[Transfer]], side: Side
) -> None:
    transfer = await begun(clerk)
    body = {"code": "R06"} if act == "return" else None
    first = await transfer.do(act, body, key="the same")
    after, said = await transfer.states(), await transfer.said()
    assert await transfer.do(act, body, key="the same") == first
    view = await (transfer.at_destination() if side is DESTINATION else transfer.at_origin())
    assert view["version"] == first["version"]
    assert (await transfer.states(), await transfer.said()) == (after, said)
