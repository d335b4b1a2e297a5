"""Two canary persons go through a whole transfer and everything that can go wrong with it; afterwards they are in clear nowhere:
not in the nodes' logs, their metrics, the bus, PostgreSQL's files (tables, indexes, write-ahead log, server log), nor in any row.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from aiokafka import AIOKafkaConsumer
from sqlalchemy import text

from services.bureau.population import acts as population
from services.bureau.population.acts import NewHousehold
from services.bureau.population.tables import HEAD_RELATION
from services.harness.rogue import Rogue
from services.harness.rogue.forge import Forgery
from shared.contract.messages import PermitIssued
from shared.contract.registry import CAPABILITIES, topic
from shared.database import Session
from shared.envelope import Place, TrustStore
from shared.messaging.bus import Record
from tests.real.canaries import Canaries, Search, files_below, written
from tests.real.people import PLACES, Person, application
from tests.real.stage import Stage, staged
from tests.real.test_rogue import bus_of, case_at, overheard
from tests.real.transfer import Transfer
from tests.real.verdict import rows_of
from tests.real.waiting import Measured, until

CANARIES = Canaries()
ORIGIN, DESTINATION = PLACES["zhejiang"], PLACES["shanghai"]
OPERATOR = "D33005"
RESIDENT = f"/api/v1/residents?citizen_id_no={CANARIES.id_no}"
LIES = text("SELECT reason FROM audit WHERE peer = 'anhui' AND decision = 'refused'")
LETTERS = text("SELECT id, reason FROM dead_letter WHERE resolved_at IS NULL ORDER BY id")
TABLES = text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
PLANT = "CREATE TABLE planted AS SELECT '{name}' AS name"
KAFKA = pytest.param("kafka", marks=pytest.mark.kafka)


@pytest.fixture(scope="module", params=["embedded", KAFKA])
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("canaries"), stack=request.param) as made:
        yield made


async def settle(stage: Stage, person: Person, address: str) -> None:
    home = person.home

    async def unit(session: Session) -> None:
        made = await population.create_household(
            session, NewHousehold(station_code=home.station, division_code=home.division, address=address)
        )
        await population.register_arrival(session, person.record, epoch=1, household_id=made.id, relation_code=HEAD_RELATION)

    await stage.databases[home.bureau].run(unit, name="test.canary")


def form(person: Person, sponsor: Person) -> dict[str, Any]:
    made = application(person, DESTINATION, sponsor)
    made["applicant"]["phone"] = CANARIES.phone
    made["origin"]["address"], made["destination"]["address"] = CANARIES.old_address, CANARIES.new_address
    return made | {"reason_text": CANARIES.reason}


async def transfer(stage: Stage) -> Transfer:
    person, sponsor = (
        Person(ORIGIN, CANARIES.id_no, CANARIES.name),
        Person(DESTINATION, CANARIES.sponsor_id_no, CANARIES.sponsor_name),
    )
    await settle(stage, person, CANARIES.old_address)
    await settle(stage, sponsor, CANARIES.new_address)
    opened = await stage.officers.act("shanghai", DESTINATION.counter, "/api/v1/transfers", form(person, sponsor))
    made = Transfer(stage.officers, stage.states, person, DESTINATION, UUID(opened.json()["case"]))
    for act in ("accept", "submit", "look-up"):
        await made.at_destination(DESTINATION.counter, act)
    await made.approve()
    await made.reached("RECEIVED")
    read = await ask(stage, "zhejiang", ORIGIN.counter, "GET", RESIDENT, **_purpose(made))
    assert CANARIES.name in read.text  # an officer with an open case is told
    await made.run("received")
    return made


def _purpose(transfer: Transfer) -> dict[str, str]:
    return {"Quanyu-Purpose": "household_transfer", "Quanyu-Case": str(transfer.case)}


async def ask(
    stage: Stage, bureau: str, officer: str, method: str, path: str, body: Any = None, **headers: str
) -> httpx.Response:
    sent = {"Authorization": f"Bearer {await stage.officers.token(bureau, officer)}"} | headers
    async with httpx.AsyncClient(base_url=stage.nodes[bureau].web, trust_env=False) as client:
        return await client.request(method, path, json=body, headers=sent)


async def officers_trouble(stage: Stage, done: Transfer) -> list[httpx.Response]:
    """Refused forms, strangers, failed logins, addresses that name somebody, and an act that breaks on a person: the answers."""
    counter, number = DESTINATION.counter, CANARIES.id_no
    wrong = form(done.person, done.person) | {"surprise": CANARIES.name, "category": CANARIES.phone}
    answers = [
        await ask(stage, "shanghai", counter, "POST", "/api/v1/transfers", wrong),
        await ask(stage, "shanghai", counter, "GET", f"/{number}"),
        await ask(stage, "shanghai", "D31011", "GET", RESIDENT, **_purpose(done)),
        await ask(stage, "zhejiang", ORIGIN.counter, "GET", RESIDENT, **_purpose(done)),  # its case is no longer open
        await ask(stage, "zhejiang", ORIGIN.counter, "GET", "/api/v1/transfers", Authorization=f"Bearer {number}"),
    ]
    async with httpx.AsyncClient(base_url=stage.nodes["zhejiang"].web, trust_env=False) as client:
        form_of_login = {"grant_type": "urn:quanyu:grant:development", "officer": CANARIES.name}
        answers.append(await client.post("/dev/token", data=form_of_login))
    hold = {"citizen_id_no": CANARIES.id_no, "kind": "OTHER_BUSINESS", "reason": CANARIES.remark}
    await in_database(stage, "zhejiang", "ALTER TABLE hold RENAME TO elsewhere")
    answers.append(await ask(stage, "zhejiang", ORIGIN.verifier, "POST", "/api/v1/holds", hold))
    await in_database(stage, "zhejiang", "ALTER TABLE elsewhere RENAME TO hold")
    return answers


async def in_database(stage: Stage, bureau: str, statement: str) -> None:
    """As its administrator, who alone may do so."""
    database = stage.federation.registers()[bureau].database_url.rpartition("/")[2]
    await asyncio.to_thread(stage.federation.postgres[bureau].execute, database, [statement])


async def messages_trouble(stage: Stage, done: Transfer) -> list[str]:
    """A damaged envelope, and a stranger's permit with all that it says of the person: the reasons of the dead letters."""
    good = await overheard(stage, "zhejiang.transfers")
    damaged = Record(good.topic, good.key, {}, good.value[:-8] + b"AAAAAAAA")
    case = await case_at(stage, "zhejiang", "shanghai", done)
    assert case.file.permit is not None
    lie = PermitIssued(case=done.case, apply_no=str(case.apply_no), permit=case.file.permit)
    publisher = await bus_of(stage).publisher()
    await publisher.publish([damaged, _sealed(stage, "anhui", lie, to="zhejiang")])
    await publisher.close()

    async def both_have_come() -> bool:
        letters = await rows_of(stage.databases["zhejiang"], LETTERS)
        return bool(letters and await rows_of(stage.databases["zhejiang"], LIES))

    await until(both_have_come)
    (letter,) = await rows_of(stage.databases["zhejiang"], LETTERS)
    path = f"/api/v1/operations/dead-letters/{letter.id}/skip"
    skipped = await ask(stage, "zhejiang", OPERATOR, "POST", path, {"reason": f"{CANARIES.name} {CANARIES.remark}"})
    assert skipped.status_code == 200, skipped.text
    return [letter.reason, *(row.reason for row in await rows_of(stage.databases["zhejiang"], LIES))]


