"""The steps of an intake, and the application that its answers make."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import ValidationError

from services.bureau.transfers.rules.application import REASONS, ApplicationForm
from shared.contract.fields import MEMBERS_MAX
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.web.handlers import faults_of

Step = Literal["applicant", "matter", "members", "check"]
STEPS: Final[tuple[tuple[Step, str], ...]] = (
    ("applicant", N_("Applicant")),
    ("matter", N_("Matter")),
    ("members", N_("Accompanying members")),
    ("check", N_("Check")),
)
FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "applicant": ("applicant.citizen_id_no", "applicant.name", "applicant.phone", "origin"),
        "matter": (
            *("category", "reason_code", "reason_text", "applied_on", "sponsor", "destination"),
            *("applicant.relation_to_head_code", "notice_signed"),
        ),
        "members": ("members",),
    }
)
"""The fields of each step, by the beginning of their names."""
ANSWER_CHARACTERS: Final = 500
ANSWERS_MAX: Final = 100
NAME: Final = re.compile(r"[a-z_]+(\.[0-9a-z_]+){0,2}")
REASON_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SPOUSE": N_("Joining the spouse"),
        "PARENT_TO_CHILD": N_("Parent joining a child"),
        "CHILD_TO_PARENT": N_("Child joining a parent (minor)"),
        "TALENT_INTRODUCED": N_("Talent introduced"),
        "RESIDENCE_TO_HUKOU": N_("Residence permit to registration"),
        "RETURNED_FROM_ABROAD": N_("Returned from study abroad"),
    }
)


FIELD_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "applicant.citizen_id_no": N_("Id number"),
        "applicant.name": N_("Name"),
        "applicant.phone": N_("Telephone"),
        "applicant.relation_to_head_code": N_("Relation to the head of that household"),
        "origin.station_code": N_("Station at which the applicant is registered now"),
        "origin.division_code": N_("Station at which the applicant is registered now"),
        "origin.address": N_("Address as on the booklet"),
        "reason_code": N_("Reason"),
        "reason_text": N_("Remarks"),
        "applied_on": N_("Date on the paper form"),
        "sponsor": N_("Name of the relative"),
        "sponsor.name": N_("Name of the relative"),
        "sponsor.citizen_id_no": N_("Id number of the relative"),
        "destination.household_no": N_("Household number"),
        "destination.address": N_("Address of the new home"),
        "notice_signed": N_("Notice signed"),
        "citizen_id_no": N_("Id number"),
        "name": N_("Name"),
        "relation_to_applicant_code": N_("Relation to the applicant"),
        "relation_to_head_code": N_("Relation to the head of the new household"),
    }
)
"""How a field is called; of a member by the last part of its name."""
# A fault of what the officer does not type stands at what he chose instead.
STANDS_AT: Final[Mapping[str, str]] = MappingProxyType({"origin.division_code": "origin.station_code", "sponsor": "sponsor.name"})


def label_of(field: str) -> tuple[str, int | None]:
    """What a field is called (a msgid, "" when it has no name), and of which member it is (from 1), if of one."""
    member = re.match(r"members\.(\d+)", field)
    label = FIELD_LABELS.get(field.rpartition(".")[2] if member else field, "")
    return label, int(member[1]) + 1 if member else None


def placed(faults: Sequence[Fault]) -> list[Fault]:
    """The faults at the fields that an officer sees, each place and rule once; a missing category is its missing reason."""
    moved = [replace(one, field=STANDS_AT.get(one.field, one.field)) for one in faults if one.field != "category"]
    return list({(one.field, one.rule): one for one in moved}.values())


def category_of(reason: str) -> str | None:
    return next((category for category, reasons in REASONS.items() if reason in reasons), None)


def kept(answers: Mapping[str, str], typed: Mapping[str, str], step: str) -> dict[str, str]:
    """The answers with those of one step replaced by what was typed on its page; unknown names are passed over."""
    rest = {name: value for name, value in answers.items() if not belongs(name, step)}
    fresh = {
        name: value.strip()[:ANSWER_CHARACTERS] for name, value in typed.items() if belongs(name, step) and NAME.fullmatch(name)
    }
    return dict(list({**rest, **fresh}.items())[:ANSWERS_MAX])


def seen_as(answers: Mapping[str, str]) -> str:
    """What the check sends back of the answers that it has shown: another window may have changed them since."""
    return hashlib.sha256(json.dumps(answers, sort_keys=True).encode()).hexdigest()


def belongs(field: str, step: str) -> bool:
    return any(field == one or field.startswith(f"{one}.") for one in (*FIELDS.get(step, ()), f"{step}_page"))


def step_of(field: str) -> str:
    """The page on which a field stands."""
    return next((step for step in FIELDS if belongs(field, step)), "matter")


def members_of(answers: Mapping[str, str]) -> list[int]:
    """The numbers of the members that have been begun, in order."""
    return sorted({int(name.split(".")[1]) for name in answers if re.fullmatch(r"members\.\d{1,2}\.\w+", name)})


def with_member(answers: Mapping[str, str]) -> dict[str, str]:
    """One more empty member, if there may be one more."""
    numbers = members_of(answers)
    if len(numbers) >= MEMBERS_MAX - 1:
        return dict(answers)
    return {**answers, f"members.{len(numbers)}.name": ""}


def without_member(answers: Mapping[str, str], gone: int) -> dict[str, str]:
    """The others, numbered anew."""
    rest = {name: value for name, value in answers.items() if not name.startswith("members.")}
    for new, old in enumerate(number for number in members_of(answers) if number != gone):
        for name, value in answers.items():
            if name.startswith(f"members.{old}."):
                rest[f"members.{new}.{name.rpartition('.')[2]}"] = value
    return rest


def document(answers: Mapping[str, str], *, division_code: str) -> dict[str, Any]:
    """The application as the API would take it; what is empty is left out."""
    given = {name: value for name, value in answers.items() if value}
    reason = given.get("reason_code", "")
    made: dict[str, Any] = {
        "reason_code": reason or None,
        "category": category_of(reason),
        "applicant": _part(given, "applicant"),
        "members": [_part(given, f"members.{number}") for number in members_of(answers)],
        "origin": _part(given, "origin"),
        "destination": {"division_code": division_code, **_part(given, "destination")},
        "notice_signed": given.get("notice_signed") == "yes",
        **{name: given[name] for name in ("reason_text", "applied_on") if name in given},
    }
    if made["category"] == "KINSHIP":
        made["sponsor"] = _part(given, "sponsor")
    return {name: value for name, value in made.items() if value is not None}


def _part(given: Mapping[str, str], part: str) -> dict[str, str]:
    found = {name.removeprefix(f"{part}."): value for name, value in given.items() if name.startswith(f"{part}.")}
    return {name: value for name, value in found.items() if "." not in name}


def read(answers: Mapping[str, str], *, division_code: str) -> tuple[ApplicationForm | None, list[Fault]]:
    """The application, or what is wrong with single fields."""
    try:
        return ApplicationForm.model_validate(document(answers, division_code=division_code)), []
    except ValidationError as error:
        return None, faults_of([{**one, "loc": ("body", *one["loc"])} for one in error.errors()])


def faults_on(step: str, faults: Sequence[Fault]) -> list[Fault]:
    """Those that stand on the page of a step."""
    return [one for one in placed(faults) if belongs(one.field, step)]
