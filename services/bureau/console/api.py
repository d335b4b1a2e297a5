"""What operators see and do: owed answers, dead letters, peers, health, metrics. No persons."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from pydantic_core import to_json
from starlette.responses import PlainTextResponse

from services.bureau.access.calls import Call, act, public
from services.bureau.console import acts
from shared.contract.fields import ReasonText
from shared.database import Session
from shared.messaging import dead_letters
from shared.messaging.dead_letters import MOST_AT_ONCE
from shared.web import Form, NotFound, RowNumber

MOST_AUDIT_ROWS = 200

router = APIRouter(tags=["operations"])
REPORT: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
EVERYBODY = [Depends(public("health and metrics carry no persons; the reverse proxy decides who reaches them"))]


class Replay(Form):
    """Which letters to handle again, one by one."""

    letters: Annotated[tuple[RowNumber, ...], Field(min_length=1, max_length=MOST_AT_ONCE)]


class Skip(Form):
    reason: Annotated[ReasonText, Field(min_length=1)]


@router.get("/health/live", dependencies=EVERYBODY)
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/health/ready", dependencies=EVERYBODY, responses={503: {"description": "The same report", "content": REPORT}})
async def ready(request: Request) -> Response:
    """Every part with its state; 503 while the node cannot serve officers."""
    report = await request.app.state.wiring.health.report()
    return _json(report, 503 if report["status"] == "failing" else 200)


@router.get("/metrics", dependencies=EVERYBODY, response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Prometheus text format."""
    wiring = request.app.state.wiring
    await acts.measure(wiring)
    body, content_type = wiring.metrics.render()
    return Response(body, media_type=content_type)


@router.get("/api/v1/owed")
async def list_owed(call: Annotated[Call, Depends(act("owed.read"))]) -> Response:
    """Answers owed by us and to us, oldest first, and the oldest by peer."""
    return _json(await call.read(acts.read_owed))


@router.get("/api/v1/audit")
async def list_audit(
    call: Annotated[Call, Depends(act("audit.read"))],
    case: UUID | None = None,
    after: Annotated[RowNumber, Query(description="id of the last row of the page before")] = 0,
    most: Annotated[int, Query(ge=1, le=MOST_AUDIT_ROWS)] = MOST_AUDIT_ROWS,
) -> Response:
    """Who did or read what, why; of one case or of all. Persons appear only as blind indexes."""
    rows = await call.read(lambda session: acts.read_audit(session, case=case, after=after, most=most))
    return _json({"rows": rows, "next": rows[-1]["id"] if len(rows) == most else None})


@router.get("/api/v1/operations/peers")
async def list_peers(call: Annotated[Call, Depends(act("operations.read"))]) -> Response:
    """Each peer: last heard, last attempt and its error."""
    return _json({"peers": await call.read(acts.read_peers)})


@router.get("/api/v1/operations/dead-letters")
async def list_letters(
    call: Annotated[Call, Depends(act("operations.read"))],
    after: RowNumber = 0,
    most: Annotated[int, Query(ge=1, le=MOST_AT_ONCE)] = MOST_AT_ONCE,
) -> Response:
    """Open dead letters, oldest first; never their content."""
    letters = await call.read(lambda session: acts.read_letters(session, after=after, most=most))
    return _json({"letters": letters})


@router.post("/api/v1/operations/dead-letters/{letter}/preview")
async def preview(letter: RowNumber, call: Annotated[Call, Depends(act("operations.replay"))]) -> Response:
    """What a replay would do now, without doing it."""
    wiring = call.wiring
    try:
        told = await dead_letters.preview(wiring.bus_database, wiring.receiver, letter, call.officer.actor)
    except dead_letters.NoSuchLetter:
        raise NotFound from None
    return _json({"letter": letter, "would": told})


@router.post("/api/v1/operations/dead-letters/replay")
async def replay(form: Replay, call: Annotated[Call, Depends(act("operations.replay"))]) -> Response:
    """Handle letters again, one by one, each in its own transaction; what each gave is told."""
    if (kept := await call.answered()) is not None:
        return kept
    results = await acts.replay_letters(call.wiring, form.letters, call.officer.actor)

    async def told(session: Session) -> dict[str, Any]:
        return {"results": results}

    return await call.once(told)


@router.post("/api/v1/operations/dead-letters/{letter}/skip")
async def skip(letter: RowNumber, form: Skip, call: Annotated[Call, Depends(act("operations.skip"))]) -> Response:
    """Close a letter without effect, with a reason."""
    return await call.once(lambda session: acts.skip_letter(session, letter, form.reason))


def _json(body: Any, status: int = 200) -> Response:
    return Response(to_json(body), status, media_type="application/json")
