"""What the receiving end makes of messages it cannot use: unknown keys and versions, poison, contradictions, clocks."""

import json
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from services.bureau.worker import keep_list, sweep_once
from services.harness.network import BUREAUS, SkewedClock
from shared.audit import audit
from shared.contract import registry
from shared.contract.codes import Standing, VoidReason
from shared.contract.messages import PermitIssued, TransferVoided
from shared.contract.questions import PersonStatus, PersonStatusAnswer
from shared.contract.registry import encode
from shared.database import Actor
from shared.envelope import TrustStore
from shared.envelope.ceremony import generate_key, next_list
from shared.envelope.keys import Kid, read_kek
from shared.messaging import dead_letters
from shared.messaging.dead_letters import retry_waiting
from shared.messaging.tables import dead_letter, outbox, owed, receipt
from shared.peers import PeerDown
from tests.federation.asking import COUNTER
from tests.federation.clerk import Clerk
from tests.federation.gauge import ONE_OF_EACH, effects_of_messages


async def letters(clerk: Clerk, bureau: str) -> list[str]:
    """Why the open dead letters of a bureau are dead."""
    statement = select(dead_letter.c.reason).where(dead_letter.c.resolved_at.is_(None)).order_by(dead_letter.c.id)
    return [row.reason for row in await clerk.rows(bureau, statement)]


async def outcomes(clerk: Clerk, bureau: str, outcome: str) -> list[Any]:
    return await clerk.rows(bureau, select(receipt.c.key, receipt.c.attempts).where(receipt.c.outcome == outcome))


# ---- keys ---------------------------------------------------------------------------------------------------------------


async def rotate(clerk: Clerk, bureau: str) -> bytes:
    """A bureau begins to sign with a key that only its own list has; gives that list."""
    now = int(time.time())
    folder = clerk.network.nodes[bureau].wiring.settings.keys_folder
    entry = generate_key(folder, Kid(bureau, "sig", "next"), kek=read_kek(folder), nbf=now - 60)
    raw = next_list(folder.parent, now=now, add_keys=[entry])
    TrustStore(folder / "trust").install(raw)
    await clerk.network.restart(bureau)
    return raw


async def take_up(clerk: Clerk, bureau: str, raw: bytes) -> None:
    """The new list has reached a bureau; what its worker does then."""
    wiring = clerk.network.nodes[bureau].wiring
    wiring.node.trust.install(raw)
    await wiring.bus_database.run(keep_list, name="node.trust_list")
    await retry_waiting(wiring.bus_database, wiring.receiver)


async def test_a_message_under_a_key_that_our_list_lacks_waits_and_takes_effect_when_the_list_is_there(own_keys: Clerk) -> None:
    clerk = own_keys
    raw = await rotate(clerk, "shanghai")
    transfer = await clerk.approved(await clerk.resident("zhejiang"))
    await clerk.wire.settle()
    assert await transfer.states() == (["APPROVED"], [])
    assert await letters(clerk, "zhejiang") == ["unknown_key"]
    assert await outcomes(clerk, "zhejiang", "not_yet") == []  # no receipt for a sender that is not verified
    assert clerk.network.nodes["zhejiang"].wiring.receiver.unknown_key.is_set()
    await take_up(clerk, "zhejiang", raw)
    assert await letters(clerk, "zhejiang") == []
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])
    await transfer.do("seal")
    await clerk.wire.settle()
    await transfer.do("settle")
    await clerk.wire.settle()
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH


