"""案卷: one case, its letters, what the origin tells of its people, who did what."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.bureau.access.calls import ROLE_NAMES, Call
from services.bureau.access.page_calls import page, typed
from services.bureau.transfers import acts
from services.bureau.transfers.acts.following import Trace
from services.bureau.transfers.pages.common import about, do_act, look_at, render
from services.bureau.transfers.pages.decision import decision_values
from services.bureau.transfers.pages.peers import ask_counterpart
from services.bureau.transfers.rules.comparison import Comparison
from services.bureau.transfers.rules.possible import BY_NAME
from services.bureau.transfers.states import State
from shared.database import Session
from shared.web import pages_of

router = APIRouter()
Reads = Annotated[Call, Depends(page("transfers.read"))]


@router.get("/w/case/{case}")
async def overview(request: Request, case: UUID, call: Reads, done: str = "", seen: str = "", memory: str = "") -> Response:
    """概要. While it is being settled the origin is asked first: its close settles the case on the spot."""
    call = about(call, case)
    follows = "hx-request" in request.headers and bool(seen)
    if follows and await call.read(lambda session: acts.is_as_seen(session, call.officer, case, seen)):
        return Response(status_code=204)
    shown = await call.read(lambda session: look_at(session, call, case, memory))
    if shown.case.in_state(State.SETTLING):
        await ask_counterpart(call.wiring, shown.case)
        shown = await call.read(lambda session: look_at(session, call, case, shown.memory))
    return render(request, call, shown, "overview.html", tab="overview", done=BY_NAME.get(done))


@router.post("/w/case/{case}/reveal")
async def reveal(request: Request, case: UUID, call: Reads) -> Response:
    """显示（留痕）: whole id numbers, after the row in the audit log that says who saw them."""
    call = about(call, case)

    async def unit(session: Session) -> Any:
        await acts.reveal_numbers(session, call.officer, case)
        return await look_at(session, call, case)

    return render(request, call, await call.read(unit), "overview.html", tab="overview", revealed=True)


@router.get("/w/case/{case}/compare")
async def comparison(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.verify"))]) -> Response:
    """比对: the permit beside the own register."""
    call = about(call, case)

    async def unit(session: Session) -> tuple[Any, Comparison]:
        shown = await look_at(session, call, case)
        return shown, await acts.read_comparison(session, call.officer, shown.case)

    shown, compared = await call.read(unit)
    return render(request, call, shown, "compare.html", tab="compare", compared=compared)


@router.get("/w/case/{case}/trace")
async def trace(
    request: Request, case: UUID, call: Reads, ask: str = "", done: str = "", seen: str = "", memory: str = ""
) -> Response:
    """流转: our letters and theirs, what is owed; on demand how the case stands at the other bureau, now."""
    call = about(call, case)
    follows = "hx-request" in request.headers and bool(seen)
    if follows and await call.read(lambda session: acts.trace_is_as_seen(session, call.officer, case, seen)):
        return Response(status_code=204)
    told = None
    if ask:
        asked = await call.read(lambda session: look_at(session, call, case, memory))
        told, memory = await ask_counterpart(call.wiring, asked.case), asked.memory

    async def unit(session: Session) -> tuple[Any, Trace, Any]:
        again = await look_at(session, call, case, memory)
        heard = await acts.silent_since(session, again.case.counterpart)
        return again, await acts.trace_of(session, again.case), heard

    shown, letters, heard = await call.read(unit)
    now_seen = f"{shown.seen}.{acts.seen_letters(letters, shown.owed)}"
    given = {"letters": letters, "seen": now_seen, "heard": heard, "told": told}
    return render(request, call, shown, "trace.html", tab="trace", done=BY_NAME.get(done), **given)


@router.post("/w/case/{case}/ask-again")
async def ask_again(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.ask_again"))]) -> Response:
    """催办: say again, now, what waits for the counterpart."""
    call = about(call, case)

    async def again(faults: Any, fields: Any, status: int) -> Response:
        shown = await call.read(lambda session: look_at(session, call, case))
        return render(request, call, shown, "overview.html", status=status, tab="overview", faults=faults, typed=fields)

    return await do_act(
        request, call, case, BY_NAME["ask-again"], lambda session: acts.ask_again(session, call.officer, case), again=again
    )


@router.post("/w/case/{case}/look-up")
async def look_up(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.look_up_origin"))]) -> Response:
    """What the origin's register says of the people: advice, never a gate. Shown where it was asked for."""
    call = about(call, case)
    found = await call.read(lambda session: acts.begin_look_up(session, call.officer, case))
    people = await call.wiring.enquiries.look_up(call.officer, found)
    shown = await call.read(lambda session: look_at(session, call, case))
    deciding = (await typed(request)).get("on") == "decide" and shown.can("refuse")
    if deciding:
        from_rules = decision_values(call, shown.case)
        return render(request, call, shown, "decide.html", tab="overview", people_there=people, **from_rules)
    return render(request, call, shown, "overview.html", tab="overview", people_there=people)


@router.get("/w/case/{case}/audit")
async def audit_log(request: Request, case: UUID, call: Annotated[Call, Depends(page("audit.read"))]) -> Response:
    """审计: every row about the case, for auditors, who see nothing else of it."""
    call = about(call, case)
    found, rows, more = await call.read(lambda session: acts.read_audit_of_case(session, call.officer, case))
    given: dict[str, Any] = {"apply_no": found.apply_no, "case_id": case, "rows": rows, "more": more, "role_names": ROLE_NAMES}
    return pages_of(request).render(request, "transfers/audit.html", **given)
