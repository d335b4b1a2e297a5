"""`quanyu bench deliver`: from an officer's act at one bureau to its committed effect at another.

Every round measures floor (a), floor (b) and the product one after the other, with as many bytes. The product's times are those
of PostgreSQL's own commits (track_commit_timestamp): nobody asks in between.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from statistics import median
from uuid import UUID

from uuid_utils.compat import uuid7

from services.bureau.access.callers import Officer, Post
from services.harness.bench import echo, hop
from services.harness.bench.figures import Figures, p50, p99
from services.harness.bench.ground import DESTINATION, LVXIANG, OFFICE, OPENED_AT, ORIGIN, ZHAPU, Ground, Person
from services.harness.bench.profile import Profile
from services.harness.stack import StackError
from shared.audit import AuditEntry, write_audit
from shared.contract.messages import PermitIssued
from shared.contract.records import MoveInPermit, PermitMember
from shared.contract.registry import encode
from shared.database import Session
from shared.identifiers.apply_no import new_apply_no
from shared.identifiers.texts import N_
from shared.messaging import record

A_SECOND = 25.0  # half of what two busy cores can do: latency, not queueing
IN_A_ROUND = 125
WARM_UP = 50
SUSTAINED, LANES = 2_000, 8
BURST, IN_A_TRANSACTION = 10_000, 100
PATIENCE_SECONDS = 300.0
POLL_SECONDS = 0.05
PERMIT_DAYS = 40

EFFECT_AT = (
    "SELECT case_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM transfer_case"
    " WHERE case_id = ANY($1) AND side = 'origin'"
)
EFFECTS = (
    "SELECT count(*) AS there, max(extract(epoch FROM pg_xact_commit_timestamp(xmin)))::float8 AS last FROM transfer_case"
    " WHERE case_id = ANY($1) AND side = 'origin'"
)
DOUBLED = (
    "SELECT count(*) FROM (SELECT case_id FROM audit WHERE action = 'transfers.PermitIssued' AND decision = 'allowed'"
    " AND case_id = ANY($1) GROUP BY case_id HAVING count(*) > 1) AS twice"
)
CLERK = Officer(OFFICE, DESTINATION, "演示", Post(LVXIANG[:6] + "000000", "population_office", LVXIANG[:6]))

Told = Callable[..., None]


async def deliver(ground: Ground, figures: Figures, *, rounds: int, tell: Told) -> None:
    """Measure latency in rounds, then rates, then a burst; `tell` hears what is being measured."""
    hop.make_tables(ground)
    await echo.make_topic(_servers(ground))
    cases = await ground.under_review(ground.people(WARM_UP + rounds * IN_A_ROUND))
    tell(N_("warming up with {count} acts"), count=WARM_UP)
    await _approved(ground, cases[:WARM_UP])
    size = await _sealed_bytes(ground, cases[0])
    bare = hop.Hop(ground, encode(_permit(ground.people(1)[0])))
    await _latencies(ground, figures, bare, cases[WARM_UP:], size=size, tell=tell)
    tell(N_("{count} messages, as fast as they go"), count=SUSTAINED)
    floor = await bare.rate(count=SUSTAINED, lanes=LANES)
    figures.add("sustained", await _sustained(ground), "messages/s", floor=floor, at_least=0.75)
    tell(N_("a burst of {count} messages that has piled up"), count=BURST)
    await _burst(ground, figures, floor)


async def _latencies(ground: Ground, figures: Figures, bare: hop.Hop, cases: Sequence[UUID], *, size: int, tell: Told) -> None:
    servers, payload, profile = _servers(ground), os.urandom(size), Profile(ground)
    ours, raw, hops, middles = [], [], [], []
    for number in range(len(cases) // IN_A_ROUND):
        tell(N_("round {number}: Kafka alone, the bare hop, an act"), number=number + 1)
        raw += (a := await echo.latencies(servers, payload, count=IN_A_ROUND, a_second=A_SECOND))
        hops += (b := await bare.latencies(count=IN_A_ROUND, a_second=A_SECOND))
        with profile:
            c = await _approved(ground, cases[number * IN_A_ROUND : (number + 1) * IN_A_ROUND])
        ours += c
        middles.append((p50(a), p50(b), p50(c)))
    figures.add("bytes of a message", size, "B")
    figures.add("raw Kafka, one way, p50", 1000 * p50(raw), "ms")
    figures.add("bare hop, p50", 1000 * p50(hops), "ms")
    figures.add("bare hop, p99", 1000 * p99(hops), "ms")
    whole = 1000 * median(c for _, _, c in middles)
    figures.add("act to commit, p50, over raw", whole, "ms", floor=1000 * median(a for a, _, _ in middles), at_most=2.5)
    figures.add("act to commit, p50, over hop", whole, "ms", floor=1000 * median(b for _, b, _ in middles), at_most=3.0)
    figures.add("act to commit, p99", 1000 * p99(ours), "ms")
    profile.tell(figures, "an act", count=len(ours))


async def _approved(ground: Ground, cases: Sequence[UUID]) -> list[float]:
    """Approve each at its time; seconds from the intended start of the act to the commit of its effect at the origin."""
    begun = time.time() + 0.5

    async def one(number: int, case: UUID) -> None:
        await asyncio.sleep(max(0.0, begun + number / A_SECOND - time.time()))
        await ground.post(DESTINATION, OFFICE, f"/api/v1/transfers/{case}/approve", {})

    await asyncio.gather(*(one(number, case) for number, case in enumerate(cases)))
    await _all_there(ground, cases)
    connection = await ground.connect(ORIGIN)
    try:
        there = {row["case_id"]: row["at"] for row in await connection.fetch(EFFECT_AT, list(cases))}
    finally:
        await connection.close()
    return [there[case] - (begun + number / A_SECOND) for number, case in enumerate(cases)]


async def _sustained(ground: Ground) -> float:
    """Messages a second through the kit: each sender's transaction has a row and an outbox row; until the last effect."""
    permits = [_permit(one) for one in ground.people(SUSTAINED)]
    begun = time.time()

    async def lane(mine: Sequence[PermitIssued]) -> None:
        for permit in mine:
            await _recorded(ground, [permit])

    await asyncio.gather(*(lane(permits[number::LANES]) for number in range(LANES)))
    return SUSTAINED / (await _all_there(ground, [permit.case for permit in permits]) - begun)


