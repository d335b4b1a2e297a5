"""Questions between bureaus: what each row answers, what a question settles on the spot, and whom nobody tells anything."""

from uuid import UUID

from shared.contract.codes import Standing
from shared.contract.messages import TransferSettled
from shared.contract.questions import ResidentForTransfer, ResidentForTransferAnswer, TransferStateAnswer
from shared.contract.registry import decode
from shared.envelope import Proof, verify_proof
from tests.federation.asking import COUNTER, standing
from tests.federation.clerk import Clerk, Transfer
from tests.federation.people import SPOUSE


async def state_of(clerk: Clerk, transfer: Transfer, *, by: str, asked: str) -> TransferStateAnswer:
    """The node asks its counterpart about a case; what the answer brings goes through the ordinary receive."""
    return await clerk.network.nodes[by].wiring.enquiries.state_of(asked, UUID(transfer.case))


# ---- PersonStatus: each row of protocol.md 3 ------------------------------------------------------------------------------


async def test_who_is_registered_is_here(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    told = await standing(clerk, "zhejiang", person)
    assert (told.kind, told.epoch, told.case, told.proof) == (Standing.HERE, 1, None, None)


async def test_who_was_never_here_is_absent(clerk: Clerk) -> None:
    told = await standing(clerk, "shanghai", await clerk.resident("zhejiang"))
    assert (told.kind, told.epoch) == (Standing.ABSENT, None)


async def test_who_is_moved_out_and_not_yet_settled_is_still_here_and_on_the_way(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    told = await standing(clerk, "zhejiang", person)
    assert (told.kind, told.epoch, told.counterpart) == (Standing.IN_TRANSIT, 1, "shanghai")
    assert str(told.case) == transfer.case
    assert (await standing(clerk, "shanghai", person)).kind is Standing.ABSENT


async def test_who_has_moved_is_told_with_the_settlement_that_the_new_bureau_signed(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.settled(person)
    told = await standing(clerk, "zhejiang", person)
    assert (told.kind, told.epoch, told.counterpart) == (Standing.MOVED, 1, "shanghai")
    assert told.since == clerk.network.clock.at.date()
    assert told.proof is not None
    # A third bureau checks it with the trust list alone: that the new bureau said to the old one that this case is settled.
    proven = verify_proof(Proof(**told.proof.model_dump()), clerk.network.nodes["jiangsu"].wiring.node.trust.current)
    assert (proven.iss, proven.to, proven.key) == ("shanghai", "zhejiang", transfer.case)
    said = decode(proven.content.encode())
    assert isinstance(said, TransferSettled)
    assert (str(said.case), [(one.place, one.epoch) for one in said.settled]) == (transfer.case, [(1, 2)])
    assert person.number not in proven.content
    assert (await standing(clerk, "shanghai", person)).kind is Standing.HERE


async def test_who_is_asked_about_while_arriving_is_settled_on_the_spot(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("settle")
    (close,) = await clerk.wire.settle_without("TransferClosed")
    assert await transfer.states() == (["SETTLING"], ["GONE"])
    told = await standing(clerk, "shanghai", person)
    assert (told.kind, told.epoch) == (Standing.HERE, 2)
    assert await transfer.states() == (["HERE"], ["GONE"])
    await clerk.wire.hand_over(close)  # the same close by the bus: no second effect
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_who_is_arriving_and_whose_origin_is_silent_is_told_as_arriving(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("settle")
    await clerk.wire.settle_without("TransferClosed", "TransferSettled")
    clerk.network.unreachable.add("zhejiang")
    told = await standing(clerk, "shanghai", person)
    assert (told.kind, told.epoch, told.counterpart) == (Standing.ARRIVING, 2, "zhejiang")
    assert str(told.case) == transfer.case


async def test_who_has_signed_and_is_asked_about_before_the_origin_has_heard_is_arriving(clerk: Clerk) -> None:
    """The settlement itself travels by the bus: a question does not bring it, so the origin still answers."""
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("settle")
    assert (await standing(clerk, "shanghai", person)).kind is Standing.ARRIVING
    assert (await standing(clerk, "zhejiang", person)).kind is Standing.IN_TRANSIT
    assert await clerk.watch.who_answers(person) == "zhejiang"
    await clerk.wire.settle()
    assert (await standing(clerk, "shanghai", person)).kind is Standing.HERE


async def test_who_comes_back_is_arriving_although_the_old_row_says_moved(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    await clerk.settled(person, "zhejiang", "shanghai")
    back = await clerk.certified(person, "shanghai", "zhejiang")
    await back.do("settle")
    told = await standing(clerk, "zhejiang", person)
    assert (told.kind, told.epoch, told.counterpart) == (Standing.ARRIVING, 3, "shanghai")
    assert (await standing(clerk, "shanghai", person)).kind is Standing.IN_TRANSIT
    await clerk.wire.settle()
    assert (await standing(clerk, "zhejiang", person)).epoch == 3


async def test_who_was_restored_is_here(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("void")
    await clerk.wire.settle()
    told = await standing(clerk, "zhejiang", person)
    assert (told.kind, told.epoch, told.case) == (Standing.HERE, 1, None)


async def test_the_counter_that_reads_the_case_settles_it_by_asking(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("settle")
    await clerk.wire.settle_without("TransferClosed")
    assert (await transfer.at_destination())["states"] == ["HERE"]


# ---- ResidentForTransfer ------------------------------------------------------------------------------------------------


async def test_an_application_is_shown_the_household_as_registered_and_nothing_more(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", ("02", SPOUSE))
    peers = clerk.network.nodes["shanghai"].wiring.peers
    question = ResidentForTransfer(citizen_id_no=people[1].number, name=people[1].name)
    told = await peers.ask("zhejiang", question, asker=COUNTER, answer=ResidentForTransferAnswer)
    assert told.resident is not None
    assert (told.resident.name, told.resident.relation_code, told.resident.holds) == (people[1].name, SPOUSE, ())
    assert [one.citizen_id_no for one in told.resident.household] == [one.number for one in people]
    assert told.resident.station_name == "乍浦派出所"


async def test_nobody_is_found_where_nobody_is_registered_or_any_more(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    peers = clerk.network.nodes["jiangsu"].wiring.peers
    question = ResidentForTransfer(citizen_id_no=person.number, name=person.name)
    assert not (await peers.ask("shanghai", question, asker=COUNTER, answer=ResidentForTransferAnswer)).found
    await clerk.settled(person)
    assert not (await peers.ask("zhejiang", question, asker=COUNTER, answer=ResidentForTransferAnswer)).found
    assert (await peers.ask("shanghai", question, asker=COUNTER, answer=ResidentForTransferAnswer)).found


async def test_a_look_up_shows_standing_and_excerpt_of_everybody_in_the_case(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", ("02", SPOUSE))
    transfer = await clerk.apply(people)
    shown = (await transfer.do("look-up"))["people"]
    assert [(one["place"], one["standing"]["kind"]) for one in shown] == [(1, "HERE"), (2, "HERE")]
    assert [one["resident"]["name"] for one in shown] == [one.name for one in people]


async def test_a_look_up_says_so_when_there_is_no_answer_and_the_case_goes_on(clerk: Clerk) -> None:
    transfer = await clerk.apply(await clerk.resident("zhejiang"))
    clerk.network.unreachable.add("zhejiang")
    shown = (await transfer.do("look-up"))["people"]
    assert shown[0].keys() == {"place", "no_answer"}
    assert "zhejiang" in shown[0]["no_answer"]
    await transfer.do("accept")


# ---- TransferState ------------------------------------------------------------------------------------------------------


async def test_a_seal_asks_first_and_hears_of_a_void_that_the_bus_has_not_brought(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("void")
    await transfer.do("seal", expect=409)
    assert await transfer.states() == (["VOID"], ["VOID"])
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["VOID"])


async def test_a_seal_without_an_answer_needs_the_officers_word(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    clerk.network.unreachable.add("shanghai")
    silent = await transfer.do("seal", expect=409)
    assert silent["code"] == "counterpart_silent"
    heard = f"{clerk.network.machine['zhejiang'].now():%Y-%m-%d}"
    assert "shanghai" in silent["detail"]
    assert heard in silent["detail"]  # since when it has been silent
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])
    await transfer.do("seal", {"without_answer": True})
    await clerk.wire.settle()
    assert await transfer.states() == (["CERTIFIED"], ["SEALED"])


async def test_a_question_about_a_case_brings_the_void_that_is_lost_on_the_bus(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("void")
    await clerk.wire.settle_without("TransferVoided")
    answer = await state_of(clerk, transfer, by="zhejiang", asked="shanghai")
    assert (answer.side, [one.state for one in answer.states], len(answer.sealed)) == ("destination", ["VOID"], 1)
    assert await transfer.states() == (["VOID"], ["RESTORED"])


async def test_a_question_about_a_case_brings_the_return_that_is_lost_on_the_bus(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("return", {"code": "R06"})
    await clerk.wire.settle_without("PermitReturned")
    answer = await state_of(clerk, transfer, by="shanghai", asked="zhejiang")
    assert (answer.side, [one.state for one in answer.states]) == ("origin", ["RETURNED"])
    assert await transfer.states() == (["VOID"], ["RETURNED"])


async def test_a_question_about_a_case_brings_the_close_that_is_lost_on_the_bus(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", ("02", SPOUSE))
    transfer = await clerk.certified(people)
    await transfer.do("settle", {"signed": [1], "not_signing": [2]})
    await clerk.wire.settle_without("TransferClosed")
    answer = await state_of(clerk, transfer, by="shanghai", asked="zhejiang")
    assert [(one.place, one.state, one.epoch) for one in answer.states] == [(1, "GONE", 2), (2, "RESTORED", 2)]
    assert await transfer.states() == (["HERE", "VOID"], ["GONE", "RESTORED"])


async def test_an_open_case_is_told_as_it_stands_and_brings_nothing(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    answer = await state_of(clerk, transfer, by="shanghai", asked="zhejiang")
    assert ([one.state for one in answer.states], answer.sealed) == (["SEALED"], ())


async def test_a_bureau_that_has_no_part_in_a_case_is_told_that_it_is_unknown(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    answer = await state_of(clerk, transfer, by="anhui", asked="zhejiang")
    assert (answer.side, answer.states, answer.sealed) == (None, (), ())
