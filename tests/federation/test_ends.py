"""How a transfer ends without a move: returned, withdrawn, void at each point, cancelled; and what crosses on the way."""

from collections.abc import Awaitable, Callable

import pytest

from services.bureau.population import acts as population
from services.bureau.population.tables import HoldKind
from shared.database import Session
from tests.federation.clerk import Clerk, Transfer
from tests.federation.people import OTHER_STATIONS, Person

# ---- returns ------------------------------------------------------------------------------------------------------------


async def hold(clerk: Clerk, person: Person, kind: HoldKind) -> None:
    node = clerk.network.nodes["zhejiang"]

    async def unit(session: Session) -> None:
        row = await population.find_resident(session, person.number)
        assert row is not None
        await population.place_hold(session, row.id, kind=kind, reason="试验", consequences=node.wiring.consequences)

    await node.wiring.database.run(unit, name="test.hold")


async def nothing(clerk: Clerk, person: Person) -> None:
    """The officer knows it; the register does not show it."""


def held(kind: HoldKind) -> Callable[[Clerk, Person], Awaitable[None]]:
    async def cause(clerk: Clerk, person: Person) -> None:
        await hold(clerk, person, kind)

    return cause


async def moved_away(clerk: Clerk, person: Person) -> None:
    await clerk.settled(person, "zhejiang", "jiangsu")


# code, what causes it at the origin before the permit is looked at, whether the register itself shows it
RETURNS = [
    ("R03", moved_away, True),
    ("R04", held(HoldKind.OTHER_BUSINESS), True),
    ("R04", held(HoldKind.RECORD_LOCKED), True),
    ("R04", nothing, False),
    ("R05", held(HoldKind.RESTRICTED_PERSON), True),
    ("R06", nothing, False),
    ("R07", nothing, False),
    ("R08", nothing, False),
    ("R09", nothing, False),
    ("R10", held(HoldKind.DUPLICATE_NUMBER), True),
]


@pytest.mark.parametrize(("code", "cause", "shown"), RETURNS)
async def test_a_permit_is_returned_with_its_code_and_voids_the_case(
    clerk: Clerk, code: str, cause: Callable[[Clerk, Person], Awaitable[None]], shown: bool
) -> None:
    person = await clerk.resident("zhejiang")
    await cause(clerk, person)
    transfer = await clerk.received(person)
    if shown:
        refused = await transfer.do("seal", expect=409)
        assert code in [one["rule"] for one in refused["errors"]]
    await transfer.do("return", {"code": code, "reason_text": "详见附件"})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RETURNED"])
    told = await transfer.at_destination()
    assert (told["returned"]["code"], told["returned"]["reason_text"]) == (code, "详见附件")
    assert told["members"][0]["void_reason"] == "RETURNED"


async def test_a_name_that_differs_from_the_register_is_returned_as_differing(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    misspelt = Person(person.number, "误演示", person.sex, person.born_on)
    transfer = await clerk.received(misspelt)
    await transfer.do("seal", expect=409)
    await transfer.do("return", {"code": "R02"})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RETURNED"])


async def test_a_code_that_the_register_contradicts_is_not_accepted(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    problem = await transfer.do("return", {"code": "R01"}, expect=422)
    assert [(one["field"], one["rule"]) for one in problem["errors"]] == [("code", "no_finding")]
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])


