"""Several people at the same moment: whoever comes first is the only one, and nothing is half done."""

import asyncio
from typing import Any

import httpx2 as httpx

from tests.federation.clerk import BODIES, Clerk, Transfer
from tests.federation.gauge import ONE_OF_EACH, effects, effects_of_messages


async def press(transfer: Transfer, act: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
    """The act as one of several requests; nothing is judged yet."""
    bureau, officer = transfer.where(act)
    sent = body or BODIES.get(act)
    return await transfer.clerk.send(bureau, officer, "POST", f"/api/v1/transfers/{transfer.case}/{act}", sent, key=key)


async def test_one_act_sent_five_times_at_once_under_one_key_is_done_once_and_answered_alike(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    answers = await asyncio.gather(*[press(transfer, "seal", key="the same") for _ in range(5)])
    assert [one.status_code for one in answers] == [200] * 5
    assert len({one.content for one in answers}) == 1
    await clerk.wire.settle()
    assert clerk.wire.names(transfer.case) == ["PermitIssued", "MigrationCertificateIssued"]


async def test_five_officers_who_seal_at_once_seal_once(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    answers = await asyncio.gather(*[press(transfer, "seal") for _ in range(5)])
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409, 409]
    await clerk.wire.settle()
    assert clerk.wire.names(transfer.case) == ["PermitIssued", "MigrationCertificateIssued"]


async def test_of_two_permits_for_one_person_that_are_sealed_at_once_one_is_sealed(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfers = [await clerk.received(person, "zhejiang", place) for place in ("shanghai", "jiangsu", "anhui")]
    answers = await asyncio.gather(*[press(transfer, "seal") for transfer in transfers])
    assert sorted(one.status_code for one in answers) == [200, 409, 409]
    await clerk.wire.settle()
    assert sorted([(await transfer.states())[1][0] for transfer in transfers]) == ["RECEIVED", "RECEIVED", "SEALED"]


async def test_two_permits_that_list_a_couple_in_opposite_order_do_not_hold_each_other_up(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", ("02", "10"))
    there = await clerk.received(people, "zhejiang", "shanghai")
    elsewhere = await clerk.received(people[::-1], "zhejiang", "jiangsu")
    answers = await asyncio.gather(press(there, "seal"), press(elsewhere, "seal"))
    assert sorted(one.status_code for one in answers) == [200, 409]


async def test_of_a_signature_and_a_void_at_once_one_counts(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    answers = await asyncio.gather(press(transfer, "settle", {"signed": [1]}), press(transfer, "void"))
    assert sorted(one.status_code for one in answers) == [200, 409]
    await clerk.wire.settle()
    assert await transfer.states() in ((["HERE"], ["GONE"]), (["VOID"], ["RESTORED"]))


async def test_a_signature_and_a_cancellation_from_the_bus_at_once_end_as_one_of_the_two(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("ask-cancel")
    await clerk.wire.collect()
    (asked,) = clerk.wire.waiting
    answer, _ = await asyncio.gather(press(transfer, "settle", {"signed": [1]}), clerk.wire.hand_over(asked))
    await clerk.wire.settle()
    signed = answer.status_code == httpx.codes.OK
    assert await transfer.states() == ((["HERE"], ["GONE"]) if signed else (["VOID"], ["RESTORED"]))


async def test_a_close_that_comes_by_bus_and_by_question_at_once_settles_once(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("settle")
    (close,) = await clerk.wire.settle_without("TransferClosed")
    await asyncio.gather(clerk.wire.hand_over(close), transfer.at_destination(), transfer.at_destination())
    await clerk.wire.settle()
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_many_transfers_at_once_between_all_bureaus_each_have_one_of_each_effect(clerk: Clerk) -> None:
    routes = [(a, b) for a in ("shanghai", "jiangsu", "zhejiang", "anhui") for b in ("shanghai", "jiangsu", "zhejiang", "anhui")]
    transfers = [await clerk.approved(await clerk.resident(origin), origin, to) for origin, to in routes if origin != to]
    await clerk.network.settle()
    assert {one.status_code for one in await asyncio.gather(*[press(transfer, "seal") for transfer in transfers])} == {200}
    await clerk.network.settle()
    settled = await asyncio.gather(*[press(transfer, "settle", {"signed": [1]}) for transfer in transfers])
    assert {one.status_code for one in settled} == {200}
    await clerk.network.settle()
    for transfer in transfers:
        assert await transfer.states() == (["HERE"], ["GONE"])
        counts = await effects(clerk.network, transfer.case)
        assert {name: counts[name] for name in ONE_OF_EACH} == ONE_OF_EACH
        assert await clerk.watch.who_answers(transfer.people[0]) == transfer.destination
