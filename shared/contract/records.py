"""The records that messages carry: domain.md 4.4 (a) and (b), names of fields as given there, and a station of a directory.

The field lists are second-hand (assumption AS16): confirm them before connecting a real system. A member record has no
`permit_no` or `migration_no` of its own: it stands inside its permit or certificate.
"""

from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from shared.contract.fields import (
    MEMBERS_MAX,
    Address,
    Code,
    CountryCode,
    DocumentNo,
    Epoch,
    FileHash,
    Flag,
    FormerNames,
    Instant,
    Issue,
    Name,
    Occupation,
    Phone,
    Place,
    ReasonCode,
    ReasonText,
    Remark,
    SexCode,
    UnitName,
    Wire,
    contract_error,
    require_distinct,
)
from shared.identifiers.citizen_id import CitizenIdNumber
from shared.identifiers.division import AnyDivisionCode
from shared.identifiers.texts import N_
from shared.identifiers.unit_code import UnitCode

APPLICANT_PLACE = 1
LONGITUDE_DEGREES, LATITUDE_DEGREES = 180, 90


def require_order(earlier: date, later: date | None, *, field: str) -> None:
    """Raise PydanticCustomError `before_start` if `later` lies before `earlier`; `field` names the later one."""
    if later is not None and later < earlier:
        raise contract_error("before_start", N_("{field} lies before its start {start}"), field=field, start=earlier.isoformat())


class PlaceEpoch(Wire):
    place: Place
    epoch: Epoch


class PermitMember(Wire):
    """Who moves, the applicant (place 1) included; `citizen_id_no` is empty for a child without a number."""

    place: Place
    relation_to_applicant_code: Code
    citizen_id_no: CitizenIdNumber | None = None
    name: Name
    sex: SexCode
    born_on: date


class MoveInPermit(Wire):
    """准予迁入证明 (准迁证). Package type 010122."""

    permit_no: DocumentNo
    serial_no: DocumentNo
    post_id: DocumentNo
    applicant_name: Name
    applicant_id_no: CitizenIdNumber | None = None
    applicant_phone: Phone | None = None
    applicant_division_code: AnyDivisionCode
    applicant_address: Address
    applicant_station_code: UnitCode | None = None
    applicant_station_name: UnitName | None = None
    origin_division_code: AnyDivisionCode
    origin_address: Address | None = None
    origin_station_code: UnitCode
    origin_station_name: UnitName | None = None
    destination_division_code: AnyDivisionCode
    destination_address: Address
    destination_station_code: UnitCode | None = None
    destination_station_name: UnitName | None = None
    issuer_code: UnitCode
    issuer_name: UnitName
    handler_name: Name | None = None
    issued_on: date
    valid_until: date
    reason_code: ReasonCode | None = None
    reason_text: ReasonText | None = None
    range_code: Code | None = None
    accepted_by_unit_code: UnitCode
    accepted_by_unit_name: UnitName
    accepted_by_unit_phone: Phone | None = None
    accepted_by: Name | None = None
    accepted_at: Instant | None = None
    owner_unit_code: UnitCode | None = None
    owner_unit_name: UnitName | None = None
    remark: Remark | None = None
    reported: Flag = 0
    closed: Flag = 0
    void_reason: ReasonText | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    members: Annotated[tuple[PermitMember, ...], Field(min_length=1, max_length=MEMBERS_MAX)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        require_order(self.issued_on, self.valid_until, field="valid_until")
        require_distinct(member.place for member in self.members)
        applicant = next((member for member in self.members if member.place == APPLICANT_PLACE), None)
        if applicant is None or (applicant.name, applicant.citizen_id_no) != (self.applicant_name, self.applicant_id_no):
            raise contract_error("applicant_is_first", N_("member 1 must be the applicant, with the same name and id number"))
        return self


class CertificateMember(Wire):
    """The full person record that the destination registers; `photo` is the hash of a file that it asks for."""

    place: Place
    epoch: Epoch
    """What the registration will have once settled."""
    relation_to_holder_code: Code
    citizen_id_no: CitizenIdNumber
    name: Name
    former_names: FormerNames | None = None
    sex: SexCode
    ethnicity_code: Code
    born_on: date
    birth_country: CountryCode | None = None
    birth_division_code: AnyDivisionCode | None = None
    birth_address: Address | None = None
    native_country: CountryCode | None = None
    native_division_code: AnyDivisionCode | None = None
    native_address: Address | None = None
    education_code: Code | None = None
    marital_status_code: Code | None = None
    occupation: Occupation | None = None
    reason_code: ReasonCode
    photo: FileHash | None = None
    id_card_issuer: UnitName | None = None
    id_card_valid_from: date | None = None
    id_card_valid_until: date | None = None


class MigrationCertificate(Wire):
    """户口迁移证. Package type 010124. `issue` counts reissues (补发): the higher one replaces number and validity."""

    migration_no: DocumentNo
    issue: Issue
    permit_no: DocumentNo | None = None
    serial_no: DocumentNo
    holder_id_no: CitizenIdNumber
    holder_name: Name
    former_division_code: AnyDivisionCode
    former_address: Address
    former_urban_rural_code: Code
    heading_division_code: AnyDivisionCode
    heading_address: Address
    issuer_code: UnitCode | None = None
    issuer_name: UnitName | None = None
    issued_on: date
    valid_until: date
    handler_name: Name | None = None
    accepted_by_unit_code: UnitCode
    accepted_by_unit_name: UnitName
    accepted_by: Name
    accepted_at: Instant
    owner_unit_code: UnitCode
    owner_unit_name: UnitName
    registration_station_code: UnitCode | None = None
    range_code: Code | None = None
    remark: Remark | None = None
    reported: Flag = 0
    closed: Flag = 0
    members: Annotated[tuple[CertificateMember, ...], Field(min_length=1, max_length=MEMBERS_MAX)]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        require_order(self.issued_on, self.valid_until, field="valid_until")
        require_distinct(member.place for member in self.members)
        if not any((member.citizen_id_no, member.name) == (self.holder_id_no, self.holder_name) for member in self.members):
            raise contract_error(
                "holder_is_member", N_("the holder must be one of the members, with the same name and id number")
            )
        return self


class Station(Wire):
    """A police station as its bureau publishes it; a closed one (`valid_until`) leads to its successor."""

    code: UnitCode
    name: UnitName
    address: Address
    division_code: AnyDivisionCode
    longitude: Annotated[float, Field(ge=-LONGITUDE_DEGREES, le=LONGITUDE_DEGREES)]
    latitude: Annotated[float, Field(ge=-LATITUDE_DEGREES, le=LATITUDE_DEGREES)]
    valid_from: date
    valid_until: date | None = None
    successor: UnitCode | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        require_order(self.valid_from, self.valid_until, field="valid_until")
        return self
