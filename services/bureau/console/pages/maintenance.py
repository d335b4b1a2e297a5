"""Maintenance of this node, announced to all peers and taken back; and what the others have announced."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page, typed
from services.bureau.console import acts
from services.bureau.stations import acts as stations
from shared.database import Session
from shared.web import InvalidInput, number_of, pages_of

router = APIRouter(include_in_schema=False)
Announce = Annotated[Call, Depends(page("operations.announce"))]


@router.get("/ops/maintenance")
async def maintenance(request: Request, call: Annotated[Call, Depends(page("operations.read"))]) -> Response:
    return await _page(request, call)


@router.post("/ops/maintenance")
async def announce(request: Request, call: Announce) -> Response:
    given = await typed(request)

    async def unit(session: Session) -> dict[str, Any]:
        return {"version": (await stations.announce(session, given, seen=_seen(given))).version}

    try:
        await call.once(unit)
    except InvalidInput as problem:
        return await _page(request, call, status=422, faults=problem.faults, typed=given)
    return RedirectResponse("/ops/maintenance", 303)


@router.post("/ops/maintenance/withdraw")
async def withdraw(request: Request, call: Announce) -> Response:
    given = await typed(request)

    async def unit(session: Session) -> dict[str, Any]:
        return {"version": (await stations.withdraw(session, seen=_seen(given))).version}

    await call.once(unit)
    return RedirectResponse("/ops/maintenance", 303)


async def _page(request: Request, call: Call, *, status: int = 200, **values: Any) -> Response:
    shown = await call.read(acts.read_maintenance)
    return pages_of(request).render(request, "console/maintenance.html", status=status, **shown, **values)


def _seen(given: dict[str, str]) -> int:
    """The version that the form was shown with; what is none fits nothing that stands."""
    number = number_of(given.get("seen", ""))
    return -1 if number is None else number
