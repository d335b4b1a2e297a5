"""D -> O: a permit for our residents."""

from typing import Any
from uuid import UUID

import pytest

from shared.contract.codes import ReturnCode
from shared.contract.messages import PermitReturned
from tests.node.bureau import Bureau
from tests.node.people import AT_FENGJING, LI, LVXIANG, WANG, XINDAI, ZHAPU, ZHOU, ZHOU_SON
from tests.node.transfers.cases import O_VERIFIER, permit_for, received, voided
from tests.node.transfers.traces import assert_message_audited, owed_as, receipts, stored_case


async def test_it_waits_for_the_verifier_of_its_station_and_changes_no_register(zhejiang: Bureau) -> None:
    permit = permit_for(ZHOU, ZHOU_SON)
    case = await received(zhejiang, permit)
    assert await zhejiang.states(case) == {1: "RECEIVED", 2: "RECEIVED"}
    stored = await stored_case(zhejiang, case)
    assert (stored.counterpart, stored.side, stored.station_code) == ("shanghai", "origin", ZHAPU)
    assert (stored.apply_no, stored.permit_no) == (permit.apply_no, permit.permit.permit_no)
    row = await zhejiang.resident(ZHOU.citizen_id_no)
    assert (row.kind, row.version, row.case_id) == ("ACTIVE", 1, None)
    assert await zhejiang.sent() == []
    assert await receipts(zhejiang, case) == []
    members = {1: "RECEIVED", 2: "RECEIVED"}
    await assert_message_audited(zhejiang, "PermitIssued", case, by="shanghai", members=members)
    assert owed_as((await zhejiang.owed(case))["transfers.certificate"]) == ("shanghai", "by_us", "2020-12-29")


async def test_its_receipt_is_kept(zhejiang: Bureau) -> None:
    permit = permit_for()
    record = zhejiang.sealed(permit, by="shanghai")
    await zhejiang.deliver(record)
    receipt = await zhejiang.one("SELECT * FROM receipt")
    assert (receipt.sender, receipt.type, receipt.key, receipt.outcome) == (
        "shanghai",
        "transfers.message",
        str(permit.case),
        "applied",
    )
    assert str(receipt.event_id) == record.headers["ce_id"]
    assert receipt.sealed is None
    assert (await zhejiang.one("SELECT last_heard FROM peer WHERE bureau = 'shanghai'")).last_heard is not None


async def test_a_redelivery_is_dropped_before_any_handler(zhejiang: Bureau) -> None:
    record = zhejiang.sealed(permit_for(), by="shanghai")
    await zhejiang.deliver(record, record)
    await zhejiang.deliver(record)
    assert len(await zhejiang.rows("SELECT * FROM transfer_case")) == 1
    assert len(await zhejiang.audit("transfers.PermitIssued")) == 1


async def test_said_again_it_changes_nothing_and_is_not_answered(zhejiang: Bureau) -> None:
    permit = permit_for()
    case = await received(zhejiang, permit)
    before = await stored_case(zhejiang, case)
    await zhejiang.told(permit, by="shanghai")
    assert await stored_case(zhejiang, case) == before
    assert await zhejiang.sent() == []


async def test_a_closed_station_leads_to_its_successor(shanghai: Bureau) -> None:
    home: dict[str, Any] = {
        "origin_division_code": "310116",
        "destination_division_code": "330482",
        "destination_station_code": ZHAPU,
    }
    permit = permit_for(LI, origin_station_code="310116930000", **home)  # closed on 2019-12-31
    await shanghai.told(permit, by="zhejiang")
    assert (await stored_case(shanghai, permit.case)).station_code == LVXIANG


@pytest.mark.parametrize("station", ["330482990000", "330482000000"])  # no station of that code; an office
async def test_without_a_station_of_ours_it_is_returned_at_once(zhejiang: Bureau, station: str) -> None:
    permit = permit_for(origin_station_code=station)
    await zhejiang.told(permit, by="shanghai")
    assert await zhejiang.states(permit.case) == {1: "RETURNED"}
    sent = await zhejiang.said(PermitReturned, to="shanghai")
    assert (sent.case, sent.places, sent.code) == (permit.case, (1,), ReturnCode.R08)
    assert await zhejiang.owed(permit.case) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"destination_division_code": "320583"},  # Shanghai permits a move to Jiangsu
        {"origin_division_code": "340103"},  # out of Anhui, sent to Zhejiang
        {"destination_division_code": "330482"},  # from Zhejiang to Zhejiang
    ],
)
async def test_a_permit_not_between_its_sender_and_us_is_refused_and_audited(zhejiang: Bureau, wrong: dict[str, Any]) -> None:
    permit = permit_for(**wrong)
    await zhejiang.told(permit, by="shanghai")
    assert await zhejiang.rows("SELECT * FROM transfer_case") == []
    assert await zhejiang.sent() == []
    (row,) = await zhejiang.audit("transfers.PermitIssued", decision="refused")
    assert (row.peer, row.case_id) == ("shanghai", permit.case)
    assert row.reason


async def test_another_bureau_that_uses_the_same_case_makes_a_case_of_its_own(zhejiang: Bureau) -> None:
    permit = permit_for()
    case = await received(zhejiang, permit)
    stolen = permit_for(AT_FENGJING, case=permit.case, destination_division_code="320583", destination_station_code=None)
    await zhejiang.told(stolen, by="jiangsu")
    rows = await zhejiang.rows("SELECT counterpart FROM transfer_case ORDER BY counterpart")
    assert [row.counterpart for row in rows] == ["jiangsu", "shanghai"]
    read = await zhejiang.ask(O_VERIFIER, "GET", f"/api/v1/transfers/{case}")
    assert (read.json()["counterpart"], read.json()["members"][0]["name"]) == ("shanghai", WANG.name)


async def test_a_void_that_came_first_is_not_revived(zhejiang: Bureau) -> None:
    permit = permit_for()
    await zhejiang.told(voided(permit.case), by="shanghai")
    assert await zhejiang.states(permit.case) == {1: "VOID"}
    await zhejiang.told(permit, by="shanghai")
    assert await zhejiang.states(permit.case) == {1: "VOID"}
    assert await zhejiang.sent() == []
    read = await zhejiang.ask(O_VERIFIER, "GET", f"/api/v1/transfers/{permit.case}")
    assert read.status_code == 404  # a tombstone is nothing to officers


async def test_two_permits_for_one_person_are_both_received(zhejiang: Bureau) -> None:
    first, second = permit_for(), permit_for(destination_division_code="320583", destination_station_code=None)
    await zhejiang.told(first, by="shanghai")
    await zhejiang.told(second, by="jiangsu")
    for permit in (first, second):
        assert await zhejiang.states(permit.case) == {1: "RECEIVED"}


async def test_the_station_named_decides_who_sees_it(zhejiang: Bureau) -> None:
    permit = permit_for(origin_station_code=XINDAI)
    await zhejiang.told(permit, by="shanghai")
    path = f"/api/v1/transfers/{permit.case}"
    assert (await zhejiang.ask("D33012", "GET", path)).status_code == 200
    assert (await zhejiang.ask(O_VERIFIER, "GET", path)).status_code == 403


async def test_a_previous_case_is_kept(zhejiang: Bureau) -> None:
    before = UUID("01936e00-0000-7000-8000-000000000001")
    permit = permit_for().model_copy(update={"previous_case": before})
    await zhejiang.told(permit, by="shanghai")
    assert (await stored_case(zhejiang, permit.case)).previous_case == before
