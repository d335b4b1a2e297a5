"""The rogue bureau against real processes, on both stacks: every kind by bus and by mutual TLS, and floods, during which the
honest bureaus' messages arrive and their questions are answered. How much slower is measured and printed, not asserted.
"""

import asyncio
import json
import shutil
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import bindparam, text
from sqlalchemy.types import Uuid

from services.bureau.transfers.acts.cases import load_case
from services.bureau.transfers.rules.case import Case
from services.harness.rogue import BUS_KINDS, DOOR_KINDS, Loot, Rogue, Told
from services.harness.rogue.door import state
from shared.contract.messages import MigrationCertificateIssued, PermitIssued
from shared.contract.questions import TransferState
from shared.database import Session
from shared.envelope import TrustList, TrustStore, read_kek, tls_client_context
from shared.envelope.keys import write_kek
from shared.envelope.tls import LOCAL_HOSTS, issue_leaf, make_authority
from shared.messaging.bus import Bus, BusDown, Record
from shared.messaging.kafka import KafkaBus
from shared.messaging.local import LocalBus
from tests.fingerprints import FINGERPRINT
from tests.real.stage import Stage, staged
from tests.real.transfer import Transfer
from tests.real.verdict import rows_of
from tests.real.waiting import Measured, until

ROGUE, VICTIM, COUNTERPART, OTHER = "anhui", "zhejiang", "shanghai", "jiangsu"
HONEST = (VICTIM, COUNTERPART, OTHER)
SAMPLES = 5  # honest acts right before, and during, each flood
FLOOD_SECONDS = 2.5
PACE_SECONDS = 0.4  # between two honest acts
OVERHEARD = text("SELECT topic, key, headers, sealed FROM outbox WHERE topic = :topic ORDER BY seq DESC LIMIT 1")
EFFECT = text("SELECT at FROM audit WHERE case_id = :case AND action = 'transfers.PermitIssued'").bindparams(
    bindparam("case", type_=Uuid)
)
REFUSED = text("SELECT DISTINCT reason FROM audit WHERE decision = 'refused'")
UNTAKEN = "too_large"  # the bus itself takes no record of this size
KAFKA = pytest.param("kafka", marks=pytest.mark.kafka)


@pytest.fixture(scope="module", params=["embedded", KAFKA])
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Four ordinary nodes, the keys of one of them in bad hands."""
    async with staged(tmp_path_factory.mktemp("rogue"), stack=request.param, worn_keys=ROGUE) as made:
        yield made


@pytest.fixture(scope="module")
def rogue(stage: Stage) -> Rogue:
    keys = stage.federation.folder / "keys" / ROGUE
    return Rogue.of(keys, ROGUE, TrustStore(keys / "trust").current)


def bus_of(stage: Stage) -> Bus:
    if stage.servers is not None:
        return KafkaBus(stage.servers, client_id=ROGUE)
    return LocalBus(stage.federation.folder / "bus.sqlite")


async def case_at(stage: Stage, bureau: str, counterpart: str, transfer: Transfer) -> Case:
    async def unit(session: Session) -> Case | None:
        return await load_case(session, counterpart, transfer.case, lock=False)

    case = await stage.databases[bureau].run(unit, name="test.case")
    assert case is not None
    return case


async def permit_of(stage: Stage, destination: str, transfer: Transfer) -> PermitIssued:
    case = await case_at(stage, destination, VICTIM, transfer)
    permit = (await case_at(stage, VICTIM, destination, transfer)).file.permit
    assert permit is not None
    return PermitIssued(case=transfer.case, apply_no=str(case.apply_no), permit=permit)


async def overheard(stage: Stage, topic: str) -> Record:
    (row,) = await rows_of(stage.databases[COUNTERPART], OVERHEARD, topic=topic)
    return Record(row.topic, row.key, row.headers, row.sealed)


@pytest.fixture(scope="module")
async def under_way(stage: Stage) -> Transfer:
    """A transfer of the two honest bureaus that the attacks find under way; it is finished last."""
    transfer = await stage.begin(VICTIM, COUNTERPART)
    await transfer.approve()
    await transfer.reached("RECEIVED")
    return transfer


@pytest.fixture(scope="module")
async def loot(stage: Stage, under_way: Transfer) -> Loot:
    done, own = await stage.begin(VICTIM, COUNTERPART), await stage.begin(VICTIM, ROGUE)
    for transfer in (done, own):
        await transfer.run()
    certificate = (await case_at(stage, COUNTERPART, VICTIM, done)).file.certificate
    assert certificate is not None
    return Loot(
        victim=VICTIM,
        counterpart=COUNTERPART,
        case=under_way.case,
        overheard=await overheard(stage, f"{VICTIM}.transfers"),
        elsewhere=await overheard(stage, f"{OTHER}.node"),
        permit=await permit_of(stage, COUNTERPART, under_way),
        certificate=MigrationCertificateIssued(case=under_way.case, certificate=certificate),
        own_permit=await permit_of(stage, ROGUE, own),
    )


async def fingerprints(stage: Stage) -> Mapping[str, Any]:
    """Of the honest three, without what is the rogue's own with each of them."""
    return {bureau: tuple((await rows_of(stage.databases[bureau], FINGERPRINT, but=ROGUE))[0]) for bureau in HONEST}


