"""The moment in which the destination's register begins to answer: a row from the certificate, in the chosen household."""

from services.bureau.population import acts as population
from services.bureau.population.acts import NewHousehold
from services.bureau.population.rules import OTHER_RELATIVE, HouseholdRow
from services.bureau.population.tables import HEAD_RELATION, ResidentRecord
from services.bureau.transfers.rules.case import Case, Member
from services.bureau.transfers.tables import Application
from shared.contract.records import CertificateMember
from shared.database import Session
from shared.identifiers.division import full_division_name


async def register_member(session: Session, case: Case, member: Member) -> None:
    """Register one settled member. Cannot refuse: the origin has let go, so a household that changed meanwhile is replaced."""
    certificate, application = case.file.certificate, case.file.application
    if certificate is None or application is None:
        raise AssertionError("only a certified case of our own settles")
    person = next(one for one in certificate.members if one.place == member.place)
    mover = next(one for one in application.movers if one.place == member.place)
    household = await _household(session, case, application)
    relation = mover.relation_to_head_code
    has_head = await _has_head(session, household)
    if has_head and relation == HEAD_RELATION:
        relation = OTHER_RELATIVE  # the relation named at the counter no longer fits
    elif not has_head:
        relation = HEAD_RELATION
    await population.register_arrival(
        session, _record(person, case, application), epoch=member.epoch, household_id=household.id, relation_code=relation
    )


async def _household(session: Session, case: Case, application: Application) -> HouseholdRow:
    if case.household_id is not None:
        chosen = await population.get_household(session, case.household_id, lock=True)
        if chosen.dissolved_on is None:
            return chosen
    home = application.destination
    made = await population.create_household(
        session, NewHousehold(station_code=home.station_code, division_code=home.division_code, address=home.address)
    )
    case.household_id = made.id
    return made


async def _has_head(session: Session, household: HouseholdRow) -> bool:
    if household.head_resident_id is None:
        return False
    head = await population.get_resident(session, household.head_resident_id)
    return head.is_present and head.household_id == household.id


def _record(person: CertificateMember, case: Case, application: Application) -> ResidentRecord:
    """The register's record from the certificate's: what the sheet says of the move comes from the case."""
    signed = case.file.signed_at
    carried = set(ResidentRecord.model_fields) & set(CertificateMember.model_fields)
    origin = f"{full_division_name(application.origin.division_code)}{application.origin.address}"
    return ResidentRecord(
        **{name: getattr(person, name) for name in carried},
        moved_in_on=None if signed is None else signed.date(),
        moved_in_from=origin,
        address_since=None if signed is None else signed.date(),
        previous_address=origin,
        registered_on=None if signed is None else signed.date(),
    )
