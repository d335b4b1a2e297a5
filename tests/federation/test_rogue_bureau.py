"""A member with valid keys and bad intent, and an outsider: every kind is refused by the check that is meant for it, audited,
without effect on anybody's registers and cases; and a transfer that was under way before ends as it should.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from services.harness.network import BUREAUS, make_keys
from services.harness.rogue import BUS_KINDS, DOOR_KINDS, BusKind, DoorKind, Forgery, Loot, Rogue, Told, add_worn_keys
from services.harness.rogue.bus import message
from services.harness.rogue.door import state
from services.harness.rogue.forge import taken_apart
from shared.audit import audit
from shared.contract.codes import Standing
from shared.contract.messages import MigrationCertificateIssued, PermitIssued
from shared.contract.questions import PersonStatus, PersonStatusAnswer, TransferState, TransferStateAnswer
from shared.contract.records import PermitMember
from shared.envelope import Place
from shared.envelope.form import canonical
from shared.messaging import receive
from shared.messaging.bus import Delivered, Record
from shared.messaging.tables import receipt
from shared.peers import PeerDown
from shared.web import limits
from tests.conftest import Ground
from tests.federation.asking import COUNTER
from tests.federation.asking import NODE as ASKING_NODE
from tests.federation.clerk import Clerk, Transfer
from tests.federation.conftest import employed, opened
from tests.federation.people import STATIONS
from tests.fingerprints import FINGERPRINT

HONEST = ("shanghai", "jiangsu", "zhejiang")
ROGUE, VICTIM, COUNTERPART, OTHER = "anhui", "zhejiang", "shanghai", "jiangsu"
FETCHES = 5  # several records come in several fetches: what the first says is known to the next
PARTITION = 9  # beside what the relays put on the bus
LAST_ROW = select(func.coalesce(func.max(audit.c.id), 0).label("id"))
ROWS_SINCE = select(audit.c.actor, audit.c.peer, audit.c.action, audit.c.decision, audit.c.reason).order_by(audit.c.id)
OUTCOMES = select(receipt.c.outcome).where(receipt.c.sender == ROGUE).order_by(receipt.c.received_at.desc())

_offsets = itertools.count(1)


@dataclass
class Scene:
    """Four bureaus, one of them rogue, and what it has got hold of."""

    clerk: Clerk
    rogue: Rogue
    transfer: Transfer
    loot: Loot

    async def deliver(self, records: Sequence[Record]) -> None:
        """What lies on the victim's topics, wherever it came from."""
        receiver = self.clerk.network.nodes[VICTIM].wiring.receiver
        delivered = [Delivered(record, PARTITION, next(_offsets)) for record in records]
        fetched = max(len(delivered) // FETCHES, 1)
        for start in range(0, len(delivered), fetched):
            await receiver.receive(delivered[start : start + fetched])

    async def ask(self, path: str, body: bytes) -> Told:
        """At the victim's peer door, without its TLS."""
        request = httpx.Request("POST", f"https://{VICTIM}.invalid{path}", content=body)
        answer = await self.clerk.network.through_door(VICTIM, request)
        return Told.of(answer, await answer.aread(), self.rogue, path)

    async def fingerprints(self, *, but: str = "") -> Mapping[str, Any]:
        """All registers and cases of the honest three; `but`: the bureau whose own cases do not count."""
        return {bureau: tuple((await self.clerk.rows(bureau, FINGERPRINT.bindparams(but=but)))[0]) for bureau in HONEST}

    async def audited(self, since: int) -> list[Any]:
        return await self.clerk.rows(VICTIM, ROWS_SINCE.where(audit.c.id > since))

    async def last_row(self) -> int:
        return int((await self.clerk.rows(VICTIM, LAST_ROW))[0].id)

    async def finish(self) -> None:
        """The transfer of the two honest bureaus, to its end."""
        await self.transfer.do("seal")
        await self.clerk.wire.settle()
        await self.transfer.do("settle")
        await self.clerk.wire.settle()
        assert await self.transfer.states() == (["HERE"], ["GONE"])

    def counted(self, outcome: str) -> float:
        """How many records the victim says that it has received with this outcome."""
        value = self.clerk.network.nodes[VICTIM].wiring.metrics.registry.get_sample_value(
            "quanyu_receipts_total", {"outcome": outcome}
        )
        return value or 0.0


@pytest.fixture(scope="module")
async def clerk(ground: Ground, databases: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clerk]:
    """One federation for all kinds, so that whatever an attack leaves behind is there when the next one comes."""
    folder = tmp_path_factory.mktemp("rogue")
    make_keys(folder / "keys", {bureau: (f"http://{bureau}.invalid", f"https://{bureau}.invalid") for bureau in BUREAUS})
    add_worn_keys(folder / "keys", ROGUE)
    async with opened(ground, databases, folder, folder / "keys") as network, employed(network) as made:
        yield made


@pytest.fixture(scope="module")
async def rogue(clerk: Clerk) -> Rogue:
    wiring = clerk.network.nodes[ROGUE].wiring
    return Rogue.of(wiring.settings.keys_folder, ROGUE, wiring.node.trust.current)


@pytest.fixture(scope="module")
async def known(clerk: Clerk) -> Mapping[str, Any]:
    """What the rogue knows from before: a certificate of others, a record for a third bureau, how an own permit looks."""
    done = await clerk.certified(await clerk.resident(VICTIM))
    await done.do("settle")
    await clerk.approved(await clerk.resident(OTHER), OTHER, COUNTERPART)
    await clerk.wire.settle()
    elsewhere = clerk.wire.last("PermitIssued")
    assert elsewhere.to == OTHER
    await clerk.approved(await clerk.resident(VICTIM), VICTIM, ROGUE)
    await clerk.wire.collect()
    own = clerk.wire.last("PermitIssued")
    clerk.wire.waiting.remove(own)  # the rogue keeps it to itself
    certificate = clerk.wire.last("MigrationCertificateIssued").message
    return {"elsewhere": elsewhere.delivered.record, "own_permit": own.message, "certificate": certificate}


@pytest.fixture
async def scene(clerk: Clerk, rogue: Rogue, known: Mapping[str, Any]) -> Scene:
    """A transfer that is under way, and everything that a rogue could know of it."""
    transfer = await clerk.received(await clerk.resident(VICTIM))
    heard = clerk.wire.last("PermitIssued")
    permit, certificate = heard.message, known["certificate"]
    assert isinstance(permit, PermitIssued)
    assert isinstance(certificate, MigrationCertificateIssued)
    loot = Loot(
        victim=VICTIM, counterpart=COUNTERPART, case=permit.case, overheard=heard.delivered.record, elsewhere=known["elsewhere"],
        permit=permit, certificate=certificate.model_copy(update={"case": permit.case}), own_permit=known["own_permit"],
    )  # fmt: skip
    return Scene(clerk, rogue, transfer, loot)


@pytest.mark.parametrize("kind", BUS_KINDS.values(), ids=str)
async def test_what_a_rogue_puts_on_the_bus_is_refused_audited_and_harms_nobody(
    scene: Scene, kind: BusKind, record_property: Any
) -> None:
    but = ROGUE if kind.ends == "own" or kind.name in OWN_ROWS else ""
    before, since, duplicates = await scene.fingerprints(but=but), await scene.last_row(), scene.counted("duplicate")
    records = kind.make(scene.rogue, scene.loot)
    await scene.deliver(records)
    await scene.clerk.wire.settle()
    await assert_refused(scene, kind, since, len(records))
    if kind.ends == "duplicate":
        assert scene.counted("duplicate") == duplicates + len(records)
    assert await scene.fingerprints(but=but) == before
    await scene.finish()
    record_property("rogue_kind", f"{kind.name}: {kind.check}")


# Refused, and what they said before it leaves rows of the rogue's own: its case, the tombstones up to the day's limit.
OWN_ROWS = {"messages of the wrong side", "a thousand tombstones"}


async def assert_refused(scene: Scene, kind: BusKind, since: int, sent: int) -> None:
    """Who, what, decision and reason, in the audit log of the victim; and nobody else is accused."""
    rows = await scene.audited(since)
    refused = [row for row in rows if row.decision == "refused"]
    match kind.ends:
        case "letter":
            letters = [row for row in refused if row.action == "messaging.receive"]
            assert {row.actor for row in letters} <= {"node", ROGUE}  # who was verified is named as the actor
            assert {row.reason for row in letters}
            assert {row.reason for row in letters} <= kind.reasons
        case "rule":
            assert {(row.actor, row.peer) for row in refused} == {(ROGUE, ROGUE)}
            assert {row.reason for row in refused} == kind.reasons
            assert all(row.action.startswith("transfers.") for row in refused)
        case "not_yet":
            (newest, *_) = await scene.clerk.rows(VICTIM, OUTCOMES)
            assert newest.outcome == "not_yet"
            assert refused == []
        case "duplicate" | "own":
            assert refused == []
    assert len(refused) <= sent


@pytest.mark.parametrize("kind", DOOR_KINDS.values(), ids=str)
async def test_what_a_rogue_asks_at_the_door_is_refused_audited_and_tells_nothing(
    scene: Scene, kind: DoorKind, record_property: Any
) -> None:
    before, since = await scene.fingerprints(), await scene.last_row()
    told = [await scene.ask(path, body) for path, body in kind.make(scene.rogue, scene.loot)][-1]
    assert (told.status, told.code) == (kind.status, kind.code)
    rows = await scene.audited(since)
    if kind.decision:
        assert (rows[-1].decision, kind.reason in rows[-1].reason) == (kind.decision, True)
        assert rows[-1].action in ("peers.answer", "transfers.question.transfer_state", "population.read")
    person = scene.loot.permit.permit.members[0]
    assert person.name not in str(told.body)
    assert not any(told.body.get(member) for member in ("resident", "states", "sealed"))
    assert await scene.fingerprints() == before
    await scene.finish()
    record_property("rogue_kind", f"{kind.name}: {kind.check}")


# ---- what is more than one record or question ----------------------------------------------------------------------------


async def test_an_answer_that_was_not_asked_for_is_not_believed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    """Asked by an honest bureau, the rogue answers another question than this one, or in another's name."""
    rogue, peers = scene.rogue, scene.clerk.network.nodes[COUNTERPART].wiring.peers
    place = Place("answer", "transfers", path=TransferState.path, key=str(scene.loot.case))
    content = canonical({"name": "TransferStateAnswer", "version": 1, "body": {}})
    lies = [
        (Forgery(content=content, place=place, to=COUNTERPART, h={"re": str(uuid7())}), "not to the question"),
        (
            Forgery(content=content, place=place, to=COUNTERPART, iss=VICTIM, kid=rogue.kid(VICTIM), h={"re": "asked"}),
            "signature",
        ),
    ]
    before = await scene.fingerprints()
    for forged, why in lies:

        async def answer(bureau: str, request: httpx.Request, forged: Forgery = forged) -> httpx.Response:
            asked, _ = taken_apart(await request.aread())
            right = {"re": asked["jti"]} if forged.h["re"] == "asked" else {}
            made = forged.but(h={**forged.h, **right}).envelope(rogue)
            return httpx.Response(200, content=made, headers={"content-type": "application/jose"})

        monkeypatch.setattr(scene.clerk.network, "through_door", answer)
        bureau = VICTIM if forged.iss else ROGUE
        with pytest.raises(PeerDown, match=why):
            await peers.ask(
                bureau,
                TransferState(case=scene.loot.case),
                asker=ASKING_NODE,
                answer=TransferStateAnswer,
                key=str(scene.loot.case),
            )
    monkeypatch.undo()
    assert await scene.fingerprints() == before
    await scene.finish()
    record_property("rogue_kind", "an answer to a question never asked: check 3")
    record_property("rogue_kind", "an answer in another's name: check 5")


async def test_a_permit_for_people_of_others_lets_nobody_go(scene: Scene, record_property: Any) -> None:
    """Its own right to say so; nobody of that number is registered here, so no officer can seal it."""
    stranger = await scene.clerk.resident(OTHER)
    permit = scene.loot.own_permit.permit
    person = {"citizen_id_no": stranger.number, "name": stranger.name, "born_on": stranger.born_on, "sex": stranger.sex}
    applied = {"applicant_id_no": stranger.number, "applicant_name": stranger.name}
    member = permit.members[0].model_copy(update={name: person[name] for name in person if name in PermitMember.model_fields})
    said = scene.loot.own_permit.model_copy(
        update={"case": uuid7(), "permit": permit.model_copy(update=applied | {"members": (member,)})}
    )
    before = await scene.fingerprints(but=ROGUE)
    await scene.deliver([message(scene.loot, said).record(scene.rogue)])
    asked = Transfer(scene.clerk, str(said.case), VICTIM, ROGUE, STATIONS[VICTIM], STATIONS[ROGUE], [stranger], {})
    assert await asked.states() == ([], ["RECEIVED"])
    assert not await asked.attempt("seal", {"without_answer": True})
    assert await scene.fingerprints(but=ROGUE) == before
    await scene.finish()
    record_property("rogue_kind", "a permit for people who are not the recipient's: sealing needs a row")


async def test_unknown_messages_of_one_bureau_wait_up_to_a_limit_and_hold_up_nobody(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    waiting = len([row for row in await scene.clerk.rows(VICTIM, OUTCOMES) if row.outcome == "not_yet"])
    monkeypatch.setattr(receive, "MOST_UNKNOWN", waiting + 3)
    since, before = await scene.last_row(), await scene.fingerprints()
    content = canonical({"name": "TransferPostponed", "version": 1, "body": {}})
    await scene.deliver([message(scene.loot, content).record(scene.rogue) for _ in range(100)])
    outcomes = [row.outcome for row in await scene.clerk.rows(VICTIM, OUTCOMES)]
    assert outcomes.count("not_yet") == waiting + 3
    rows = await scene.audited(since)
    assert {(row.action, row.decision, row.reason) for row in rows} == {("messaging.receive", "refused", "too_many_unknown")}
    assert len(rows) == 97
    assert await scene.fingerprints() == before
    await scene.finish()
    record_property("rogue_kind", "a flood of unknown messages: limit a sender")


async def test_thousands_of_garbage_records_hold_up_nobody(scene: Scene, record_property: Any) -> None:
    """And of letters only so many are kept, which is audited."""
    topic = f"{VICTIM}.transfers"
    since, before = await scene.last_row(), await scene.fingerprints()
    await scene.deliver([Record(topic, "", {"ce_source": COUNTERPART}, b"%d" % number) for number in range(2_000)])
    rows = await scene.audited(since)
    assert {(row.action, row.decision, row.reason) for row in rows} == {("messaging.receive", "refused", "not_an_envelope")}
    assert await scene.fingerprints() == before
    await scene.finish()
    record_property("rogue_kind", "a flood of garbage: check 2")


async def test_questions_by_the_hundred_are_slowed_down_and_others_are_answered(scene: Scene, record_property: Any) -> None:
    since, before = await scene.last_row(), await scene.fingerprints()
    path, loot = TransferState.path, scene.loot
    flood = [asyncio.create_task(scene.ask(path, state(loot).envelope(scene.rogue))) for _ in range(300)]
    person = loot.permit.permit.members[0]
    peers = scene.clerk.network.nodes[COUNTERPART].wiring.peers
    asked = PersonStatus(citizen_id_no=str(person.citizen_id_no))
    told = await peers.ask(VICTIM, asked, asker=COUNTER, answer=PersonStatusAnswer)
    assert told.kind is Standing.HERE
    codes = Counter(answer.code for answer in await asyncio.gather(*flood))
    assert codes["busy"] > 100
    assert codes["TransferStateAnswer"] + codes["busy"] == 300
    refused = [row for row in await scene.audited(since) if row.decision == "refused"]
    assert [(row.peer, row.action, row.reason) for row in refused] == [(ROGUE, "peers.answer", "too many questions")]
    assert await scene.fingerprints() == before
    await scene.finish()
    record_property("rogue_kind", "a flood of questions: pace of a peer")


async def test_a_body_that_never_ends_is_cut(scene: Scene, monkeypatch: pytest.MonkeyPatch, record_property: Any) -> None:
    monkeypatch.setattr(limits, "BODY_LIMIT_SECONDS", 0.2)

    async def slowly() -> AsyncIterator[bytes]:
        while True:
            yield b"A"
            await asyncio.sleep(0.02)

    request = httpx.Request("POST", f"https://{VICTIM}.invalid{TransferState.path}", content=slowly())
    answer = await scene.clerk.network.through_door(VICTIM, request)
    assert answer.status_code == httpx.codes.REQUEST_TIMEOUT
    await scene.finish()
    record_property("rogue_kind", "a slow body: body limit")
