"""The node for its operators: links, queues, dead letters, timers, a case's way. No persons."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic_core import from_json
from starlette.responses import RedirectResponse, Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page, typed
from services.bureau.console import acts
from services.bureau.console.acts.peers import CLOCK_MAX_SECONDS, CLOCK_WARNS_SECONDS
from services.bureau.console.pages.charts import line_chart, sparkline, waterfall
from services.bureau.console.pages.words import WORDS
from services.bureau.transfers import acts as transfers
from shared.contract.registry import SCHEMAS
from shared.database import Session
from shared.envelope import certificate_end
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.messaging import dead_letters
from shared.messaging.dead_letters import MOST_AT_ONCE
from shared.peers import LOOK_EVERY_SECONDS
from shared.web import NotFound, RowNumber, is_visible, number_of, pages_of

router = APIRouter(include_in_schema=False)
Read = Annotated[Call, Depends(page("operations.read"))]
REASON_MAX_CHARACTERS = 500
DELAY_MOST_SECONDS = 5  # of the bus, p95: what is aimed at
LIMITS = {
    "look_every": round(LOOK_EVERY_SECONDS),
    "clock_warns": round(CLOCK_WARNS_SECONDS),
    "clock_most": CLOCK_MAX_SECONDS,
    "delay_most": DELAY_MOST_SECONDS,
}
SECONDS_OF_SCALE = 0.3  # what the delay's scale reaches at least
MESSAGES_OF_SCALE = 3


@router.get("/ops")
async def overview(request: Request, call: Read, wall: str = "") -> Response:
    """Everything at one moment; `?wall=1` for a wall that nobody touches."""
    snapshot = await call.read(acts.read_snapshot)
    delay = line_chart(list(snapshot.delays.items()), least=SECONDS_OF_SCALE, aim=DELAY_MOST_SECONDS)
    depth = line_chart([("depth", snapshot.depths)], least=MESSAGES_OF_SCALE)
    template = "console/wall.html" if wall == "1" else "console/operations.html"
    sparks = {"delay": snapshot.all_delays, "depth": snapshot.depths, "moved": snapshot.moved}
    drawn = {name: sparkline(values) for name, values in sparks.items()}
    return pages_of(request).render(request, template, node=snapshot, delay=delay, depth=depth, sparks=drawn, **WORDS, **LIMITS)


@router.get("/ops/peers")
async def peers(request: Request, call: Read) -> Response:
    snapshot, trust = await call.read(acts.read_snapshot), call.wiring.node.trust.current
    return pages_of(request).render(request, "console/peers.html", node=snapshot, trust=trust, **LIMITS)


@router.get("/ops/peers/{peer}")
async def peer(peer: str, request: Request, call: Read) -> Response:
    return await _peer_page(request, call, peer, probe=None)


@router.post("/ops/peers/{peer}/test")
async def probe_peer(peer: str, request: Request, call: Read) -> Response:
    """Ask the peer now; the page shows each step."""
    return await _peer_page(request, call, peer, probe=await acts.probe_peer(call.wiring, peer))


async def _peer_page(request: Request, call: Call, peer: str, *, probe: acts.Probe | None) -> Response:
    snapshot = await call.read(acts.read_snapshot)
    found = next((one for one in snapshot.peers if one.bureau == peer), None)
    if found is None:
        raise NotFound
    trust, now = call.wiring.node.trust.current, int(snapshot.at.timestamp())
    keys = [one for one in trust.keys if one.bureau == peer and one.exp > now]
    shown = {"peer": found, "listed": trust.bureau(peer), "keys": keys, "trust": trust, "probe": probe, "now": now}
    return pages_of(request).render(request, "console/peer.html", at=snapshot.at, **shown, **LIMITS)


@router.get("/ops/outbox")
async def outbox(request: Request, call: Read) -> Response:
    snapshot = await call.read(acts.read_snapshot)
    return pages_of(request).render(request, "console/outbox.html", node=snapshot)


@router.get("/ops/inbox")
async def inbox(request: Request, call: Read) -> Response:
    return pages_of(request).render(request, "console/inbox.html", **await call.read(acts.read_inbox))


@router.get("/ops/owed")
async def owed(request: Request, call: Read) -> Response:
    snapshot = await call.read(acts.read_snapshot)
    return pages_of(request).render(request, "console/owed.html", node=snapshot, **WORDS)


@router.post("/ops/owed/{case}/ask-again")
async def ask_again(case: UUID, request: Request, call: Annotated[Call, Depends(page("transfers.ask_again"))]) -> Response:
    async def unit(session: Session) -> dict[str, Any]:
        return {"asked": await transfers.ask_again(session, call.officer, case)}

    await call.once(unit)
    return RedirectResponse("/ops/owed", 303)


@router.get("/ops/dlq")
async def letters(request: Request, call: Read) -> Response:
    return await _letters_page(request, call)


async def _letters_page(request: Request, call: Call, *, status: int = 200, **values: Any) -> Response:
    snapshot = await call.read(acts.read_snapshot)
    shown = {"results": None, **values}
    return pages_of(request).render(
        request, "console/letters.html", status=status, node=snapshot, reasons=snapshot.letter_counts, **shown
    )


@router.post("/ops/dlq/replay")
async def replay(request: Request, call: Annotated[Call, Depends(page("operations.replay"))]) -> Response:
    """Handle the chosen letters again, one by one, here: a browser that goes away stops nothing."""
    if (kept := await call.answered()) is None:
        chosen = [str(one) for one in (await request.form()).getlist("letter")]
        numbers = [number for one in chosen if (number := number_of(one)) is not None]
        if not numbers or len(numbers) != len(chosen) or len(numbers) > MOST_AT_ONCE:
            message, values = N_("choose 1 to {most} letters"), {"most": MOST_AT_ONCE}
            return await _letters_page(request, call, status=422, faults=[Fault("letters", "chosen", "", message, values)])
        results = await acts.replay_letters(call.wiring, numbers, call.officer.actor)

        async def told(session: Session) -> dict[str, Any]:
            return {"results": results}

        kept = await call.once(told)
    return await _letters_page(request, call, results=from_json(bytes(kept.body))["results"])


@router.get("/ops/dlq/{letter}")
async def letter(letter: RowNumber, request: Request, call: Read) -> Response:
    return await _letter_page(request, call, letter)


async def _letter_page(request: Request, call: Call, letter: int, *, status: int = 200, **values: Any) -> Response:
    found = await call.read(lambda session: dead_letters.list_open(session, after=letter - 1, most=1))
    if not found or found[0].id != letter:
        raise NotFound
    shown = {"would": None, "letter": found[0], **values}
    return pages_of(request).render(request, "console/letter.html", status=status, **shown)


@router.post("/ops/dlq/{letter}/preview")
async def preview(letter: RowNumber, request: Request, call: Annotated[Call, Depends(page("operations.replay"))]) -> Response:
    """What a replay would do now, without doing it."""
    wiring = call.wiring
    try:
        would = await dead_letters.preview(wiring.bus_database, wiring.receiver, letter, call.officer.actor)
    except dead_letters.NoSuchLetter:
        raise NotFound from None
    return await _letter_page(request, call, letter, would=would)


@router.post("/ops/dlq/{letter}/skip")
async def skip(letter: RowNumber, request: Request, call: Annotated[Call, Depends(page("operations.skip"))]) -> Response:
    given = await typed(request)
    reason = given.get("reason", "").strip()
    if not 0 < len(reason) <= REASON_MAX_CHARACTERS or not is_visible(reason):
        message, values = N_("say why, in 1 to {most} characters"), {"most": REASON_MAX_CHARACTERS}
        faults = [Fault("reason", "reason", "", message, values)]
        return await _letter_page(request, call, letter, status=422, faults=faults, typed=given)
    await call.once(lambda session: acts.skip_letter(session, letter, reason))
    return RedirectResponse("/ops/dlq", 303)


@router.get("/ops/timers")
async def timers(request: Request, call: Read) -> Response:
    return pages_of(request).render(request, "console/timers.html", **await call.read(acts.read_timers), **WORDS)


@router.get("/ops/cases/{case}")
async def case(case: UUID, request: Request, call: Read) -> Response:
    """A case's way through this node, and how it stands at the other one, which is asked now."""

    async def unit(session: Session) -> tuple[acts.Way, Any]:
        return await acts.way_of_case(session, case), await acts.messages_of_case(session, case)

    way, (sent, received) = await call.read(unit)
    if not way.steps:
        raise NotFound
    there = {one: await call.wiring.enquiries.try_state_of(one, case) for one in way.counterparts}
    steps = list(zip(way.steps, waterfall([row.at.timestamp() for row in way.steps]), strict=True))
    shown = {"case": case, "steps": steps, "looks": way.looks, "there": there, "sent": sent, "received": received}
    return pages_of(request).render(request, "console/way.html", **shown, **WORDS)


@router.get("/ops/about")
async def about(request: Request, call: Read) -> Response:
    wiring = call.wiring
    settings = wiring.settings
    configuration = {
        "bureau": settings.bureau,
        "environment": settings.environment,
        "replica": settings.replica,
        "bus": type(wiring.bus).__name__,
        "issuer": wiring.issuer,
    }
    return pages_of(request).render(
        request,
        "console/about.html",
        configuration=configuration,
        schemas=sorted(SCHEMAS),
        trust=wiring.node.trust.current,
        python=platform.python_version(),
        program=version("quanyu"),
        revision=await call.read(acts.read_revision),
        certificate_ends_at=datetime.fromtimestamp(certificate_end(settings.keys_folder / "tls" / "leaf.pem"), UTC),
    )