# ---- the peer port ------------------------------------------------------------------------------------------------------


def client(stage: Stage, context: ssl.SSLContext) -> httpx.AsyncClient:
    address = f"https://127.0.0.1:{stage.nodes[VICTIM].ports.peer}"
    return httpx.AsyncClient(base_url=address, verify=context, trust_env=False, timeout=10)


def listed(stage: Stage) -> TrustList:
    return TrustStore(stage.federation.folder / "keys" / ROGUE / "trust").current


def leaf_of(stage: Stage, bureau: str) -> ssl.SSLContext:
    return tls_client_context(stage.federation.folder / "keys" / bureau, listed(stage))


async def test_every_kind_of_question_is_refused_and_tells_nothing(stage: Stage, rogue: Rogue, loot: Loot) -> None:
    before = await fingerprints(stage)
    async with client(stage, leaf_of(stage, ROGUE)) as door:
        for kind in DOOR_KINDS.values():
            for path, body in kind.make(rogue, loot):
                answer = await door.post(path, content=body)
            told = Told.of(answer, answer.content, rogue, path)
            assert (told.status, told.code) == (kind.status, kind.code), kind
            assert not any(told.body.get(member) for member in ("resident", "states", "sealed"))
    assert await fingerprints(stage) == before


def without_certificate(stage: Stage, folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def with_an_unlisted_authority(stage: Stage, folder: Path) -> ssl.SSLContext:
    """A certificate in the counterpart's name, of an authority that no list has."""
    kek, now = write_kek(folder), int(time.time())
    make_authority(folder, f"{COUNTERPART}#tls-ca-own", kek=kek, life=(now, now + 3600), hosts=LOCAL_HOSTS)
    issue_leaf(folder, COUNTERPART, kek=kek, now=now, hosts=LOCAL_HOSTS)
    return tls_client_context(folder, listed(stage))


def in_anothers_name(stage: Stage, folder: Path) -> ssl.SSLContext:
    """A certificate in the counterpart's name, of the rogue's own authority, which the list has for its own name only."""
    copy = shutil.copytree(stage.federation.folder / "keys" / ROGUE, folder / ROGUE)
    for file in (copy / "tls").glob("leaf.*"):
        file.unlink()
    issue_leaf(copy, COUNTERPART, kek=read_kek(copy), now=int(time.time()), hosts=LOCAL_HOSTS)
    return tls_client_context(copy, listed(stage))


def with_old_tls(stage: Stage, folder: Path) -> ssl.SSLContext:
    context = leaf_of(stage, ROGUE)
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    return context


WRONG_TLS = (without_certificate, with_an_unlisted_authority, in_anothers_name, with_old_tls)


@pytest.mark.parametrize("make", WRONG_TLS)
async def test_who_shows_no_listed_certificate_reaches_no_door(
    stage: Stage, rogue: Rogue, loot: Loot, make: Any, tmp_path: Path
) -> None:
    async with client(stage, make(stage, tmp_path)) as door:
        with pytest.raises(httpx.TransportError):
            await door.post(TransferState.path, content=state(loot).envelope(rogue))


async def test_anothers_certificate_makes_nobody_another(stage: Stage, rogue: Rogue, loot: Loot) -> None:
    """TLS is transport: with the leaf of a third bureau the rogue is still the rogue, and cannot ask in that bureau's name."""
    async with client(stage, leaf_of(stage, OTHER)) as door:
        claimed = state(loot, iss=OTHER, kid=rogue.kid(OTHER)).envelope(rogue)
        answer = await door.post(TransferState.path, content=claimed)
        assert (answer.status_code, answer.json()["code"]) == (400, "signature")
        own = await door.post(TransferState.path, content=state(loot).envelope(rogue))
        assert not Told.of(own, own.content, rogue, TransferState.path).body.get("states")


# ---- the bus ----------------------------------------------------------------------------------------------------------


async def test_every_kind_on_the_bus_is_refused_and_harms_nobody(stage: Stage, rogue: Rogue, loot: Loot) -> None:
    before, bus = await fingerprints(stage), bus_of(stage)
    wanted = {frozenset(kind.reasons) for kind in BUS_KINDS.values() if kind.ends in ("letter", "rule")}
    wanted -= {frozenset({UNTAKEN})}
    try:
        for kind in BUS_KINDS.values():
            publisher = await bus.publisher()
            if kind.reasons == {UNTAKEN}:
                with pytest.raises(BusDown):
                    await publisher.publish(kind.make(rogue, loot))
            else:
                await publisher.publish(kind.make(rogue, loot))
            await publisher.close()
    finally:
        await bus.close()

    async def all_refused() -> bool:
        told = {row.reason for row in await rows_of(stage.databases[VICTIM], REFUSED)}
        return all(told & reasons for reasons in wanted)

    await until(all_refused)
    assert await fingerprints(stage) == before


# ---- floods -------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def flood(stage: Stage, kind: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """By a process of its own, begun when this gives it; ended with the context."""
    folder, kafka = stage.federation.folder, stage.servers or ""
    command = [sys.executable, "-m", "services.harness.rogue", str(folder), kind, "--seconds", str(FLOOD_SECONDS)]
    process = await asyncio.create_subprocess_exec(
        *command, "--kafka", kafka, cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert json.loads(await process.stdout.readline()) == {"begun": kind}
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def latencies(stage: Stage, transfers: Sequence[Transfer]) -> list[float]:
    """Seconds from the start of the officer's act to its effect at the peer, by the clock that both share here."""
    begun = {}
    for transfer in transfers:
        begun[transfer.case] = datetime.now(UTC)
        await transfer.approve()
        await asyncio.sleep(PACE_SECONDS)
    took = []
    for transfer in transfers:
        await transfer.reached("RECEIVED")  # within a patience that is generous, and less than the 60 s of asking again
        (row,) = await rows_of(stage.databases[VICTIM], EFFECT, case=transfer.case)
        took.append((row.at - begun[transfer.case]).total_seconds())
    return took


async def ready_to_approve(stage: Stage) -> list[Transfer]:
    return [await stage.begin(VICTIM, COUNTERPART) for _ in range(SAMPLES)]


@pytest.mark.parametrize("kind", ["garbage", "useless", "unknown", "questions", "slow"])
async def test_a_flood_locks_nobody_out(stage: Stage, kind: str, measured: Measured) -> None:
    stack = "local" if stage.servers is None else "kafka"
    calm, loud = await ready_to_approve(stage), await ready_to_approve(stage)
    quiet = statistics.median(await latencies(stage, calm))
    async with flood(stage, kind) as process:
        during = statistics.median(await latencies(stage, loud))
        assert process.stdout is not None
        sent = json.loads(await process.stdout.readline())["sent"]
        asked = time.monotonic()
        answer = await loud[0].at_destination(loud[0].destination.counter, "look-up")  # a question to the victim
        assert ["no_answer" in person for person in answer.json()["people"]] == [False]
        measured(f"{stack}, {kind}: an honest question right after it (s)", time.monotonic() - asked)
    measured(f"{stack}, flood of {sent} {kind}: act to effect, quiet (ms)", quiet * 1000)
    measured(f"{stack}, flood of {sent} {kind}: act to effect, during (ms)", during * 1000)
    measured(f"{stack}, flood of {sent} {kind}: ratio", during / quiet)
    await loud[-1].run("received")


async def test_the_transfer_that_was_under_way_ends_as_it_should(stage: Stage, under_way: Transfer) -> None:
    await under_way.run("received")
    assert (stage.reading.none, stage.reading.many) == ({}, {})
    assert stage.reading.samples > 0
