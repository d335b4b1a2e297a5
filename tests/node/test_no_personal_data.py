"""Canaries: a person's number, name, telephone and address are in no log line, and in clear in no row of any table or file."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.contract.messages import PermitIssued
from shared.messaging.bus import Record
from shared.telemetry import configure_logs
from tests.node.bureau import Bureau
from tests.node.people import LI, WANG, ZHOU, Person
from tests.node.transfers.cases import (
    CASES,
    COUNTER,
    O_COUNTER,
    O_OPERATOR,
    O_VERIFIER,
    OFFICE,
    application,
    at_destination,
    certificate_for,
    closed,
    permit_for,
    settled,
)

PHONE = "13912345678"
STREET = "金丝雀路77弄8号"
REASON = "金丝雀的私事"
CANARY = Person(WANG.citizen_id_no, WANG.name)
CANARIES = (CANARY.citizen_id_no, CANARY.name, LI.citizen_id_no, LI.name, PHONE, STREET, REASON)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Every line that a node would write, down to debug."""
    stream = io.StringIO()
    configure_logs("debug", stream=stream)
    yield stream
    configure_logs("error")


def found_in(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text or canary.encode().hex() in text]


def form() -> dict[str, Any]:
    made = application(CANARY)
    made["applicant"]["phone"] = PHONE
    made["origin"]["address"] = STREET
    made["destination"]["address"] = STREET
    return made | {"reason_text": REASON}


async def transfer(shanghai: Bureau, zhejiang: Bureau) -> None:
    """The whole story between two real nodes, message by message, with everything that a person could be named in."""
    case = await at_destination(shanghai, "SUPPLEMENT_REQUIRED", form())
    for act in ("supplemented", "submit"):
        await shanghai.done(COUNTER, case, act)
    await shanghai.done(COUNTER, case, "look-up")
    await shanghai.done(OFFICE, case, "approve", {})
    (permit,) = await shanghai.news()
    await zhejiang.told(permit.message, by="shanghai")
    hold = {"citizen_id_no": CANARY.citizen_id_no, "kind": "OTHER_BUSINESS", "reason": REASON}
    placed = await zhejiang.ask(O_VERIFIER, "POST", "/api/v1/holds", hold, Idempotency_Key="hold")
    await zhejiang.act(O_VERIFIER, case, "seal", {"applicant_confirms": True})  # refused, with its findings
    await zhejiang.ask(O_VERIFIER, "DELETE", f"/api/v1/holds/{placed.json()['id']}")
    headers = {"Quanyu_Purpose": "household_transfer", "Quanyu_Case": case}
    await zhejiang.ask(O_COUNTER, "GET", f"/api/v1/residents?citizen_id_no={CANARY.citizen_id_no}", **headers)
    await zhejiang.done(O_VERIFIER, case, "seal", {"applicant_confirms": True}, Idempotency_Key="seal")
    (certificate,) = await zhejiang.news()
    await shanghai.told(certificate.message, by="zhejiang")
    await shanghai.done(COUNTER, case, "request-reissue", {"reason": REASON})
    await shanghai.done(COUNTER, case, "settle", {"signed": [1], "late_reason": REASON}, Idempotency_Key="settle")
    await zhejiang.told(settled(case, zhejiang), by="shanghai")
    await shanghai.told(closed(case, shanghai), by="zhejiang")
    assert await shanghai.states(case) == {1: "HERE"}
    assert await zhejiang.states(case) == {1: "GONE"}