async def test_what_waited_long_for_a_key_is_tried_at_once_when_the_list_comes_page_by_page(
    own_keys: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clerk = own_keys
    raw = await rotate(clerk, "shanghai")
    transfers = [await clerk.approved(await clerk.resident("zhejiang")) for _ in range(2)]
    await clerk.wire.settle()
    wiring = clerk.network.nodes["zhejiang"].wiring
    await clerk.network.tick(hours=5)
    assert await retry_waiting(wiring.bus_database, wiring.receiver) == 0  # the next look is in an hour
    monkeypatch.setattr(dead_letters, "MOST_AT_ONCE", 1)
    await take_up(clerk, "zhejiang", raw)
    assert sorted([await transfer.states() for transfer in transfers]) == [(["APPROVED"], []), (["APPROVED"], ["RECEIVED"])]
    await retry_waiting(wiring.bus_database, wiring.receiver)
    assert [await transfer.states() for transfer in transfers] == [(["APPROVED"], ["RECEIVED"])] * 2


async def test_what_waited_too_long_for_its_key_is_refused_waits_no_longer_and_says_why(own_keys: Clerk) -> None:
    clerk = own_keys
    await rotate(clerk, "shanghai")
    await clerk.approved(await clerk.resident("zhejiang"))
    await clerk.wire.settle()
    await clerk.network.tick(days=31)
    wiring = clerk.network.nodes["zhejiang"].wiring
    for _ in range(2):
        await retry_waiting(wiring.bus_database, wiring.receiver)
    (letter,) = await clerk.rows("zhejiang", select(dead_letter.c.error, dead_letter.c.next_try_at, dead_letter.c.resolved_at))
    assert "stayed unknown for 30 days" in letter.error
    assert (letter.next_try_at, letter.resolved_at) == (None, None)
    tries = select(audit.c.reason).where(audit.c.action == "operations.replay")
    assert [row.reason for row in await clerk.rows("zhejiang", tries)] == ["unknown_key"]


async def test_a_question_under_a_key_that_their_list_lacks_gets_no_answer_until_the_list_is_there(own_keys: Clerk) -> None:
    clerk = own_keys
    person = await clerk.resident("zhejiang")
    raw = await rotate(clerk, "shanghai")

    async def ask() -> PersonStatusAnswer:
        question = PersonStatus(citizen_id_no=person.number)
        peers = clerk.network.nodes["shanghai"].wiring.peers
        return await peers.ask("zhejiang", question, asker=COUNTER, answer=PersonStatusAnswer)

    with pytest.raises(PeerDown, match="503"):
        await ask()
    assert clerk.network.nodes["zhejiang"].wiring.peer_server.unknown_key.is_set()
    await take_up(clerk, "zhejiang", raw)
    assert (await ask()).kind is Standing.HERE


async def test_what_an_unverified_sender_says_uses_up_no_event_id_of_the_genuine_one(own_keys: Clerk) -> None:
    """The same bytes once more after the list has come: one effect."""
    clerk = own_keys
    raw = await rotate(clerk, "shanghai")
    transfer = await clerk.approved(await clerk.resident("zhejiang"))
    await clerk.wire.settle()
    permit = next(parcel for parcel in clerk.wire.carried if parcel.case == transfer.case)
    await take_up(clerk, "zhejiang", raw)
    await clerk.wire.hand_over(permit)
    await clerk.wire.settle()
    assert await effects_of_messages(clerk.network, transfer.case) == {"PermitIssued": 1}


async def test_a_peer_to_whom_nothing_can_be_sealed_holds_up_no_question_to_the_others(own_keys: Clerk) -> None:
    clerk = own_keys
    await clerk.approved(await clerk.resident("zhejiang"), "zhejiang", "shanghai")
    other = await clerk.approved(await clerk.resident("jiangsu"), "jiangsu", "shanghai")
    await clerk.wire.collect()
    clerk.wire.waiting.clear()  # both permits are lost
    trust = clerk.network.nodes["shanghai"].wiring.node.trust
    folder = clerk.network.nodes["shanghai"].wiring.settings.keys_folder.parent
    kid = next(key.kid for key in trust.current.keys if (key.bureau, key.use) == ("zhejiang", "enc"))
    raw = next_list(folder, now=int(time.time()) - 1, revoke={kid: "lost"})
    trust.install(raw)
    await clerk.network.tick(minutes=2)
    await clerk.wire.settle()
    assert await other.states() == (["APPROVED"], ["RECEIVED"])
    statement = select(owed.c.peer, owed.c.asks).order_by(owed.c.peer)
    assert [(row.peer, row.asks) for row in await clerk.rows("shanghai", statement)] == [("jiangsu", 1), ("zhejiang", 1)]


# ---- versions, poison, contradictions -----------------------------------------------------------------------------------


async def test_a_version_that_this_node_does_not_know_waits_until_it_does(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    transfer = await clerk.approved(await clerk.resident("zhejiang"))
    (permit,) = await clerk.wire.settle_without("PermitIssued")
    assert permit.message is not None
    later = json.loads(encode(permit.message)) | {"version": 2}
    await clerk.wire.hand_over(clerk.wire.forge("shanghai", "zhejiang", json.dumps(later).encode(), key=transfer.case))
    assert [row.key for row in await outcomes(clerk, "zhejiang", "not_yet")] == [transfer.case]
    assert await transfer.states() == (["APPROVED"], [])
    await clerk.network.tick(seconds=2)
    assert [row.attempts for row in await outcomes(clerk, "zhejiang", "not_yet")] == [2]
    # The node is upgraded: it reads version 2.
    monkeypatch.setattr(registry, "MESSAGES", {**registry.MESSAGES, ("PermitIssued", 2): PermitIssued})
    await clerk.network.tick(minutes=1)
    assert await outcomes(clerk, "zhejiang", "not_yet") == []
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])


