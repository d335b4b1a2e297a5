"""What a case says: the message of a state, made from what is stored, so that it can be said again at any time."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TypeVar

from services.bureau.transfers.rules.case import Case, Member
from services.bureau.transfers.states import On, State
from shared.contract.codes import VoidReason
from shared.contract.messages import (
    CancellationRequested,
    MigrationCertificateIssued,
    PermitIssued,
    PermitReturned,
    ReissueRequested,
    TransferClosed,
    TransferMessage,
    TransferSettled,
    TransferVoided,
)
from shared.contract.records import PlaceEpoch

T = TypeVar("T")


def speak(case: Case, on: On, members: Sequence[Member], *, today: date) -> Sequence[TransferMessage]:
    """The messages by which `members`, who are in a state that says `on`, speak: one, or one a reason."""
    match on:
        case On.PermitIssued:
            return [_permit(case)]
        case On.MigrationCertificateIssued:
            return [MigrationCertificateIssued(case=case.case_id, certificate=_stored(case.file.certificate))]
        case On.PermitReturned:
            return [_returned(case, members)]
        case On.CancellationRequested:
            text = case.file.cancel_text
            return [CancellationRequested(case=case.case_id, places=_places(members), reason_text=text, requested_on=today)]
        case On.TransferSettled:
            return [_settled(case, members)]
        case On.TransferClosed:
            closed_at: datetime = _stored(case.file.closed_at)
            return [TransferClosed(case=case.case_id, closed=_epochs(members), closed_at=closed_at)]
        case On.TransferVoided:
            return _voided(case, members, today)
    raise AssertionError(f"{on} is an act, not a message")


def ask_for_reissue(case: Case, *, today: date) -> ReissueRequested:
    return ReissueRequested(case=case.case_id, issue=case.issue, reason_text=case.file.reissue_text, requested_on=today)


def _permit(case: Case) -> PermitIssued:
    return PermitIssued(
        case=case.case_id, previous_case=case.previous_case, apply_no=_stored(case.apply_no), permit=_stored(case.file.permit)
    )


def _returned(case: Case, members: Sequence[Member]) -> PermitReturned:
    returned = _stored(case.file.returned)
    return PermitReturned(
        case=case.case_id,
        places=_places(members),
        code=returned.code,
        reason_text=returned.reason_text,
        heading_to=returned.heading_to,
        returned_on=returned.returned_on,
    )


def _settled(case: Case, members: Sequence[Member]) -> TransferSettled:
    not_signed = [m for m in case.in_order() if m.state is State.VOID and m.void_reason == VoidReason.NOT_SIGNED]
    return TransferSettled(
        case=case.case_id,
        settled=_epochs(members),
        voided=_places(not_signed),
        signed_at=_stored(case.file.signed_at),
        issue=case.issue,
    )


def _voided(case: Case, members: Sequence[Member], today: date) -> list[TransferVoided]:
    by_reason: dict[VoidReason, list[Member]] = {}
    for member in members:
        by_reason.setdefault(VoidReason(_stored(member.void_reason)), []).append(member)
    text = case.file.void_text
    return [
        TransferVoided(case=case.case_id, places=_places(some), reason_code=reason, reason_text=text, voided_on=today)
        for reason, some in by_reason.items()
    ]


def _places(members: Sequence[Member]) -> tuple[int, ...]:
    return tuple(member.place for member in members)


def _epochs(members: Sequence[Member]) -> tuple[PlaceEpoch, ...]:
    return tuple(PlaceEpoch(place=member.place, epoch=member.epoch) for member in members)


def _stored(value: T | None) -> T:
    if value is None:
        raise AssertionError("a state that speaks has stored what it says")
    return value