async def test_the_wrong_station_returns_it_and_says_where_the_person_belongs(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang", station=OTHER_STATIONS["zhejiang"])
    wrong = await clerk.received(person)
    refused = await wrong.do("seal", expect=409)
    assert [one["rule"] for one in refused["errors"]] == ["R08"]
    await wrong.do("return", {"code": "R08", "heading_to": "zhejiang", "reason_text": "新埭派出所"})
    await clerk.wire.settle()
    corrected = await clerk.settled(person, origin_station=OTHER_STATIONS["zhejiang"], previous=wrong)
    assert corrected.opened["apply_no"] == wrong.opened["apply_no"]
    assert await clerk.watch.who_answers(person) == "shanghai"


async def test_a_return_whose_message_is_lost_is_said_again_when_the_permit_is(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("return", {"code": "R06"})
    await clerk.wire.settle_without("PermitReturned")
    assert await transfer.states() == (["APPROVED"], ["RETURNED"])
    await clerk.network.tick(hours=1)
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RETURNED"])


# ---- withdrawal and void at the destination -----------------------------------------------------------------------------

# Each state before approval, by the acts that lead to it.
BEFORE_APPROVAL = [(), ("accept",), ("accept", "ask-supplement"), ("accept", "submit")]


@pytest.mark.parametrize("acts", BEFORE_APPROVAL)
async def test_withdrawn_before_approval_says_nothing_to_anybody(clerk: Clerk, acts: tuple[str, ...]) -> None:
    transfer = await clerk.apply(await clerk.resident("zhejiang"))
    for act in acts:
        await transfer.do(act)
    await transfer.do("withdraw")
    await clerk.wire.settle()
    assert await transfer.states() == (["WITHDRAWN"], [])
    assert await transfer.said() == 0


async def test_refused_says_nothing_to_anybody_and_the_person_may_apply_again(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.apply(person)
    for act in ("accept", "submit", "refuse"):
        await transfer.do(act)
    assert (await transfer.states(), await transfer.said()) == ((["REFUSED"], []), 0)
    assert await (await clerk.settled(person)).states() == (["HERE"], ["GONE"])


async def voided_at_approved(clerk: Clerk) -> Transfer:
    return await clerk.received(await clerk.resident("zhejiang"))


async def voided_at_certified(clerk: Clerk) -> Transfer:
    return await clerk.certified(await clerk.resident("zhejiang"))


# where the case stands when it is voided, what the origin makes of it
VOIDS = [(voided_at_approved, "VOID"), (voided_at_certified, "RESTORED")]


@pytest.mark.parametrize("reason", ["WITHDRAWN", "EXPIRED", "INVALID"])
@pytest.mark.parametrize(("begun", "at_origin"), VOIDS)
async def test_a_void_is_told_to_the_origin_with_its_reason(
    clerk: Clerk, begun: Callable[[Clerk], Awaitable[Transfer]], at_origin: str, reason: str
) -> None:
    transfer = await begun(clerk)
    await transfer.do("void", {"reason_code": reason, "reason_text": "申请人书面说明"})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], [at_origin])
    assert (await transfer.at_origin())["members"][0]["void_reason"] == reason
    assert await clerk.watch.who_answers(transfer.people[0]) == "zhejiang"


async def test_a_void_permit_is_not_sealed(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("void")
    await clerk.wire.settle()
    await transfer.do("seal", expect=409)
    assert await transfer.states() == (["VOID"], ["VOID"])


async def test_a_void_that_comes_before_its_permit_leaves_a_tombstone_that_refuses_the_permit(clerk: Clerk) -> None:
    transfer = await clerk.approved(await clerk.resident("zhejiang"))
    await transfer.do("void")
    await clerk.wire.collect()
    permit, void = clerk.wire.last("PermitIssued"), clerk.wire.last("TransferVoided")
    await clerk.wire.hand_over(void)
    await clerk.wire.hand_over(permit)
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["VOID"])
    assert clerk.wire.names(transfer.case) == ["PermitIssued", "TransferVoided"]


async def test_nobody_voids_after_the_citizen_has_signed(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("settle")
    await transfer.do("void", expect=409)
    await clerk.wire.settle()
    await transfer.do("void", expect=409)
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_after_a_restoration_other_business_waits_for_its_entry_which_is_made_once(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("void")
    await clerk.wire.settle()
    assert (await clerk.row_of("zhejiang", person)).restoration_due
    other = await clerk.received(person, "zhejiang", "jiangsu")
    assert [one["rule"] for one in (await other.do("seal", expect=409))["errors"]] == ["R04"]
    await transfer.do("restore")
    await transfer.do("restore", expect=409)
    row = await clerk.row_of("zhejiang", person)
    assert (row.kind, row.epoch, row.restoration_due) == ("ACTIVE", 1, False)
    await other.do("seal")


# ---- what crosses on the way --------------------------------------------------------------------------------------------


async def test_a_void_that_crosses_with_the_seal_restores_the_person(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    clerk.network.unreachable.add("shanghai")  # else the seal would ask first and hear of the void
    await transfer.do("void")
    await transfer.do("seal", {"without_answer": True})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RESTORED"])


async def test_a_void_that_is_lost_is_said_again_to_the_certificate(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    clerk.network.unreachable.add("shanghai")
    await transfer.do("void")
    await clerk.wire.settle_without("TransferVoided")
    await transfer.do("seal", {"without_answer": True})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RESTORED"])


async def test_a_void_that_crosses_with_a_return_ends_both(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("void")
    await transfer.do("return", {"code": "R06"})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RETURNED"])
    assert (await transfer.at_destination())["members"][0]["void_reason"] == "WITHDRAWN"


# ---- cancellation, asked by the origin ----------------------------------------------------------------------------------


async def test_the_citizen_who_stays_after_all_is_restored_when_the_destination_has_voided(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("ask-cancel")
    assert await transfer.states() == (["CERTIFIED"], ["CANCELLING"])
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RESTORED"])
    assert (await transfer.at_destination())["members"][0]["void_reason"] == "CANCELLED"
    await transfer.do("restore")
    assert await (await clerk.settled(person)).states() == (["HERE"], ["GONE"])


async def test_a_cancellation_that_overtakes_the_certificate_voids_the_case(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("seal")
    (certificate,) = await clerk.wire.settle_without("MigrationCertificateIssued")
    await transfer.do("ask-cancel")
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RESTORED"])
    await clerk.wire.hand_over(certificate)
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RESTORED"])


async def test_the_settlement_wins_over_a_cancellation_that_crosses_it(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("ask-cancel")
    await transfer.do("settle")
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await clerk.watch.who_answers(person) == "shanghai"


async def test_the_settlement_of_some_wins_for_them_when_a_cancellation_crosses_it(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", ("02", "10"))
    transfer = await clerk.certified(people)
    await transfer.do("ask-cancel")
    await transfer.do("settle", {"signed": [2], "not_signing": [1]})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID", "HERE"], ["RESTORED", "GONE"])


async def test_an_origin_that_has_asked_for_cancellation_neither_reissues_nor_returns(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("ask-cancel")
    for act, body in (("reissue", None), ("return", {"code": "R06"}), ("ask-cancel", None), ("seal", None)):
        await transfer.do(act, body, expect=409)
    assert await transfer.states() == (["CERTIFIED"], ["CANCELLING"])
