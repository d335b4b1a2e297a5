"""The kinds of fields that the records, messages and questions are made of, each with its named limit."""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from shared.identifiers.texts import N_

NAME_MAX_CHARS = 60  # of a person: 25 characters suffice for transliterated names (GA/T 2000); room for long foreign ones
UNIT_NAME_MAX_CHARS = 100
ADDRESS_MAX_CHARS = 200
PHONE_MAX_CHARS = 30
DOCUMENT_NO_MAX_CHARS = 40  # permit, migration certificate, serial and post numbers; the old paper form has 11 bytes
CODE_MAX_CHARS = 10  # code tables of GA/T 2000 and GB/T: two to six characters today
COUNTRY_CODE_MAX_CHARS = 3  # GB/T 2659 / ISO 3166
OCCUPATION_MAX_CHARS = 60
REASON_TEXT_MAX_CHARS = 500
REMARK_MAX_CHARS = 500
MAINTENANCE_TEXT_MAX_CHARS = 200  # shown in one or two lines beside the bureau
FORMER_NAMES_MAX = 5
HOUSEHOLD_NO_MAX_CHARS = 20  # GA 214: opaque, often nine digits
MEMBERS_MAX = 50  # of one case; a collective household moves person by person
PLACE_MAX = MEMBERS_MAX
EPOCH_MAX = 10_000  # registrations in one life
ISSUE_MAX = 1_000
VERSION_MAX = 2**53 - 1  # exact in every JSON reader

CONTRACT_SOURCE = "Quanyu wire protocol"


class Wire(BaseModel):
    """Everything that goes over the wire: exact types in, frozen, unknown members ignored when read (additive versions).

    Errors never show the input: it is a person's data and errors are logged."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True, allow_inf_nan=False)


class Content(Wire):
    """What one envelope holds: a message, a question or an answer. Its name on the wire is the class's name."""

    wire_version: ClassVar[int] = 1
    """Stands beside the name; raised by a change that an old reader would misunderstand, never by an addition."""


Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX_CHARS)]
UnitName = Annotated[str, StringConstraints(min_length=1, max_length=UNIT_NAME_MAX_CHARS)]
Address = Annotated[str, StringConstraints(min_length=1, max_length=ADDRESS_MAX_CHARS)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 ()-]*$", max_length=PHONE_MAX_CHARS)]
DocumentNo = Annotated[str, StringConstraints(min_length=1, max_length=DOCUMENT_NO_MAX_CHARS)]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z_]+$", max_length=CODE_MAX_CHARS)]
ReasonCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z_]+$", max_length=2 * CODE_MAX_CHARS)]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{2,3}$", max_length=COUNTRY_CODE_MAX_CHARS)]
Occupation = Annotated[str, StringConstraints(min_length=1, max_length=OCCUPATION_MAX_CHARS)]
ReasonText = Annotated[str, StringConstraints(max_length=REASON_TEXT_MAX_CHARS)]
MaintenanceText = Annotated[str, StringConstraints(min_length=1, max_length=MAINTENANCE_TEXT_MAX_CHARS)]
Remark = Annotated[str, StringConstraints(max_length=REMARK_MAX_CHARS)]
HouseholdNo = Annotated[str, StringConstraints(min_length=1, max_length=HOUSEHOLD_NO_MAX_CHARS)]
FileHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a file, lower-case hex: pictures and scans are never inside a message."""
SexCode = Literal["0", "1", "2", "9"]
"""GB/T 2261.1: 0 unknown, 1 male, 2 female, 9 not stated."""
Flag = Annotated[int, Field(ge=0, le=1)]
Place = Annotated[int, Field(ge=1, le=PLACE_MAX)]
"""A member by its place in the case: 1 is the applicant. Stands for the person wherever names are not needed."""
Epoch = Annotated[int, Field(ge=1, le=EPOCH_MAX)]
"""Counts a person's registrations; every settled transfer adds one."""
Issue = Annotated[int, Field(ge=1, le=ISSUE_MAX)]
Version = Annotated[int, Field(ge=1, le=VERSION_MAX)]
Instant = AwareDatetime
"""RFC 3339 with offset."""


def contract_error(rule: str, message: str, **values: str | int) -> PydanticCustomError:
    """An error between fields, in the form that identifiers.errors.fault_of reads."""
    return PydanticCustomError(rule, message, {**values, "source": CONTRACT_SOURCE, "msgid": message})


def require_distinct(places: Iterable[int]) -> None:
    """Raise PydanticCustomError `place_twice` if a place is named twice."""
    seen: set[int] = set()
    for place in places:
        if place in seen:
            raise contract_error("place_twice", N_("member {place} is named twice"), place=place)
        seen.add(place)


def _distinct(places: tuple[int, ...]) -> tuple[int, ...]:
    require_distinct(places)
    return places


def _former_names(text: str) -> str:
    names = text.split("，")
    if len(names) > FORMER_NAMES_MAX or not all(0 < len(name) <= NAME_MAX_CHARS for name in names):
        raise contract_error("former_names", N_("up to {limit} former names, separated by “，”"), limit=FORMER_NAMES_MAX)
    return text


Places = Annotated[
    tuple[Place, ...],
    Field(min_length=1, max_length=MEMBERS_MAX, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]
OtherPlaces = Annotated[
    tuple[Place, ...], Field(max_length=MEMBERS_MAX, json_schema_extra={"uniqueItems": True}), AfterValidator(_distinct)
]
"""Like Places, and may be empty."""
FormerNames = Annotated[
    str, StringConstraints(min_length=1, max_length=FORMER_NAMES_MAX * (NAME_MAX_CHARS + 1)), AfterValidator(_former_names)
]
"""Up to five names in one text, separated by the full-width comma of the form."""
