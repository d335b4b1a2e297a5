"""A case as officers see it: JSON members with the glossary's names; what a role may not see is filtered by its grant."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.bureau.transfers.rules.case import Case, Member
from services.bureau.transfers.rules.findings import Finding
from services.bureau.transfers.states import LABELS, State
from shared.contract.codes import VOID_TEXTS, VoidReason
from shared.web import Texts
from shared.web.problems import fault_body


def case_view(case: Case) -> dict[str, Any]:
    """Everything of a case; `members` by place."""
    file = case.file
    people = _people(case)
    return {
        "case": case.case_id,
        "apply_no": case.apply_no,
        "previous_case": case.previous_case,
        "side": case.side.value,
        "counterpart": case.counterpart,
        "category": case.category,
        "station_code": case.station_code,
        "states": sorted({member.state.value for member in case.members.values()}),
        "permit_no": case.permit_no,
        "permit_valid_until": case.permit_valid_until,
        "migration_no": case.migration_no,
        "issue": case.issue,
        "certificate_valid_until": case.certificate_valid_until,
        "reissue_asked": case.reissue_asked,
        "accepted_on": case.accepted_on,
        "members": [_member_view(case, member) | people.get(member.place, {}) for member in case.in_order()],
        "application": None if file.application is None else file.application.model_dump(mode="json", exclude={"movers"}),
        "permit": None if file.permit is None else file.permit.model_dump(mode="json", exclude_none=True),
        "certificate": None if file.certificate is None else file.certificate.model_dump(mode="json", exclude_none=True),
        "returned": None if file.returned is None else file.returned.model_dump(mode="json"),
        "signed_at": file.signed_at,
        "closed_at": file.closed_at,
        "notes": [note.model_dump(mode="json") for note in file.notes],
        "version": case.version,
    }


def _people(case: Case) -> Mapping[int, dict[str, Any]]:
    """Name and number of each member, from whatever document this side has."""
    source: Iterable[Any] = ()
    if case.file.application is not None:
        source = case.file.application.movers
    elif case.file.permit is not None:
        source = case.file.permit.members
    return {one.place: {"name": one.name, "citizen_id_no": one.citizen_id_no} for one in source}


def _member_view(case: Case, member: Member) -> dict[str, Any]:
    label = LABELS[(case.side, member.state)]
    if member.state is State.VOID and member.void_reason is not None:
        label = VOID_TEXTS[VoidReason(member.void_reason)]
    return {
        "place": member.place,
        "state": member.state.value,
        "label_zh": Texts.zh(label),
        "label_en": Texts.en(label),
        "epoch": member.epoch or None,
        "since": member.state_since,
        "void_reason": member.void_reason,
    }


def finding_view(finding: Finding) -> dict[str, Any]:
    return {"code": finding.code.value, "place": finding.place, **fault_body(finding.fault)}