async def trouble(shanghai: Bureau, zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong, and is logged: denials, bad input, strangers' messages, handlers and acts that break on a person."""
    await shanghai.ask("D31011", "GET", f"/api/v1/residents?citizen_id_no={CANARY.citizen_id_no}")
    await shanghai.ask(COUNTER, "POST", CASES, form() | {"applicant": {"citizen_id_no": CANARY.citizen_id_no + "9"}})
    await shanghai.ask(COUNTER, "POST", CASES, form())
    await shanghai.ask(COUNTER, "GET", f"/{CANARY.citizen_id_no}")
    await zhejiang.told(permit_for(CANARY, destination_division_code="320583"), by="shanghai")
    await zhejiang.told(certificate_for(permit_for(CANARY)), by="anhui")
    await zhejiang.deliver(Record("zhejiang.transfers", "k", {"ce_source": "shanghai"}, b"no envelope"))

    async def broken(session: Any, message: Any, received: Any) -> None:
        raise RuntimeError(f"{CANARY.citizen_id_no} telephone {PHONE}")

    zhejiang.handle(monkeypatch, PermitIssued, broken)
    await zhejiang.told(permit_for(CANARY), by="shanghai")
    await shanghai.rewire(posts_of=_breaking)
    answer = await shanghai.ask(COUNTER, "GET", CASES)
    assert answer.status_code == 500
    assert not found_in(answer.text)


async def _breaking(session: Any, badge_no: str, day: Any) -> Any:
    raise ValueError(f"no post for {CANARY.citizen_id_no}, telephone {PHONE}")


async def in_clear(bureau: Bureau) -> dict[str, list[str]]:
    """The canaries that can be read in each table, as text or as bytes."""
    tables = await bureau.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    seen: dict[str, list[str]] = {}
    for (table,) in tables:
        rows = await bureau.rows(f"SELECT t::text FROM {table} t")  # noqa: S608  # our own tables
        seen[table] = found_in("\n".join(row[0] for row in rows))
    return {table: canaries for table, canaries in seen.items() if canaries}


async def test_no_row_and_no_record_of_the_bus_names_a_person(shanghai: Bureau, zhejiang: Bureau, tmp_path: Path) -> None:
    await transfer(shanghai, zhejiang)
    for bureau in (shanghai, zhejiang):
        assert await in_clear(bureau) == {}
        await bureau.wiring.relay.pass_once()
    files = [path for path in tmp_path.rglob("bus.sqlite*") if path.is_file()]
    assert files
    for path in files:
        raw = path.read_bytes()
        assert [canary for canary in CANARIES if canary.encode() in raw] == []


async def test_no_log_line_names_a_person(
    shanghai: Bureau, zhejiang: Bureau, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    await transfer(shanghai, zhejiang)
    await trouble(shanghai, zhejiang, monkeypatch)
    text = log.getvalue()
    assert {"handler_failed", "unexpected error", "access denied", "message_buried", "message_refused"} <= _events(text)
    assert found_in(text) == []


async def test_what_an_operator_says_of_a_letter_is_in_clear_nowhere(zhejiang: Bureau, log: io.StringIO) -> None:
    await zhejiang.deliver(Record("zhejiang.transfers", "k", {}, b"no envelope"))
    letter = (await zhejiang.one("SELECT id FROM dead_letter")).id
    path = f"/api/v1/operations/dead-letters/{letter}/skip"
    skipped = await zhejiang.ask(O_OPERATOR, "POST", path, {"reason": f"{CANARY.name}: {REASON}"}, Idempotency_Key="skip")
    assert skipped.status_code == 200
    assert await in_clear(zhejiang) == {}
    assert found_in(log.getvalue()) == []


async def test_a_failed_handler_leaves_no_person_in_the_rows_that_remember_it(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(session: Any, message: Any, received: Any) -> None:
        raise RuntimeError(f"{CANARY.citizen_id_no} telephone {PHONE}")

    zhejiang.handle(monkeypatch, PermitIssued, broken)
    await zhejiang.told(permit_for(CANARY), by="shanghai")
    assert (await zhejiang.one("SELECT last_error FROM receipt")).last_error
    assert await in_clear(zhejiang) == {}


async def test_the_canaries_would_be_seen_in_a_row_that_names_them(zhejiang: Bureau) -> None:
    """The search itself works: one who writes a name into a plain column is found, as text and as bytes."""
    row = await zhejiang.resident(ZHOU.citizen_id_no)
    statement = "UPDATE resident SET counterpart = NULL, relation_code = :name WHERE id = :r RETURNING id"
    await zhejiang.rows(statement, name=CANARY.name, r=row.id)
    values = {"raw": LI.citizen_id_no.encode(), "now": zhejiang.machine.now()}
    await zhejiang.rows(
        'INSERT INTO dead_letter (topic, partition, "offset", raw_key, raw_value, raw_headers, reason, error, first_seen)'
        " VALUES ('t', 0, 0, '', :raw, '{}', 'r', 'e', :now) RETURNING id",
        **values,
    )
    assert await in_clear(zhejiang) == {"resident": [CANARY.name], "dead_letter": [LI.citizen_id_no]}


def _events(text: str) -> set[str]:
    return {json.loads(line)["event"] for line in text.splitlines() if line.startswith("{")}
