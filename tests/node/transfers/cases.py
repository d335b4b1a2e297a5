"""Cases in any state, at either side: brought there as officers and the other bureau would bring them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.contract.codes import ReturnCode, VoidReason
from shared.contract.messages import (
    CancellationRequested,
    MigrationCertificateIssued,
    PermitIssued,
    PermitReturned,
    TransferClosed,
    TransferSettled,
    TransferVoided,
)
from shared.contract.records import CertificateMember, MigrationCertificate, MoveInPermit, PermitMember, PlaceEpoch
from shared.identifiers.apply_no import new_apply_no
from tests.node.bureau import Bureau
from tests.node.people import LI, LVXIANG, WANG, ZHAPU, Person

COUNTER, VERIFIER, OFFICE, HRSS, OPERATOR, AUDITOR = ("D31001", "D31002", "D31003", "D31004", "D31005", "D31006")
O_COUNTER, O_VERIFIER, O_OFFICE, O_OPERATOR = "D33001", "D33002", "D33003", "D33005"
APPROVED_ON, SEALED_ON, SIGNED_ON = date(2020, 12, 28), date(2020, 12, 29), date(2021, 1, 1)
CASES = "/api/v1/transfers"
SPOUSE, CHILD = "10", "20"
SIGN_ALL = {"signed": [1]}


def application(applicant: Person = WANG, *members: Person, **changes: Any) -> dict[str, Any]:
    """What the counter at Lvxiang enters: Ms Wang joins her husband. `changes` replace members of the form."""
    form: dict[str, Any] = {
        "category": "KINSHIP",
        "reason_code": "SPOUSE",
        "applicant": {
            "citizen_id_no": applicant.citizen_id_no,
            "name": applicant.name,
            "phone": "13000000000",
            "relation_to_head_code": SPOUSE,
        },
        "members": [
            {
                "citizen_id_no": one.citizen_id_no,
                "name": one.name,
                "relation_to_applicant_code": CHILD,
                "relation_to_head_code": CHILD,
            }
            for one in members
        ],
        "origin": {"division_code": "330482", "address": "演示路1号", "station_code": ZHAPU},
        "destination": {"division_code": "310116", "address": "吕巷镇演示路2号", "household_no": "000000001"},
        "sponsor": {"name": LI.name, "citizen_id_no": LI.citizen_id_no},
        "notice_signed": True,
    }
    return form | changes


def talent(applicant: Person = WANG, **changes: Any) -> dict[str, Any]:
    """A talent's application: no sponsor, a household of her own."""
    home = {"division_code": "310116", "address": "吕巷镇演示路9号"}
    form = application(applicant, category="TALENT", reason_code="TALENT_INTRODUCED", destination=home)
    form["applicant"]["relation_to_head_code"] = "02"
    del form["sponsor"]
    return form | changes


# ---- the destination ----------------------------------------------------------------------------------------------------


async def opened(bureau: Bureau, form: dict[str, Any] | None = None) -> str:
    """A draft; gives its case."""
    answer = await bureau.ask(COUNTER, "POST", CASES, form or application())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["case"])


TO_REVIEW: dict[str, Sequence[tuple[str, str, Any]]] = {
    "DRAFT": (),
    "ACCEPTED": ((COUNTER, "accept", None),),
    "SUPPLEMENT_REQUIRED": ((COUNTER, "accept", None), (COUNTER, "ask-supplement", {"missing": "结婚证原件"})),
    "UNDER_REVIEW": ((COUNTER, "accept", None), (COUNTER, "submit", None)),
}


async def reviewed(bureau: Bureau, form: dict[str, Any] | None = None) -> str:
    return await at_destination(bureau, "UNDER_REVIEW", form)


async def approved(bureau: Bureau, form: dict[str, Any] | None = None) -> tuple[str, PermitIssued]:
    """A case whose permit has left; the permit as the origin reads it."""
    await bureau.news()
    case = await reviewed(bureau, form)
    _set(bureau, APPROVED_ON)
    await bureau.done(OFFICE, case, "approve", {})
    return case, await bureau.said(PermitIssued, to="zhejiang")


async def certified(bureau: Bureau, form: dict[str, Any] | None = None) -> tuple[str, MigrationCertificateIssued]:
    """A case whose migration certificate has come."""
    case, permit = await approved(bureau, form)
    _set(bureau, SEALED_ON)
    certificate = certificate_for(permit)
    await bureau.told(certificate, by="zhejiang")
    return case, certificate


