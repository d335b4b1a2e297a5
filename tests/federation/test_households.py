"""Households: one case, one message an act, members who do not sign, heads who leave, booklets that end meanwhile."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from sqlalchemy import select, update

from services.bureau.population.tables import household, resident
from shared.audit import audit
from tests.federation.clerk import Clerk
from tests.federation.gauge import effects
from tests.federation.people import HEAD, OTHER_STATIONS, SON, SPOUSE, STATIONS, Person

FAMILY = (HEAD, SPOUSE, SON)


async def relations(clerk: Clerk, bureau: str, people: Sequence[Person]) -> list[tuple[str, str, str]]:
    """(row, relation to the head, household number) of each, at one bureau."""
    found = []
    for person in people:
        statement = (
            select(resident.c.kind, resident.c.relation_code, household.c.household_no)
            .join(household, household.c.id == resident.c.household_id)
            .where(resident.c.citizen_id_index == person.number)
        )
        (row,) = await clerk.rows(bureau, statement)
        found.append((row.kind, row.relation_code, row.household_no))
    return found


async def dissolve(clerk: Clerk, bureau: str, household_no: str) -> None:
    """As when a house is pulled down: no act of this issue ends a booklet in which somebody is still entered."""
    ended = update(household).where(household.c.household_no == household_no).values(dissolved_on=date(2021, 3, 2))
    await clerk.change(bureau, ended)


async def test_a_couple_moves_as_one_case_with_one_message_an_act(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", (HEAD, SPOUSE))
    transfer = await clerk.settled(people, new_household=True, relations=(HEAD, SPOUSE))
    assert await transfer.states() == (["HERE", "HERE"], ["GONE", "GONE"])
    assert Counter(clerk.wire.names(transfer.case)) == dict.fromkeys(
        ("PermitIssued", "MigrationCertificateIssued", "TransferSettled", "TransferClosed"), 1
    )
    now = await relations(clerk, "shanghai", people)
    assert [row[:2] for row in now] == [("ACTIVE", HEAD), ("ACTIVE", SPOUSE)]
    assert len({row[2] for row in now}) == 1


async def test_a_booklet_that_everybody_has_left_is_dissolved(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", FAMILY)
    ((_, _, number), *_) = await relations(clerk, "zhejiang", people)
    await clerk.settled(people, new_household=True)
    (row,) = await clerk.rows("zhejiang", select(household.c.dissolved_on).where(household.c.household_no == number))
    assert row.dissolved_on is not None


async def test_who_does_not_sign_is_void_and_restored_in_the_commit_that_closes_the_other(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", (HEAD, SPOUSE))
    transfer = await clerk.certified(people)
    await transfer.do("settle", {"signed": [1], "not_signing": [2], "not_signing_reason": "拒绝签字"})
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE", "VOID"], ["GONE", "RESTORED"])
    both = select(audit.c.change).where(audit.c.action == "transfers.TransferSettled")
    (row,) = await clerk.rows("zhejiang", both)
    assert [member["state"] for member in row.change["members"]] == ["GONE", "RESTORED"]
    assert clerk.wire.names(transfer.case)[-2:] == ["TransferSettled", "TransferClosed"]
    assert [await clerk.watch.who_answers(one) for one in people] == ["shanghai", "zhejiang"]
    await transfer.do("restore")
    # The head has gone: who returns to a booklet without one is its head.
    assert (await relations(clerk, "zhejiang", people[1:]))[0][:2] == ("ACTIVE", HEAD)


async def test_of_three_two_sign_and_the_third_is_voided_and_may_move_later(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", FAMILY)
    transfer = await clerk.certified(people, new_household=True)
    await transfer.do("settle", {"signed": [1, 3], "not_signing": [2]})
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE", "VOID", "HERE"], ["GONE", "RESTORED", "GONE"])
    await transfer.do("restore")
    later = await clerk.settled(people[1])
    assert await later.states() == (["HERE"], ["GONE"])
    assert {await clerk.watch.who_answers(one) for one in people} == {"shanghai"}


async def test_every_member_must_be_named_as_signed_or_as_not_signing(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", (HEAD, SPOUSE))
    transfer = await clerk.certified(people)
    problem = await transfer.do("settle", {"signed": [1]}, expect=422)
    assert [(one["field"], one["rule"]) for one in problem["errors"]] == [("signed", "members")]
    assert await transfer.states() == (["CERTIFIED"] * 2, ["SEALED"] * 2)


async def test_a_settlement_that_is_lost_is_healed_for_those_who_signed_and_for_those_who_did_not(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", (HEAD, SPOUSE))
    transfer = await clerk.certified(people)
    await transfer.do("settle", {"signed": [1], "not_signing": [2]})
    assert len(await clerk.wire.settle_without("TransferSettled")) == 1
    await clerk.network.tick(days=1)  # both ends ask: the origin for the settlement, the destination for the close
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE", "VOID"], ["GONE", "RESTORED"])
    assert (await effects(clerk.network, transfer.case))["TransferClosed"] == 1


async def test_the_head_leaves_only_after_one_of_those_who_stay_is_named_head(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", FAMILY)
    transfer = await clerk.received(people[0])
    missing = await transfer.do("seal", expect=422)
    assert [(one["field"], one["rule"]) for one in missing["errors"]] == [("new_head", "missing")]
    leaving = await transfer.do("seal", {"new_head": people[0].number}, expect=422)
    assert [one["rule"] for one in leaving["errors"]] == ["not_staying"]
    await transfer.do("seal", {"new_head": people[1].number})
    await clerk.wire.settle()
    now = await relations(clerk, "zhejiang", people)
    assert [row[:2] for row in now] == [("IN_TRANSIT", "12"), ("ACTIVE", HEAD), ("ACTIVE", "20")]
    await transfer.do("settle")
    await clerk.wire.settle()
    assert [row[0] for row in await relations(clerk, "zhejiang", people)] == ["MOVED", "ACTIVE", "ACTIVE"]


async def test_a_head_who_comes_back_finds_another_head_and_is_entered_as_the_relative(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", FAMILY)
    transfer = await clerk.received(people[0])
    await transfer.do("seal", {"new_head": people[1].number})
    await clerk.wire.settle()
    await transfer.do("void")
    await clerk.wire.settle()
    await transfer.do("restore")
    now = await relations(clerk, "zhejiang", people)
    assert [row[0] for row in now] == ["ACTIVE"] * 3
    assert [row[1] for row in now].count(HEAD) == 1
    assert now[1][1] == HEAD
    assert len({row[2] for row in now}) == 1


async def test_who_is_restored_after_the_booklet_was_dissolved_is_entered_in_another(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    host = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    ((_, _, number),) = await relations(clerk, "zhejiang", [person])
    ((_, _, other),) = await relations(clerk, "zhejiang", [host])
    await dissolve(clerk, "zhejiang", number)
    await transfer.do("void")
    await clerk.wire.settle()
    refused = await transfer.do("restore", expect=409)
    assert refused["code"] == "dissolved"
    unknown = await transfer.do("restore", {"household_no": "999999999"}, expect=422)
    assert [one["rule"] for one in unknown["errors"]] == ["unknown_household"]
    await transfer.do("restore", {"household_no": other, "relation_to_head_code": "97"})
    assert await relations(clerk, "zhejiang", [person]) == [("ACTIVE", "97", other)]


async def test_a_household_that_ends_between_signing_and_close_is_replaced(clerk: Clerk) -> None:
    """The origin has let go: the arrival cannot be refused any more."""
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("settle")
    (close,) = await clerk.wire.settle_without("TransferClosed")
    _, number = await clerk.sponsor(STATIONS["shanghai"], "shanghai")
    await dissolve(clerk, "shanghai", number)
    await clerk.wire.hand_over(close)
    assert await transfer.states() == (["HERE"], ["GONE"])
    ((kind, relation, entered),) = await relations(clerk, "shanghai", [person])
    assert (kind, relation) == ("ACTIVE", HEAD)
    assert entered != number


async def test_members_of_two_households_are_returned_as_differing(clerk: Clerk) -> None:
    people = [await clerk.resident("zhejiang"), await clerk.resident("zhejiang")]
    transfer = await clerk.received(people)
    refused = await transfer.do("seal", expect=409)
    assert [one["rule"] for one in refused["errors"]] == ["R09"]
    await transfer.do("return", {"code": "R09"})
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID", "VOID"], ["RETURNED", "RETURNED"])


async def test_one_member_with_a_finding_holds_up_the_whole_permit(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", (HEAD, SPOUSE))
    stranger = clerk.people.make("330482")
    transfer = await clerk.received([people[0], stranger])
    refused = await transfer.do("seal", {"new_head": people[1].number}, expect=409)
    assert [(one["field"], one["rule"]) for one in refused["errors"]] == [("permit.members.2", "R01")]
    assert await transfer.states() == (["APPROVED"] * 2, ["RECEIVED"] * 2)


async def test_a_household_joins_an_existing_one_at_another_station(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", (HEAD, SON))
    transfer = await clerk.settled(people, station=OTHER_STATIONS["shanghai"])
    assert await transfer.states() == (["HERE", "HERE"], ["GONE", "GONE"])
    _, number = await clerk.sponsor(OTHER_STATIONS["shanghai"], "shanghai")
    assert {row[2] for row in await relations(clerk, "shanghai", people)} == {number}
