"""D -> O, the commit point: who signed is let go, who did not is restored, in one transaction."""

from uuid import UUID

import pytest

from shared.contract.messages import TransferClosed
from shared.contract.records import PlaceEpoch
from tests.node.bureau import Bureau
from tests.node.people import FAMILY, WANG, ZHOU, ZHOU_FATHER
from tests.node.transfers.cases import O_VERIFIER, at_origin, permit_for, sealed, settled
from tests.node.transfers.traces import assert_message_audited


async def test_the_row_has_moved_with_the_proof_and_the_destination_is_told(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    zhejiang.on(2021, 1, 1)
    record = zhejiang.sealed(settled(case, zhejiang), by="shanghai")
    await zhejiang.deliver(record)
    assert await zhejiang.states(case) == {1: "GONE"}
    row = await zhejiang.resident(WANG.citizen_id_no)
    assert (row.kind, row.epoch, row.case_id, row.counterpart) == ("MOVED", 1, UUID(case), "shanghai")
    member = await zhejiang.one("SELECT settlement FROM transfer_member WHERE case_id = :c", c=UUID(case))
    assert member.settlement["envelope"] == record.value.decode()
    sent = await zhejiang.said(TransferClosed, to="shanghai")
    assert (sent.case, sent.closed) == (UUID(case), (PlaceEpoch(place=1, epoch=2),))
    assert sent.closed_at == zhejiang.clock.now()
    assert await zhejiang.owed(case) == {}
    row = await assert_message_audited(zhejiang, "TransferSettled", case, by="shanghai", members={1: "GONE"})
    assert (await zhejiang.audit("population.set_row"))[-1].change["row"] == "MOVED"


async def test_an_empty_household_is_dissolved_that_day(zhejiang: Bureau) -> None:
    household = (await zhejiang.resident(WANG.citizen_id_no)).household_id
    case, _ = await sealed(zhejiang)
    assert (await zhejiang.one("SELECT * FROM household WHERE id = :h", h=household)).dissolved_on is None
    zhejiang.on(2021, 1, 1)
    await zhejiang.told(settled(case, zhejiang), by="shanghai")
    assert (await zhejiang.one("SELECT * FROM household WHERE id = :h", h=household)).dissolved_on.isoformat() == "2021-01-01"


async def test_some_are_let_go_and_the_others_restored_in_one_commit(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang, permit_for(*(one for one, _ in FAMILY)))
    await zhejiang.told(settled(case, zhejiang, signed=(1, 2, 3), not_signed=(4,)), by="shanghai")
    assert await zhejiang.states(case) == {1: "GONE", 2: "GONE", 3: "GONE", 4: "RESTORED"}
    sent = await zhejiang.said(TransferClosed, to="shanghai")
    assert [one.place for one in sent.closed] == [1, 2, 3]
    father = await zhejiang.resident(ZHOU_FATHER.citizen_id_no)
    assert (father.kind, father.epoch, father.restoration_due) == ("ACTIVE", 1, True)
    assert (await zhejiang.resident(ZHOU.citizen_id_no)).kind == "MOVED"
    household = await zhejiang.one("SELECT * FROM household WHERE id = :h", h=father.household_id)
    assert household.dissolved_on is None
    members = {1: "GONE", 2: "GONE", 3: "GONE", 4: "RESTORED"}
    await assert_message_audited(zhejiang, "TransferSettled", case, by="shanghai", members=members)


async def test_said_again_it_is_answered_by_the_same_close_again(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    zhejiang.on(2021, 1, 1)
    message = settled(case, zhejiang)
    await zhejiang.told(message, by="shanghai")
    first = await zhejiang.said(TransferClosed, to="shanghai")
    zhejiang.on(2021, 1, 2)
    await zhejiang.told(message, by="shanghai")
    assert await zhejiang.said(TransferClosed, to="shanghai") == first
    assert (await zhejiang.resident(WANG.citizen_id_no)).version == 3


async def test_a_redelivery_is_not_answered_again(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    record = zhejiang.sealed(settled(case, zhejiang), by="shanghai")
    await zhejiang.deliver(record)
    await zhejiang.said(TransferClosed, to="shanghai")
    await zhejiang.deliver(record, record)  # the same event: dropped before any handler
    assert await zhejiang.news() == []


@pytest.mark.parametrize("epoch", [1, 3])
async def test_a_settlement_of_another_registration_changes_nothing(zhejiang: Bureau, epoch: int) -> None:
    case, _ = await sealed(zhejiang)
    before = await zhejiang.fingerprint()
    await zhejiang.told(settled(case, zhejiang, epoch=epoch), by="shanghai")
    after = await zhejiang.fingerprint()
    assert {name for name in after if after[name] != before[name]} == {"receipt", "consumer_offset"}
    assert await zhejiang.states(case) == {1: "SEALED"}


async def test_only_the_counterpart_settles(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    await zhejiang.told(settled(case, zhejiang), by="jiangsu")
    assert await zhejiang.states(case) == {1: "SEALED"}
    assert (await zhejiang.resident(WANG.citizen_id_no)).kind == "IN_TRANSIT"
    assert await zhejiang.news() == []


@pytest.mark.parametrize("state", ["RECEIVED", "RETURNED", "RESTORED", "VOID"])
async def test_what_was_not_sealed_does_not_settle(zhejiang: Bureau, state: str) -> None:
    case = await at_origin(zhejiang, state)
    await zhejiang.news()
    await zhejiang.told(settled(case, zhejiang), by="shanghai")
    assert await zhejiang.states(case) == {1: state}
    assert (await zhejiang.resident(WANG.citizen_id_no)).kind == "ACTIVE"
    assert await zhejiang.news() == []


async def test_a_settlement_beats_a_cancellation_that_is_under_way(zhejiang: Bureau) -> None:
    case = await at_origin(zhejiang, "CANCELLING")
    await zhejiang.news()
    await zhejiang.told(settled(case, zhejiang), by="shanghai")
    assert await zhejiang.states(case) == {1: "GONE"}
    await zhejiang.said(TransferClosed, to="shanghai")
    assert (await zhejiang.act(O_VERIFIER, case, "ask-cancel", {"reason": "本人不迁了"})).status_code == 409
