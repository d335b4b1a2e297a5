"""The audit log for auditors."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.bureau.access.calls import ROLE_NAMES, Call
from services.bureau.access.page_calls import page
from services.bureau.console import acts
from services.bureau.console.pages.words import action_name
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.web import is_visible, number_of, pages_of

router = APIRouter(include_in_schema=False)
YEARS = range(1900, 9000)  # what PostgreSQL and every time zone can hold; the federation began later
SHOWN: Final[Mapping[str, Any]] = {"role_names": ROLE_NAMES, "action_name": action_name}


@router.get("/ops/audit")
async def search(request: Request, call: Annotated[Call, Depends(page("audit.read"))]) -> Response:
    """Who did what, when, to which case; by case, officer, action and day."""
    asked = {name: request.query_params.get(name, "").strip() for name in ("case", "actor", "action", "day", "before")}
    wanted, faults = _read(asked)
    if faults:
        return pages_of(request).render(
            request, "console/audit.html", status=422, typed=asked, faults=faults, rows=(), before=None, **SHOWN
        )
    rows, before = await call.read(lambda session: acts.search_audit(session, **wanted))
    return pages_of(request).render(request, "console/audit.html", typed=asked, rows=rows, before=before, **SHOWN)


def _read(asked: dict[str, str]) -> tuple[dict[str, Any], list[Fault]]:
    wanted: dict[str, Any] = {}
    faults = []
    for name, kind, message in (
        ("actor", _visible, N_("control characters are not possible here")),
        ("action", _visible, N_("control characters are not possible here")),
        ("case", UUID, N_("a case is named by its UUID")),
        ("day", _day, N_("a day is written as 2026-01-31")),
        ("before", _row_number, N_("a row is named by its number")),
    ):
        try:
            wanted[name] = kind(asked[name]) if asked[name] else None
        except ValueError:
            faults.append(Fault(name, "form", "", message, {}))
    return wanted, faults


def _visible(typed: str) -> str:
    if not is_visible(typed):
        raise ValueError(typed)
    return typed


def _day(typed: str) -> date:
    day = date.fromisoformat(typed)
    if day.year not in YEARS:
        raise ValueError(typed)
    return day


def _row_number(typed: str) -> int:
    number = number_of(typed)
    if number is None:
        raise ValueError(typed)
    return number
