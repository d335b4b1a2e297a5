"""Asking the origin's register about the people of a case: advice for the officer, never a gate."""

from datetime import date
from uuid import UUID

from shared.contract.codes import Standing
from shared.contract.questions import (
    PersonStatus,
    PersonStatusAnswer,
    ResidentExcerpt,
    ResidentForTransfer,
    ResidentForTransferAnswer,
)
from tests.node.bureau import Bureau
from tests.node.people import WANG, ZHAPU, ZHOU_SON
from tests.node.transfers.cases import COUNTER, application, at_destination

EXCERPT = ResidentExcerpt(
    name=WANG.name,
    sex="2",
    born_on=date(1990, 3, 7),
    division_code="330482",
    address="演示路1号",
    station_code=ZHAPU,
    station_name="乍浦派出所",
    household_no="000000001",
    relation_code="02",
    holds=("RECORD_LOCKED",),
)


async def test_the_officer_reads_what_the_origin_says(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    shanghai.peers.answers[PersonStatus] = lambda question: PersonStatusAnswer(kind=Standing.HERE, epoch=1)
    shanghai.peers.answers[ResidentForTransfer] = lambda question: ResidentForTransferAnswer(found=True, resident=EXCERPT)
    told = await shanghai.done(COUNTER, case, "look-up")
    (person,) = told["people"]
    assert (person["place"], person["standing"]["kind"], person["resident"]["holds"]) == (1, "HERE", ["RECORD_LOCKED"])


async def test_the_question_names_role_purpose_and_case_and_hides_the_officer(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "ACCEPTED", application(WANG, ZHOU_SON))
    await shanghai.done(COUNTER, case, "look-up")
    assert {bureau for bureau, _ in shanghai.peers.asked} == {"zhejiang"}
    questions = [asked.question for _, asked in shanghai.peers.asked]
    for person in (WANG, ZHOU_SON):
        assert PersonStatus(citizen_id_no=person.citizen_id_no) in questions
        assert ResidentForTransfer(citizen_id_no=person.citizen_id_no, name=person.name) in questions
    for _, asked in shanghai.peers.asked:
        assert (asked.asker.role, asked.asker.purpose, asked.asker.case) == ("counter", "household_transfer", case)
        assert asked.asker.officer is not None
        assert COUNTER not in asked.asker.officer


async def test_a_silent_origin_is_said_and_stops_nothing(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    shanghai.peers.down.add("zhejiang")
    told = await shanghai.done(COUNTER, case, "look-up")
    assert list(told["people"][0]) == ["place", "no_answer"]
    assert "zhejiang" in told["people"][0]["no_answer"]
    await shanghai.done(COUNTER, case, "submit")


async def test_a_silent_origin_is_waited_for_once_however_many_move(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "ACCEPTED", application(WANG, ZHOU_SON))
    shanghai.peers.down.add("zhejiang")
    asked: list[str] = []
    shanghai.wiring.peers._counted = lambda peer, question, outcome: asked.append(outcome)
    told = await shanghai.done(COUNTER, case, "look-up")
    assert [list(person) for person in told["people"]] == [["place", "no_answer"]] * 2
    assert asked == ["no_answer"]


async def test_it_is_audited_with_the_case(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    await shanghai.done(COUNTER, case, "look-up")
    rows = await shanghai.audit(case_id=UUID(case), actor=COUNTER)
    assert rows[-1].action == "transfers.look_up_origin"


async def test_for_a_case_that_has_ended_nobody_is_looked_up(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "WITHDRAWN")
    assert (await shanghai.act(COUNTER, case, "look-up")).status_code == 409
    assert shanghai.peers.asked == []
