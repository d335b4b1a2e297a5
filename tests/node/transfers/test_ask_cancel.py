"""The citizen does not want to move any more: the origin asks, the destination decides."""

from uuid import UUID

from shared.contract.messages import CancellationRequested
from tests.node.bureau import Bureau, faults
from tests.node.people import WANG, ZHOU, ZHOU_FATHER, ZHOU_SON, ZHOU_WIFE
from tests.node.transfers.cases import O_VERIFIER, permit_for, sealed, settled, voided
from tests.node.transfers.traces import asks_after, assert_audited, owed_as


async def test_the_destination_is_asked_and_the_row_stays_in_transit(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    told = await zhejiang.done(O_VERIFIER, case, "ask-cancel", {"reason": "本人不迁了"})
    assert told["states"] == ["CANCELLING"]
    sent = await zhejiang.said(CancellationRequested, to="shanghai")
    assert (sent.case, sent.places, sent.reason_text) == (UUID(case), (1,), "本人不迁了")
    assert (await zhejiang.resident(WANG.citizen_id_no)).kind == "IN_TRANSIT"
    owed = await zhejiang.owed(case)
    assert set(owed) == {"transfers.cancellation"}
    assert owed_as(owed["transfers.cancellation"]) == ("shanghai", "by_them", "2020-12-30")
    assert asks_after(owed["transfers.cancellation"]) == 60
    await assert_audited(zhejiang, "ask cancel", case, by=O_VERIFIER, members={1: "CANCELLING"}, peer="shanghai")


async def test_it_is_asked_for_all_members(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang, permit_for(ZHOU, ZHOU_WIFE, ZHOU_SON, ZHOU_FATHER))
    await zhejiang.done(O_VERIFIER, case, "ask-cancel", {"reason": "本人不迁了"})
    assert (await zhejiang.said(CancellationRequested, to="shanghai")).places == (1, 2, 3, 4)


async def test_a_reason_is_needed(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    answer = await zhejiang.act(O_VERIFIER, case, "ask-cancel", {"reason": ""})
    assert (answer.status_code, faults(answer)) == (422, [("reason", "string_too_short")])


async def test_if_the_destination_voids_the_person_is_restored(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    await zhejiang.done(O_VERIFIER, case, "ask-cancel", {"reason": "本人不迁了"})
    await zhejiang.told(voided(case), by="shanghai")
    assert await zhejiang.states(case) == {1: "RESTORED"}


async def test_if_the_citizen_has_signed_meanwhile_the_settlement_counts(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    await zhejiang.done(O_VERIFIER, case, "ask-cancel", {"reason": "本人不迁了"})
    await zhejiang.told(settled(case, zhejiang), by="shanghai")
    assert await zhejiang.states(case) == {1: "GONE"}
    assert (await zhejiang.resident(WANG.citizen_id_no)).kind == "MOVED"
