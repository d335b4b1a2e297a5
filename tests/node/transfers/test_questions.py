"""What other bureaus ask us: answered by the rule table, audited with their officer's role, purpose and case."""

import json
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from shared.contract.codes import Standing
from shared.contract.messages import TransferClosed, TransferVoided
from shared.contract.questions import (
    Answer,
    Asker,
    PersonStatus,
    Problem,
    Question,
    ResidentForTransfer,
    ResidentForTransferAnswer,
    TransferState,
    TransferStateAnswer,
)
from shared.contract.registry import decode
from shared.envelope import Place, open_envelope
from tests.node.bureau import Bureau
from tests.node.people import FAMILY, LI, STRANGER, WANG, ZHOU
from tests.node.transfers.cases import at_destination, at_origin, closed, received, sealed, settled, settling, voided

CASE = "01936e00-0000-7000-8000-000000000001"
NODE = Asker(role="node", purpose="household_transfer")


def officer(role: str = "counter", purpose: str = "household_transfer", case: str | None = CASE) -> Asker:
    return Asker(officer="a" * 32, role=role, purpose=purpose, case=case)


def message_in(answer: TransferStateAnswer, bureau: Bureau, to: str) -> object:
    (envelope,) = answer.sealed
    opened = open_envelope(
        envelope.encode(),
        place=Place("message", "transfers", topic=f"{to}.transfers", key=""),
        ring=bureau.federation.rings[to],
        trust=bureau.federation.trust,
        seen={},
        now=int(bureau.machine.now().timestamp()),
    )
    return decode(opened.content)


async def standing(bureau: Bureau, number: str, by: str = "shanghai") -> Answer:
    return await bureau.answers(PersonStatus(citizen_id_no=number), officer(), by=by)


async def test_a_resident_is_here(zhejiang: Bureau) -> None:
    told = await standing(zhejiang, WANG.citizen_id_no)
    assert told == told.model_copy(update={"kind": Standing.HERE, "epoch": 1, "case": None, "counterpart": None})


async def test_a_stranger_is_not(zhejiang: Bureau) -> None:
    assert (await standing(zhejiang, STRANGER.citizen_id_no)).kind is Standing.ABSENT  # type: ignore[attr-defined]


