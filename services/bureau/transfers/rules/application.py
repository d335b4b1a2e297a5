"""What an application must be before a station may accept it: forms, and the checks that no single field can make."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import Field, StrictBool, StringConstraints, ValidationInfo, field_validator

from services.bureau.population.rules import RelationCode
from services.bureau.population.tables import HEAD_RELATION
from services.bureau.rulebook import Closed, DatedRule, Movement, RuleBook
from services.bureau.transfers.rules.errors import PROTOCOL, REGULATIONS, RuleClosed, fault
from services.bureau.transfers.tables import Application
from shared.contract.fields import MEMBERS_MAX, Address, HouseholdNo, Phone, ReasonText, contract_error
from shared.identifiers.citizen_id import CitizenIdNumber, parse_citizen_id_no
from shared.identifiers.division import DivisionCode, bureau_of_division, full_division_name
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.identifiers.unit_code import UnitCode, bureau_of_unit
from shared.web import Form, PersonName

PERMIT_VALID_DAYS: Final = 40  # AS02
MINOR_UNDER_YEARS: Final = 18
APPLIED_AT_MOST_DAYS_AGO: Final = 366  # who applied longer ago fills in a new form
POLICY: Final = "长三角区域跨省户口网上迁移"
ONE_PLACE: Final = f"{REGULATIONS} Art. 6"
UNIT_CODES: Final = "GA/T 380-2012"
SELF, SPOUSE = "01", "10"

REASONS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "KINSHIP": frozenset({"SPOUSE", "PARENT_TO_CHILD", "CHILD_TO_PARENT"}),
        "TALENT": frozenset({"TALENT_INTRODUCED", "RESIDENCE_TO_HUKOU", "RETURNED_FROM_ABROAD"}),
    }
)
HrssApprovalNo = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z一-鿿〔〕\[\]()（）-]{4,40}$")]


class PersonForm(Form):
    """A person who moves. Sex and birth date are read from the id number (GB 11643-1999)."""

    citizen_id_no: CitizenIdNumber
    name: PersonName
    relation_to_head_code: RelationCode = Field(
        default=HEAD_RELATION, description="relation to the head of the new household, GB/T 4761"
    )


class ApplicantForm(PersonForm):
    phone: Phone | None = None


class MemberForm(PersonForm):
    """Who moves with the applicant (随迁)."""

    relation_to_applicant_code: RelationCode


class OriginForm(Form):
    """Where the applicant is registered now, as on the booklet."""

    division_code: DivisionCode
    address: Address
    station_code: UnitCode


class DestinationForm(Form):
    """Where the members will be registered: in an existing household of this station (its number), or a new one."""

    division_code: DivisionCode
    address: Address
    household_no: HouseholdNo | None = None


class SponsorForm(Form):
    """Whom the applicant joins (投靠), a resident here."""

    name: PersonName
    citizen_id_no: CitizenIdNumber


class ApplicationForm(Form):
    """迁入申请, as the window takes it. `applied_on`: date on the paper form; today when left out."""

    category: Literal["KINSHIP", "TALENT"]
    reason_code: str
    reason_text: ReasonText = ""
    applied_on: date | None = None
    applicant: ApplicantForm
    members: Annotated[tuple[MemberForm, ...], Field(max_length=MEMBERS_MAX - 1)] = ()
    origin: OriginForm
    destination: DestinationForm
    sponsor: SponsorForm | None = None
    notice_signed: StrictBool = Field(description="《长三角区域跨省户口网上迁移告知单》 signed")

    @field_validator("reason_code")
    @classmethod
    def _fits_category(cls, code: str, others: ValidationInfo) -> str:
        allowed = REASONS.get(others.data.get("category", ""), frozenset({code}))  # a wrong category has its own fault
        if code not in allowed:
            raise contract_error(
                "reason_of_category",
                N_("reason_code must be one of {allowed} for this category"),
                allowed=", ".join(sorted(allowed)),
            )
        return code


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What the node knows when it judges an application: filled in by the act, so that the judgement stays pure."""

    bureau: str
    station_division: str
    today: date
    origin_bureau: str | None
    origin_station_division: str | None  # as its bureau publishes it; None: no such station there
    directory_known: bool
    people: "KnownPeople"
    sponsor_name: str | None  # in this register; None: not registered here
    household_known: bool  # the one that the form names, if it names one
    household_has_head: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPeople:
    """What the node knows of the people of an application, by id number."""

    registered_here: frozenset[str]
    open_cases: Mapping[str, tuple[str, str, str]]  # -> (case number, the other bureau, since)