def _sealed(stage: Stage, by: str, message: PermitIssued, *, to: str) -> Record:
    keys = stage.federation.folder / "keys" / by
    rogue = Rogue.of(keys, by, TrustStore(keys / "trust").current)
    place = Place("message", "transfers", topic=f"{to}.transfers", key=message.key)
    return Record(str(place.topic), place.key, {}, Forgery(content=message, place=place, to=to).envelope(rogue))


async def rows_as_text(stage: Stage) -> dict[str, str]:
    """Every row of every table, as PostgreSQL shows it: what it has compressed, too."""
    shown = {}
    for bureau, database in stage.databases.items():
        for (table,) in await rows_of(database, TABLES):
            rows = await rows_of(database, text(f"SELECT t::text FROM {table} t"))  # noqa: S608  # our own tables
            shown[f"{bureau}.{table}"] = "\n".join(row[0] for row in rows)
    return shown


async def records_of_kafka(servers: str) -> list[tuple[str, bytes]]:
    """Every record of every topic of ours, unpacked: on disk a batch may be compressed."""
    topics = [topic(bureau, capability) for bureau in PLACES for capability in CAPABILITIES]
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found: list[tuple[str, bytes]] = []
        while any([await consumer.position(part) < end for part, end in ends.items()]):
            for part, records in (await consumer.getmany(timeout_ms=500)).items():
                for one in records:
                    heads = b"".join(name.encode() + b"=" + value + b"\n" for name, value in one.headers)
                    found.append((part.topic, (one.key or b"") + b"\n" + heads + (one.value or b"")))
        assert {topic for topic, _ in found} >= {"zhejiang.transfers", "shanghai.transfers"}
        return found
    finally:
        await consumer.stop()