async def settling(bureau: Bureau, form: dict[str, Any] | None = None) -> str:
    case, certificate = await certified(bureau, form)
    _set(bureau, SIGNED_ON)
    await bureau.done(COUNTER, case, "settle", {"signed": list(certificate.places)})
    await bureau.said(TransferSettled, to="zhejiang")
    return case


async def here(bureau: Bureau, form: dict[str, Any] | None = None) -> str:
    case = await settling(bureau, form)
    await bureau.told(closed(case, bureau, places=sorted(await bureau.states(case))), by="zhejiang")
    return case


async def at_destination(bureau: Bureau, state: str, form: dict[str, Any] | None = None) -> str:
    """A case of one of the destination's states, reached from the beginning."""
    bureau.on(2020, 11, 20)
    if state in TO_REVIEW:
        case = await opened(bureau, form)
        for officer, act, body in TO_REVIEW[state]:
            await bureau.done(officer, case, act, body)
        return case
    match state:
        case "REFUSED":
            found = await reviewed(bureau, form)
            await bureau.done(OFFICE, found, "refuse", {"reason": "不符合条件"})
        case "WITHDRAWN":
            found = await opened(bureau, form)
            await bureau.done(COUNTER, found, "withdraw", {"reason": "申请人撤回"})
        case "APPROVED":
            found, _ = await approved(bureau, form)
        case "CERTIFIED":
            found, _ = await certified(bureau, form)
        case "SETTLING":
            found = await settling(bureau, form)
        case "HERE":
            found = await here(bureau, form)
        case "VOID":
            found, _ = await approved(bureau, form)
            await bureau.done(COUNTER, found, "void", {"reason_code": "WITHDRAWN"})
        case _:
            raise ValueError(state)
    return found


def certificate_for(permit: PermitIssued, *, issue: int = 1, epoch: int = 2, on: date = SEALED_ON) -> MigrationCertificateIssued:
    """What Zhejiang answers to a permit: sealed, every member at the epoch that the settlement will create."""
    paper, number = permit.permit, f"浙迁{issue:08d}"
    members = tuple(
        CertificateMember(
            place=one.place,
            epoch=epoch,
            relation_to_holder_code=one.relation_to_applicant_code,
            citizen_id_no=str(one.citizen_id_no),
            name=one.name,
            sex=one.sex,
            ethnicity_code="01",
            born_on=one.born_on,
            occupation="教师",
            reason_code="SPOUSE",
        )
        for one in paper.members
    )
    certificate = MigrationCertificate(
        migration_no=number,
        issue=issue,
        permit_no=paper.permit_no,
        serial_no=paper.serial_no,
        holder_id_no=members[0].citizen_id_no,
        holder_name=members[0].name,
        former_division_code="330482",
        former_address="演示路1号",
        former_urban_rural_code="000",
        heading_division_code=paper.destination_division_code,
        heading_address=paper.destination_address,
        issued_on=on,
        valid_until=on + timedelta(days=30),
        accepted_by_unit_code=ZHAPU,
        accepted_by_unit_name="乍浦派出所",
        accepted_by="吴丽华（演示）",
        accepted_at=datetime.combine(on, datetime.min.time()).astimezone(),
        owner_unit_code=ZHAPU,
        owner_unit_name="乍浦派出所",
        members=members,
    )
    return MigrationCertificateIssued(case=permit.case, certificate=certificate)


def closed(case: object, bureau: Bureau, *, places: Sequence[int] = (1,), epoch: int = 2) -> TransferClosed:
    let_go = tuple(PlaceEpoch(place=place, epoch=epoch) for place in places)
    return TransferClosed(case=UUID(str(case)), closed=let_go, closed_at=bureau.clock.now())


def returned(case: object, *, places: Sequence[int] = (1,), code: ReturnCode = ReturnCode.R06) -> PermitReturned:
    return PermitReturned(
        case=UUID(str(case)), places=tuple(places), code=code, reason_text="本人否认", heading_to=None, returned_on=SEALED_ON
    )


def cancellation(case: object, *, places: Sequence[int] = (1,)) -> CancellationRequested:
    return CancellationRequested(case=UUID(str(case)), places=tuple(places), reason_text="本人不迁了", requested_on=SEALED_ON)


