"""The workbench, the keys, and the stream of hints that every live page follows."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from services.bureau.access.calls import Call, public
from services.bureau.access.page_calls import page
from shared.web import Pages

router = APIRouter(include_in_schema=False)


@router.get("/", dependencies=[Depends(public("the way in"))])
async def start(request: Request) -> Response:
    return RedirectResponse("/w", 303)


@router.get("/w")
async def workbench(request: Request, call: Annotated[Call, Depends(page("console.work"))]) -> Response:
    """The queues of the officer's role."""
    pages: Pages = request.app.state.pages
    return pages.render(request, "console/workbench.html")


@router.get("/help/keys", dependencies=[Depends(public("which keys there are is no secret"))])
async def keys(request: Request) -> Response:
    pages: Pages = request.app.state.pages
    return pages.render(request, "console/keys.html")


@router.get("/events")
async def events(request: Request, call: Annotated[Call, Depends(page("access.me"))]) -> Response:
    """Hints that something changed; what, the page fetches by its own rules."""
    return StreamingResponse(call.wiring.hints.stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
