"""D -> O: will not settle, ever. A sealed row is free again at once; it never stopped answering."""

from uuid import UUID

import pytest

from shared.contract.codes import VoidReason
from tests.node.bureau import Bureau
from tests.node.people import FAMILY, WANG
from tests.node.transfers.cases import O_VERIFIER, at_origin, permit_for, sealed, voided
from tests.node.transfers.traces import assert_message_audited


async def test_before_the_seal_it_leaves_the_verifiers_queue(zhejiang: Bureau) -> None:
    case = await at_origin(zhejiang, "RECEIVED")
    await zhejiang.told(voided(case, reason=VoidReason.EXPIRED), by="shanghai")
    assert await zhejiang.states(case) == {1: "VOID"}
    row = await zhejiang.resident(WANG.citizen_id_no)
    assert (row.kind, row.restoration_due, row.version) == ("ACTIVE", False, 1)
    assert await zhejiang.owed(case) == {}
    assert await zhejiang.sent() == []
    read = (await zhejiang.ask(O_VERIFIER, "GET", f"/api/v1/transfers/{case}")).json()
    assert read["members"][0]["void_reason"] == "EXPIRED"
    await assert_message_audited(zhejiang, "TransferVoided", case, by="shanghai", members={1: "VOID"})


@pytest.mark.parametrize("state", ["SEALED", "CANCELLING"])
async def test_after_the_seal_the_row_is_free_again_at_the_same_epoch(zhejiang: Bureau, state: str) -> None:
    case = await at_origin(zhejiang, state)
    await zhejiang.news()
    await zhejiang.told(voided(case), by="shanghai")
    assert await zhejiang.states(case) == {1: "RESTORED"}
    row = await zhejiang.resident(WANG.citizen_id_no)
    assert (row.kind, row.epoch, row.case_id, row.counterpart, row.restoration_due) == ("ACTIVE", 1, None, None, True)
    assert await zhejiang.owed(case) == {}
    assert await zhejiang.news() == []
    await assert_message_audited(zhejiang, "TransferVoided", case, by="shanghai", members={1: "RESTORED"})


async def test_a_whole_household_is_free_again(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang, permit_for(*(one for one, _ in FAMILY)))
    await zhejiang.told(voided(case, places=(1, 2, 3, 4)), by="shanghai")
    for one, _ in FAMILY:
        assert (await zhejiang.resident(one.citizen_id_no)).kind == "ACTIVE"


@pytest.mark.parametrize("state", ["RETURNED", "GONE", "RESTORED", "VOID"])
async def test_what_has_ended_stays_as_it_ended(zhejiang: Bureau, state: str) -> None:
    case = await at_origin(zhejiang, state)
    await zhejiang.news()
    kind = (await zhejiang.resident(WANG.citizen_id_no)).kind
    await zhejiang.told(voided(case), by="shanghai")
    assert await zhejiang.states(case) == {1: state}
    assert (await zhejiang.resident(WANG.citizen_id_no)).kind == kind
    assert await zhejiang.news() == []


async def test_an_unknown_case_becomes_a_silent_tombstone(zhejiang: Bureau) -> None:
    unknown = UUID("01936e00-0000-7000-8000-000000000001")
    await zhejiang.told(voided(unknown), by="shanghai")
    assert await zhejiang.states(unknown) == {1: "VOID"}
    assert await zhejiang.sent() == []


async def test_only_the_counterpart_voids(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    await zhejiang.told(voided(case), by="jiangsu")
    rows = await zhejiang.rows("SELECT counterpart, state FROM transfer_member WHERE case_id = :c", c=UUID(case))
    assert {(row.counterpart, row.state) for row in rows} == {("shanghai", "SEALED"), ("jiangsu", "VOID")}
    assert (await zhejiang.resident(WANG.citizen_id_no)).kind == "IN_TRANSIT"