async def test_an_unknown_message_waits_and_does_not_hold_up_the_case(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    strange = json.dumps({"name": "TransferPostponed", "version": 1, "body": {"case": transfer.case}}).encode()
    await clerk.wire.hand_over(clerk.wire.forge("shanghai", "zhejiang", strange, key=transfer.case))
    assert len(await outcomes(clerk, "zhejiang", "not_yet")) == 1
    await transfer.do("seal")
    await clerk.wire.settle()
    await transfer.do("settle")
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_a_message_that_does_not_fit_its_model_is_a_dead_letter_and_its_case_goes_on(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    broken = json.dumps({"name": "TransferVoided", "version": 1, "body": {"case": transfer.case, "places": []}}).encode()
    await clerk.wire.hand_over(clerk.wire.forge("shanghai", "zhejiang", broken, key=transfer.case))
    assert await letters(clerk, "zhejiang") == ["content"]
    await transfer.do("seal")
    await clerk.wire.settle()
    assert await transfer.states() == (["CERTIFIED"], ["SEALED"])


async def test_poison_in_a_batch_holds_up_none_of_the_others(clerk: Clerk) -> None:
    """A permit that no database keeps (a NUL in its number) between the permits of others, all in one transaction's chunk."""
    before, after = [await clerk.approved(await clerk.resident("zhejiang")) for _ in range(2)]
    await clerk.wire.collect()
    first, last = clerk.wire.waiting
    clerk.wire.waiting.clear()
    genuine = first.message
    assert isinstance(genuine, PermitIssued)
    poisoned = genuine.permit.model_copy(update={"permit_no": "沪\x0000000001"})
    poison = clerk.wire.forge("shanghai", "zhejiang", genuine.model_copy(update={"case": uuid4(), "permit": poisoned}))
    batch = [first.delivered, poison.delivered, last.delivered]
    await clerk.network.nodes["zhejiang"].wiring.receiver.receive(batch)
    assert [await one.states() for one in (before, after)] == [(["APPROVED"], ["RECEIVED"])] * 2
    assert [row.key for row in await outcomes(clerk, "zhejiang", "not_yet")] == [poison.case]
    for _ in range(8):
        await clerk.network.tick(hours=1, minutes=1)
    assert [row.key for row in await outcomes(clerk, "zhejiang", "dead")] == [poison.case]
    assert await letters(clerk, "zhejiang") == ["handler"]


async def test_the_same_event_id_with_another_content_is_a_conflict_and_has_no_effect(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    permit = clerk.wire.last("PermitIssued")
    assert isinstance(permit.message, PermitIssued)
    opened = clerk.network.nodes["zhejiang"].wiring.receiver.try_open(
        permit.delivered.record, clerk.network.machine["zhejiang"].now(), None
    )
    void = TransferVoided(
        case=permit.message.case, places=(1,), reason_code=VoidReason.WITHDRAWN, voided_on=clerk.network.clock.at.date()
    )
    await clerk.wire.hand_over(clerk.wire.forge("shanghai", "zhejiang", void, jti=opened.jti))  # type: ignore[union-attr]
    assert await letters(clerk, "zhejiang") == ["conflict"]
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])
    refused = select(audit.c.reason).where(audit.c.action == "messaging.receive", audit.c.decision == "refused")
    assert [row.reason for row in await clerk.rows("zhejiang", refused)] == ["conflict"]


async def test_what_cannot_even_be_receipted_is_poison_however_often_it_is_tried(clerk: Clerk) -> None:
    """A NUL in the key, which no database keeps; inside an answer, where no record's key contradicts it."""
    forged = clerk.wire.forge("shanghai", "zhejiang", STRANGE, key="\0").delivered.record
    wiring = clerk.network.nodes["zhejiang"].wiring
    await wiring.receiver.receive_envelope(forged.value, topic=forged.topic)
    (letter,) = await clerk.rows("zhejiang", select(dead_letter.c.id))
    operator = Actor("officer", "D33099")
    assert await dead_letters.preview(wiring.bus_database, wiring.receiver, letter.id, operator) == "poison"
    assert await dead_letters.replay(wiring.bus_database, wiring.receiver, letter.id, operator) == "poison"
    assert await letters(clerk, "zhejiang") == ["poison"]
    tries = select(audit.c.actor, audit.c.reason).where(audit.c.action == "operations.replay")
    assert [tuple(row) for row in await clerk.rows("zhejiang", tries)] == [("D33099", "poison")]


async def test_an_unknown_message_with_a_nul_in_its_name_waits_like_any_other(clerk: Clerk) -> None:
    strange = json.dumps({"name": "Transfer\0", "version": 1, "body": {}}).encode()
    await clerk.wire.hand_over(clerk.wire.forge("shanghai", "zhejiang", strange, key=str(uuid4())))
    assert await letters(clerk, "zhejiang") == []
    assert len(await outcomes(clerk, "zhejiang", "not_yet")) == 1


async def test_two_senders_may_use_the_same_event_id(clerk: Clerk) -> None:
    event_id, day = uuid7(), clerk.network.clock.at.date()
    for sender in ("shanghai", "jiangsu"):
        void = TransferVoided(case=uuid4(), places=(1,), reason_code=VoidReason.WITHDRAWN, voided_on=day)
        await clerk.wire.hand_over(clerk.wire.forge(sender, "zhejiang", void, jti=event_id))
    assert await letters(clerk, "zhejiang") == []
    kept = select(receipt.c.sender).where(receipt.c.event_id == event_id).order_by(receipt.c.sender)
    assert [row.sender for row in await clerk.rows("zhejiang", kept)] == ["jiangsu", "shanghai"]


async def test_what_is_addressed_to_another_bureau_is_a_dead_letter(clerk: Clerk) -> None:
    await clerk.approved(await clerk.resident("zhejiang"))
    (permit,) = await clerk.wire.settle_without("PermitIssued")
    await clerk.network.nodes["jiangsu"].wiring.receiver.receive([permit.delivered])
    assert await letters(clerk, "jiangsu") == ["wrong_audience"]


async def test_a_letter_that_is_dead_is_healed_by_the_senders_next_repeat(clerk: Clerk) -> None:
    transfer = await clerk.approved(await clerk.resident("zhejiang"))
    (permit,) = await clerk.wire.settle_without("PermitIssued")
    record = permit.delivered.record
    damaged = type(record)(record.topic, record.key, record.headers, record.value[:-4] + b"AAAA")
    await clerk.network.nodes["zhejiang"].wiring.receiver.receive([type(permit.delivered)(damaged, 7, 10**6)])
    assert await letters(clerk, "zhejiang") == ["signature"]
    await clerk.network.tick(minutes=2)
    await clerk.wire.settle()
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])


