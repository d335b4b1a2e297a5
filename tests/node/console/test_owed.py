"""Answers still owed, at both ends, with their age; and the peers from whom they are awaited."""

from datetime import timedelta
from typing import Any

import pytest

from shared.contract.messages import MigrationCertificateIssued
from shared.messaging import NotYetApplicable, ask_due_now
from tests.node.bureau import Bureau
from tests.node.people import mover
from tests.node.transfers.cases import COUNTER, O_VERIFIER, OPERATOR, application, approved, certificate_for, received, reviewed


async def test_what_is_owed_is_listed_oldest_first_without_persons(shanghai: Bureau) -> None:
    first, _ = await approved(shanghai, application(mover(1)))
    shanghai.machine.offset += timedelta(minutes=5)
    second, _ = await approved(shanghai, application(mover(2)))
    answer = await shanghai.ask(COUNTER, "GET", "/api/v1/owed")
    told = answer.json()
    assert [row["case_id"] for row in told["owed"]] == [first, second]
    assert {(row["kind"], row["peer"], row["direction"]) for row in told["owed"]} == {
        ("transfers.certificate", "zhejiang", "by_them")
    }
    assert told["owed"][0]["due_at"].startswith("2020-12-29T15:59:59")  # the end of the next working day in China
    (oldest,) = told["oldest"]
    assert (oldest["peer"], oldest["direction"], oldest["count"]) == ("zhejiang", "by_them", 2)
    assert oldest["oldest"] == told["owed"][0]["since"]
    assert "演示" not in answer.text


async def test_the_other_end_lists_the_same_debt_as_its_own(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    (row,) = (await zhejiang.ask(O_VERIFIER, "GET", "/api/v1/owed")).json()["owed"]
    assert (row["case_id"], row["direction"], row["peer"]) == (case, "by_us", "shanghai")
    assert row["next_ask_at"] is None


async def test_nothing_is_owed_before_anything_was_said(shanghai: Bureau) -> None:
    await reviewed(shanghai)
    assert (await shanghai.ask(COUNTER, "GET", "/api/v1/owed")).json() == {"owed": [], "oldest": []}


async def test_operators_see_when_a_peer_was_heard_and_why_it_did_not_answer(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    zhejiang.peers.down.add("shanghai")
    await zhejiang.act(O_VERIFIER, case, "seal", {"applicant_confirms": True})
    (peer,) = (await zhejiang.ask("D33005", "GET", "/api/v1/operations/peers")).json()["peers"]
    assert (peer["bureau"], peer["incarnation"]) == ("shanghai", 1)
    assert peer["last_heard"]
    assert peer["last_attempt"]
    assert "unreachable" in peer["last_error"]


async def test_a_peer_whose_message_must_wait_is_heard_of_and_asked_at_once(
    shanghai: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunk rolls back, and is done again one by one: only what was committed has been heard."""

    async def waits(session: Any, message: Any, received: Any) -> None:
        raise NotYetApplicable("the test's fact must come first")

    case, permit = await approved(shanghai)
    shanghai.machine.offset += timedelta(minutes=5)
    await ask_due_now(shanghai.wiring.bus_database, shanghai.wiring.asks)
    asked = (await shanghai.owed(case))["transfers.certificate"]
    assert (asked.asks, asked.next_ask_at > shanghai.machine.now()) == (1, True)
    shanghai.handle(monkeypatch, MigrationCertificateIssued, waits)
    await shanghai.told(certificate_for(permit), by="zhejiang")
    assert (await shanghai.one("SELECT last_heard FROM peer WHERE bureau = 'zhejiang'")).last_heard is not None
    assert (await shanghai.owed(case))["transfers.certificate"].next_ask_at <= shanghai.machine.now()


async def test_a_peer_that_answers_again_is_no_longer_blamed(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    zhejiang.peers.down.add("shanghai")
    await zhejiang.act(O_VERIFIER, case, "seal", {"applicant_confirms": True})
    zhejiang.peers.down.clear()
    await zhejiang.done(O_VERIFIER, case, "seal", {"applicant_confirms": True})
    (peer,) = (await zhejiang.ask("D33005", "GET", "/api/v1/operations/peers")).json()["peers"]
    assert peer["last_error"] is None


async def test_a_peer_that_an_earlier_process_blamed_is_no_longer_when_it_answers_this_one(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    await zhejiang.rows("UPDATE peer SET last_error = 'blamed', last_attempt = now() RETURNING bureau")
    await zhejiang.done(O_VERIFIER, case, "seal", {"applicant_confirms": True})
    (peer,) = (await zhejiang.ask("D33005", "GET", "/api/v1/operations/peers")).json()["peers"]
    assert peer["last_error"] is None


async def test_the_operator_of_the_destination_sees_what_is_owed_too(shanghai: Bureau) -> None:
    await approved(shanghai)
    assert len((await shanghai.ask(OPERATOR, "GET", "/api/v1/owed")).json()["owed"]) == 1
