"""The drill of deploy/README.md, "Rotating a signing key", and what follows when one is stolen, with all four bureaus at work."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from services.harness.network import BUREAUS
from shared.audit import audit
from shared.contract.codes import VoidReason
from shared.contract.messages import TransferVoided
from shared.contract.registry import encode, schema_of
from shared.envelope import Opened, Proof, Ring, TrustList, seal, signed_by, transport_headers, verify_proof
from shared.envelope.ceremony import current_list, revoke_key, rotate_key
from shared.messaging.bus import Delivered, Record
from shared.messaging.record import place_of
from shared.messaging.tables import dead_letter
from tests.federation.clerk import Clerk, Transfer
from tests.federation.gauge import ONE_OF_EACH, effects_of_messages
from tests.federation.wire import TEST_PARTITION, Parcel

NOTICE = timedelta(days=7)
FAR_AWAY = timedelta(days=3650)
VOIDED_ON = date(2021, 3, 1)


class Drill:
    """The key ceremony of a federation whose clocks the test sets."""

    def __init__(self, clerk: Clerk) -> None:
        self.clerk = clerk
        self.network = clerk.network

    @property
    def folder(self) -> Path:
        return self.network.nodes["shanghai"].wiring.settings.keys_folder.parent

    @property
    def now(self) -> int:
        return int(self.network.machine["shanghai"].now().timestamp())

    def newest(self, use: str, bureau: str = "shanghai") -> Any:
        return [one for one in current_list(self.folder).keys if (one.bureau, one.use) == (bureau, use)][-1]

    def go_to(self, at: int) -> None:
        ahead = timedelta(seconds=at - self.now)
        for clock in self.network.machine.values():
            clock.offset += ahead

    def take_up(self) -> None:
        """What every process of a node does each five seconds (services/bureau/folder.py)."""
        for node in self.network.nodes.values():
            node.wiring.node.trust.reload()
            node.wiring.node.keyring.reload()

    def rotate(self, bureau: str, use: str, *, at_once: bool = False) -> str:
        kid = rotate_key(self.folder, bureau, use, now=self.now, nbf=self.now if at_once else None)
        self.take_up()
        return kid

    def renew_the_others(self) -> None:
        """Keys that end about the same time, so that only Shanghai's old signing key is looked at."""
        for bureau in BUREAUS:
            self.rotate(bureau, "enc", at_once=True)
            if bureau != "shanghai":
                self.rotate(bureau, "sig", at_once=True)

    def forged(self, transfer: Transfer, kid: str, *, at: int) -> Parcel:
        """Whoever has the private key `kid` voids a case with it, dated `at`, whatever the list says of the key."""
        context = self.network.nodes["shanghai"].wiring.node
        message = TransferVoided(case=UUID(transfer.case), places=(1,), reason_code=VoidReason.WITHDRAWN, voided_on=VOIDED_ON)
        place, event_id, schema = place_of(message, "zhejiang"), uuid7(), schema_of(message.capability)
        envelope = seal(
            encode(message),
            place=place,
            to="zhejiang",
            ring=_only(context.ring, kid),
            trust=_as_if_good(context.trust.current, kid),
            now=at,
            jti=event_id,
            incarnation=1,
            schema=schema,
        )
        headers = transport_headers(place, iss="shanghai", jti=event_id, iat=at, schema=schema)
        record = Record(str(place.topic), place.key, headers, envelope)
        return Parcel(
            "zhejiang", Delivered(record, TEST_PARTITION, int(event_id.int % 10**9)), "shanghai", "TransferVoided", message
        )

    async def refusals(self, bureau: str) -> list[str]:
        rows = await self.clerk.rows(bureau, select(dead_letter.c.error).order_by(dead_letter.c.id))
        return [row.error for row in rows]

    def carried(self, transfer: Transfer, name: str) -> list[str]:
        """The keys of the messages of that name that the bus has carried about a case."""
        parcels = [one for one in self.clerk.wire.carried if (one.case, one.name) == (transfer.case, name)]
        return [signed_by(one.delivered.record.value) for one in parcels]


def _only(ring: Ring, kid: str) -> Ring:
    (key,) = [one for one in ring.signing_keys if one.kid == kid]
    return replace(ring, signing_keys=(replace(key, exp=key.exp + int(FAR_AWAY.total_seconds())),))


def _as_if_good(trust: TrustList, kid: str) -> TrustList:
    changes: Mapping[str, Any] = {"exp": 2**40, "revoked_at": None, "reason": None}
    content = trust.model_dump()
    keys = [one | changes if one["kid"] == kid else one for one in content["keys"]]
    return TrustList.model_validate(content | {"keys": keys})


