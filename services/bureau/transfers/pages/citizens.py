"""Pages of citizens: plain HTML that works without any script."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.bureau.access.calls import public
from services.bureau.access.citizens import (
    TRACK,
    TRACK_PATH,
    CitizenCall,
    TooManyTries,
    citizen_page,
    drop_proof,
    end_proof,
    prove,
    set_proof,
)
from services.bureau.access.page_calls import require_own_page, typed
from services.bureau.transfers.acts.tracking import is_proof, track
from shared.identifiers.apply_no import parse_apply_no
from shared.identifiers.errors import Fault, IdentifierError
from shared.identifiers.query_code import parse_query_code
from shared.web import InvalidInput, pages_of

LONGEST_FIELD = 64  # of a number with blanks and hyphens between its groups
router = APIRouter(prefix="/c", include_in_schema=False)
everybody = [Depends(public("what every citizen may read, and the door at which a case is proved"))]


@router.get("", dependencies=everybody)
async def start(request: Request) -> Response:
    """What a citizen can do here."""
    return pages_of(request).render(request, "transfers/citizens/start.html")


@router.get("/help", dependencies=everybody)
async def read_help(request: Request) -> Response:
    return pages_of(request).render(request, "transfers/citizens/help.html")


@router.get("/a11y", dependencies=everybody)
async def read_accessibility(request: Request) -> Response:
    return pages_of(request).render(request, "transfers/citizens/a11y.html")


@router.get("/privacy", dependencies=everybody)
async def read_privacy(request: Request) -> Response:
    return pages_of(request).render(request, "transfers/citizens/privacy.html")


@router.get("/track", dependencies=everybody)
async def ask_proof(request: Request, again: str = "") -> Response:
    """Case number and query code."""
    return pages_of(request).render(request, "transfers/citizens/track.html", again=again == "yes")


@router.post("/track", dependencies=everybody)
async def take_proof(request: Request) -> Response:
    """The proof travels in the form alone; then a cookie stands for it."""
    require_own_page(request)
    form = await typed(request)
    shown = {name: form.get(name, "")[:LONGEST_FIELD] for name in ("apply_no", "query_code")}
    try:
        apply_no, query_code = _readable(shown)
        token = await prove(request, apply_no=apply_no, query_code=query_code, is_proof=is_proof)
    except TooManyTries as wait:
        told = pages_of(request).render(request, "transfers/citizens/wait.html", status=wait.status, until=wait.until)
        told.headers["Retry-After"] = str(wait.seconds)
        return told
    except InvalidInput as problem:
        return pages_of(request).render(
            request, "transfers/citizens/track.html", status=problem.status, faults=problem.faults, typed=shown, again=False
        )
    answer = RedirectResponse(f"{TRACK_PATH}/{apply_no}", 303)
    set_proof(answer, request, token)
    return answer


@router.get("/track/{apply_no}")
async def follow(request: Request, apply_no: str, call: Annotated[CitizenCall, Depends(citizen_page(TRACK))]) -> Response:
    """The way of the proved case. Another number than the proved one is asked for its own proof."""
    if apply_no != call.citizen.apply_no:
        return RedirectResponse(TRACK_PATH, 303)
    tracked = await call.read(lambda session: track(session, call.citizen, call.wiring.unit_names))
    return pages_of(request).render(request, "transfers/citizens/case.html", case=tracked)


@router.post("/leave", dependencies=everybody)
async def leave(request: Request) -> Response:
    """At a computer that others use too: the proof is forgotten."""
    require_own_page(request)
    await end_proof(request)
    answer = RedirectResponse("/c", 303)
    drop_proof(answer, request)
    return answer


def _readable(shown: dict[str, str]) -> tuple[str, str]:
    """Number and code as issued. What cannot be one tells nothing about any case and counts as no attempt."""
    faults: list[Fault] = []
    read: dict[str, str] = {}
    for name, parse in (("apply_no", _number), ("query_code", parse_query_code)):
        try:
            read[name] = parse(shown[name])
        except IdentifierError as error:
            faults.append(error.fault.at(name))
    if faults:
        raise InvalidInput(faults=faults)
    return read["apply_no"], read["query_code"]


def _number(text: str) -> str:
    return parse_apply_no("".join(text.split()).replace("-", ""))
