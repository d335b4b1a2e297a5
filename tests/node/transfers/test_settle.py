"""落户: the citizen signs at the counter. Bound here, and not answered for before the origin has let go."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.contract.messages import TransferSettled
from shared.contract.records import PlaceEpoch
from shared.database import CHINA
from tests.node.bureau import Bureau, faults
from tests.node.people import WANG, ZHOU_SON
from tests.node.transfers.cases import COUNTER, SIGN_ALL, application, certificate_for, certified, closed, talent
from tests.node.transfers.traces import asks_after, assert_audited, owed_as, receipts, stored_case


async def at_the_counter(shanghai: Bureau, form: dict[str, Any] | None = None) -> str:
    case, _ = await certified(shanghai, form)
    shanghai.on(2021, 1, 1)
    return case


async def test_the_origin_is_told_who_signed_and_nothing_else(shanghai: Bureau) -> None:
    case = await at_the_counter(shanghai)
    told = await shanghai.done(COUNTER, case, "settle", SIGN_ALL)
    assert (told["states"], told["members"][0]["label_zh"]) == (["SETTLING"], "落户确认中")
    sent = await shanghai.said(TransferSettled, to="zhejiang")
    assert (sent.case, sent.settled, sent.voided, sent.issue) == (UUID(case), (PlaceEpoch(place=1, epoch=2),), (), 1)
    assert sent.signed_at == datetime(2021, 1, 1, 10, tzinfo=CHINA)
    assert WANG.name not in str(sent)
    assert WANG.citizen_id_no not in str(sent)


async def test_our_register_does_not_answer_yet(shanghai: Bureau) -> None:
    case = await at_the_counter(shanghai)
    await shanghai.done(COUNTER, case, "settle", SIGN_ALL)
    assert await shanghai.resident(WANG.citizen_id_no) is None
    assert await receipts(shanghai, case) == [("010122", 0, "准迁证已推送")]


async def test_a_close_is_owed_and_asked_for_after_a_second(shanghai: Bureau) -> None:
    case = await at_the_counter(shanghai)
    before = await shanghai.owed(case)
    assert owed_as(before["transfers.settlement"]) == ("zhejiang", "by_us", "2021-01-28")
    await shanghai.done(COUNTER, case, "settle", SIGN_ALL)
    owed = await shanghai.owed(case)
    assert set(owed) == {"transfers.close"}
    assert owed["transfers.close"].direction == "by_them"
    assert owed["transfers.close"].due_at - shanghai.clock.now() == timedelta(minutes=10)
    assert asks_after(owed["transfers.close"]) == 1
    await assert_audited(shanghai, "sign", case, by=COUNTER, members={1: "SETTLING"}, peer="zhejiang")


async def test_the_household_of_the_application_is_chosen_at_the_signature(shanghai: Bureau) -> None:
    case = await at_the_counter(shanghai)
    await shanghai.done(COUNTER, case, "settle", SIGN_ALL)
    chosen = (await stored_case(shanghai, case)).household_id
    assert (await shanghai.one("SELECT * FROM household WHERE id = :h", h=chosen)).household_no == "000000001"


async def test_a_talent_gets_a_household_of_her_own(shanghai: Bureau) -> None:
    shanghai.on(2021, 3, 1)
    case = str((await shanghai.ask(COUNTER, "POST", "/api/v1/transfers", talent())).json()["case"])
    for act in ("accept", "submit"):
        await shanghai.done(COUNTER, case, act)
    await shanghai.done("D31004", case, "approve-talent", {"hrss_approval_no": "沪人社〔2021〕0042号"})
    (permit,) = await shanghai.news()
    await shanghai.told(certificate_for(permit.message), by="zhejiang")
    await shanghai.done(COUNTER, case, "settle", SIGN_ALL | {"late_reason": "演示"})
    made = await shanghai.one("SELECT * FROM household WHERE id = :h", h=(await stored_case(shanghai, case)).household_id)
    assert (made.station_code, made.household_no, made.head_resident_id) == ("310116910000", "000000002", None)
    await shanghai.told(closed(case, shanghai), by="zhejiang")
    row = await shanghai.resident(WANG.citizen_id_no)
    made = await shanghai.one("SELECT * FROM household WHERE id = :h", h=made.id)
    assert (row.relation_code, made.head_resident_id) == ("02", row.id)


async def test_who_does_not_sign_is_voided_by_the_same_message(shanghai: Bureau) -> None:
    case = await at_the_counter(shanghai, application(WANG, ZHOU_SON))
    body = {"signed": [1], "not_signing": [2], "not_signing_reason": "未到场"}
    told = await shanghai.done(COUNTER, case, "settle", body)
    assert await shanghai.states(case) == {1: "SETTLING", 2: "VOID"}
    assert told["members"][1]["void_reason"] == "NOT_SIGNED"
    sent = await shanghai.said(TransferSettled, to="zhejiang")  # and no TransferVoided beside it
    assert ([one.place for one in sent.settled], sent.voided) == ([1], (2,))
    await assert_audited(shanghai, "sign", case, by=COUNTER, members={1: "SETTLING", 2: "VOID"}, peer="zhejiang")


@pytest.mark.parametrize(
    "body",
    [
        {"signed": [1]},  # the son is forgotten
        {"signed": [1, 2], "not_signing": [2]},  # the son is named twice
        {"signed": [1, 2, 3]},  # there is no third member
        {"signed": [2, 2]},  # twice the same
    ],
)
async def test_every_member_is_named_once(shanghai: Bureau, body: dict[str, Any]) -> None:
    case = await at_the_counter(shanghai, application(WANG, ZHOU_SON))
    answer = await shanghai.act(COUNTER, case, "settle", body)
    assert (answer.status_code, faults(answer)) == (422, [("signed", "members")])
    assert await shanghai.states(case) == {1: "CERTIFIED", 2: "CERTIFIED"}


async def test_somebody_must_sign(shanghai: Bureau) -> None:
    case = await at_the_counter(shanghai)
    answer = await shanghai.act(COUNTER, case, "settle", {"signed": [], "not_signing": [1]})
    assert (answer.status_code, faults(answer)) == (422, [("signed", "too_short")])


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "signed", "missing"),
        ({"signed": [0]}, "signed.0", "greater_than_equal"),
        ({"signed": [10**400]}, "signed.0", "less_than_equal"),
        ({"signed": [1.5]}, "signed.0", "int_type"),
        ({"signed": "1"}, "signed", "tuple_type"),
        ({"signed": ["1"]}, "signed.0", "int_type"),
        (SIGN_ALL | {"household_no": ""}, "household_no", "string_too_short"),
        (SIGN_ALL | {"household_no": "a\x00b"}, "household_no", "control_character"),
        (SIGN_ALL | {"household_no": "999999999"}, "household_no", "unknown_household"),
    ],
)
async def test_what_is_wrong_is_named(shanghai: Bureau, body: dict[str, Any], field: str, rule: str) -> None:
    case = await at_the_counter(shanghai)
    before = await shanghai.fingerprint()
    answer = await shanghai.act(COUNTER, case, "settle", body)
    assert (answer.status_code, faults(answer)[0]) == (422, (field, rule))
    assert await shanghai.fingerprint() == before


async def test_into_a_household_with_a_head_nobody_enters_as_its_head(shanghai: Bureau) -> None:
    form = application(destination={"division_code": "310116", "address": "吕巷镇演示路9号"})
    form["applicant"]["relation_to_head_code"] = "02"  # of the new household that was applied for
    case = await at_the_counter(shanghai, form)
    answer = await shanghai.act(COUNTER, case, "settle", SIGN_ALL | {"household_no": "000000001"})
    assert (answer.status_code, faults(answer)) == (422, [("household_no", "second_head")])
    await shanghai.done(COUNTER, case, "settle", SIGN_ALL)


async def test_after_the_certificates_thirty_days_a_reason_is_needed(shanghai: Bureau) -> None:
    case = await at_the_counter(shanghai)
    shanghai.on(2021, 1, 29)  # valid until the 28th
    answer = await shanghai.act(COUNTER, case, "settle", SIGN_ALL)
    assert (answer.status_code, faults(answer)) == (422, [("late_reason", "ended")])
    assert "2021-01-28" in answer.json()["errors"][0]["zh"]
    assert "1994" in answer.json()["errors"][0]["source"]
    await shanghai.done(COUNTER, case, "settle", SIGN_ALL | {"late_reason": "住院"})


async def test_on_the_certificates_last_day_none_is_needed(shanghai: Bureau) -> None:
    case = await at_the_counter(shanghai)
    shanghai.on(2021, 1, 28, hour=23)
    await shanghai.done(COUNTER, case, "settle", SIGN_ALL)


async def test_a_reason_to_settle_late_is_kept_with_the_case(shanghai: Bureau) -> None:
    case = await at_the_counter(shanghai)
    shanghai.on(2021, 1, 29)
    told = await shanghai.done(COUNTER, case, "settle", SIGN_ALL | {"late_reason": "住院"})
    assert [(note["kind"], note["text"]) for note in told["notes"]] == [("late", "住院")]