STRANGE = json.dumps({"name": "TransferPostponed", "version": 1, "body": {}}).encode()


async def test_a_peer_that_was_restored_since_leaves_nothing_behind_that_holds_up_our_timers(clerk: Clerk) -> None:
    """An unknown message of the old incarnation waits when the new one is heard of: it came in time, and goes on waiting."""
    await clerk.wire.hand_over(clerk.wire.forge("jiangsu", "zhejiang", STRANGE, key=str(uuid4())))
    void = TransferVoided(case=uuid4(), places=(1,), reason_code=VoidReason.WITHDRAWN, voided_on=clerk.network.clock.at.date())
    await clerk.wire.hand_over(clerk.wire.forge("jiangsu", "zhejiang", void, incarnation=2))
    await clerk.network.tick(seconds=2)
    assert [row.attempts for row in await outcomes(clerk, "zhejiang", "not_yet")] == [2]
    await clerk.wire.hand_over(clerk.wire.forge("jiangsu", "zhejiang", STRANGE, key=str(uuid4())))
    assert await letters(clerk, "zhejiang") == ["old_incarnation"]  # who speaks only now is refused


async def test_a_kept_message_whose_key_was_revoked_as_of_an_earlier_time_is_dead_and_holds_up_nothing(own_keys: Clerk) -> None:
    clerk = own_keys
    transfer = await clerk.approved(await clerk.resident("zhejiang"), "zhejiang", "shanghai")
    await clerk.wire.settle_without("PermitIssued")
    await clerk.wire.hand_over(clerk.wire.forge("jiangsu", "zhejiang", STRANGE, key=str(uuid4())))
    wiring = clerk.network.nodes["zhejiang"].wiring
    kid = next(key.kid for key in wiring.node.trust.current.keys if (key.bureau, key.use) == ("jiangsu", "sig"))
    wiring.node.trust.install(next_list(wiring.settings.keys_folder.parent, now=int(time.time()) - 60, revoke={kid: "stolen"}))
    await clerk.network.tick(minutes=2)
    assert await letters(clerk, "zhejiang") == ["key_revoked"]
    assert await outcomes(clerk, "zhejiang", "not_yet") == []
    await clerk.wire.settle()  # what Shanghai asked again in the same tick
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])


