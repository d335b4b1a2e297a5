"""Slips to print: receipts for the citizen, and how the two documents look."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page
from services.bureau.transfers.pages.common import about, look_at, render
from shared.web import NotFound

router = APIRouter()


@router.get("/w/case/{case}/slip/{name}")
async def slip(request: Request, case: UUID, name: str, call: Annotated[Call, Depends(page("transfers.read"))]) -> Response:
    """A specimen to print: acceptance, interim, completion, permit, certificate."""
    call = about(call, case)
    shown = await call.read(lambda session: look_at(session, call, case))
    if name not in shown.slips:
        raise NotFound
    return render(request, call, shown, "slip.html", name=name)
