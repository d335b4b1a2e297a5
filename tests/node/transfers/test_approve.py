"""准予迁入 by the branch's population office: the permit is issued, and leaves in the same transaction."""

from datetime import date, timedelta
from uuid import UUID

from shared.contract.messages import PermitIssued
from shared.messaging import ask_due_now
from tests.node.bureau import Bureau, faults
from tests.node.people import LVXIANG, WANG, ZHAPU, ZHOU_SON, mover
from tests.node.transfers.cases import COUNTER, OFFICE, application, at_destination, reviewed
from tests.node.transfers.traces import asks_after, assert_audited, owed_as, receipts, stored_case


async def approve(shanghai: Bureau) -> tuple[str, PermitIssued]:
    case = await reviewed(shanghai, application(WANG, ZHOU_SON))
    shanghai.on(2020, 12, 28)
    await shanghai.done(OFFICE, case, "approve", {})
    permit: PermitIssued = await shanghai.said(PermitIssued, to="zhejiang")
    return case, permit


async def test_the_origin_is_sent_the_permit_for_all_members(shanghai: Bureau) -> None:
    case, sent = await approve(shanghai)
    stored = await stored_case(shanghai, case)
    assert (sent.case, sent.previous_case, sent.apply_no) == (UUID(case), None, stored.apply_no)
    permit = sent.permit
    assert [(one.place, one.citizen_id_no, one.name) for one in permit.members] == [
        (1, WANG.citizen_id_no, WANG.name),
        (2, ZHOU_SON.citizen_id_no, ZHOU_SON.name),
    ]
    assert (permit.issued_on, permit.valid_until) == (date(2020, 12, 28), date(2021, 2, 6))  # 40 days
    assert (permit.origin_station_code, permit.destination_station_code) == (ZHAPU, LVXIANG)
    assert (permit.issuer_code, permit.handler_name) == ("310116000000", "韩安宁（演示）")
    assert (permit.accepted_by_unit_code, permit.accepted_by) == (LVXIANG, "孔俊杰（演示）")
    assert permit.permit_no == stored.permit_no
    assert permit.permit_no.startswith("沪")


async def test_the_message_lies_sealed_in_the_outbox_under_its_case(shanghai: Bureau) -> None:
    case, _ = await approve(shanghai)
    sent = (await shanghai.sent())[-1]
    assert sent.key == case
    assert WANG.citizen_id_no not in sent.sealed.decode()
    assert WANG.citizen_id_no not in str(sent.headers)


async def test_states_numbers_audit_and_receipt_are_of_the_same_act(shanghai: Bureau) -> None:
    case, _ = await approve(shanghai)
    assert await shanghai.states(case) == {1: "APPROVED", 2: "APPROVED"}
    assert (await stored_case(shanghai, case)).permit_valid_until == date(2021, 2, 6)
    assert await receipts(shanghai, case) == [("010122", 0, "准迁证已推送")]
    members = {1: "APPROVED", 2: "APPROVED"}
    row = await assert_audited(shanghai, "approve", case, by=OFFICE, members=members, peer="zhejiang")
    assert row.business_at.date() == date(2020, 12, 28)


async def test_the_origin_owes_a_certificate_within_a_working_day(shanghai: Bureau) -> None:
    case, _ = await approve(shanghai)
    owed = await shanghai.owed(case)
    assert set(owed) == {"transfers.certificate"}
    assert owed_as(owed["transfers.certificate"]) == ("zhejiang", "by_them", "2020-12-29")
    assert asks_after(owed["transfers.certificate"]) == 60


async def test_over_a_holiday_the_working_day_is_the_next_one(shanghai: Bureau) -> None:
    case = await reviewed(shanghai)
    shanghai.on(2020, 12, 31)
    await shanghai.done(OFFICE, case, "approve", {})
    assert owed_as((await shanghai.owed(case))["transfers.certificate"])[2] == "2021-01-04"  # 元旦 to Sunday the 3rd


async def test_the_timer_says_the_same_permit_again_as_a_new_message(shanghai: Bureau) -> None:
    case, permit = await approve(shanghai)
    first = (await shanghai.sent())[-1]
    shanghai.machine.offset += timedelta(seconds=61)
    assert await ask_due_now(shanghai.wiring.bus_database, shanghai.wiring.asks) == 1
    again = await shanghai.news()
    assert [one.message for one in again] == [permit]
    assert again[0].event_id != first.event_id
    assert (await shanghai.owed(case))["transfers.certificate"].asks == 1


async def test_two_permits_have_two_numbers(shanghai: Bureau) -> None:
    _, first = await approve(shanghai)
    shanghai.on(2020, 11, 20)
    case = await reviewed(shanghai, application(mover(1)))
    await shanghai.done(OFFICE, case, "approve", {})
    assert (await shanghai.said(PermitIssued, to="zhejiang")).permit.permit_no != first.permit.permit_no


async def test_a_form_with_an_impossible_approval_number_is_refused(shanghai: Bureau) -> None:
    case = await reviewed(shanghai)
    answer = await shanghai.act(OFFICE, case, "approve", {"hrss_approval_no": "?"})
    assert answer.status_code == 422
    assert faults(answer) == [("hrss_approval_no", "string_pattern_mismatch")]


async def test_the_counter_does_not_approve(shanghai: Bureau) -> None:
    case = await reviewed(shanghai)
    answer = await shanghai.act(COUNTER, case, "approve", {})
    assert answer.status_code == 403
    assert (await shanghai.audit("transfers.approve", decision="denied"))[-1].reason == "role counter may not"
    assert await shanghai.states(case) == {1: "UNDER_REVIEW"}


async def test_what_is_decided_is_not_decided_again(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "REFUSED")
    assert (await shanghai.act(OFFICE, case, "approve", {})).status_code == 409
    assert await receipts(shanghai, case) == []
