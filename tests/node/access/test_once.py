"""An act sent twice with its Idempotency-Key has one effect and one answer, byte for byte."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.bureau.access.calls import ANSWERS_KEPT_DAYS, forget_answers
from tests.node.bureau import Bureau, faults
from tests.node.conftest import Yard
from tests.node.people import WANG, mover
from tests.node.transfers.cases import CASES, COUNTER, OFFICE, application, at_destination, reviewed

KEY = "3f2c8e1a-0001"


async def test_sent_again_it_is_answered_the_same_and_done_once(shanghai: Bureau) -> None:
    first = await shanghai.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY)
    again = await shanghai.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content  # the query code too, which nobody else is shown
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert len(await shanghai.rows("SELECT * FROM transfer_case")) == 1
    assert len(await shanghai.audit("transfers.open")) == 1


async def test_an_act_with_a_message_says_it_once(shanghai: Bureau) -> None:
    case = await reviewed(shanghai)
    first = await shanghai.act(OFFICE, case, "approve", {}, Idempotency_Key=KEY)
    again = await shanghai.act(OFFICE, case, "approve", {}, Idempotency_Key=KEY)
    assert (first.status_code, again.content) == (200, first.content)
    assert len(await shanghai.sent()) == 1
    assert len(await shanghai.rows("SELECT * FROM transfer_receipt")) == 1


@pytest.mark.parametrize("act", ["accept", "withdraw"])
async def test_without_a_key_it_is_a_new_request(shanghai: Bureau, act: str) -> None:
    case = await at_destination(shanghai, "DRAFT")
    body = {"reason": "演示"} if act == "withdraw" else None
    assert (await shanghai.act(COUNTER, case, act, body)).status_code == 200
    assert (await shanghai.act(COUNTER, case, act, body)).status_code == 409


async def test_sent_many_times_at_once_it_is_done_once(shanghai: Bureau) -> None:
    answers = await asyncio.gather(*(shanghai.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len(await shanghai.rows("SELECT * FROM transfer_case")) == 1


async def test_two_acts_on_one_case_at_once_are_done_one_after_the_other(shanghai: Bureau) -> None:
    case = await reviewed(shanghai)
    answers = await asyncio.gather(
        shanghai.act(OFFICE, case, "approve", {}, Idempotency_Key="a"),
        shanghai.act(OFFICE, case, "refuse", {"reason": "演示"}, Idempotency_Key="b"),
        shanghai.act(COUNTER, case, "withdraw", {"reason": "演示"}, Idempotency_Key="c"),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]


@pytest.mark.parametrize(
    "other",
    [
        {"form": application(mover(1))},  # another body
        {"path": f"{CASES}?previous_case=01936e00-0000-7000-8000-000000000001"},  # another query
        {"headers": {"Quanyu_Purpose": "household_transfer"}},  # for a purpose that was not named before
    ],
    ids=["body", "query", "purpose"],
)
async def test_a_key_of_another_request_is_refused(shanghai: Bureau, other: dict[str, Any]) -> None:
    await shanghai.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY)
    before = await shanghai.fingerprint()
    form, path = other.get("form", application()), other.get("path", CASES)
    answer = await shanghai.ask(COUNTER, "POST", path, form, Idempotency_Key=KEY, **other.get("headers", {}))
    assert (answer.status_code, faults(answer)) == (422, [("Idempotency-Key", "key_used_before")])
    assert WANG.name not in answer.text
    assert await shanghai.fingerprint() == before


async def test_a_key_of_another_act_is_refused(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "DRAFT")
    await shanghai.act(COUNTER, case, "accept", Idempotency_Key=KEY)
    answer = await shanghai.act(COUNTER, case, "submit", Idempotency_Key=KEY)
    assert (answer.status_code, faults(answer)) == (422, [("Idempotency-Key", "key_used_before")])
    assert await shanghai.states(case) == {1: "ACCEPTED"}


async def test_another_officers_key_is_another_key(shanghai: Bureau) -> None:
    await shanghai.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY)
    answer = await shanghai.ask("D31011", "POST", CASES, application(), Idempotency_Key=KEY)
    assert [rule for _, rule in faults(answer)] == ["open_case"]  # judged by itself: the person is in a case already


async def test_what_was_refused_is_not_kept(shanghai: Bureau) -> None:
    unsigned = application(notice_signed=False)
    assert (await shanghai.ask(COUNTER, "POST", CASES, unsigned, Idempotency_Key=KEY)).status_code == 422
    assert await shanghai.rows("SELECT * FROM answered_request") == []
    assert (await shanghai.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY)).status_code == 201


async def test_answers_survive_a_restart(yard: Yard, shanghai: Bureau, tmp_path: Path) -> None:
    first = await shanghai.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY)
    back = yard.start("shanghai", shanghai.database_name, tmp_path)
    try:
        again = await back.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY)
    finally:
        await back.close()
    assert (again.status_code, again.content) == (201, first.content)
    assert len(await shanghai.rows("SELECT * FROM transfer_case")) == 1


async def test_kept_answers_are_encrypted_and_forgotten_after_a_week(shanghai: Bureau) -> None:
    await shanghai.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY)
    kept = await shanghai.one("SELECT * FROM answered_request")
    assert WANG.citizen_id_no.encode() not in bytes(kept.answer)
    database = shanghai.wiring.database
    shanghai.machine.offset = timedelta(days=ANSWERS_KEPT_DAYS) - timedelta(minutes=1)
    await database.run(forget_answers, name="test")
    assert len(await shanghai.rows("SELECT * FROM answered_request")) == 1
    shanghai.machine.offset = timedelta(days=ANSWERS_KEPT_DAYS, minutes=1)
    await database.run(forget_answers, name="test")
    assert await shanghai.rows("SELECT * FROM answered_request") == []


@pytest.mark.parametrize("key", ["", "x" * 129, "schlüssel", "a\tb"])
async def test_a_key_has_a_form(quiet_shanghai: Bureau, key: str) -> None:
    token = await quiet_shanghai.token(COUNTER)
    headers = [(b"Authorization", f"Bearer {token}".encode()), (b"Idempotency-Key", key.encode())]
    answer = await quiet_shanghai.web.post(CASES, json=application(), headers=headers)
    assert (answer.status_code, faults(answer)) == (400, [("Idempotency-Key", "key_form")])