def faults_of(form: ApplicationForm, known: Knowledge) -> Iterator[Fault]:
    """Everything that is wrong with an application, not only the first thing."""
    yield from _faults_of_persons(form, known)
    yield from _faults_of_places(form, known)
    yield from _faults_of_household(form, known)
    if form.applied_on is not None and form.applied_on > known.today:
        yield fault("applied_on", "future", POLICY, N_("{date} lies in the future"), date=form.applied_on.isoformat())
    if form.applied_on is not None and form.applied_on < known.today - timedelta(days=APPLIED_AT_MOST_DAYS_AGO):
        message = N_("an application on paper is at most {days} days old")
        yield fault("applied_on", "too_old", POLICY, message, days=APPLIED_AT_MOST_DAYS_AGO)
    if not form.notice_signed:
        yield fault("notice_signed", "notice", POLICY, N_("the notice for online transfer must be signed first"))
    if form.category == "KINSHIP" and form.sponsor is None:
        yield fault("sponsor", "missing", POLICY, N_("joining a relative needs the relative's name and id number"))
    elif form.sponsor is not None and form.category == "KINSHIP":
        if known.sponsor_name is None:
            yield fault("sponsor.citizen_id_no", "not_registered_here", REGULATIONS, N_("the relative is not registered here"))
        elif known.sponsor_name != form.sponsor.name:
            yield fault("sponsor.name", "differs", REGULATIONS, N_("the name differs from the register"))


def _faults_of_persons(form: ApplicationForm, known: Knowledge) -> Iterator[Fault]:
    seen: set[str] = set()
    people = [("applicant", form.applicant.citizen_id_no)]
    people += [(f"members.{i}", one.citizen_id_no) for i, one in enumerate(form.members)]
    for field, number in people:
        place = f"{field}.citizen_id_no"
        if number in seen:
            yield fault(place, "twice", REGULATIONS, N_("this person is in the application twice"))
        seen.add(number)
        yield from faults_of_person(place, number, known.people, known.today)
    if form.reason_code == "CHILD_TO_PARENT" and not _is_minor(form.applicant.citizen_id_no, known.today):
        message = N_("only a child under {years} joins a parent")
        yield fault("applicant.citizen_id_no", "minor", POLICY, message, years=MINOR_UNDER_YEARS)


def faults_of_person(place: str, number: str, people: KnownPeople, today: date) -> Iterator[Fault]:
    """What speaks against moving this person, whatever else the application says; `place`: the field."""
    if parse_citizen_id_no(number).born_on > today:
        yield fault(place, "future", "GB 11643-1999", N_("the birth date lies in the future"))
    if number in people.registered_here:
        yield fault(place, "registered_here", ONE_PLACE, N_("this person is registered here already"))
    if number in people.open_cases:
        apply_no, counterpart, since = people.open_cases[number]
        message = N_("this person is in case {apply_no} with {bureau} since {since}: end that one first")
        yield fault(place, "open_case", ONE_PLACE, message, apply_no=apply_no, bureau=counterpart, since=since)


def _is_minor(number: str, today: date) -> bool:
    born = parse_citizen_id_no(number).born_on
    return (today.year - born.year - ((today.month, today.day) < (born.month, born.day))) < MINOR_UNDER_YEARS


