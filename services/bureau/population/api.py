"""The register for our own officers: looking up a person for a case, and holds."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.bureau.access.calls import Call, act
from services.bureau.access.rules import Facts, area
from services.bureau.population import acts
from services.bureau.population.rules import HoldRow, HouseholdRow, NotInRegister, ResidentRow
from services.bureau.population.tables import (
    NEVER_TRANSFERRED,
    REASON_MAX_CHARS,
    HoldKind,
    HouseholdType,
    ResidentRecord,
    RowKind,
)
from shared.database import Session
from shared.identifiers.citizen_id import CitizenIdNumber
from shared.identifiers.texts import N_
from shared.web import Form

router = APIRouter(prefix="/api/v1", tags=["population"])

EXAMPLE_CITIZEN_ID_NO = "330381198503119837"  # synthetic: of the population that the demo generates for Zhapu
SHOWN_FIELDS = tuple(name for name in ResidentRecord.model_fields if name not in NEVER_TRANSFERRED)


class HoldView(BaseModel):
    """A hold in force."""

    id: UUID
    kind: HoldKind
    reason: str
    placed_by: str
    placed_at: datetime


class HouseholdView(BaseModel):
    """The booklet that the person is entered in; of one who moved away the last one."""

    id: UUID
    household_no: str
    household_type: HouseholdType
    station_code: str
    division_code: str
    address: str


class ResidentView(BaseModel):
    """A person's row with the record's fields, religion left out (个人信息保护法 Art. 6, 28)."""

    id: UUID
    kind: RowKind
    epoch: int
    counterpart: str | None
    case_id: UUID | None
    restoration_due: bool
    relation_code: str
    household: HouseholdView
    holds: list[HoldView]
    personal: dict[str, Any] = Field(description="the fields of 常住人口登记卡 that are not empty")


class PlaceHold(Form):
    """A hold to place. The number is in the body: an address would be logged."""

    citizen_id_no: CitizenIdNumber
    kind: HoldKind
    reason: str = Field(min_length=1, max_length=REASON_MAX_CHARS)


class Lifted(BaseModel):
    """What a lifted hold answers."""

    id: UUID


@router.get("/residents", summary="A person in this register, for a case", response_model=ResidentView)
async def read_resident(call: Annotated[Call, Depends(act("population.read"))], citizen_id_no: CitizenIdNumber) -> ResidentView:
    """Needs the headers `Quanyu-Purpose` and `Quanyu-Case` of an open case; the read is audited with both, a miss too."""
    post = call.officer.post

    async def unit(session: Session) -> ResidentView | None:
        own = area(call.officer, call.reach().scope)
        is_open = call.case is not None and await call.wiring.is_open_case(session, call.case, own)
        # Before the register is searched: nobody finds out who is in it without a purpose and an open case.
        call.decide(Facts(station_code=post.station_code, division_code=post.division_code, case_open=is_open))
        purpose = call.purpose or ""
        found = await acts.read_resident(session, citizen_id_no, purpose=purpose, case=call.case, fields=SHOWN_FIELDS)
        if found is None:
            return None
        household = await acts.get_household(session, found.household_id)
        call.decide(Facts(station_code=found.station_code, division_code=household.division_code, case_open=is_open))
        return _view(found, household, await acts.holds_of(session, found.id))

    view = await call.read(unit)
    if view is None:  # raised here, outside the unit: its audit row stays
        raise NotInRegister("unknown_resident", N_("the person is not in this register"), field="citizen_id_no")
    return view


@router.post("/holds", status_code=201, summary="Hold a person's row for other business", response_model=HoldView)
async def place_hold(
    call: Annotated[Call, Depends(act("population.hold"))],
    wanted: Annotated[
        PlaceHold,
        Body(examples=[{"citizen_id_no": EXAMPLE_CITIZEN_ID_NO, "kind": "RESTRICTED_PERSON", "reason": "缓刑考验期内"}]),
    ],
) -> Response:
    """A restricted person (户口登记条例 Art. 14) is not moved out automatically; the officer decides."""

    async def unit(session: Session) -> HoldView:
        person = await acts.find_resident(session, wanted.citizen_id_no, lock=True)
        call.decide(Facts(station_code=None if person is None else person.station_code))
        if person is None:
            raise AssertionError("denied above: nobody's station is none")
        consequences: acts.Consequences = call.wiring.consequences
        placed = await acts.place_hold(session, person.id, kind=wanted.kind, reason=wanted.reason, consequences=consequences)
        return _hold_view(placed)

    return await call.once(unit, status=201)


@router.delete("/holds/{hold_id}", summary="Lift a hold", response_model=Lifted)
async def lift_hold(call: Annotated[Call, Depends(act("population.lift_hold"))], hold_id: UUID) -> Response:
    """Other business on the person may go on."""

    async def unit(session: Session) -> Lifted:
        person = await acts.get_resident(session, await acts.person_held(session, hold_id))
        call.decide(Facts(station_code=person.station_code))
        await acts.lift_hold(session, hold_id)
        return Lifted(id=hold_id)

    return await call.once(unit)


def _view(row: ResidentRow, household: HouseholdRow, holds: list[HoldRow]) -> ResidentView:
    return ResidentView(
        id=row.id,
        kind=row.kind,
        epoch=row.epoch,
        counterpart=row.counterpart,
        case_id=row.case_id,
        restoration_due=row.restoration_due,
        relation_code=row.relation_code,
        household=HouseholdView(
            id=household.id,
            household_no=household.household_no,
            household_type=household.household_type,
            station_code=household.station_code,
            division_code=household.division_code,
            address=household.address,
        ),
        holds=[_hold_view(one) for one in holds],
        personal=row.personal.model_dump(mode="json", exclude=set(NEVER_TRANSFERRED), exclude_none=True),
    )


def _hold_view(row: HoldRow) -> HoldView:
    return HoldView(id=row.id, kind=row.kind, reason=row.reason, placed_by=row.placed_by, placed_at=row.placed_at)