# ---- the origin ---------------------------------------------------------------------------------------------------------


def permit_for(
    applicant: Person = WANG, *members: Person, issued_on: date = APPROVED_ON, case: UUID | None = None, **changes: Any
) -> PermitIssued:
    """What Shanghai sends after approval, for residents of Zhapu. `changes` replace members of the permit."""
    people = [_permit_member(place, one) for place, one in enumerate((applicant, *members), start=1)]
    paper: dict[str, Any] = {
        "permit_no": "沪00000001",
        "serial_no": "QY-1",
        "post_id": uuid7().hex,
        "applicant_name": applicant.name,
        "applicant_id_no": applicant.citizen_id_no,
        "applicant_division_code": "330482",
        "applicant_address": "演示路1号",
        "origin_division_code": "330482",
        "origin_station_code": ZHAPU,
        "destination_division_code": "310116",
        "destination_address": "吕巷镇演示路2号",
        "destination_station_code": LVXIANG,
        "destination_station_name": "吕巷派出所",
        "issuer_code": "310116000000",
        "issuer_name": "上海市公安局金山分局",
        "issued_on": issued_on,
        "valid_until": issued_on + timedelta(days=40),
        "reason_code": "SPOUSE",
        "accepted_by_unit_code": LVXIANG,
        "accepted_by_unit_name": "吕巷派出所",
        "members": tuple(people),
    }
    number = new_apply_no("310116", date(2020, 11, 20))
    return PermitIssued(case=case or uuid7(), apply_no=number, permit=MoveInPermit(**(paper | changes)))


def _permit_member(place: int, one: Person) -> PermitMember:
    relation = "01" if place == 1 else CHILD
    return PermitMember(
        place=place,
        relation_to_applicant_code=relation,
        citizen_id_no=one.citizen_id_no,
        name=one.name,
        sex=one.sex,
        born_on=one.born_on,
    )


async def received(bureau: Bureau, permit: PermitIssued | None = None) -> str:
    """A permit at Zhapu's verifier; gives the case."""
    _set(bureau, APPROVED_ON)
    permit = permit or permit_for()
    await bureau.told(permit, by="shanghai")
    await bureau.news()
    return str(permit.case)


async def sealed(bureau: Bureau, permit: PermitIssued | None = None, **form: Any) -> tuple[str, MigrationCertificateIssued]:
    """A case moved out; the certificate as the destination reads it."""
    case = await received(bureau, permit)
    _set(bureau, SEALED_ON)
    await bureau.done(O_VERIFIER, case, "seal", {"applicant_confirms": True, **form})
    return case, await bureau.said(MigrationCertificateIssued, to="shanghai")


def settled(case: object, bureau: Bureau, *, signed: Sequence[int] = (1,), not_signed: Sequence[int] = (), epoch: int = 2) -> Any:
    settled_places = tuple(PlaceEpoch(place=place, epoch=epoch) for place in signed)
    return TransferSettled(
        case=UUID(str(case)), settled=settled_places, voided=tuple(not_signed), signed_at=bureau.clock.now(), issue=1
    )


def voided(case: object, *, places: Sequence[int] = (1,), reason: VoidReason = VoidReason.WITHDRAWN) -> TransferVoided:
    return TransferVoided(
        case=UUID(str(case)), places=tuple(places), reason_code=reason, reason_text="申请人撤回", voided_on=SIGNED_ON
    )


async def at_origin(bureau: Bureau, state: str, permit: PermitIssued | None = None) -> str:
    """A case of one of the origin's states, reached from the beginning."""
    if state in ("RECEIVED", "RETURNED", "VOID"):
        case = await received(bureau, permit)
        if state == "RETURNED":
            await bureau.done(O_VERIFIER, case, "return", {"code": "R06", "reason_text": "本人否认"})
        elif state == "VOID":
            await bureau.told(voided(case), by="shanghai")
        return case
    case, _ = await sealed(bureau, permit)
    if state == "CANCELLING":
        await bureau.done(O_VERIFIER, case, "ask-cancel", {"reason": "本人不迁了"})
    elif state == "GONE":
        await bureau.told(settled(case, bureau), by="shanghai")
    elif state == "RESTORED":
        await bureau.told(voided(case), by="shanghai")
    return case


def _set(bureau: Bureau, day: date) -> None:
    bureau.on(day.year, day.month, day.day)
