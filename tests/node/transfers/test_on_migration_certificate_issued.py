"""O -> D: sealed; what cannot be matched with a permit of ours becomes a tombstone or is refused."""

from datetime import date
from uuid import UUID

import pytest

from services.bureau.transfers import inbound
from shared.contract.codes import VoidReason
from shared.contract.messages import TransferVoided
from tests.node.bureau import Bureau
from tests.node.people import WANG, ZHOU, ZHOU_SON
from tests.node.transfers.cases import COUNTER, application, approved, certificate_for, certified, permit_for
from tests.node.transfers.traces import assert_message_audited, owed_as, receipts, stored_case


async def test_the_case_waits_for_the_citizen(shanghai: Bureau) -> None:
    case, certificate = await certified(shanghai, application(WANG, ZHOU_SON))
    assert await shanghai.states(case) == {1: "CERTIFIED", 2: "CERTIFIED"}
    stored = await stored_case(shanghai, case)
    paper = certificate.certificate
    assert (stored.migration_no, stored.issue, stored.certificate_valid_until) == (paper.migration_no, 1, date(2021, 1, 28))
    assert await shanghai.news() == []
    owed = await shanghai.owed(case)
    assert set(owed) == {"transfers.settlement"}
    assert owed_as(owed["transfers.settlement"]) == ("zhejiang", "by_us", "2021-01-28")
    members = {1: "CERTIFIED", 2: "CERTIFIED"}
    row = await assert_message_audited(shanghai, "MigrationCertificateIssued", case, by="zhejiang", members=members)
    assert {one["epoch"] for one in row.change["members"]} == {2}
    assert await shanghai.resident(WANG.citizen_id_no) is None
    assert await receipts(shanghai, case) == [("010122", 0, "准迁证已推送")]


async def test_a_certificate_for_other_persons_than_the_permits_is_refused(shanghai: Bureau) -> None:
    case, permit = await approved(shanghai)
    other = permit_for(ZHOU, case=permit.case)
    await shanghai.told(certificate_for(other), by="zhejiang")
    assert await shanghai.states(case) == {1: "APPROVED"}
    assert await shanghai.news() == []
    (row,) = await shanghai.audit("transfers.MigrationCertificateIssued", decision="refused")
    assert (row.peer, str(row.case_id)) == ("zhejiang", case)


async def test_another_bureau_cannot_certify_our_case(shanghai: Bureau) -> None:
    case, permit = await approved(shanghai)
    await shanghai.told(certificate_for(permit), by="anhui")
    rows = await shanghai.rows("SELECT counterpart, state FROM transfer_member WHERE case_id = :c", c=UUID(case))
    assert {(row.counterpart, row.state) for row in rows} == {("zhejiang", "APPROVED"), ("anhui", "VOID")}
    sent = await shanghai.said(TransferVoided, to="anhui")
    assert sent.reason_code is VoidReason.UNKNOWN_CASE
    read = await shanghai.ask(COUNTER, "GET", f"/api/v1/transfers/{case}")
    assert read.json()["states"] == ["APPROVED"]


async def test_an_unknown_case_becomes_a_tombstone_and_the_origin_is_told(shanghai: Bureau) -> None:
    certificate = certificate_for(permit_for())
    await shanghai.told(certificate, by="zhejiang")
    assert await shanghai.states(certificate.case) == {1: "VOID"}
    sent = await shanghai.said(TransferVoided, to="zhejiang")
    assert (sent.case, sent.places, sent.reason_code) == (certificate.case, (1,), VoidReason.UNKNOWN_CASE)
    stored = await stored_case(shanghai, certificate.case)
    assert (stored.file, stored.station_code) == (None, None)
    await shanghai.told(certificate, by="zhejiang")  # asked again, answered again
    await shanghai.said(TransferVoided, to="zhejiang")


async def test_tombstones_are_limited_per_peer_and_day(shanghai: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "TOMBSTONES_PER_PEER_AND_DAY", 2)
    for _ in range(4):
        await shanghai.told(certificate_for(permit_for()), by="zhejiang")
    assert len(await shanghai.rows("SELECT * FROM transfer_case")) == 2
    assert len(await shanghai.audit("transfers.MigrationCertificateIssued", decision="refused")) == 2
    await shanghai.told(certificate_for(permit_for()), by="jiangsu")  # another peer has a limit of its own
    assert len(await shanghai.rows("SELECT * FROM transfer_case")) == 3


async def test_said_again_while_certified_it_is_silent(shanghai: Bureau) -> None:
    case, certificate = await certified(shanghai)
    before = await stored_case(shanghai, case)
    await shanghai.told(certificate, by="zhejiang")
    assert await stored_case(shanghai, case) == before
    assert await shanghai.news() == []


async def test_a_certificate_issued_again_moves_the_day_by_which_we_must_settle(shanghai: Bureau) -> None:
    case, first = await certified(shanghai)
    shanghai.on(2021, 1, 20)
    again = first.certificate.model_copy(update={"issue": 2, "migration_no": "浙迁00000002", "valid_until": date(2021, 2, 19)})
    await shanghai.told(first.model_copy(update={"certificate": again}), by="zhejiang")
    owed = (await shanghai.owed(case))["transfers.settlement"]
    assert owed_as(owed) == ("zhejiang", "by_us", "2021-02-19")
