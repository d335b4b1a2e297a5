"""The way in: citizens to their pages; in development, what this is, who plays, and how to log in.

What the demo shows stands in a file of the run folder that the harness writes (`demo.json`); a node knows no story.
"""

import asyncio
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import RedirectResponse, Response

from services.bureau.access.calls import ROLE_NAMES, Call, public
from services.bureau.access.development import LOOPBACK_NAMES
from services.bureau.access.page_calls import page
from services.bureau.console.pages.chrome import home_of
from shared.web import pages_of

DEMO_FILE = "demo.json"
router = APIRouter(include_in_schema=False)


class Shown(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Told(Shown):
    """A text of the story, in both languages."""

    zh: str
    en: str

    def __getitem__(self, language: str) -> str:
        return str(getattr(self, language))


class Player(Shown):
    """Somebody of the story. The number is synthetic, and typed when the story is played by hand."""

    name: str
    citizen_id_no: str
    told: Told


class Desk(Shown):
    badge_no: str
    name: str
    post: str
    role: str


class House(Shown):
    bureau: str
    web: str
    officers: tuple[Desk, ...]


class Scene(Shown):
    """One step: which officer does what, on which day of the story."""

    day: date
    bureau: str
    badge_no: str
    name: str
    told: Told


class Followed(Shown):
    """The case that the demo has opened, with what stands on its receipt."""

    case: str
    apply_no: str
    query_code: str
    destination: str
    origin: str


class Demo(Shown):
    title: Told
    by_hand: bool
    people: tuple[Player, ...]
    form: tuple[tuple[Told, str], ...]
    houses: tuple[House, ...]
    scenes: tuple[Scene, ...]
    followed: Followed | None = None


@router.get("/", dependencies=[Depends(public("the way in"))])
async def start(request: Request) -> Response:
    """Outside development a citizen is meant: officers know their way, and the citizens' page has a link for them."""
    wiring: Any = request.app.state.wiring
    if wiring.development is None:
        return RedirectResponse("/c", 303)
    demo = await asyncio.to_thread(read_demo, wiring.settings.run_folder)
    webs = {} if demo is None else {house.bureau: near(house.web, request) for house in demo.houses}
    return pages_of(request).render(request, "console/start.html", demo=demo, webs=webs, role_names=ROLE_NAMES)


def read_demo(folder: Path) -> Demo | None:
    """What the harness has written; None when there is no demo here, or only half of one."""
    try:
        return Demo.model_validate_json((folder / DEMO_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def near(web: str, request: Request) -> str:
    """The node's address under the name by which this browser knows the machine: a cookie belongs to a name."""
    host = request.url.hostname or ""
    return web.replace("127.0.0.1", host, 1) if host in LOOPBACK_NAMES else web


@router.get("/home")
async def home(call: Annotated[Call, Depends(page("access.me"))]) -> Response:
    """Where the officer's work is, by his role."""
    return RedirectResponse(home_of(call.officer.role), 303)
