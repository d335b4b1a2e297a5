"""Saying again, now, what waits for the counterpart: as a new message, only where a state waits."""

from datetime import timedelta

import pytest

from shared.contract.messages import (
    CancellationRequested,
    MigrationCertificateIssued,
    PermitIssued,
    ReissueRequested,
    TransferSettled,
)
from shared.messaging import ask_due_now
from tests.node.bureau import Bureau
from tests.node.transfers.cases import COUNTER, O_VERIFIER, OPERATOR, approved, at_destination, at_origin, certified


@pytest.mark.parametrize(
    ("state", "word", "kind"), [("APPROVED", "certificate", PermitIssued), ("SETTLING", "close", TransferSettled)]
)
async def test_the_destination_says_its_state_again(shanghai: Bureau, state: str, word: str, kind: type) -> None:
    case = await at_destination(shanghai, state)
    before = (await shanghai.sent())[-1]
    assert await shanghai.done(COUNTER, case, "ask-again") == {"asked": [word]}
    again = (await shanghai.sent())[-1]
    assert isinstance(again.message, kind)
    assert (again.message, again.to) == (before.message, before.to)
    assert again.event_id != before.event_id
    assert await shanghai.states(case) == {1: state}
    assert len(await shanghai.audit("transfers.ask again", actor=COUNTER)) == 1


@pytest.mark.parametrize(
    ("state", "word", "kind"),
    [("SEALED", "settlement", MigrationCertificateIssued), ("CANCELLING", "cancellation", CancellationRequested)],
)
async def test_the_origin_says_its_state_again(zhejiang: Bureau, state: str, word: str, kind: type) -> None:
    case = await at_origin(zhejiang, state)
    before = (await zhejiang.sent())[-1]
    assert await zhejiang.done(O_VERIFIER, case, "ask-again") == {"asked": [word]}
    again = (await zhejiang.sent())[-1]
    assert isinstance(again.message, kind)
    assert again.message == before.message


async def test_a_reissue_that_was_asked_for_is_asked_for_again(shanghai: Bureau) -> None:
    case, _ = await certified(shanghai)
    await shanghai.done(COUNTER, case, "request-reissue", {"reason": "遗失"})
    assert await shanghai.done(COUNTER, case, "ask-again") == {"asked": ["reissue"]}
    assert [type(one.message) for one in await shanghai.news()] == [ReissueRequested, ReissueRequested]


async def test_an_operator_may_press_it_for_any_case(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    assert await shanghai.done(OPERATOR, case, "ask-again") == {"asked": ["certificate"]}
    (row,) = await shanghai.audit("transfers.ask again")
    assert (row.actor, row.role, row.purpose) == (OPERATOR, "operator", "operations")


@pytest.mark.parametrize("state", ["DRAFT", "UNDER_REVIEW", "CERTIFIED", "HERE", "VOID", "REFUSED"])
async def test_where_nobody_waits_nothing_is_said(shanghai: Bureau, state: str) -> None:
    case = await at_destination(shanghai, state)
    count = len(await shanghai.sent())
    assert (await shanghai.act(COUNTER, case, "ask-again")).status_code == 409
    assert len(await shanghai.sent()) == count


async def test_the_timer_doubles_its_patience(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    waits = []
    for _ in range(3):
        shanghai.machine.offset += timedelta(hours=2)
        assert await ask_due_now(shanghai.wiring.bus_database, shanghai.wiring.asks) == 1
        row = (await shanghai.owed(case))["transfers.certificate"]
        waits.append((row.next_ask_at - shanghai.machine.now()).total_seconds())
    for wait, expected in zip(waits, (120, 240, 480), strict=True):
        assert 0.79 * expected < wait < 1.21 * expected
    assert [type(one.message) for one in await shanghai.news()] == [PermitIssued] * 3
