"""What must be true of a transfer when everything has come to rest: done, done once, nothing lost, nothing left over."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from services.bureau.population.tables import CITIZEN_INDEX_LABEL
from services.harness.cut import CUT, cut_faults, history
from shared.database import Database, DatabaseDown, OutcomeUnknown, Session
from shared.database.types import vault_of
from tests.real.people import Person

REST_SECONDS = 60.0
POLL_SECONDS = 0.1
_CASES = bindparam("cases", type_=ARRAY(Uuid))
LEFT_OVER = text(
    "SELECT (SELECT count(*) FROM outbox WHERE sent_at IS NULL) AS unsent,"
    " (SELECT count(*) FROM owed WHERE case_id = ANY(:cases)) AS owed,"
    " (SELECT count(*) FROM receipt WHERE outcome <> 'applied') AS not_applied,"
    " (SELECT count(*) FROM dead_letter WHERE resolved_at IS NULL) AS dead_letters"
).bindparams(_CASES)
CHANGES = text(
    "SELECT case_id, action, at, change -> 'members' AS members FROM audit"
    " WHERE case_id = ANY(:cases) AND action LIKE 'transfers.%' AND jsonb_array_length(change -> 'members') > 0"
).bindparams(_CASES)
SENT = text("SELECT event_id, topic FROM outbox")
APPLIED = text("SELECT sender, event_id FROM receipt WHERE outcome = 'applied'")
ROW = text("SELECT kind, epoch, version, counterpart, case_id FROM resident WHERE citizen_id_index = :citizen")
STATE = text("SELECT state FROM transfer_member WHERE case_id = :case")

# The path of a transfer of one person, each step once: (side, act or message, state of the member).
PATH = Counter(
    {
        ("destination", "accept", "ACCEPTED"): 1,
        ("destination", "submit", "UNDER_REVIEW"): 1,
        ("destination", "approve", "APPROVED"): 1,
        ("origin", "PermitIssued", "RECEIVED"): 1,
        ("origin", "certify", "SEALED"): 1,
        ("destination", "MigrationCertificateIssued", "CERTIFIED"): 1,
        ("destination", "sign", "SETTLING"): 1,
        ("origin", "TransferSettled", "GONE"): 1,
        ("destination", "TransferClosed", "HERE"): 1,
    }
)


async def rows_of(database: Database, statement: Any, **values: Any) -> Sequence[Any]:
    async def unit(session: Session) -> Sequence[Any]:
        return (await session.execute(statement, values)).all()

    return await database.run(unit, name="test.look")


async def at_rest(databases: Mapping[str, Database], servers: str | None, cases: Sequence[UUID]) -> None:
    """Return when nothing is owed about `cases` and no bureau has anything to send, kept back, or waiting on the bus.

    `servers`: Kafka's; without it what lies on the bus is not asked for."""
    ends_at, left = time.monotonic() + REST_SECONDS, {}
    while time.monotonic() < ends_at:
        try:
            left = {
                bureau: dict((await rows_of(database, LEFT_OVER, cases=cases))[0]._mapping)
                for bureau, database in databases.items()
            }
            if not any(count for counts in left.values() for count in counts.values()):
                lag = {bureau: 0 if servers is None else await lag_of(servers, bureau) for bureau in databases}
                if not any(lag.values()):
                    return
                left = {bureau: {"lag": count} for bureau, count in lag.items()}
        except (DatabaseDown, OutcomeUnknown, KafkaError) as error:
            left = {"servers": {type(error).__name__: 1}}
        await asyncio.sleep(POLL_SECONDS)
    raise AssertionError(f"not at rest after {REST_SECONDS:.0f} s: {left}")


async def lag_of(servers: str, bureau: str) -> int:
    """How many records of the bureau's topics its node has not yet committed: 0 only after every redelivery was taken too."""
    admin, reader = AIOKafkaAdminClient(bootstrap_servers=servers), AIOKafkaConsumer(bootstrap_servers=servers)
    try:
        await admin.start()
        await reader.start()
        committed = await admin.list_consumer_group_offsets(f"{bureau}.node")
        ends = await reader.end_offsets(list(committed)) if committed else {}
        return sum(end - committed[place].offset for place, end in ends.items())
    finally:
        await reader.stop()
        await admin.close()


async def judge(databases: Mapping[str, Database], moved: Sequence[tuple[Person, str, UUID]]) -> None:
    """Every (person, destination, case) has taken each step of the path once; rows and states are at their end."""
    steps: dict[UUID, Counter[tuple[str, str, str]]] = {case: Counter() for _, _, case in moved}
    times: dict[tuple[UUID, str], datetime] = {}
    for database in databases.values():
        for row in await rows_of(database, CHANGES, cases=[case for _, _, case in moved]):
            for member in row.members:
                times[row.case_id, member["state"]] = row.at
    for bureau, database in databases.items():
        for row in await rows_of(database, CHANGES, cases=[case for _, _, case in moved]):
            side = {case: "destination" if to == bureau else "origin" for _, to, case in moved}[row.case_id]
            steps[row.case_id].update((side, row.action.partition(".")[2], member["state"]) for member in row.members)
    wrong = {str(case): counted - PATH or PATH - counted for case, counted in steps.items() if counted != PATH}
    assert wrong == {}
    for person, destination, case in moved:
        assert times[case, "GONE"] <= times[case, "HERE"], "the destination answered before the origin had let go"
        await _ended(databases, person, destination, case)
    logs = {bureau: history(bureau, await rows_of(database, text(CUT))) for bureau, database in databases.items()}
    faults = cut_faults(logs)
    assert faults == [], faults
    await nothing_lost(databases)


async def _ended(databases: Mapping[str, Database], person: Person, destination: str, case: UUID) -> None:
    there, here = databases[destination], databases[person.home.bureau]
    (arrived,), (gone,) = [
        await rows_of(
            database, ROW, citizen=vault_of(database.engine.dialect).blind_index(CITIZEN_INDEX_LABEL, person.citizen_id_no)
        )
        for database in (there, here)
    ]
    assert tuple(arrived) == ("ACTIVE", 2, 1, None, None)
    assert tuple(gone) == ("MOVED", 1, 3, destination, case)  # registered, sealed, let go: three versions, no more
    assert [row.state for row in await rows_of(there, STATE, case=case)] == ["HERE"]
    assert [row.state for row in await rows_of(here, STATE, case=case)] == ["GONE"]


async def nothing_lost(databases: Mapping[str, Database]) -> None:
    """Every message that any bureau wrote has taken effect at its recipient."""
    sent, applied = set(), set()
    for bureau, database in databases.items():
        sent |= {(bureau, row.topic.partition(".")[0], row.event_id) for row in await rows_of(database, SENT)}
        applied |= {(row.sender, bureau, row.event_id) for row in await rows_of(database, APPLIED)}
    assert sent - applied == set()
