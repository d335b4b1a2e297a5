"""The search box of every page: one hit leads to its case."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page, typed
from services.bureau.access.rules import HOUSEHOLD_TRANSFER
from services.bureau.transfers import acts
from services.bureau.transfers.acts.searching import kind_of
from shared.database import Session
from shared.web import pages_of
from shared.web.pages import masked_number

LIKE_AN_ID = re.compile(r"\d{17}[\dXx]", re.ASCII)  # also one that is mistyped, and so is nobody's: only a digit away
router = APIRouter()
May = Annotated[Call, Depends(page("transfers.read"))]


@router.get("/w/search")
async def by_address(request: Request, call: May, q: str = "") -> Response:
    """A number in the address: what links may carry. Id numbers are searched for by the box, in a body that nobody logs."""
    return await _answer(request, call, "" if kind_of(q.strip()) == "person" else q)


@router.post("/w/search")
async def by_box(request: Request, call: May) -> Response:
    """Typed or scanned."""
    return await _answer(request, call, (await typed(request)).get("q", ""))


async def _answer(request: Request, call: Call, wanted: str) -> Response:
    async def unit(session: Session) -> tuple[Any, list[Any]]:
        found = await acts.search(session, call.officer, wanted)
        shown = len(found.cases) > 1 and call.purpose == HOUSEHOLD_TRANSFER
        return found, await acts.read_cases(session, call.officer, found.cases, shown_as="search") if shown else []

    found, rows = await call.read(unit)
    if len(found.cases) == 1:
        return RedirectResponse(f"/w/case/{found.cases[0]}", 303)
    said = masked_number(wanted.strip()) if LIKE_AN_ID.fullmatch(wanted.strip()) else wanted.strip()
    return pages_of(request).render(request, "transfers/search.html", found=found, rows=rows, wanted=said)
