"""The register as paper shows it: a household's booklet and a member's page, for an open case, numbers masked until asked for."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page
from services.bureau.access.rules import HOUSEHOLD_TRANSFER, Facts, area
from services.bureau.population import acts
from services.bureau.population.rules import RELATION_LABELS, HouseholdRow, ResidentRow, booklet_order
from services.bureau.population.tables import NEVER_TRANSFERRED, ResidentRecord
from shared.audit import AuditEntry, write_audit
from shared.database import Session
from shared.web import pages_of

router = APIRouter(include_in_schema=False)
May = Annotated[Call, Depends(page("population.read", purpose=HOUSEHOLD_TRANSFER))]
OfCase = Annotated[UUID, Form()]
BOOKLET_FIELDS = ("name", "sex", "born_on", "relation_code")
MEMBER_FIELDS = tuple(name for name in ResidentRecord.model_fields if name not in NEVER_TRANSFERRED)
ID_NUMBER = ("citizen_id_no",)


@router.get("/w/household/{household}")
async def show_household(request: Request, household: UUID, call: May, case: UUID | None = None) -> Response:
    """居民户口簿."""
    return await _household(request, call, household, case, revealed=False)


@router.post("/w/household/{household}/reveal")
async def reveal_household(request: Request, household: UUID, call: May, case: OfCase) -> Response:
    """显示（留痕）: the same page with its numbers; the audit row is committed before it is sent."""
    return await _household(request, call, household, case, revealed=True)


@router.get("/w/resident/{resident}")
async def show_resident(request: Request, resident: UUID, call: May, case: UUID | None = None) -> Response:
    """常住人口登记卡."""
    return await _resident(request, call, resident, case, revealed=False)


@router.post("/w/resident/{resident}/reveal")
async def reveal_resident(request: Request, resident: UUID, call: May, case: OfCase) -> Response:
    """显示（留痕）."""
    return await _resident(request, call, resident, case, revealed=True)


async def _household(request: Request, call: Call, household: UUID, case: UUID | None, *, revealed: bool) -> Response:
    call = replace(call, case=case)

    async def unit(session: Session) -> dict[str, Any]:
        is_open = await _is_open(session, call)
        home = await acts.get_household(session, household)
        call.decide(Facts(station_code=home.station_code, division_code=home.division_code, case_open=is_open))
        members = booklet_order(one for one in await acts.members_of_household(session, household) if one.is_present)
        await _audit(session, call, "household", str(household), BOOKLET_FIELDS + (ID_NUMBER if revealed else ()))
        return {"home": home, "members": members}

    return _render(request, call, "household", await call.read(unit), revealed=revealed)


async def _resident(request: Request, call: Call, resident: UUID, case: UUID | None, *, revealed: bool) -> Response:
    call = replace(call, case=case)

    async def unit(session: Session) -> dict[str, Any]:
        is_open = await _is_open(session, call)
        person: ResidentRow = await acts.get_resident(session, resident)
        home: HouseholdRow = await acts.get_household(session, person.household_id)
        call.decide(Facts(station_code=person.station_code, division_code=home.division_code, case_open=is_open))
        shown = tuple(name for name in MEMBER_FIELDS if revealed or name not in ID_NUMBER)
        await _audit(session, call, "resident", acts.citizen_index(session, person.personal.citizen_id_no).hex(), shown)
        return {"home": home, "person": person, "holds": await acts.holds_of(session, resident)}

    return _render(request, call, "resident", await call.read(unit), revealed=revealed)


async def _is_open(session: Session, call: Call) -> bool:
    """Before the register is looked into: nobody finds out who is in it without an open case."""
    is_open = call.case is not None and await call.wiring.is_open_case(session, call.case, area(call.officer, call.reach().scope))
    post = call.officer.post
    call.decide(Facts(station_code=post.station_code, division_code=post.division_code, case_open=is_open))
    return is_open


async def _audit(session: Session, call: Call, kind: str, name: str, fields: tuple[str, ...]) -> None:
    entry = AuditEntry(
        action="population.read", object_kind=kind, object_id=name, purpose=call.purpose or "", case=call.case, fields=fields
    )
    await write_audit(session, entry)


def _render(request: Request, call: Call, name: str, shown: dict[str, Any], *, revealed: bool) -> Response:
    names = call.wiring.unit_names
    return pages_of(request).render(
        request, f"population/{name}.html", **shown, case=call.case, revealed=revealed, relations=RELATION_LABELS, units=names
    )