async def finish(clerk: Clerk, transfers: list[Transfer]) -> None:
    for act in ("seal", "settle"):
        for transfer in transfers:
            await transfer.do(act)
        await clerk.wire.settle()
    for transfer in transfers:
        assert await transfer.states() == (["HERE"], ["GONE"])
        assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH


async def test_a_signing_key_follows_another_without_a_message_lost(own_keys: Clerk) -> None:
    clerk, drill = own_keys, Drill(own_keys)
    old = drill.newest("sig")
    drill.go_to(old.exp - 10 * 86400)
    drill.renew_the_others()
    new = drill.rotate("shanghai", "sig")
    shanghai = clerk.network.nodes["shanghai"]
    shanghai.paused = True  # its messages wait: the honest backlog
    backlog = await clerk.approved(await clerk.resident("zhejiang"))
    drill.go_to(drill.now + int(NOTICE.total_seconds()) + 3600)
    fresh = await clerk.approved(await clerk.resident("zhejiang"))
    drill.go_to(old.exp + 5 * 86400)
    shanghai.paused = False
    await clerk.wire.settle()
    # The backlog was signed while its key lived: it counts, until 30 days after the key's end.
    assert (drill.carried(backlog, "PermitIssued"), drill.carried(fresh, "PermitIssued")) == ([old.kid], [new])
    assert [await one.states() for one in (backlog, fresh)] == [(["APPROVED"], ["RECEIVED"])] * 2
    # A new message under the old key does not.
    await clerk.wire.hand_over(drill.forged(fresh, old.kid, at=drill.now))
    assert await fresh.states() == (["APPROVED"], ["RECEIVED"])
    (refusal,) = await drill.refusals("zhejiang")
    assert "expired" in refusal
    # What it signed in its life is verifiable for ever, with the list alone.
    parcel = next(one for one in clerk.wire.carried if (one.case, one.name) == (backlog.case, "PermitIssued"))
    zhejiang = clerk.network.nodes["zhejiang"].wiring
    opened = zhejiang.receiver.try_open(parcel.delivered.record, zhejiang.node.machine_now(), None)
    assert isinstance(opened, Opened)
    proven = verify_proof(Proof.of(parcel.delivered.record.value, opened), zhejiang.node.trust.current)
    assert (proven.iss, proven.key) == ("shanghai", backlog.case)
    await finish(clerk, [backlog, fresh])


async def test_a_stolen_key_is_revoked_and_what_it_signed_and_did_not_leave_is_said_anew(own_keys: Clerk) -> None:
    clerk, drill = own_keys, Drill(own_keys)
    stolen = drill.newest("sig").kid
    arrived = await clerk.received(await clerk.resident("zhejiang"))
    shanghai = clerk.network.nodes["shanghai"]
    shanghai.paused = True
    waiting = [await clerk.approved(await clerk.resident("zhejiang")) for _ in range(2)]
    before = drill.now - 60
    drill.rotate("shanghai", "sig", at_once=True)
    revoke_key(drill.folder, stolen, now=drill.now, reason="stolen")
    drill.take_up()
    new = drill.newest("sig").kid
    shanghai.paused = False
    await clerk.wire.settle()
    for transfer in waiting:
        assert drill.carried(transfer, "PermitIssued") == [new]
        assert await transfer.states() == (["APPROVED"], ["RECEIVED"])
    withdrawn = await clerk.rows("shanghai", select(audit.c.object_id).where(audit.c.action == "messages.withdrawn"))
    assert sorted(row.object_id for row in withdrawn) == sorted(one.case for one in waiting)
    # The thief backdates, and is refused: a date is no evidence.
    await clerk.wire.hand_over(drill.forged(arrived, stolen, at=before))
    assert await arrived.states() == (["APPROVED"], ["RECEIVED"])
    (refusal,) = await drill.refusals("zhejiang")
    assert "revoked" in refusal
    await finish(clerk, [arrived, *waiting])


@pytest.mark.parametrize("use", ["sig", "enc"])
async def test_a_key_may_follow_at_once(own_keys: Clerk, use: str) -> None:
    clerk, drill = own_keys, Drill(own_keys)
    drill.rotate("zhejiang", use, at_once=True)
    transfer = await clerk.settled(await clerk.resident("zhejiang"))
    assert await transfer.states() == (["HERE"], ["GONE"])
