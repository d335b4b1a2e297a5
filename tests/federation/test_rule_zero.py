"""Rule 0: only the case's counterpart may speak about it. A member bureau that lies about others' cases has no effect on them."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from services.bureau.transfers import inbound
from services.bureau.transfers.tables import transfer_case
from shared.audit import audit
from shared.contract.codes import ReturnCode, VoidReason
from shared.contract.messages import (
    CancellationRequested,
    Message,
    MigrationCertificateIssued,
    PermitIssued,
    PermitReturned,
    ReissueRequested,
    TransferClosed,
    TransferSettled,
    TransferVoided,
)
from shared.contract.records import PlaceEpoch
from tests.federation.clerk import Clerk, Transfer
from tests.federation.gauge import effects

STRANGER = "anhui"
TODAY = date(2021, 3, 1)
NOW = datetime(2021, 3, 1, 2, tzinfo=UTC)


def lie(clerk: Clerk, transfer: Transfer, kind: str) -> Message:
    """A message about the case, well-formed and as convincing as somebody could make it who has seen the genuine ones."""
    case = UUID(transfer.case)
    made: dict[str, Any] = {
        "PermitReturned": lambda: PermitReturned(case=case, places=(1,), code=ReturnCode.R06, returned_on=TODAY),
        "CancellationRequested": lambda: CancellationRequested(case=case, places=(1,), requested_on=TODAY),
        "TransferSettled": lambda: TransferSettled(case=case, settled=(PlaceEpoch(place=1, epoch=2),), signed_at=NOW, issue=1),
        "TransferClosed": lambda: TransferClosed(case=case, closed=(PlaceEpoch(place=1, epoch=2),), closed_at=NOW),
        "TransferVoided": lambda: TransferVoided(case=case, places=(1,), reason_code=VoidReason.WITHDRAWN, voided_on=TODAY),
        "ReissueRequested": lambda: ReissueRequested(case=case, issue=1, requested_on=TODAY),
        "MigrationCertificateIssued": lambda: clerk.wire.last("MigrationCertificateIssued").message,
        "PermitIssued": lambda: clerk.wire.last("PermitIssued").message,
    }
    message: Message = made[kind]()
    return message


async def refusals(clerk: Clerk, bureau: str) -> list[tuple[str, str]]:
    """(peer, action) of the messages that a bureau refused, from its audit log."""
    statement = select(audit.c.peer, audit.c.action).where(audit.c.decision == "refused")
    return [(row.peer, row.action) for row in await clerk.rows(bureau, statement)]


LIES = (
    "PermitIssued",
    "PermitReturned",
    "MigrationCertificateIssued",
    "TransferSettled",
    "TransferClosed",
    "TransferVoided",
    "CancellationRequested",
    "ReissueRequested",
)


@pytest.mark.parametrize("kind", LIES)
async def test_a_stranger_speaks_about_a_case_at_every_stage_without_effect(clerk: Clerk, kind: str) -> None:
    """And who waited before still waits, asks again, and is answered."""
    transfer = await clerk.received(await clerk.resident("zhejiang"))

    async def both_hear_it() -> None:
        before = await transfer.states(), await transfer.owed("shanghai"), await transfer.owed("zhejiang")
        for victim in ("shanghai", "zhejiang"):
            await clerk.wire.hand_over(clerk.wire.forge(STRANGER, victim, lie(clerk, transfer, kind)))
        await clerk.wire.settle_without("TransferClosed")
        assert (await transfer.states(), await transfer.owed("shanghai"), await transfer.owed("zhejiang")) == before

    if kind != "MigrationCertificateIssued":  # nobody has seen one yet
        await both_hear_it()
    await transfer.do("seal")
    await clerk.wire.settle()
    await both_hear_it()
    await transfer.do("settle")
    await clerk.wire.settle_without("TransferClosed")
    await both_hear_it()
    await clerk.network.tick(minutes=1)
    await clerk.wire.settle()
    await both_hear_it()
    assert await transfer.states() == (["HERE"], ["GONE"])


@pytest.mark.parametrize("kind", ["TransferSettled", "TransferClosed", "ReissueRequested", "PermitIssued"])
async def test_a_message_about_a_case_of_others_is_refused_and_audited(clerk: Clerk, kind: str) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await clerk.wire.hand_over(clerk.wire.forge(STRANGER, "zhejiang", lie(clerk, transfer, kind)))
    assert (STRANGER, f"transfers.{kind}") in await refusals(clerk, "zhejiang")
    assert await transfer.states() == (["CERTIFIED"], ["SEALED"])


@pytest.mark.parametrize("kind", ["TransferVoided", "PermitReturned", "CancellationRequested"])
async def test_a_strangers_tombstone_does_not_stand_in_the_way_of_the_genuine_permit(clerk: Clerk, kind: str) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.approved(person)
    for victim in ("shanghai", "zhejiang"):
        await clerk.wire.hand_over(clerk.wire.forge(STRANGER, victim, lie(clerk, transfer, kind)))
    await clerk.wire.settle()
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])
    await transfer.do("seal")
    await clerk.wire.settle()
    await transfer.do("settle")
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_a_certificate_for_an_unknown_case_is_answered_with_a_void_and_kept_as_a_tombstone(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    genuine = clerk.wire.last("MigrationCertificateIssued").message
    assert isinstance(genuine, MigrationCertificateIssued)
    unknown = genuine.model_copy(update={"case": uuid4()})
    await clerk.wire.hand_over(clerk.wire.forge("zhejiang", "shanghai", unknown))
    await clerk.wire.settle()
    told = clerk.wire.last("TransferVoided").message
    assert isinstance(told, TransferVoided)
    assert (told.case, told.reason_code) == (unknown.case, VoidReason.UNKNOWN_CASE)
    assert await transfer.states() == (["CERTIFIED"], ["SEALED"])
    assert (await effects(clerk.network, str(unknown.case)))["MigrationCertificateIssued"] == 1


async def test_a_peer_may_leave_only_so_many_tombstones_a_day(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound, "TOMBSTONES_PER_PEER_AND_DAY", 5)
    tombstones = select(func.count()).select_from(transfer_case).where(transfer_case.c.file.is_(None))

    async def speak(sender: str, times: int) -> None:
        for _ in range(times):
            void = TransferVoided(case=uuid4(), places=(1,), reason_code=VoidReason.WITHDRAWN, voided_on=TODAY)
            await clerk.wire.hand_over(clerk.wire.forge(sender, "zhejiang", void))

    async def count() -> int:
        ((found,),) = await clerk.rows("zhejiang", tombstones)
        return int(found)

    await speak(STRANGER, 8)
    assert await count() == 5
    assert (await refusals(clerk, "zhejiang")).count((STRANGER, "transfers.TransferVoided")) == 3
    await speak("jiangsu", 1)  # another peer has its own measure
    assert await count() == 6
    await clerk.network.tick(days=1, minutes=1)
    await speak(STRANGER, 1)
    assert await count() == 7


async def test_a_permit_whose_destination_is_not_its_sender_is_refused_and_audited(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    await clerk.approved(person)
    await clerk.wire.collect()
    genuine = clerk.wire.last("PermitIssued").message
    assert isinstance(genuine, PermitIssued)
    invented = genuine.model_copy(update={"case": uuid4()})
    await clerk.wire.hand_over(clerk.wire.forge(STRANGER, "zhejiang", invented))
    assert (STRANGER, "transfers.PermitIssued") in await refusals(clerk, "zhejiang")
    known = select(transfer_case.c.case_id).where(transfer_case.c.case_id == invented.case)
    assert await clerk.rows("zhejiang", known) == []


async def test_a_permit_for_another_origin_is_refused_and_audited(clerk: Clerk) -> None:
    await clerk.approved(await clerk.resident("zhejiang"))
    await clerk.wire.collect()
    misdirected = clerk.wire.last("PermitIssued").message
    assert isinstance(misdirected, PermitIssued)
    await clerk.wire.hand_over(clerk.wire.forge("shanghai", "jiangsu", misdirected))
    assert await refusals(clerk, "jiangsu") == [("shanghai", "transfers.PermitIssued")]


async def test_a_permit_of_a_stranger_under_the_id_of_a_genuine_case_does_not_hide_it(clerk: Clerk) -> None:
    """A bureau that has seen the id of a case uses it for a permit of its own, for another resident of the same station."""
    person, other = await clerk.resident("zhejiang"), await clerk.resident("zhejiang")
    transfer = await clerk.received(person)
    await clerk.approved(other, "zhejiang", STRANGER)
    await clerk.wire.collect()
    stolen = clerk.wire.last("PermitIssued").message
    assert isinstance(stolen, PermitIssued)
    stolen = stolen.model_copy(update={"case": UUID(transfer.case)})
    await clerk.wire.hand_over(clerk.wire.forge(STRANGER, "zhejiang", stolen))
    assert (await transfer.at_origin())["counterpart"] == "shanghai"
    await transfer.do("seal")
    await clerk.wire.settle()
    await transfer.do("settle")
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_a_counterpart_cannot_name_another_epoch_or_member_than_its_own(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    case = UUID(transfer.case)
    wrong = [
        TransferSettled(case=case, settled=(PlaceEpoch(place=1, epoch=7),), signed_at=NOW, issue=1),
        TransferSettled(case=case, settled=(PlaceEpoch(place=2, epoch=2),), signed_at=NOW, issue=1),
    ]
    for message in wrong:
        await clerk.wire.hand_over(clerk.wire.forge("shanghai", "zhejiang", message))
    await clerk.wire.settle()
    assert await transfer.states() == (["CERTIFIED"], ["SEALED"])


async def test_a_certificate_about_another_person_is_refused_and_audited(clerk: Clerk) -> None:
    person, other = await clerk.resident("zhejiang"), await clerk.resident("zhejiang")
    transfer, another = await clerk.received(person), await clerk.received(other)
    await another.do("seal")
    await clerk.wire.settle()
    swapped = clerk.wire.last("MigrationCertificateIssued").message
    assert isinstance(swapped, MigrationCertificateIssued)
    swapped = swapped.model_copy(update={"case": UUID(transfer.case)})
    await clerk.wire.hand_over(clerk.wire.forge("zhejiang", "shanghai", swapped))
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])
    assert ("zhejiang", "transfers.MigrationCertificateIssued") in await refusals(clerk, "shanghai")


async def test_a_message_of_the_wrong_side_changes_nothing(clerk: Clerk) -> None:
    """What only a destination may say, said by the origin, and the other way round."""
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    for kind in ("TransferVoided", "TransferSettled", "ReissueRequested"):
        await clerk.wire.hand_over(clerk.wire.forge("zhejiang", "shanghai", lie(clerk, transfer, kind)))
    for kind in ("PermitReturned", "CancellationRequested", "TransferClosed", "MigrationCertificateIssued"):
        await clerk.wire.hand_over(clerk.wire.forge("shanghai", "zhejiang", lie(clerk, transfer, kind)))
    await clerk.wire.settle()
    assert await transfer.states() == (["CERTIFIED"], ["SEALED"])
    refused = {bureau: [action for _, action in await refusals(clerk, bureau)] for bureau in ("shanghai", "zhejiang")}
    assert refused == {
        "shanghai": ["transfers.TransferVoided", "transfers.TransferSettled", "transfers.ReissueRequested"],
        "zhejiang": [
            "transfers.PermitReturned",
            "transfers.CancellationRequested",
            "transfers.TransferClosed",
            "transfers.MigrationCertificateIssued",
        ],
    }
