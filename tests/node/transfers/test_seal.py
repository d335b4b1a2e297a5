"""迁出注销: cancelled out by law, the certificate leaves, and our register still answers."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.contract.messages import MigrationCertificateIssued
from shared.contract.questions import TransferState, TransferStateAnswer
from tests.node.bureau import Bureau, faults
from tests.node.people import FAMILY, STRANGER, WANG, ZHOU, ZHOU_FATHER, ZHOU_SON, ZHOU_WIFE
from tests.node.transfers.cases import O_VERIFIER, at_origin, permit_for, received, sealed, voided
from tests.node.transfers.traces import asks_after, assert_audited, owed_as, receipts, stored_case

CONFIRMED = {"applicant_confirms": True}


async def test_the_row_is_in_transit_and_still_answers(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    row = await zhejiang.resident(WANG.citizen_id_no)
    assert (row.kind, row.epoch, row.case_id, row.counterpart) == ("IN_TRANSIT", 1, UUID(case), "shanghai")
    assert row.version == 2
    assert await zhejiang.states(case) == {1: "SEALED"}
    changes = await zhejiang.rows("SELECT * FROM resident_change WHERE resident_id = :r AND field = 'kind' ORDER BY id", r=row.id)
    assert changes[-1].officer == O_VERIFIER


async def test_the_certificate_carries_the_full_record_and_the_epoch_to_come(zhejiang: Bureau) -> None:
    _, sent = await sealed(zhejiang)
    paper = sent.certificate
    assert (paper.issue, paper.issued_on, paper.valid_until) == (1, date(2020, 12, 29), date(2021, 1, 28))
    assert (paper.holder_id_no, paper.permit_no) == (WANG.citizen_id_no, "沪00000001")
    (member,) = paper.members
    assert (member.place, member.epoch, member.citizen_id_no, member.occupation) == (1, 2, WANG.citizen_id_no, "教师")
    assert "演示信仰" not in str(sent)  # religion is never transferred (个人信息保护法 Art. 28)


async def test_audit_receipt_and_what_is_owed(zhejiang: Bureau) -> None:
    case, sent = await sealed(zhejiang)
    assert await receipts(zhejiang, case) == [("010124", 0, "迁出注销，迁移证已推送")]
    row = await assert_audited(zhejiang, "certify", case, by=O_VERIFIER, members={1: "SEALED"}, peer="shanghai")
    assert row.change["members"][0]["epoch"] == 2
    owed = await zhejiang.owed(case)
    assert set(owed) == {"transfers.settlement"}
    assert owed_as(owed["transfers.settlement"]) == ("shanghai", "by_them", "2021-01-28")
    assert asks_after(owed["transfers.settlement"]) == timedelta(days=1).total_seconds()
    stored = await stored_case(zhejiang, case)
    assert (stored.migration_no, stored.issue) == (sent.certificate.migration_no, 1)


async def test_a_received_permit_was_owed_by_us(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    owed = await zhejiang.owed(case)
    assert owed_as(owed["transfers.certificate"]) == ("shanghai", "by_us", "2020-12-29")
    assert asks_after(owed["transfers.certificate"]) is None


async def test_a_household_is_sealed_as_one(zhejiang: Bureau) -> None:
    permit = permit_for(ZHOU, ZHOU_WIFE, ZHOU_SON, ZHOU_FATHER)
    case, sent = await sealed(zhejiang, permit)
    assert await zhejiang.states(case) == dict.fromkeys((1, 2, 3, 4), "SEALED")
    assert [member.place for member in sent.certificate.members] == [1, 2, 3, 4]
    for one, _ in FAMILY:
        assert (await zhejiang.resident(one.citizen_id_no)).kind == "IN_TRANSIT"


# ---- the destination is asked first -------------------------------------------------------------------------------------


async def test_the_destination_is_asked_whether_the_permit_still_stands(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    assert [(bureau, asked.question) for bureau, asked in zhejiang.peers.asked] == [("shanghai", TransferState(case=UUID(case)))]
    assert zhejiang.peers.asked[0][1].asker.role == "node"


async def test_a_case_that_the_destination_has_voided_is_not_sealed(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    void = zhejiang.sealed(voided(case), by="shanghai").value.decode()
    answer = TransferStateAnswer(side="destination", states=({"place": 1, "state": "VOID"},), sealed=(void,))  # type: ignore[arg-type]
    zhejiang.peers.answers[TransferState] = lambda question: answer
    refused = await zhejiang.act(O_VERIFIER, case, "seal", CONFIRMED)
    assert refused.status_code == 409
    assert await zhejiang.states(case) == {1: "VOID"}
    assert (await zhejiang.resident(WANG.citizen_id_no)).kind == "ACTIVE"
    assert await zhejiang.news() == []


async def test_a_silent_destination_is_told_with_its_silence_and_the_officer_decides(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    zhejiang.peers.down.add("shanghai")
    before = await zhejiang.fingerprint()
    answer = await zhejiang.act(O_VERIFIER, case, "seal", CONFIRMED)
    assert (answer.status_code, answer.json()["code"]) == (409, "counterpart_silent")
    heard = (await zhejiang.one("SELECT last_heard FROM peer WHERE bureau = 'shanghai'")).last_heard
    assert heard.isoformat(timespec="seconds") in answer.json()["detail"]
    assert await zhejiang.fingerprint() == before
    told = await zhejiang.done(O_VERIFIER, case, "seal", CONFIRMED | {"without_answer": True})
    assert [(note["kind"], note["text"]) for note in told["notes"]] == [("without_answer", "shanghai")]


async def test_who_need_not_go_without_an_answer_leaves_no_remark(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    told = await zhejiang.done(O_VERIFIER, case, "seal", CONFIRMED | {"without_answer": True})
    assert told["notes"] == []
    await zhejiang.said(MigrationCertificateIssued, to="shanghai")


async def test_a_key_sent_again_while_the_destination_is_silent_gets_its_answer(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    first = await zhejiang.act(O_VERIFIER, case, "seal", CONFIRMED, Idempotency_Key="seal-1")
    assert first.status_code == 200
    zhejiang.peers.down.add("shanghai")
    again = await zhejiang.act(O_VERIFIER, case, "seal", CONFIRMED, Idempotency_Key="seal-1")
    assert (again.status_code, again.content) == (200, first.content)
    assert len(await zhejiang.news()) == 1


async def test_nobody_is_asked_for_an_officer_who_may_not_seal_this_case(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    zhejiang.peers.down.add("shanghai")
    answer = await zhejiang.act("D33012", case, "seal", CONFIRMED)  # the verifier of another station
    assert answer.status_code == 403
    assert (await zhejiang.audit("transfers.seal", decision="denied"))[-1].actor == "D33012"
    zhejiang.peers.down.clear()
    await zhejiang.act("D33012", case, "seal", CONFIRMED)
    assert zhejiang.peers.asked == []


async def test_nobody_is_asked_about_a_case_that_is_sealed_already(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    zhejiang.peers.down.add("shanghai")
    answer = await zhejiang.act(O_VERIFIER, case, "seal", CONFIRMED)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_in_this_state")


# ---- what speaks against it ---------------------------------------------------------------------------------------------


async def test_the_applicant_must_have_confirmed(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    answer = await zhejiang.act(O_VERIFIER, case, "seal", {"applicant_confirms": False})
    assert (answer.status_code, faults(answer)) == (422, [("applicant_confirms", "not_confirmed")])
    assert await zhejiang.states(case) == {1: "RECEIVED"}


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "applicant_confirms", "missing"),
        ({"applicant_confirms": "perhaps"}, "applicant_confirms", "bool_parsing"),
        (CONFIRMED | {"new_head": "330482199003070288"}, "new_head", "check_digit"),
        (CONFIRMED | {"force": True}, "force", "extra_forbidden"),
    ],
)
async def test_a_bad_form_is_named(quiet_zhejiang: Bureau, body: dict[str, Any], field: str, rule: str) -> None:
    path = "/api/v1/transfers/01936e00-0000-7000-8000-000000000001/seal"
    answer = await quiet_zhejiang.ask(O_VERIFIER, "POST", path, body)
    assert (answer.status_code, faults(answer)) == (422, [(field, rule)])


async def test_when_the_head_leaves_those_who_stay_need_a_new_one(zhejiang: Bureau) -> None:
    case = await received(zhejiang, permit_for(ZHOU))
    answer = await zhejiang.act(O_VERIFIER, case, "seal", CONFIRMED)
    assert (answer.status_code, faults(answer)) == (422, [("new_head", "missing")])
    assert "3" in answer.json()["errors"][0]["zh"]
    for stranger in (ZHOU, STRANGER, WANG):  # who leaves, is in no register, or lives elsewhere
        answer = await zhejiang.act(O_VERIFIER, case, "seal", CONFIRMED | {"new_head": stranger.citizen_id_no})
        assert (answer.status_code, faults(answer)) == (422, [("new_head", "not_staying")])
    await zhejiang.done(O_VERIFIER, case, "seal", CONFIRMED | {"new_head": ZHOU_WIFE.citizen_id_no})
    wife, son, father = [await zhejiang.resident(one.citizen_id_no) for one in (ZHOU_WIFE, ZHOU_SON, ZHOU_FATHER)]
    assert (wife.relation_code, son.relation_code, father.relation_code) == ("02", "20", "97")
    household = await zhejiang.one("SELECT * FROM household WHERE id = :h", h=wife.household_id)
    assert household.head_resident_id == wife.id
    assert household.dissolved_on is None


@pytest.mark.parametrize("leaving", [(ZHOU_SON,), tuple(one for one, _ in FAMILY)])
async def test_a_new_head_who_is_not_needed_is_refused(zhejiang: Bureau, leaving: Any) -> None:
    case = await received(zhejiang, permit_for(*leaving))
    answer = await zhejiang.act(O_VERIFIER, case, "seal", CONFIRMED | {"new_head": ZHOU_WIFE.citizen_id_no})
    assert (answer.status_code, faults(answer)) == (422, [("new_head", "not_needed")])
    assert set((await zhejiang.states(case)).values()) == {"RECEIVED"}


async def test_every_finding_is_told_and_nothing_is_done(zhejiang: Bureau) -> None:
    case = await received(zhejiang, permit_for(WANG, ZHOU_SON, STRANGER))
    zhejiang.on(2021, 2, 7)  # the day after the permit's last
    await zhejiang.ask(
        O_VERIFIER, "POST", "/api/v1/holds", {"citizen_id_no": WANG.citizen_id_no, "kind": "RECORD_LOCKED", "reason": "演示"}
    )
    before = await zhejiang.fingerprint()
    answer = await zhejiang.act(O_VERIFIER, case, "seal", CONFIRMED)
    assert (answer.status_code, answer.json()["code"]) == (409, "findings")
    assert faults(answer) == [
        ("permit.valid_until", "R07"),
        ("permit.members.1", "R04"),
        ("permit.members.3", "R01"),
        ("permit.members", "R09"),
    ]
    assert await zhejiang.fingerprint() == before


async def test_a_person_sealed_for_another_destination_is_not_sealed_again(zhejiang: Bureau) -> None:
    first, _ = await sealed(zhejiang)
    second = permit_for()
    await zhejiang.told(second, by="shanghai")
    answer = await zhejiang.act(O_VERIFIER, second.case, "seal", CONFIRMED)
    assert (answer.status_code, faults(answer)) == (409, [("permit.members.1", "R04")])
    assert first in answer.json()["errors"][0]["en"]


async def test_until_the_restoration_is_entered_a_person_is_not_sealed(zhejiang: Bureau) -> None:
    await at_origin(zhejiang, "RESTORED")
    again = permit_for()
    await zhejiang.told(again, by="shanghai")
    answer = await zhejiang.act(O_VERIFIER, again.case, "seal", CONFIRMED)
    assert (answer.status_code, faults(answer)) == (409, [("permit.members.1", "R04")])