async def test_who_is_in_transit_is_still_answered_for(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    told = await standing(zhejiang, WANG.citizen_id_no, by="anhui")
    assert (told.kind, told.epoch, str(told.case), told.counterpart) == (  # type: ignore[attr-defined]
        Standing.IN_TRANSIT,
        1,
        case,
        "shanghai",
    )
    assert told.since.isoformat() == "2020-12-29"  # type: ignore[attr-defined]


async def test_the_day_is_chinas_also_before_eight_in_the_morning(zhejiang: Bureau) -> None:
    case = await at_origin(zhejiang, "SEALED")
    zhejiang.on(2021, 1, 1, hour=6)  # still the 31st in UTC
    await zhejiang.told(settled(case, zhejiang), by="shanghai")
    assert (await standing(zhejiang, WANG.citizen_id_no)).since.isoformat() == "2021-01-01"  # type: ignore[attr-defined]


async def test_who_has_moved_is_pointed_to_with_the_signed_proof(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    settlement = zhejiang.sealed(settled(case, zhejiang), by="shanghai")
    await zhejiang.deliver(settlement)
    told = await standing(zhejiang, WANG.citizen_id_no)
    assert (told.kind, told.counterpart) == (Standing.MOVED, "shanghai")  # type: ignore[attr-defined]
    assert told.proof.envelope == settlement.value.decode()  # type: ignore[attr-defined]
    assert json.loads(told.proof.content)["body"]["case"] == case  # type: ignore[attr-defined]


async def test_who_is_bound_is_arriving(shanghai: Bureau) -> None:
    case = await settling(shanghai)
    told = await standing(shanghai, WANG.citizen_id_no, by="jiangsu")
    assert (told.kind, str(told.case), told.counterpart) == (  # type: ignore[attr-defined]
        Standing.ARRIVING,
        case,
        "zhejiang",
    )


async def test_before_arriving_is_said_the_origin_is_asked(shanghai: Bureau) -> None:
    case = await settling(shanghai)
    close = shanghai.sealed(closed(case, shanghai), by="zhejiang").value.decode()
    states = ({"place": 1, "state": "GONE", "epoch": 2},)
    shanghai.peers.answers[TransferState] = lambda question: TransferStateAnswer(
        side="origin",
        states=states,  # type: ignore[arg-type]
        sealed=(close,),
    )
    told = await standing(shanghai, WANG.citizen_id_no, by="jiangsu")
    assert (told.kind, told.epoch) == (Standing.HERE, 2)  # type: ignore[attr-defined]


async def test_an_excerpt_has_the_household_and_no_more_than_a_permit_needs(zhejiang: Bureau) -> None:
    told = await zhejiang.answers(ResidentForTransfer(citizen_id_no=ZHOU.citizen_id_no, name=ZHOU.name), officer(), by="shanghai")
    resident = told.resident  # type: ignore[attr-defined]
    assert (resident.name, resident.station_name, resident.household_no) == (ZHOU.name, "乍浦派出所", "000000002")
    assert [one.name for one in resident.household] == [person.name for person, _ in FAMILY]  # in the order of the booklet
    assert "演示信仰" not in str(told)
    assert "教师" not in str(told)


async def test_who_has_the_number_and_not_the_name_is_told_nothing_of_the_person(zhejiang: Bureau) -> None:
    question = ResidentForTransfer(citizen_id_no=ZHOU.citizen_id_no, name="假演示")
    told = await zhejiang.answers(question, officer(), by="shanghai")
    assert told == ResidentForTransferAnswer(found=True, name_differs=True)


async def test_the_answer_is_audited_with_who_asked_why_and_what_was_told(zhejiang: Bureau) -> None:
    await zhejiang.answers(
        ResidentForTransfer(citizen_id_no=ZHOU.citizen_id_no, name=ZHOU.name), officer("verifier"), by="shanghai"
    )
    (row,) = await zhejiang.audit("population.read")
    assert (row.actor_kind, row.actor, row.role) == ("peer", "shanghai", "verifier")
    assert (row.purpose, row.case_id) == ("household_transfer", UUID(CASE))
    assert "name" in row.fields
    assert "citizen_id_no" not in row.fields


async def test_a_miss_is_audited_too(zhejiang: Bureau) -> None:
    await standing(zhejiang, STRANGER.citizen_id_no)
    assert (await zhejiang.audit("population.read"))[-1].reason == "not in this register"


@pytest.mark.parametrize(
    "asker",
    [
        NODE,  # a node asks about cases, not about people
        officer("hrss"),
        officer("operator"),
        officer("auditor"),
        officer("janitor"),  # a role that we do not know
        officer(purpose="supervision"),
        officer(purpose="curiosity"),
        officer(case=None),
    ],
)
@pytest.mark.parametrize(
    "question",
    [PersonStatus(citizen_id_no=WANG.citizen_id_no), ResidentForTransfer(citizen_id_no=WANG.citizen_id_no, name=WANG.name)],
    ids=lambda question: type(question).__name__,
)
async def test_who_may_not_ask_is_refused_sealed_and_audited(quiet_zhejiang: Bureau, question: Question, asker: Asker) -> None:
    before = len(await quiet_zhejiang.audit())
    told = await quiet_zhejiang.answers(question, asker, by="shanghai")
    assert isinstance(told, Problem)
    assert (told.status, told.code) == (403, "forbidden")
    assert WANG.name not in str(told)
    (row,) = (await quiet_zhejiang.audit())[before:]  # and none that says that somebody was read
    assert (row.action, row.decision, row.peer) == ("peers.answer", "denied", "shanghai")
    assert row.reason


async def test_a_peer_is_heard_of_although_its_question_is_refused(zhejiang: Bureau) -> None:
    """Its incarnation, too: the answer that was begun is rolled back, the note of its refusal is not."""
    await zhejiang.answers(PersonStatus(citizen_id_no=WANG.citizen_id_no), officer("janitor"), by="shanghai")
    assert (await zhejiang.one("SELECT incarnation FROM peer WHERE bureau = 'shanghai'")).incarnation == 1
    assert zhejiang.wiring.receiver.seen["shanghai"] == 1


async def test_a_question_asked_twice_is_answered_once(zhejiang: Bureau) -> None:
    question, jti = PersonStatus(citizen_id_no=WANG.citizen_id_no), uuid7()
    await zhejiang.answers(question, officer(), by="shanghai", jti=jti)
    told = await zhejiang.answers(question, officer(), by="shanghai", jti=jti)
    assert isinstance(told, Problem)
    assert (told.status, told.code) == (409, "replayed")
    assert len(await zhejiang.audit("population.read")) == 1


async def test_the_counterpart_is_told_how_a_case_stands_with_the_decision_sealed(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    await zhejiang.told(settled(case, zhejiang), by="shanghai")
    told = await zhejiang.answers(TransferState(case=UUID(case)), NODE, by="shanghai", key=case)
    assert isinstance(told, TransferStateAnswer)
    assert (told.side, [(one.place, one.state, one.epoch) for one in told.states]) == ("origin", [(1, "GONE", 2)])
    assert isinstance(message_in(told, zhejiang, "shanghai"), TransferClosed)
    assert len(await zhejiang.sent()) == 2  # certificate and close: the answer is no message of the outbox


async def test_a_void_is_told_the_same_way(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "VOID")
    told = await shanghai.answers(TransferState(case=UUID(case)), NODE, by="zhejiang", key=case)
    assert isinstance(told, TransferStateAnswer)
    assert isinstance(message_in(told, shanghai, "zhejiang"), TransferVoided)


async def test_an_undecided_case_is_told_without_any_message(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    told = await zhejiang.answers(TransferState(case=UUID(case)), NODE, by="shanghai", key=case)
    assert isinstance(told, TransferStateAnswer)
    assert (told.states[0].state, told.sealed) == ("RECEIVED", ())


async def test_a_third_bureau_learns_nothing_about_a_case(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    told = await zhejiang.answers(TransferState(case=UUID(case)), NODE, by="jiangsu", key=case)
    assert isinstance(told, TransferStateAnswer)
    assert (told.side, told.states, told.sealed) == (None, (), ())
    await zhejiang.told(voided(case), by="jiangsu")  # its own tombstone is all it hears of
    told = await zhejiang.answers(TransferState(case=UUID(case)), NODE, by="jiangsu", key=case)
    assert isinstance(told, TransferStateAnswer)
    assert [one.state for one in told.states] == ["VOID"]


async def test_what_is_not_an_envelope_is_refused_plainly_and_audited(zhejiang: Bureau) -> None:
    for body, status in ((b"", 400), (b"{}", 400), (b"x" * (1024 * 1024 + 1), 413)):
        answer = await zhejiang.door.post(PersonStatus.path, content=body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    rows = await zhejiang.audit("peers.answer")
    assert {row.decision for row in rows} == {"refused"}


async def test_a_question_sealed_for_another_bureau_is_refused(zhejiang: Bureau, shanghai: Bureau) -> None:
    envelope = shanghai.sealed_question(PersonStatus(citizen_id_no=LI.citizen_id_no), officer(), by="jiangsu")
    answer = await zhejiang.door.post(PersonStatus.path, content=envelope)
    assert (answer.status_code, answer.json()["check"]) == (400, 3)


async def test_an_unknown_path_of_the_door_is_not_found(zhejiang: Bureau) -> None:
    assert (await zhejiang.door.post("/peer/v1/population/everything", content=b"x")).status_code == 404


async def test_a_question_about_a_case_is_written_down_also_when_there_is_none(zhejiang: Bureau) -> None:
    case = await at_origin(zhejiang, "SEALED")
    for by, reason in (("shanghai", ""), ("jiangsu", "no such case with this peer")):
        await zhejiang.answers(TransferState(case=UUID(case)), NODE, by=by, key=case)
        row = (await zhejiang.audit("transfers.question.transfer_state", case_id=UUID(case)))[-1]
        assert (row.actor_kind, row.actor, row.peer, row.purpose, row.reason) == ("peer", by, by, "household_transfer", reason)