def _faults_of_places(form: ApplicationForm, known: Knowledge) -> Iterator[Fault]:
    origin, bureau = form.origin, known.origin_bureau
    if bureau is None:
        message = N_("no bureau of the federation serves division {code}")
        yield fault("origin.division_code", "unknown_bureau", POLICY, message, code=origin.division_code)
    elif bureau == known.bureau:
        message = N_("origin and destination are in one province: this is not a transfer across provinces")
        yield fault("origin.division_code", "same_bureau", POLICY, message)
    elif bureau_of_unit(origin.station_code) != bureau:
        message = N_("station {code} does not belong to the province of the division")
        yield fault("origin.station_code", "other_province", UNIT_CODES, message, code=origin.station_code)
    elif not known.directory_known:
        message = N_("no directory of {bureau} has arrived yet: try again shortly")
        yield fault("origin.station_code", "no_directory", PROTOCOL, message, bureau=bureau)
    elif known.origin_station_division is None:
        message = N_("station {code} is not in the directory that {bureau} publishes")
        yield fault("origin.station_code", "unknown_station", UNIT_CODES, message, code=origin.station_code, bureau=bureau)
    elif origin.division_code != known.origin_station_division:  # the dated rules are judged by it
        message = N_("station {station} registers in division {code}")
        code = known.origin_station_division
        yield fault("origin.division_code", "other_division", REGULATIONS, message, station=origin.station_code, code=code)
    if form.destination.division_code != known.station_division:
        message = N_("this station registers in division {code}")
        yield fault("destination.division_code", "other_station", REGULATIONS, message, code=known.station_division)


def _faults_of_household(form: ApplicationForm, known: Knowledge) -> Iterator[Fault]:
    """Seen now, and not first when the citizen stands at the counter to sign."""
    number = form.destination.household_no
    if number is not None and not known.household_known:
        message = N_("this station has no household {number}")
        yield fault("destination.household_no", "unknown_household", REGULATIONS, message, number=number)
    people = [("applicant", form.applicant.relation_to_head_code)]
    people += [(f"members.{i}", one.relation_to_head_code) for i, one in enumerate(form.members)]
    heads = [field for field, relation in people if relation == HEAD_RELATION]
    for field in heads if known.household_has_head else heads[1:]:
        yield fault(f"{field}.relation_to_head_code", "second_head", REGULATIONS, N_("a household has one head"))


def require_open(rulebook: RuleBook, movement: Movement, day: date) -> DatedRule:
    """The rule under which the transfer may be accepted on `day`; raises RuleClosed naming rule, date and basis."""
    found = rulebook.find(movement, day)
    if isinstance(found, DatedRule):
        return found
    raise RuleClosed(_closed(found, movement, day))


def _closed(found: Closed, movement: Movement, day: date) -> Fault:
    values = {
        "origin": full_division_name(movement.from_division),
        "destination": full_division_name(movement.to_division),
        "category": movement.category,
        "date": day.isoformat(),
    }
    if found.next_rule is None:
        message = N_("online transfer {origin} -> {destination} ({category}) is not open on {date}, and no opening is known")
        return fault("origin.division_code", "closed", POLICY, message, **values)
    rule = found.next_rule
    message = N_("online transfer {origin} -> {destination} ({category}) is not open on {date}: rule {rule} opens it on {opens}")
    values |= {"rule": rule.id, "opens": rule.valid_from.isoformat()}
    source = f"{rule.basis} / {rule.basis_en}" + (f"（{rule.assumption}）" if rule.assumption else "")
    # Made by hand: `rule` here is a value of the text, not the fault's own.
    return Fault(field="origin.division_code", rule="closed", source=source, message=message, values=values)


def movement_of(application: Application, *, bureau: str) -> Movement:
    return Movement(
        service="transfers",
        category=application.category,
        from_bureau=application.origin.bureau,
        to_bureau=bureau,
        from_division=application.origin.division_code,
        to_division=application.destination.division_code,
    )


def origin_bureau_of(form: ApplicationForm) -> str | None:
    return bureau_of_division(form.origin.division_code)
