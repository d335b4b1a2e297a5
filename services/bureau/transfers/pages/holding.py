"""Taking a case and handing it over: forms beside the case and in the queues, which lead back to where they are."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi import Form as FormField
from starlette.responses import RedirectResponse, Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page
from services.bureau.access.pages import PATH_CHARACTERS, own_path
from services.bureau.transfers import acts
from shared.database import Session

BADGE_CHARACTERS = 32

router = APIRouter()
May = Annotated[Call, Depends(page("transfers.hold"))]
Next = Annotated[str, FormField(max_length=PATH_CHARACTERS)]


@router.post("/w/case/{case}/take")
async def take(case: UUID, call: May, next: Next = "") -> Response:  # the form's name
    """我来办."""

    async def unit(session: Session) -> None:
        await acts.take_case(session, call.officer, case)

    await call.once(unit)
    return RedirectResponse(own_path(next or f"/w/case/{case}"), 303)


@router.post("/w/case/{case}/hand-over")
async def hand_over(
    case: UUID, call: May, badge_no: Annotated[str, FormField(max_length=BADGE_CHARACTERS)], next: Next = ""
) -> Response:
    """交给同事."""

    async def unit(session: Session) -> None:
        await acts.hand_over(session, call.officer, case, badge_no)

    await call.once(unit)
    return RedirectResponse(own_path(next or f"/w/case/{case}"), 303)
