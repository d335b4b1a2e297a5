"""补发: the same case and epoch, the next issue, a new number; the old one is void."""

from datetime import date
from uuid import UUID

import pytest

from services.bureau.transfers.acts import origin
from shared.contract.messages import MigrationCertificateIssued, ReissueRequested
from tests.node.bureau import Bureau, faults
from tests.node.transfers.cases import O_VERIFIER, sealed
from tests.node.transfers.traces import assert_audited, owed_as, receipts, stored_case


async def test_a_new_certificate_of_the_next_issue_leaves(zhejiang: Bureau) -> None:
    case, first = await sealed(zhejiang)
    zhejiang.on(2021, 2, 1)
    told = await zhejiang.done(O_VERIFIER, case, "reissue")
    assert (told["states"], told["issue"], told["certificate_valid_until"]) == (["SEALED"], 2, "2021-03-03")
    sent = (await zhejiang.said(MigrationCertificateIssued, to="shanghai")).certificate
    old = first.certificate
    assert (sent.issue, sent.issued_on, sent.remark) == (2, date(2021, 2, 1), "补发")
    assert sent.migration_no != old.migration_no
    assert (sent.members, sent.serial_no, sent.permit_no) == (old.members, old.serial_no, old.permit_no)
    assert (await stored_case(zhejiang, case)).migration_no == sent.migration_no
    assert [one[2] for one in await receipts(zhejiang, case)] == ["迁出注销，迁移证已推送", "补发"]
    await assert_audited(zhejiang, "reissue", case, by=O_VERIFIER, members={}, peer="shanghai")


async def test_a_request_of_the_destination_waits_for_the_officer_and_ends_with_the_reissue(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    asked = ReissueRequested(case=UUID(case), issue=1, reason_text="遗失", requested_on=date(2021, 1, 5))
    await zhejiang.told(asked, by="shanghai")
    assert await zhejiang.news() == []
    owed = await zhejiang.owed(case)
    assert set(owed) == {"transfers.settlement", "transfers.reissue"}
    assert owed_as(owed["transfers.reissue"])[1] == "by_us"
    read = await zhejiang.ask(O_VERIFIER, "GET", f"/api/v1/transfers/{case}")
    assert read.json()["reissue_asked"] is True
    await zhejiang.done(O_VERIFIER, case, "reissue")
    assert set(await zhejiang.owed(case)) == {"transfers.settlement"}


async def test_a_request_said_again_by_its_timer_changes_nothing(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    asked = ReissueRequested(case=UUID(case), issue=1, reason_text="遗失", requested_on=date(2021, 1, 5))
    await zhejiang.told(asked, by="shanghai")
    before = await stored_case(zhejiang, case)
    await zhejiang.told(asked, by="shanghai")
    assert await stored_case(zhejiang, case) == before
    assert len(await zhejiang.audit("transfers.ReissueRequested")) == 1


async def test_a_request_for_an_issue_that_is_replaced_already_is_answered_at_once(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    await zhejiang.done(O_VERIFIER, case, "reissue")
    second = await zhejiang.said(MigrationCertificateIssued, to="shanghai")
    asked = ReissueRequested(case=UUID(case), issue=1, reason_text="遗失", requested_on=date(2021, 1, 5))
    await zhejiang.told(asked, by="shanghai")
    assert await zhejiang.said(MigrationCertificateIssued, to="shanghai") == second
    assert set(await zhejiang.owed(case)) == {"transfers.settlement"}


async def test_the_settlement_is_due_with_the_new_certificates_end_and_as_old_as_before(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    before = (await zhejiang.owed(case))["transfers.settlement"]
    zhejiang.on(2021, 1, 20)
    await zhejiang.done(O_VERIFIER, case, "reissue")
    after = (await zhejiang.owed(case))["transfers.settlement"]
    assert owed_as(before) == ("shanghai", "by_them", "2021-01-28")
    assert owed_as(after) == ("shanghai", "by_them", "2021-02-19")
    assert (after.since, after.business_since) == (before.since, before.business_since)


async def test_after_the_last_issue_there_is_none(zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin, "ISSUE_MAX", 2)
    case, _ = await sealed(zhejiang)
    await zhejiang.done(O_VERIFIER, case, "reissue")
    before = await zhejiang.fingerprint()
    answer = await zhejiang.act(O_VERIFIER, case, "reissue")
    assert (answer.status_code, faults(answer)) == (422, [("issue", "issues")])
    assert await zhejiang.fingerprint() == before
