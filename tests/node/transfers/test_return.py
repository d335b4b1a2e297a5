"""退回 with R01-R10: a code that has a check needs its finding, the others are the officer's choice."""

from typing import Any
from uuid import UUID

import pytest

from shared.contract.codes import ReturnCode
from shared.contract.messages import PermitReturned
from tests.node.bureau import Bureau, faults
from tests.node.people import STRANGER, WANG, ZHOU, ZHOU_SON, Person
from tests.node.transfers.cases import O_VERIFIER, permit_for, received
from tests.node.transfers.traces import assert_audited, receipts

CHECKED = ["R01", "R02", "R03", "R05", "R10"]
CHOSEN = ["R04", "R06", "R07", "R08", "R09"]


async def hold(zhejiang: Bureau, kind: str) -> None:
    body = {"citizen_id_no": WANG.citizen_id_no, "kind": kind, "reason": "演示"}
    assert (await zhejiang.ask(O_VERIFIER, "POST", "/api/v1/holds", body)).status_code == 201


@pytest.mark.parametrize("code", CHOSEN)
async def test_the_officers_choice_needs_no_finding(zhejiang: Bureau, code: str) -> None:
    case = await received(zhejiang)
    told = await zhejiang.done(O_VERIFIER, case, "return", {"code": code, "reason_text": "演示"})
    assert (told["states"], told["returned"]["code"]) == (["RETURNED"], code)
    sent = await zhejiang.said(PermitReturned, to="shanghai")
    assert (sent.case, sent.places, sent.code, sent.reason_text) == (UUID(case), (1,), ReturnCode(code), "演示")
    assert (await zhejiang.resident(WANG.citizen_id_no)).kind == "ACTIVE"
    assert await zhejiang.owed(case) == {}
    assert await receipts(zhejiang, case) == []
    await assert_audited(zhejiang, "return", case, by=O_VERIFIER, members={1: "RETURNED"}, peer="shanghai")


@pytest.mark.parametrize("code", CHECKED)
async def test_a_checked_code_without_its_finding_is_refused(zhejiang: Bureau, code: str) -> None:
    case = await received(zhejiang)
    before = await zhejiang.fingerprint()
    answer = await zhejiang.act(O_VERIFIER, case, "return", {"code": code})
    assert (answer.status_code, faults(answer)) == (422, [("code", "no_finding")])
    assert code in answer.json()["errors"][0]["zh"]
    assert await zhejiang.fingerprint() == before


async def test_r01_when_nobody_of_that_number_is_here(zhejiang: Bureau) -> None:
    case = await received(zhejiang, permit_for(STRANGER))
    await zhejiang.done(O_VERIFIER, case, "return", {"code": "R01"})
    assert (await zhejiang.said(PermitReturned, to="shanghai")).code is ReturnCode.R01


async def test_r02_when_the_name_differs(zhejiang: Bureau) -> None:
    case = await received(zhejiang, permit_for(Person(WANG.citizen_id_no, "汪演示")))
    await zhejiang.done(O_VERIFIER, case, "return", {"code": "R02"})


async def test_r03_when_the_registration_has_ended(zhejiang: Bureau) -> None:
    row = await zhejiang.resident(WANG.citizen_id_no)
    await zhejiang.rows("UPDATE resident SET kind = 'CANCELLED' WHERE id = :r RETURNING id", r=row.id)
    await zhejiang.done(O_VERIFIER, await received(zhejiang), "return", {"code": "R03"})


@pytest.mark.parametrize(("kind", "code"), [("RESTRICTED_PERSON", "R05"), ("DUPLICATE_NUMBER", "R10")])
async def test_r05_and_r10_when_a_hold_says_so(zhejiang: Bureau, kind: str, code: str) -> None:
    case = await received(zhejiang)
    await hold(zhejiang, kind)
    await zhejiang.done(O_VERIFIER, case, "return", {"code": code})


async def test_the_whole_household_is_returned(zhejiang: Bureau) -> None:
    case = await received(zhejiang, permit_for(ZHOU, ZHOU_SON))
    await zhejiang.done(O_VERIFIER, case, "return", {"code": "R09", "reason_text": "随迁人不符"})
    assert (await zhejiang.said(PermitReturned, to="shanghai")).places == (1, 2)


async def test_it_may_be_said_where_the_person_is_heading(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    await zhejiang.done(O_VERIFIER, case, "return", {"code": "R04", "heading_to": "jiangsu"})
    assert (await zhejiang.said(PermitReturned, to="shanghai")).heading_to == "jiangsu"


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({"code": "R11"}, "code", "enum"),
        ({}, "code", "missing"),
        ({"code": "R06", "heading_to": "Mars!"}, "heading_to", "string_pattern_mismatch"),
        ({"code": "R06", "heading_to": "fujian"}, "heading_to", "unknown_bureau"),
        ({"code": "R06", "reason_text": "x" * 501}, "reason_text", "string_too_long"),
    ],
)
async def test_a_bad_form_is_named(zhejiang: Bureau, body: dict[str, Any], field: str, rule: str) -> None:
    case = await received(zhejiang)
    answer = await zhejiang.act(O_VERIFIER, case, "return", body)
    assert (answer.status_code, faults(answer)) == (422, [(field, rule)])
    assert await zhejiang.states(case) == {1: "RECEIVED"}


async def test_the_permit_said_again_is_answered_by_the_return_again(zhejiang: Bureau) -> None:
    permit = permit_for()
    case = await received(zhejiang, permit)
    await zhejiang.done(O_VERIFIER, case, "return", {"code": "R06"})
    first = await zhejiang.said(PermitReturned, to="shanghai")
    await zhejiang.told(permit, by="shanghai")
    assert await zhejiang.said(PermitReturned, to="shanghai") == first
