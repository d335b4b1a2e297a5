"""The workbench with its queues, the keys, and the stream of hints that every live page follows."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from services.bureau.access.calls import Call, public
from services.bureau.access.page_calls import page
from services.bureau.access.seen import memory_of, seen_by
from services.bureau.console import acts
from services.bureau.stations import acts as stations
from services.bureau.transfers import acts as transfers
from services.bureau.transfers.acts.queues import QueuePage, Row
from services.bureau.transfers.rules.queues import QUEUES, queue_of
from shared.database import Session
from shared.web import NotFound, RowNumber, pages_of

SILENT_AFTER = timedelta(minutes=10)  # then a person wonders whether anybody is there

router = APIRouter(include_in_schema=False)
AtWork = Annotated[Call, Depends(page("console.work"))]


@router.get("/w")
async def workbench(request: Request, call: AtWork, memory: str = "") -> Response:
    """The queues of the officer's role, the most urgent case, the peers, and what is late."""

    async def unit(session: Session) -> dict[str, Any]:
        queues = await transfers.read_workbench(session, call.officer, seen=seen_by(call, memory))
        rows = [row for one in queues for row in one.rows]
        late, late_total = await transfers.read_late(session, call.officer)
        return {
            "memory": memory_of(call, transfers.rows_as_seen(rows)),
            "mine": queues.pop(),
            "queues": queues,
            "urgent": most_urgent(queues),
            "late": late,
            "late_total": late_total,
            "links": links(call, await acts.read_peers(session)),
            "maintenance": await stations.maintenances(session),
            "now": session.node.business_now(),
            "machine_now": session.node.machine_now(),
        }

    return pages_of(request).render(request, "console/workbench.html", **await call.read(unit))


@router.get("/w/queue/{name}")
async def queue(
    request: Request, name: str, call: AtWork, after: Annotated[RowNumber, Query()] = 0, memory: str = ""
) -> Response:
    """One queue: oldest first, one primary action a row; `mine` is what the officer holds, `recent` what the station did last."""
    wanted = queue_of(call.officer.role, name)
    if wanted is None and name not in ("mine", "recent"):
        raise NotFound

    async def unit(session: Session) -> dict[str, Any]:
        seen = seen_by(call, memory)
        if name == "recent":
            cases = await acts.recent_cases(session, call.officer.post.station_code)
            rows = await transfers.read_cases(session, call.officer, cases, shown_as="recent", seen=seen)
            shown = QueuePage(None, rows, len(rows))
        else:
            shown = await transfers.read_queue(session, call.officer, wanted, after=after, seen=seen)
        return {"shown": shown, "memory": memory_of(call, transfers.rows_as_seen(shown.rows)), "now": session.node.business_now()}

    others = QUEUES.get(call.officer.role, ())
    return pages_of(request).render(
        request, "console/queue.html", name=name, queue=wanted, others=others, **await call.read(unit)
    )


@router.get("/help/keys", dependencies=[Depends(public("which keys there are is no secret"))])
async def keys(request: Request) -> Response:
    return pages_of(request).render(request, "console/keys.html")


@router.get("/events")
async def events(request: Request, call: Annotated[Call, Depends(page("access.me"))]) -> Response:
    """Hints that something changed; what, the page fetches by its own rules."""
    return StreamingResponse(call.wiring.hints.stream(call.officer.badge_no), media_type="text/event-stream")


def most_urgent(queues: list[QueuePage]) -> tuple[QueuePage, Row] | None:
    """Of the oldest cases of all queues the one whose time ends first; where none ends, the oldest of the first queue."""
    firsts = [(one, one.rows[0]) for one in queues if one.rows]
    ending = [(row.due, number) for number, (one, row) in enumerate(firsts) if row.due and one.queue and not one.queue.paused]
    if ending:
        return firsts[min(ending)[1]]
    return firsts[0] if firsts else None


def links(call: Call, heard: Any) -> list[dict[str, Any]]:
    """How it stands with each other bureau: heard lately, silent, or not answering."""
    node, known = call.wiring.node, {one["bureau"]: one for one in heard}
    found = []
    for bureau in (one.code for one in node.trust.current.peers_of(node.bureau)):
        at, tried, error = (known.get(bureau, {}).get(name) for name in ("last_heard", "last_attempt", "last_error"))
        if error:
            state = "down"
        elif at is not None and node.machine_now() - at < SILENT_AFTER:
            state = "heard"
        else:
            state = "silent"
        found.append({"bureau": bureau, "state": state, "heard": at, "tried": tried})
    return found
