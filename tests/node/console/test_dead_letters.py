"""What could not take effect: seen by operators without its content, previewed without effect, replayed once, or skipped."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from services.bureau.transfers import inbound
from services.bureau.worker import sweep_once
from shared.contract.messages import DirectoryPublished, PermitIssued
from shared.database import DatabaseDown
from shared.messaging import burial
from shared.messaging.bus import Record
from shared.messaging.dead_letters import retry_due
from shared.messaging.receive import ATTEMPTS_BEFORE_DEAD
from shared.messaging.tables import dead_letter
from tests.node.bureau import Bureau, faults
from tests.node.console.letters import LETTERS, from_the_future, letters, preview, replay
from tests.node.people import WANG
from tests.node.transfers.cases import O_COUNTER, O_OPERATOR, permit_for


async def test_garbage_is_kept_audited_and_listed_without_its_content(zhejiang: Bureau) -> None:
    rubbish = f"{WANG.citizen_id_no} is no envelope".encode()
    await zhejiang.deliver(Record("zhejiang.transfers", "k", {"ce_source": "shanghai"}, rubbish))
    (letter,) = await letters(zhejiang)
    assert (letter["topic"], letter["partition"], letter["offset"]) == ("zhejiang.transfers", 0, 0)
    assert letter["reason"]
    assert WANG.citizen_id_no not in str(letter)
    assert (await zhejiang.one("SELECT raw_value FROM dead_letter")).raw_value == rubbish
    (row,) = await zhejiang.audit("messaging.receive")
    assert (row.decision, row.reason, row.peer) == ("refused", letter["reason"], "shanghai")
    assert await zhejiang.rows("SELECT * FROM receipt") == []


async def test_garbage_stops_nobody_behind_it(zhejiang: Bureau) -> None:
    permit = permit_for()
    rubbish = Record("zhejiang.transfers", "", {}, b"no envelope")
    await zhejiang.deliver(rubbish, zhejiang.sealed(permit, by="shanghai"), rubbish)
    assert await zhejiang.states(permit.case) == {1: "RECEIVED"}
    assert len(await letters(zhejiang)) == 2


async def test_a_preview_tells_what_would_happen_and_changes_nothing(zhejiang: Bureau) -> None:
    await from_the_future(zhejiang)
    (letter,) = await letters(zhejiang)
    assert letter["reason"] == "clock_ahead"
    assert (await preview(zhejiang, letter["id"])).json() == {"letter": letter["id"], "would": "clock_ahead"}
    zhejiang.machine.offset = timedelta(0)
    before = await zhejiang.fingerprint()
    assert (await preview(zhejiang, letter["id"])).json()["would"] == "applied"
    assert await zhejiang.fingerprint() == before
    assert await zhejiang.rows("SELECT * FROM transfer_case") == []


async def test_a_replay_has_its_effect_once(zhejiang: Bureau) -> None:
    record = await from_the_future(zhejiang)
    zhejiang.machine.offset = timedelta(0)
    (letter,) = await letters(zhejiang)
    assert await replay(zhejiang, letter["id"]) == ["applied"]
    assert [row.state for row in await zhejiang.rows("SELECT state FROM transfer_member")] == ["RECEIVED"]
    assert await letters(zhejiang) == []
    kept = await zhejiang.one("SELECT * FROM dead_letter")
    assert (kept.resolved_by, kept.resolution) == (O_OPERATOR, "replayed: applied")
    assert [row.actor for row in await zhejiang.audit("operations.replay")] == [O_OPERATOR]
    assert await replay(zhejiang, letter["id"]) == ["no_such_letter"]
    await zhejiang.deliver(record)  # the bus brings it again
    assert len(await zhejiang.audit("transfers.PermitIssued")) == 1


async def test_a_letter_whose_message_came_another_way_is_only_closed(zhejiang: Bureau) -> None:
    record = await from_the_future(zhejiang)
    zhejiang.machine.offset = timedelta(0)
    await zhejiang.deliver(record)
    (letter,) = await letters(zhejiang)
    assert await replay(zhejiang, letter["id"]) == ["already_applied"]
    assert await letters(zhejiang) == []
    assert len(await zhejiang.audit("transfers.PermitIssued")) == 1


async def test_a_replay_sent_twice_with_its_key_is_done_once_and_answered_alike(zhejiang: Bureau) -> None:
    await from_the_future(zhejiang)
    zhejiang.machine.offset = timedelta(0)
    (letter,) = await letters(zhejiang)
    wanted = {"letters": [letter["id"]]}
    answers = [await zhejiang.ask(O_OPERATOR, "POST", f"{LETTERS}/replay", wanted, Idempotency_Key="replay-1") for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"results": [{"letter": letter["id"], "outcome": "applied"}]}] * 2
    assert answers[1].headers["Idempotency-Replayed"] == "true"


async def test_several_letters_are_replayed_one_by_one(zhejiang: Bureau) -> None:
    await from_the_future(zhejiang)
    await zhejiang.deliver(Record("zhejiang.transfers", "", {}, b"no envelope"))
    zhejiang.machine.offset = timedelta(0)
    first, second = await letters(zhejiang)
    outcomes = await replay(zhejiang, second["id"], first["id"], 999)
    assert outcomes[1:] == ["applied", "no_such_letter"]
    assert outcomes[0] == second["reason"]
    assert [letter["id"] for letter in await letters(zhejiang)] == [second["id"]]


async def test_a_skipped_letter_is_closed_with_its_reason_and_without_effect(zhejiang: Bureau) -> None:
    await from_the_future(zhejiang)
    zhejiang.machine.offset = timedelta(0)
    (letter,) = await letters(zhejiang)
    path = f"{LETTERS}/{letter['id']}/skip"
    for body, rule in (({}, "missing"), ({"reason": ""}, "string_too_short")):
        answer = await zhejiang.ask(O_OPERATOR, "POST", path, body)
        assert (answer.status_code, faults(answer)) == (422, [("reason", rule)])
    answer = await zhejiang.ask(O_OPERATOR, "POST", path, {"reason": "演习"})
    assert answer.json() == {"letter": letter["id"], "outcome": "skipped"}
    kept = await zhejiang.one("SELECT * FROM dead_letter")
    assert (kept.resolved_by, kept.resolution) == (O_OPERATOR, "skipped")
    assert (await zhejiang.one(select(dead_letter.c.skip_reason))).skip_reason.text == "演习"
    assert await zhejiang.rows("SELECT * FROM transfer_case") == []
    (row,) = await zhejiang.audit("operations.skip")
    assert (row.actor, row.object_id, row.reason) == (O_OPERATOR, str(letter["id"]), "")
    for again in (path, f"{LETTERS}/{letter['id']}/preview"):
        assert (await zhejiang.ask(O_OPERATOR, "POST", again, {"reason": "演习"})).status_code == 404


async def test_a_handler_that_fails_is_tried_again_and_at_last_given_to_a_person(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = True
    genuine = inbound.HANDLERS[PermitIssued]

    async def handler(session: Any, message: Any, received: Any) -> None:
        if broken:
            raise RuntimeError("the test's handler fails")
        await genuine(session, message, received)

    zhejiang.handle(monkeypatch, PermitIssued, handler)
    permit = permit_for()
    await zhejiang.told(permit, by="shanghai")
    wiring = zhejiang.wiring
    for attempt in range(1, ATTEMPTS_BEFORE_DEAD):
        row = await zhejiang.one("SELECT * FROM receipt")
        assert (row.outcome, row.attempts) == ("not_yet", attempt)
        assert await letters(zhejiang) == []
        zhejiang.machine.offset += timedelta(hours=2)
        zhejiang._tokens.clear()
        assert await retry_due(wiring.bus_database, wiring.receiver) == 1
    assert (await zhejiang.one("SELECT * FROM receipt")).outcome == "dead"
    (letter,) = await letters(zhejiang)
    assert letter["reason"] == "handler"
    broken = False
    assert await replay(zhejiang, letter["id"]) == ["applied"]
    assert await zhejiang.states(permit.case) == {1: "RECEIVED"}
    assert (await zhejiang.one("SELECT * FROM receipt")).outcome == "applied"


async def failing(session: Any, message: Any, received: Any) -> None:
    raise RuntimeError("the test's handler fails")


async def buried_again(bureau: Bureau, tries: int = 1) -> None:
    """The retries of what a failing handler holds up, until a person is asked."""
    for _ in range(tries):
        bureau.machine.offset += timedelta(hours=2)
        await retry_due(bureau.wiring.bus_database, bureau.wiring.receiver)
    bureau._tokens.clear()


async def test_a_message_that_dies_again_after_its_letter_was_closed_has_an_open_letter_again(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    zhejiang.handle(monkeypatch, PermitIssued, failing)
    await zhejiang.told(permit_for(), by="shanghai")
    await buried_again(zhejiang, ATTEMPTS_BEFORE_DEAD)
    (first,) = await letters(zhejiang)
    assert await replay(zhejiang, first["id"]) == ["not_yet"]  # given to the retries again, which fail again
    assert await letters(zhejiang) == []
    await buried_again(zhejiang)
    (second,) = await letters(zhejiang)
    assert (second["reason"], second["offset"]) == ("handler", first["offset"])
    assert (await zhejiang.one("SELECT * FROM receipt")).outcome == "dead"


async def test_two_senders_that_use_one_event_id_have_a_letter_each(zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    zhejiang.handle(monkeypatch, PermitIssued, failing)
    event = uuid7()
    for sender in ("shanghai", "jiangsu"):
        await zhejiang.told(permit_for(), by=sender, event_id=event)
    await buried_again(zhejiang, ATTEMPTS_BEFORE_DEAD)
    assert len(await letters(zhejiang)) == 2


async def test_everything_unreadable_that_came_inside_answers_is_kept_once(zhejiang: Bureau) -> None:
    for rubbish in (b"no envelope", b"none either", b"no envelope"):
        await zhejiang.wiring.receiver.receive_envelope(rubbish, topic="zhejiang.transfers")
    kept = await zhejiang.rows("SELECT raw_value FROM dead_letter ORDER BY id")
    assert [row.raw_value for row in kept] == [b"no envelope", b"none either"]


async def test_a_content_that_its_sender_may_not_say_is_dead_at_once(zhejiang: Bureau) -> None:
    now = zhejiang.machine.now()
    foreign = DirectoryPublished(bureau="anhui", version=9, published_at=now, stations=())
    await zhejiang.told(foreign, by="shanghai")
    (letter,) = await letters(zhejiang)
    assert letter["reason"] == "content"
    assert await zhejiang.rows("SELECT version FROM directory WHERE bureau = 'anhui' AND version = 9") == []
    assert await replay(zhejiang, letter["id"]) == ["dead"]
    assert len(await letters(zhejiang)) == 1  # still one, and still open


async def test_the_same_event_with_another_content_is_a_conflict(zhejiang: Bureau) -> None:
    first = permit_for()
    event = await _tell(zhejiang, first)
    other = permit_for()
    await zhejiang.told(other, by="shanghai", event_id=event)
    (letter,) = await letters(zhejiang)
    assert letter["reason"] == "conflict"
    assert await zhejiang.states(other.case) == {}
    assert await zhejiang.states(first.case) == {1: "RECEIVED"}


@pytest.mark.parametrize("first_applies", [True, False])
async def test_a_conflict_stays_one_however_often_it_is_replayed(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch, first_applies: bool
) -> None:
    first, other = permit_for(), permit_for()
    with monkeypatch.context() as patch:
        if not first_applies:
            zhejiang.handle(patch, PermitIssued, failing)
        event = await _tell(zhejiang, first)
    await zhejiang.told(other, by="shanghai", event_id=event)
    (letter,) = await letters(zhejiang)
    kept = await zhejiang.one("SELECT * FROM receipt")
    assert kept.outcome == ("applied" if first_applies else "not_yet")
    assert (await preview(zhejiang, letter["id"])).json()["would"] == "conflict"
    assert await replay(zhejiang, letter["id"]) == ["conflict"]
    assert [(one["id"], one["reason"]) for one in await letters(zhejiang)] == [(letter["id"], "conflict")]
    assert await zhejiang.states(other.case) == {}
    assert await zhejiang.one("SELECT * FROM receipt") == kept


async def test_a_database_that_is_away_during_a_replay_is_no_fault_of_the_letter(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(session: Any, message: Any, received: Any) -> None:
        raise DatabaseDown("the test's database is away")

    await from_the_future(zhejiang)
    zhejiang.machine.offset = timedelta(0)
    (letter,) = await letters(zhejiang)
    zhejiang.handle(monkeypatch, PermitIssued, away)
    answer = await zhejiang.ask(O_OPERATOR, "POST", f"{LETTERS}/replay", {"letters": [letter["id"]]})
    assert answer.status_code == 503
    assert await letters(zhejiang) == [letter]


async def test_a_topic_has_a_limit_of_letters_and_what_is_beyond_it_is_told_once_a_minute(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(burial, "MOST_OPEN_LETTERS", 2)
    rubbish = Record("zhejiang.transfers", "", {}, b"no envelope")
    await zhejiang.deliver(*([rubbish] * 5), Record("zhejiang.stations", "", {}, b"no envelope"))
    zhejiang.machine.offset += timedelta(minutes=1)
    await zhejiang.deliver(*([rubbish] * 5))
    kept = await letters(zhejiang)
    assert [letter["topic"] for letter in kept] == ["zhejiang.transfers"] * 2 + ["zhejiang.stations"]
    told = [row.object_id for row in await zhejiang.audit("messaging.receive", reason="not_kept")]
    assert told == ["zhejiang.transfers"] * 2
    await replay(zhejiang, kept[0]["id"])
    assert len(await letters(zhejiang)) == 3
    await zhejiang.ask(O_OPERATOR, "POST", f"{LETTERS}/{kept[0]['id']}/skip", {"reason": "演习"})
    await zhejiang.deliver(rubbish)
    assert len(await letters(zhejiang)) == 3  # there is room again


async def test_a_letter_whose_message_dies_in_a_replay_is_closed_only_when_another_takes_its_place(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = DirectoryPublished(bureau="anhui", version=9, published_at=zhejiang.machine.now(), stations=())
    await zhejiang.deliver(zhejiang.sealed(foreign, by="shanghai", ahead_s=600))
    zhejiang.machine.offset = timedelta(minutes=10)
    zhejiang._tokens.clear()
    (letter,) = await letters(zhejiang)
    with monkeypatch.context() as patch:
        patch.setattr(burial, "MOST_OPEN_LETTERS", 1)
        assert await replay(zhejiang, letter["id"]) == ["not_kept"]
    assert [one["id"] for one in await letters(zhejiang)] == [letter["id"]]
    assert await replay(zhejiang, letter["id"]) == ["dead"]
    assert [one["reason"] for one in await letters(zhejiang)] == ["content"]


async def test_letters_are_swept_away_weeks_after_somebody_decided_them(zhejiang: Bureau) -> None:
    await zhejiang.deliver(*([Record("zhejiang.transfers", "", {}, b"no envelope")] * 2))
    first, second = await letters(zhejiang)
    await zhejiang.ask(O_OPERATOR, "POST", f"{LETTERS}/{first['id']}/skip", {"reason": "演习"})
    for days, left in ((44, [first["id"], second["id"]]), (2, [second["id"]])):
        zhejiang.machine.offset += timedelta(days=days)
        await zhejiang.wiring.bus_database.run(sweep_once, name="sweep")
        assert [row.id for row in await zhejiang.rows("SELECT id FROM dead_letter ORDER BY id")] == left


async def _tell(zhejiang: Bureau, permit: PermitIssued) -> Any:
    record = zhejiang.sealed(permit, by="shanghai")
    await zhejiang.deliver(record)
    return (await zhejiang.one("SELECT event_id FROM receipt")).event_id


async def test_letters_come_in_pages_oldest_first(zhejiang: Bureau) -> None:
    rubbish = Record("zhejiang.transfers", "", {}, b"no envelope")
    await zhejiang.deliver(*([rubbish] * 3))
    numbers = [letter["id"] for letter in await letters(zhejiang)]
    assert numbers == sorted(numbers)
    assert [letter["id"] for letter in await letters(zhejiang, "?most=2")] == numbers[:2]
    assert [letter["id"] for letter in await letters(zhejiang, f"?after={numbers[1]}")] == numbers[2:]


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "letters", "missing"),
        ({"letters": []}, "letters", "too_short"),
        ({"letters": list(range(101))}, "letters", "too_long"),
        ({"letters": ["one"]}, "letters.0", "int_parsing"),
        ({"letters": [-1]}, "letters.0", "greater_than_equal"),
    ],
)
async def test_a_bad_replay_is_named(quiet_zhejiang: Bureau, body: Any, field: str, rule: str) -> None:
    answer = await quiet_zhejiang.ask(O_OPERATOR, "POST", f"{LETTERS}/replay", body)
    assert (answer.status_code, faults(answer)[0]) == (422, (field, rule))


async def test_an_officer_of_a_station_has_no_business_with_them(quiet_zhejiang: Bureau) -> None:
    assert (await quiet_zhejiang.ask(O_COUNTER, "GET", LETTERS)).status_code == 403