async def metrics(stage: Stage) -> dict[str, str]:
    answers = {bureau: await ask(stage, bureau, PLACES[bureau].counter, "GET", "/metrics") for bureau in stage.nodes}
    assert all(answer.status_code == 200 for answer in answers.values())
    return {bureau: answer.text for bureau, answer in answers.items()}


async def checkpoint(stage: Stage) -> None:
    """Everything that is in memory goes into the files."""
    for server in stage.federation.postgres.values():
        await asyncio.to_thread(server.execute, "postgres", ["CHECKPOINT"])


async def looked_through(stage: Stage, search: Search) -> None:
    """All that a node, its database or the bus has written anywhere, and what they tell."""
    await checkpoint(stage)
    folder = stage.federation.folder
    search.through_files(files_below(folder), folder)
    for where, shown in (await rows_as_text(stage)).items():
        search.through(shown.encode(), f"rows of {where}")
    for bureau, told in (await metrics(stage)).items():
        search.through(told.encode(), f"metrics of {bureau}")
    if stage.servers is not None:
        for topic, record in await records_of_kafka(stage.servers):
            search.through(record, f"a record of {topic}")


@pytest.mark.timeout(600)
async def test_a_canary_is_in_clear_nowhere(stage: Stage, measured: Measured) -> None:
    done = await transfer(stage)
    answers = await officers_trouble(stage, done)
    assert [answer.status_code for answer in answers] == [422, 404, 403, 403, 401, 400, 500]
    reasons = await messages_trouble(stage, done)
    assert reasons[0] == "signature"
    assert len(reasons) > 1, "the stranger's permit was refused and audited"

    problems = Search.of(CANARIES.texts())
    for number, answer in enumerate(answers):
        problems.through(answer.content, f"answer {number}")
    assert problems.found == []

    search = Search.of(CANARIES.texts())
    await looked_through(stage, search)
    assert search.found == []
    assert all(f"{bureau}.log" in {file.name for file in files_below(stage.federation.folder)} for bureau in stage.nodes)
    assert "unexpected error" in stage.nodes["zhejiang"].log.read_text()
    measured(f"canaries on {'Kafka' if stage.servers else 'the local bus'}, files", search.files)
    measured("canaries, MB looked through", search.size_bytes / 1e6)
    measured("canaries, forms looked for", len(search.needles))


@pytest.mark.timeout(600)
async def test_a_canary_that_somebody_has_put_somewhere_is_found_there(stage: Stage) -> None:
    """The search works: planted in a table, a log, and a record of the bus, each is found where it lies, and only there."""
    await in_database(stage, "jiangsu", PLANT.format(name=CANARIES.name))
    with stage.nodes["anhui"].log.open("a") as log:
        log.write(json.dumps({"event": "planted", "name": CANARIES.sponsor_name}) + "\n")
    publisher = await bus_of(stage).publisher()
    await publisher.publish([Record("anhui.transfers", "k", {}, CANARIES.phone.encode())])
    await publisher.close()
    search = Search.of(CANARIES.texts())
    await looked_through(stage, search)
    places = {what.partition(" as ")[0] + ": " + what.rpartition(" in ")[2].split("/")[0] for what in search.found}
    bus = "kafka" if stage.servers else "bus.sqlite"
    assert {"name: postgres", "sponsor_name: anhui.log"} <= places
    assert any(place.startswith(f"phone: {bus}") for place in places), places
    assert not any("_address" in what or "id_no" in what for what in search.found)


@pytest.mark.parametrize("form", [*written(CANARIES.name)])
def test_every_form_is_found_inside_other_bytes(form: str, tmp_path: Path) -> None:
    made = _as(form, f"前{CANARIES.name}后")
    (tmp_path / "file").write_bytes(b"x" * 100 + made + b"y" * 100)
    search = Search.of(CANARIES.texts())
    search.through_files(files_below(tmp_path), tmp_path)
    assert written(CANARIES.name)[form] in made
    assert [what for what in search.found if what.startswith("name as ")]


def _as(form: str, said: str) -> bytes:
    match form.replace("base64url", "base64").partition(" at "):
        case ("base64", _, at):
            code = base64.urlsafe_b64encode if "url" in form else base64.b64encode
            return code(b"abc"[: (int(at) - len("前".encode())) % 3] + said.encode())
    match form:
        case "JSON escapes":
            return json.dumps(said).encode()
        case "JSON escapes, upper case":
            return json.dumps(said).upper().replace("\\U", "\\u").encode()
        case "hex":
            return said.encode().hex().encode()
        case "hex, upper case":
            return said.encode().hex().upper().encode()
    return said.encode(form)