async def test_a_redelivery_after_receipts_are_swept_away_is_too_old_to_have_a_second_effect(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    permit = clerk.wire.last("PermitIssued")
    await transfer.do("return", {"code": "R06"})
    await clerk.wire.settle()
    await clerk.network.tick(days=46)
    for node in clerk.network.nodes.values():
        while await node.wiring.bus_database.run(sweep_once, name="sweep"):
            pass
    assert await clerk.rows("zhejiang", select(receipt.c.key).where(receipt.c.key == transfer.case)) == []
    await clerk.wire.hand_over(permit)
    assert await letters(clerk, "zhejiang") == ["too_old"]
    assert await effects_of_messages(clerk.network, transfer.case) == {"PermitIssued": 1, "PermitReturned": 1}


# ---- clocks -------------------------------------------------------------------------------------------------------------


class Running(SkewedClock):
    """A clock on which most of a second passes between any two looks, so that each look shows another second."""

    def now(self) -> datetime:
        self.offset += timedelta(seconds=0.7)
        return super().now()


async def test_a_message_names_one_second_in_its_headers_and_in_its_envelope(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    clerk.network.machine["shanghai"] = Running()
    clerk.clocks_agree = False
    await clerk.network.restart("shanghai")
    transfer = await clerk.settled(person)
    assert await letters(clerk, "zhejiang") == []
    assert await transfer.states() == (["HERE"], ["GONE"])


@pytest.mark.parametrize("seconds", [-240, -30, 30, 240])
async def test_clocks_that_differ_by_minutes_change_nothing_in_a_transfer(clerk: Clerk, seconds: int) -> None:
    """No order is taken from wall clocks; what is asked over REST needs one minute, the bus five."""
    clerk.network.machine["zhejiang"].offset = timedelta(seconds=seconds)
    clerk.clocks_agree = False
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    silent = abs(seconds) > 60
    await transfer.do("seal", {"without_answer": silent})
    await clerk.wire.settle()
    await transfer.do("settle")
    await clerk.wire.settle()
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH


async def test_a_message_from_the_future_waits_until_its_time_has_come(clerk: Clerk) -> None:
    transfer = await clerk.apply(await clerk.resident("zhejiang"))
    clerk.network.machine["shanghai"].offset = timedelta(minutes=10)
    for act in ("accept", "submit", "approve"):
        await transfer.do(act)
    await clerk.wire.settle()
    assert await letters(clerk, "zhejiang") == ["clock_ahead"]
    clerk.network.machine["shanghai"].offset = timedelta(0)
    await clerk.network.tick(minutes=6)
    wiring = clerk.network.nodes["zhejiang"].wiring
    assert await retry_waiting(wiring.bus_database, wiring.receiver) == 1
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])


async def test_nothing_personal_stands_in_clear_on_the_bus_or_in_the_outbox(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    await clerk.settled(person)
    secrets = (person.number, person.name, f"{person.born_on:%Y%m%d}")
    for parcel in clerk.wire.carried:
        record = parcel.delivered.record
        shown = json.dumps([record.topic, record.key, dict(record.headers)], ensure_ascii=False)
        assert not [one for one in secrets if one in shown or one.encode() in record.value]
    for bureau in BUREAUS:
        for row in await clerk.rows(bureau, select(outbox.c.headers, outbox.c.sealed, outbox.c.key)):
            shown = json.dumps([row.key, row.headers], ensure_ascii=False)
            assert not [one for one in secrets if one in shown or one.encode() in row.sealed]
