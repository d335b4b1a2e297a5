"""The destination asks the origin for a new certificate: lost, or ended before the citizen came."""

from datetime import date
from uuid import UUID

from shared.contract.messages import ReissueRequested
from tests.node.bureau import Bureau, faults
from tests.node.transfers.cases import COUNTER, SIGN_ALL, approved, certificate_for, certified
from tests.node.transfers.traces import asks_after, assert_audited, owed_as, stored_case


async def test_the_origin_is_asked_to_replace_this_issue(shanghai: Bureau) -> None:
    case, _ = await certified(shanghai)
    shanghai.on(2021, 2, 1)
    told = await shanghai.done(COUNTER, case, "request-reissue", {"reason": "遗失"})
    assert (told["states"], told["reissue_asked"]) == (["CERTIFIED"], True)
    sent = await shanghai.said(ReissueRequested, to="zhejiang")
    assert (sent.case, sent.issue, sent.reason_text, sent.requested_on) == (UUID(case), 1, "遗失", date(2021, 2, 1))
    owed = await shanghai.owed(case)
    assert set(owed) == {"transfers.settlement", "transfers.reissue"}
    assert owed_as(owed["transfers.reissue"]) == ("zhejiang", "by_them", "2021-02-02")
    assert asks_after(owed["transfers.reissue"]) == 60
    await assert_audited(shanghai, "request reissue", case, by=COUNTER, members={}, peer="zhejiang")


async def test_the_new_certificate_replaces_number_and_validity_and_ends_the_request(shanghai: Bureau) -> None:
    case, permit = await approved(shanghai)
    await shanghai.told(certificate_for(permit), by="zhejiang")
    await shanghai.done(COUNTER, case, "request-reissue", {"reason": "遗失"})
    await shanghai.told(certificate_for(permit, issue=2, on=date(2021, 2, 2)), by="zhejiang")
    stored = await stored_case(shanghai, case)
    assert (stored.issue, stored.migration_no, stored.certificate_valid_until) == (2, "浙迁00000002", date(2021, 3, 4))
    assert await shanghai.states(case) == {1: "CERTIFIED"}
    assert set(await shanghai.owed(case)) == {"transfers.settlement"}


async def test_an_older_issue_that_comes_late_changes_nothing(shanghai: Bureau) -> None:
    case, permit = await approved(shanghai)
    await shanghai.told(certificate_for(permit, issue=2), by="zhejiang")
    before = await stored_case(shanghai, case)
    await shanghai.told(certificate_for(permit, issue=1), by="zhejiang")
    assert await stored_case(shanghai, case) == before


async def test_once_somebody_has_signed_a_new_certificate_changes_nothing(shanghai: Bureau) -> None:
    case, permit = await approved(shanghai)
    await shanghai.told(certificate_for(permit), by="zhejiang")
    await shanghai.done(COUNTER, case, "settle", SIGN_ALL)
    before = await stored_case(shanghai, case)
    await shanghai.told(certificate_for(permit, issue=2), by="zhejiang")
    assert await stored_case(shanghai, case) == before


async def test_a_reason_is_needed(shanghai: Bureau) -> None:
    case, _ = await certified(shanghai)
    answer = await shanghai.act(COUNTER, case, "request-reissue", {"reason": ""})
    assert (answer.status_code, faults(answer)) == (422, [("reason", "string_too_short")])
