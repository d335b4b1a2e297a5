"""Whether a message fits what it is about: judged before anything happens."""

from services.bureau.transfers.rules.case import Case
from shared.contract.records import MigrationCertificate, MoveInPermit
from shared.identifiers.division import bureau_of_division


def foreign_permit(permit: MoveInPermit, *, destination: str, origin: str) -> str | None:
    """Why a permit is not between its sender and us; None when it is."""
    if bureau_of_division(permit.destination_division_code) != destination:
        return "the permit's destination is not its sender"
    if bureau_of_division(permit.origin_division_code) != origin:
        return "the permit's origin is not this bureau"
    return None


def wrong_members(case: Case, certificate: MigrationCertificate) -> str | None:
    """Why a certificate is not about the persons of our permit, each at the same place; None when it is."""
    application = case.file.application
    ours = {} if application is None else {mover.place: mover.citizen_id_no for mover in application.movers}
    for member in certificate.members:
        if ours.get(member.place) != member.citizen_id_no:
            return f"member {member.place} of the certificate is not member {member.place} of the permit"
    return None
