"""The two documents of a transfer, made from what the node knows: 准迁证 and 迁移证 (domain.md 4.4 a, b)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from services.bureau.population.rules import HouseholdRow, ResidentRow
from services.bureau.transfers.rules.application import PERMIT_VALID_DAYS
from services.bureau.transfers.states import CERTIFICATE_VALIDITY
from services.bureau.transfers.tables import Application, Mover
from shared.contract.records import CertificateMember, MigrationCertificate, MoveInPermit, PermitMember

REISSUED = "补发"
UNKNOWN_URBAN_RURAL = "000"  # 城乡分类代码 is not kept in the register; the code for "not classified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who issues: the unit, the officer, and when (business time)."""

    unit_code: str
    unit_name: str
    officer_name: str
    at: datetime

    @property
    def on(self) -> date:
        return self.at.date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Numbers of one document; data, never a key."""

    document_no: str
    serial_no: str
    post_id: UUID


def make_permit(
    application: Application, numbers: Numbers, issuer: Issuer, *, accepted_by: str, accepted_at: datetime
) -> MoveInPermit:
    """准迁证: valid 40 days from its issue."""
    applicant, origin, destination = application.movers[0], application.origin, application.destination
    return MoveInPermit(
        permit_no=numbers.document_no,
        serial_no=numbers.serial_no,
        post_id=numbers.post_id.hex,
        applicant_name=applicant.name,
        applicant_id_no=applicant.citizen_id_no,
        applicant_phone=application.applicant_phone,
        applicant_division_code=origin.division_code,
        applicant_address=origin.address,
        applicant_station_code=origin.station_code,
        applicant_station_name=origin.station_name,
        origin_division_code=origin.division_code,
        origin_address=origin.address,
        origin_station_code=origin.station_code,
        origin_station_name=origin.station_name,
        destination_division_code=destination.division_code,
        destination_address=destination.address,
        destination_station_code=destination.station_code,
        destination_station_name=destination.station_name,
        issuer_code=issuer.unit_code,
        issuer_name=issuer.unit_name,
        handler_name=issuer.officer_name,
        issued_on=issuer.on,
        valid_until=issuer.on + timedelta(days=PERMIT_VALID_DAYS),
        reason_code=application.reason_code,
        reason_text=application.reason_text or None,
        accepted_by_unit_code=destination.station_code,
        accepted_by_unit_name=destination.station_name,
        accepted_by=accepted_by,
        accepted_at=accepted_at,
        owner_unit_code=issuer.unit_code,
        owner_unit_name=issuer.unit_name,
        created_at=issuer.at,
        members=tuple(_permit_member(mover) for mover in application.movers),
    )


def _permit_member(mover: Mover) -> PermitMember:
    return PermitMember(
        place=mover.place,
        relation_to_applicant_code=mover.relation_to_applicant_code,
        citizen_id_no=mover.citizen_id_no,
        name=mover.name,
        sex=mover.sex,  # type: ignore[arg-type]  # a code of GB/T 2261.1, read from the id number
        born_on=mover.born_on,
    )


def make_certificate(
    permit: MoveInPermit, residents: Sequence[tuple[int, ResidentRow]], household: HouseholdRow, numbers: Numbers, issuer: Issuer
) -> MigrationCertificate:
    """迁移证, first issue: valid 30 days from signing. `residents`: (place in the case, row as registered)."""
    holder = dict(residents)[min(place for place, _ in residents)]
    return MigrationCertificate(
        migration_no=numbers.document_no,
        issue=1,
        permit_no=permit.permit_no,
        serial_no=numbers.serial_no,
        holder_id_no=holder.personal.citizen_id_no,
        holder_name=holder.personal.name,
        former_division_code=household.division_code,
        former_address=household.address,
        former_urban_rural_code=UNKNOWN_URBAN_RURAL,
        heading_division_code=permit.destination_division_code,
        heading_address=permit.destination_address,
        issuer_code=issuer.unit_code,
        issuer_name=issuer.unit_name,
        issued_on=issuer.on,
        valid_until=issuer.on + CERTIFICATE_VALIDITY,
        handler_name=issuer.officer_name,
        accepted_by_unit_code=issuer.unit_code,
        accepted_by_unit_name=issuer.unit_name,
        accepted_by=issuer.officer_name,
        accepted_at=issuer.at,
        owner_unit_code=issuer.unit_code,
        owner_unit_name=issuer.unit_name,
        registration_station_code=issuer.unit_code,
        members=tuple(_certificate_member(permit, place, resident) for place, resident in residents),
    )


def reissued(certificate: MigrationCertificate, numbers: Numbers, issuer: Issuer) -> MigrationCertificate:
    """The next issue (补发): new number and validity, the old one is void."""
    return certificate.model_copy(
        update={
            "migration_no": numbers.document_no,
            "issue": certificate.issue + 1,
            "issued_on": issuer.on,
            "valid_until": issuer.on + CERTIFICATE_VALIDITY,
            "handler_name": issuer.officer_name,
            "remark": REISSUED,
        }
    )


def _certificate_member(permit: MoveInPermit, place: int, resident: ResidentRow) -> CertificateMember:
    person = resident.personal
    relation = next(member.relation_to_applicant_code for member in permit.members if member.place == place)
    return CertificateMember(
        place=place,
        epoch=resident.epoch + 1,
        relation_to_holder_code=relation,
        citizen_id_no=person.citizen_id_no,
        name=person.name,
        former_names=person.former_names,
        sex=person.sex,
        ethnicity_code=person.ethnicity_code,
        born_on=person.born_on,
        birth_country=person.birth_country,
        birth_division_code=person.birth_division_code,
        birth_address=person.birth_address,
        native_country=person.native_country,
        native_division_code=person.native_division_code,
        native_address=person.native_address,
        education_code=person.education_code,
        marital_status_code=person.marital_status_code,
        occupation=person.occupation,
        reason_code=permit.reason_code or "OTHER",
        photo=person.photo,
        id_card_issuer=person.id_card_issuer,
        id_card_valid_from=person.id_card_valid_from,
        id_card_valid_until=person.id_card_valid_until,
    )
