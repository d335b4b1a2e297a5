"""One person, two moves: at once to two places, there and back, on to a third place, asked of the wrong origin."""

import pytest

from tests.federation.clerk import Clerk


@pytest.mark.parametrize("code", ["R04", "R07"])
async def test_of_two_applications_one_is_sealed_and_the_other_returned_with_where_the_person_is_heading(
    clerk: Clerk, code: str
) -> None:
    person = await clerk.resident("zhejiang")
    first, second = await clerk.received(person, "zhejiang", "shanghai"), await clerk.received(person, "zhejiang", "jiangsu")
    await first.do("seal")
    await clerk.wire.settle()
    refused = await second.do("seal", expect=409)
    assert [one["rule"] for one in refused["errors"]] == ["R04"]
    await second.do("return", {"code": code, "heading_to": "shanghai"})
    await clerk.wire.settle()
    assert await second.states() == (["VOID"], ["RETURNED"])
    told = (await second.at_destination())["returned"]
    assert (told["code"], told["heading_to"]) == (code, "shanghai")
    await first.do("settle")
    await clerk.wire.settle()
    assert await first.states() == (["HERE"], ["GONE"])
    assert await clerk.watch.who_answers(person) == "shanghai"


async def test_when_the_sealed_one_is_void_the_other_may_be_sealed_after_the_restoration_entry(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    first, second = await clerk.received(person, "zhejiang", "shanghai"), await clerk.received(person, "zhejiang", "jiangsu")
    await first.do("seal")
    await clerk.wire.settle()
    await first.do("void")
    await clerk.wire.settle()
    assert await first.states() == (["VOID"], ["RESTORED"])
    held = await second.do("seal", expect=409)
    assert [one["rule"] for one in held["errors"]] == ["R04"]
    await first.do("restore")
    await second.do("seal")
    await clerk.wire.settle()
    await second.do("settle")
    await clerk.wire.settle()
    assert await clerk.watch.who_answers(person) == "jiangsu"


async def test_there_and_back_is_epoch_three_on_the_same_row(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    before = await clerk.row_of("zhejiang", person)
    there = await clerk.settled(person, "zhejiang", "shanghai")
    assert (await clerk.row_of("zhejiang", person)).kind == "MOVED"
    back = await clerk.settled(person, "shanghai", "zhejiang")
    assert (await there.states(), await back.states()) == ((["HERE"], ["GONE"]), (["HERE"], ["GONE"]))
    after = await clerk.row_of("zhejiang", person)
    assert (before.epoch, after.epoch, after.kind) == (1, 3, "ACTIVE")
    assert after.id == before.id
    assert ((gone := await clerk.row_of("shanghai", person)).kind, gone.epoch) == ("MOVED", 2)
    assert await clerk.watch.who_answers(person) == "zhejiang"


async def test_what_was_said_of_the_first_move_changes_nothing_when_it_comes_after_the_way_back(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    there = await clerk.settled(person, "zhejiang", "shanghai")
    said = [parcel for parcel in clerk.wire.carried if parcel.case == there.case]
    await clerk.settled(person, "shanghai", "zhejiang")
    for parcel in said:
        await clerk.wire.hand_over(clerk.wire.said_anew(parcel))
    await clerk.wire.settle()
    assert await clerk.watch.who_answers(person) == "zhejiang"
    assert (await clerk.row_of("zhejiang", person)).epoch == 3


async def test_a_close_that_comes_after_the_person_has_moved_on_leaves_the_row_alone(clerk: Clerk) -> None:
    """The close came by a question, the bus brings it when the person lives in a third province."""
    person = await clerk.resident("zhejiang")
    first = await clerk.certified(person, "zhejiang", "shanghai")
    await first.do("settle")
    (close,) = await clerk.wire.settle_without("TransferClosed")
    assert (await first.at_destination())["states"] == ["HERE"]
    await clerk.settled(person, "shanghai", "jiangsu")
    await clerk.wire.hand_over(close)
    await clerk.wire.settle()
    assert await clerk.watch.who_answers(person) == "jiangsu"
    assert ((row := await clerk.row_of("shanghai", person)).kind, row.epoch) == ("MOVED", 2)


async def test_a_chain_of_moves_is_followed_from_every_register_to_the_last_one(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    for origin, destination in (("zhejiang", "shanghai"), ("shanghai", "jiangsu"), ("jiangsu", "anhui")):
        await clerk.settled(person, origin, destination)
        assert await clerk.watch.who_answers(person) == destination
    rows = [await clerk.row_of(bureau, person) for bureau in ("zhejiang", "shanghai", "jiangsu", "anhui")]
    assert [(row.kind, row.epoch) for row in rows] == [("MOVED", 1), ("MOVED", 2), ("MOVED", 3), ("ACTIVE", 4)]


async def test_a_permit_for_somebody_who_is_only_arriving_waits_until_the_person_is_there(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    first = await clerk.certified(person, "zhejiang", "shanghai")
    await first.do("settle")
    (close,) = await clerk.wire.settle_without("TransferClosed")
    second = await clerk.received(person, "shanghai", "jiangsu")
    refused = await second.do("seal", expect=409)
    assert [one["rule"] for one in refused["errors"]] == ["R01"]
    await clerk.wire.hand_over(close)
    await second.do("seal")
    await clerk.wire.settle()
    await second.do("settle")
    await clerk.wire.settle()
    assert await clerk.watch.who_answers(person) == "jiangsu"


async def test_asked_of_the_wrong_origin_it_is_returned_and_corrected_under_the_same_number(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    wrong = await clerk.apply(person, "anhui", "shanghai")
    await wrong.do("accept")
    looked = await wrong.do("look-up")
    assert looked["people"][0]["standing"]["kind"] == "ABSENT"
    for act in ("submit", "approve"):
        await wrong.do(act)
    await clerk.wire.settle()
    await wrong.do("seal", expect=409)
    await wrong.do("return", {"code": "R01"})
    await clerk.wire.settle()
    assert await wrong.states() == (["VOID"], ["RETURNED"])
    corrected = await clerk.settled(person, "zhejiang", "shanghai", previous=wrong)
    assert corrected.opened["apply_no"] == wrong.opened["apply_no"]
    assert corrected.case != wrong.case
    assert (await corrected.at_origin())["previous_case"] == wrong.case
    assert await clerk.watch.who_answers(person) == "shanghai"


async def test_asked_of_an_origin_that_the_person_has_left_is_returned_as_moved_out(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    await clerk.settled(person, "zhejiang", "shanghai")
    late = await clerk.received(person, "zhejiang", "jiangsu")
    await late.do("seal", expect=409)
    await late.do("return", {"code": "R03", "heading_to": "shanghai"})
    await clerk.wire.settle()
    assert await late.states() == (["VOID"], ["RETURNED"])
    assert await clerk.watch.who_answers(person) == "shanghai"
