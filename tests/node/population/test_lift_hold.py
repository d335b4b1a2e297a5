"""Ending a hold: other business on the person may go on."""

from tests.node.bureau import Bureau, faults
from tests.node.people import WANG
from tests.node.transfers.cases import O_VERIFIER

HOLDS = "/api/v1/holds"
BODY = {"citizen_id_no": WANG.citizen_id_no, "kind": "RECORD_LOCKED", "reason": "演示"}


async def placed(zhejiang: Bureau) -> str:
    return str((await zhejiang.ask(O_VERIFIER, "POST", HOLDS, BODY)).json()["id"])


async def test_a_lifted_hold_is_kept_with_who_lifted_it(zhejiang: Bureau) -> None:
    hold = await placed(zhejiang)
    answer = await zhejiang.ask(O_VERIFIER, "DELETE", f"{HOLDS}/{hold}")
    assert (answer.status_code, answer.json()) == (200, {"id": hold})
    row = await zhejiang.one("SELECT * FROM hold")
    assert row.lifted_by == O_VERIFIER
    assert row.lifted_at is not None
    (audited,) = await zhejiang.audit("population.lift_hold")
    assert (audited.actor, audited.change) == (O_VERIFIER, {"hold": "RECORD_LOCKED"})


async def test_it_is_lifted_once_and_may_be_placed_again(zhejiang: Bureau) -> None:
    hold = await placed(zhejiang)
    await zhejiang.ask(O_VERIFIER, "DELETE", f"{HOLDS}/{hold}")
    answer = await zhejiang.ask(O_VERIFIER, "DELETE", f"{HOLDS}/{hold}")
    assert (answer.status_code, faults(answer)) == (409, [("hold_id", "lifted_already")])
    assert await placed(zhejiang) != hold


async def test_an_unknown_hold_is_not_found(quiet_zhejiang: Bureau) -> None:
    answer = await quiet_zhejiang.ask(O_VERIFIER, "DELETE", f"{HOLDS}/01936e00-0000-7000-8000-000000000001")
    assert (answer.status_code, faults(answer)) == (404, [("hold_id", "unknown_hold")])
    answer = await quiet_zhejiang.ask(O_VERIFIER, "DELETE", f"{HOLDS}/first")
    assert answer.status_code == 422


async def test_another_station_does_not_lift_it(zhejiang: Bureau) -> None:
    hold = await placed(zhejiang)
    answer = await zhejiang.ask("D33012", "DELETE", f"{HOLDS}/{hold}")
    assert answer.status_code == 403
    assert (await zhejiang.one("SELECT * FROM hold")).lifted_at is None
    (row,) = await zhejiang.audit("population.lift_hold")
    assert (row.decision, row.actor) == ("denied", "D33012")
