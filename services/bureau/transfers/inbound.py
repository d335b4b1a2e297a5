"""What reaches us about transfers. Handlers are idempotent by state: a message that changes nothing is answered again only
where the protocol's table says so.

Rule 0 is in the key: a case is found by (sender, case), so a bureau can only speak about cases in which it is the counterpart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta

import structlog

from services.bureau.stations import acts as stations
from services.bureau.stations.acts import UnknownStation
from services.bureau.transfers.acts.cases import TOMBSTONES_SINCE, keep_receipt, load_case
from services.bureau.transfers.acts.moving import conclude, happen, renew_settlement_due, say
from services.bureau.transfers.rules.case import Case, Member
from services.bureau.transfers.rules.messages import foreign_permit, wrong_members
from services.bureau.transfers.states import On, Side, State
from services.bureau.transfers.tables import MOVED_IN, PACKAGE_CERTIFICATE, Return
from shared.audit import AuditEntry, write_audit
from shared.contract.codes import ReturnCode, VoidReason
from shared.contract.messages import (
    CancellationRequested,
    Message,
    MigrationCertificateIssued,
    PermitIssued,
    PermitReturned,
    ReissueRequested,
    TransferClosed,
    TransferMessage,
    TransferSettled,
    TransferVoided,
)
from shared.contract.records import MoveInPermit
from shared.database import Session
from shared.messaging import Handler, Received

TOMBSTONES_PER_PEER_AND_DAY = 200  # an honest peer needs a handful; a hostile one must not fill the disk

logger = structlog.get_logger(__name__)


async def on_permit_issued(session: Session, message: PermitIssued, received: Received) -> None:
    """D -> O: a permit for our residents. Routed by the station it names; one that is none of ours is returned at once (R08)."""
    wrong = foreign_permit(message.permit, destination=received.sender, origin=session.node.bureau)
    if wrong:
        await _refuse(session, message, received, wrong)
        return
    case = await load_case(session, received.sender, message.case) or _blank(session, message, received, Side.ORIGIN)
    if case.side is not Side.ORIGIN:
        await _refuse(session, message, received, "the sender is not the other side of this case")
        return
    if case.version == 0:
        case.apply_no, case.previous_case = message.apply_no, message.previous_case
        case.serial_no, case.permit_no = message.permit.serial_no, message.permit.permit_no
        case.permit_valid_until = message.permit.valid_until
        case.write(permit=message.permit)
        for one in message.permit.members:
            case.members[one.place].citizen_index = one.citizen_id_no
    moved = await happen(session, case, On.PermitIssued, _known(case, message))
    if moved.changed and not await _routed(session, case, message.permit):
        moved = await happen(session, case, On.RETURN, [member.place for member in moved.changed])
    if moved.changed or moved.asked_again:
        await conclude(session, case, type(message).__name__, [moved])


async def _routed(session: Session, case: Case, permit: MoveInPermit) -> bool:
    """Give the case to its station; false, and a return R08 prepared, when that is no station of ours."""
    today = session.node.business_today()
    try:
        station = await stations.find_station(session, session.node.bureau, permit.origin_station_code, day=today)
    except UnknownStation as unknown:
        text = unknown.fault.in_english()
        returned = Return(code=ReturnCode.R08, reason_text=text, heading_to=None, returned_on=today)
        case.write(returned=returned)
        return False
    case.station_code = station.code
    return True


async def on_migration_certificate_issued(session: Session, message: MigrationCertificateIssued, received: Received) -> None:
    """O -> D: sealed; or issued again, with a higher issue, which replaces number and validity while nobody has signed."""
    case = await _own_or_tombstone(session, message, received, Side.DESTINATION)
    if case is None:
        return
    wrong = None if case.is_tombstone else wrong_members(case, message.certificate)
    if wrong:
        await _refuse(session, message, received, wrong)
        return
    epochs = {member.place: member.epoch for member in message.certificate.members}
    moved = await happen(session, case, On.MigrationCertificateIssued, _known(case, message), epochs=epochs)
    is_news = message.certificate.issue > case.issue and bool(case.in_state(State.CERTIFIED))
    if is_news:
        case.migration_no, case.issue = message.certificate.migration_no, message.certificate.issue
        case.certificate_valid_until = message.certificate.valid_until
        case.reissue_asked = False
        case.write(certificate=message.certificate)
    if moved.changed or moved.asked_again or is_news:
        await conclude(session, case, type(message).__name__, [moved])
    if is_news:
        await renew_settlement_due(session, case)


async def on_permit_returned(session: Session, message: PermitReturned, received: Received) -> None:
    """O -> D: not sealed, with the reason; the case is void, a corrected permit is a new case under the same number."""
    case = await _own_or_tombstone(session, message, received, Side.DESTINATION)
    if case is None:
        return
    if not case.is_tombstone:
        returned = Return(
            code=message.code, reason_text=message.reason_text, heading_to=message.heading_to, returned_on=message.returned_on
        )
        case.write(returned=returned)
    await _void(session, case, message, On.PermitReturned, VoidReason.RETURNED)


async def on_cancellation_requested(session: Session, message: CancellationRequested, received: Received) -> None:
    """O -> D, for the citizen: voided at once, unless somebody has signed; then the settlement is on its way already."""
    case = await _own_or_tombstone(session, message, received, Side.DESTINATION)
    if case is None:
        return
    if not case.is_tombstone:
        case.write(cancel_text=message.reason_text)
    await _void(session, case, message, On.CancellationRequested, VoidReason.CANCELLED)


async def _void(session: Session, case: Case, message: TransferMessage, on: On, reason: VoidReason) -> None:
    for place in _known(case, message):
        member = case.members[place]
        if member.void_reason is None:
            member.void_reason = (VoidReason.UNKNOWN_CASE if member.state is State.UNKNOWN else reason).value
    moved = await happen(session, case, on, _known(case, message))
    if moved.changed or moved.asked_again:
        await conclude(session, case, type(message).__name__, [moved])


async def on_transfer_settled(session: Session, message: TransferSettled, received: Received) -> None:
    """D -> O: the commit point. Members who signed are let go, the others restored, in one transaction."""
    case = await _known_case(session, message, received, Side.ORIGIN)
    if case is None:
        return
    epochs = {one.place: one.epoch for one in message.settled}
    case.write(closed_at=case.file.closed_at or session.node.business_now())
    settled = await happen(session, case, On.TransferSettled, _of(case, epochs), epochs=epochs)
    voided = await happen(session, case, On.TransferVoided, _of(case, message.voided))
    for member in settled.changed:
        member.settlement = asdict(received.proof)
    if settled.changed:
        await keep_receipt(session, case, package=PACKAGE_CERTIFICATE, code=MOVED_IN, message="迁出且迁入")
    if settled.changed or settled.asked_again or voided.changed:
        await conclude(session, case, type(message).__name__, [settled, voided])


async def on_transfer_closed(session: Session, message: TransferClosed, received: Received) -> None:
    """O -> D: the origin has let go; from this commit on our register answers."""
    case = await _known_case(session, message, received, Side.DESTINATION)
    if case is None:
        return
    epochs = {one.place: one.epoch for one in message.closed}
    moved = await happen(session, case, On.TransferClosed, _of(case, epochs), epochs=epochs)
    if moved.changed:
        case.write(closed_at=message.closed_at)
        await keep_receipt(session, case, package=PACKAGE_CERTIFICATE, code=MOVED_IN, message="迁出且迁入")
        await conclude(session, case, type(message).__name__, [moved])


async def on_transfer_voided(session: Session, message: TransferVoided, received: Received) -> None:
    """D -> O: will not settle, ever. A sealed row is free again at once; it never stopped answering."""
    case = await _own_or_tombstone(session, message, received, Side.ORIGIN)
    if case is None:
        return
    for place in _known(case, message):
        case.members[place].void_reason = case.members[place].void_reason or message.reason_code.value
    if not case.is_tombstone:
        case.write(void_text=message.reason_text)
    moved = await happen(session, case, On.TransferVoided, _known(case, message))
    if moved.changed:
        await conclude(session, case, type(message).__name__, [moved])


async def on_reissue_requested(session: Session, message: ReissueRequested, received: Received) -> None:
    """D -> O: please issue again. Already done: said again; else an item for the station that sealed."""
    case = await _known_case(session, message, received, Side.ORIGIN)
    if case is None or not case.in_state(State.SEALED):
        return
    if message.issue < case.issue:
        await say(session, case, case.in_state(State.SEALED))
        return
    if case.reissue_asked:
        return  # the timer of who waits: the officer's item is there already
    case.reissue_asked = True
    case.write(reissue_text=message.reason_text)
    await conclude(session, case, type(message).__name__, [])


HANDLERS: Mapping[type[Message], Handler] = {
    PermitIssued: on_permit_issued,
    PermitReturned: on_permit_returned,
    MigrationCertificateIssued: on_migration_certificate_issued,
    TransferSettled: on_transfer_settled,
    TransferClosed: on_transfer_closed,
    TransferVoided: on_transfer_voided,
    CancellationRequested: on_cancellation_requested,
    ReissueRequested: on_reissue_requested,
}


async def _known_case(session: Session, message: TransferMessage, received: Received, side: Side) -> Case | None:
    """The case in which we are on `side` of the sender; refused (None) when there is none: rule 0."""
    case = await load_case(session, received.sender, message.case)
    if case is None or case.side is not side or case.is_tombstone:
        await _refuse(session, message, received, "the sender is not the other side of such a case")
        return None
    return case


async def _own_or_tombstone(session: Session, message: TransferMessage, received: Received, side: Side) -> Case | None:
    """The case, or a blank one that will be a tombstone; refused (None) when it is not to be touched: wrong side, too many."""
    case = await load_case(session, received.sender, message.case)
    if case is not None:
        if case.side is side:
            return case
        await _refuse(session, message, received, "the sender is not the other side of this case")
        return None
    since = session.node.machine_now() - timedelta(days=1)
    count = (await session.execute(TOMBSTONES_SINCE, {"a_counterpart": received.sender, "since": since})).scalar_one()
    if count >= TOMBSTONES_PER_PEER_AND_DAY:
        await _refuse(session, message, received, "too many unknown cases in a day")
        return None
    case = _blank(session, message, received, side)
    for member in case.in_order():
        member.void_reason = VoidReason.UNKNOWN_CASE.value
    return case


def _blank(session: Session, message: TransferMessage, received: Received, side: Side) -> Case:
    case = Case(counterpart=received.sender, case_id=message.case, side=side)
    now = session.node.machine_now()
    for place in message.places:
        case.members[place] = Member(place, State.UNKNOWN, 0, None, now)
    return case


def _known(case: Case, message: TransferMessage) -> list[int]:
    return [place for place in message.places if place in case.members]


def _of(case: Case, places: Sequence[int] | Mapping[int, int]) -> list[int]:
    return [place for place in places if place in case.members]


async def _refuse(session: Session, message: TransferMessage, received: Received, reason: str) -> None:
    """A message that its sender may not send: audited, no effect, no answer."""
    entry = AuditEntry(
        action=f"transfers.{type(message).__name__}",
        decision="refused",
        reason=reason,
        object_kind="case",
        object_id=str(message.case),
        case=message.case,
        peer=received.sender,
        jti=received.event_id,
    )
    await write_audit(session, entry)
    logger.warning("message_refused", reason=reason, peer=received.sender, case=str(message.case))
