"""Pages of citizens: plain HTML that works without any script."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.bureau.access.calls import public
from shared.web import Pages

router = APIRouter(prefix="/c", include_in_schema=False)
everybody = [Depends(public("tells nothing about anybody"))]


@router.get("", dependencies=everybody)
async def start(request: Request) -> Response:
    """What a citizen can do here."""
    pages: Pages = request.app.state.pages
    return pages.render(request, "transfers/citizens/start.html")