async def _burst(ground: Ground, figures: Figures, floor: float) -> None:
    """What has piled up while the node could not send: nothing is lost and nothing has its effect twice."""
    permits, profile = [_permit(one) for one in ground.people(BURST)], Profile(ground)
    process = ground.federation.nodes[DESTINATION].process
    if process is None:
        raise StackError(N_("the node of {bureau} does not run"), bureau=DESTINATION)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        for start in range(0, BURST, IN_A_TRANSACTION):
            await _recorded(ground, permits[start : start + IN_A_TRANSACTION])
    finally:
        os.kill(process.pid, signal.SIGCONT)
    begun, cases = time.time(), [permit.case for permit in permits]
    with profile:
        ended = await _all_there(ground, cases)
    figures.add("backlog", BURST / (ended - begun), "messages/s", floor=floor, at_least=1.5)
    profile.tell(figures, "a message of a backlog", count=BURST)
    connection = await ground.connect(ORIGIN)
    try:
        there = (await connection.fetchrow(EFFECTS, cases))["there"]
        doubled = await connection.fetchval(DOUBLED, cases)
    finally:
        await connection.close()
    figures.add("burst: missing", BURST - there, "messages", at_most=0)
    figures.add("burst: doubled", doubled, "messages", at_most=0)


async def _recorded(ground: Ground, permits: Sequence[PermitIssued]) -> None:
    """One transaction at the destination: for each permit a row of the audit log and the outbox row."""

    async def unit(session: Session) -> None:
        for permit in permits:
            await write_audit(session, AuditEntry(action="bench.record", object_kind="case", object_id=str(permit.case)))
            await record(session, permit, to=ORIGIN)

    await ground.databases[DESTINATION].run(unit, name="bench.record", actor=CLERK.actor)


async def _all_there(ground: Ground, cases: Sequence[UUID]) -> float:
    """The time of the last effect, once all have had theirs. Raises StackError."""
    connection, ends_at = await ground.connect(ORIGIN), time.monotonic() + PATIENCE_SECONDS
    try:
        while True:
            row = await connection.fetchrow(EFFECTS, list(cases))
            if row["there"] == len(cases):
                return float(row["last"])
            if time.monotonic() > ends_at:
                message = N_("{there} of {count} messages have had their effect after {seconds} s")
                raise StackError(message, there=row["there"], count=len(cases), seconds=int(PATIENCE_SECONDS))
            await asyncio.sleep(POLL_SECONDS)
    finally:
        await connection.close()


async def _sealed_bytes(ground: Ground, case: UUID) -> int:
    connection = await ground.connect(DESTINATION)
    try:
        return int(await connection.fetchval("SELECT length(sealed) FROM outbox WHERE key = $1", str(case)))
    finally:
        await connection.close()


def _servers(ground: Ground) -> str:
    if ground.federation.kafka is None:
        raise AssertionError("the ground is laid on Apache Kafka")
    return ground.federation.kafka.bootstrap_servers


def _permit(who: Person) -> PermitIssued:
    """What an approval says, about somebody of whom no bench has spoken."""
    on, record_of = OPENED_AT.date(), who.record()
    member = PermitMember(
        place=1, relation_to_applicant_code="01", citizen_id_no=who.citizen_id_no, name=who.name, sex=record_of.sex,
        born_on=record_of.born_on,
    )  # fmt: skip
    case = uuid7()
    permit = MoveInPermit(
        permit_no="沪00000001", serial_no="QY-BENCH", post_id=case.hex, applicant_name=who.name,
        applicant_id_no=who.citizen_id_no, applicant_division_code=ZHAPU[:6], applicant_address="演示路1号",
        origin_division_code=ZHAPU[:6], origin_station_code=ZHAPU, destination_division_code=LVXIANG[:6],
        destination_address="演示路2号", destination_station_code=LVXIANG, destination_station_name="吕巷派出所",
        issuer_code=LVXIANG[:6] + "000000", issuer_name="演示分局", issued_on=on, valid_until=on + timedelta(days=PERMIT_DAYS),
        reason_code="SPOUSE", accepted_by_unit_code=LVXIANG, accepted_by_unit_name="吕巷派出所", members=(member,),
    )  # fmt: skip
    return PermitIssued(case=case, apply_no=new_apply_no(LVXIANG[:6], on), permit=permit)
