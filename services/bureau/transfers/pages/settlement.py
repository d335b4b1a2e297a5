"""落户 at the counter: whether the origin and the bus answer comes before the signature."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page, typed
from services.bureau.transfers import acts
from services.bureau.transfers.pages.common import Shown, about, changed, do_act, filled, look_at, render
from services.bureau.transfers.pages.peers import look_at_line
from services.bureau.transfers.rules.errors import NotInThisState
from services.bureau.transfers.rules.possible import BY_NAME
from services.bureau.transfers.states import State
from shared.database import Session
from shared.identifiers.errors import Fault
from shared.web import number_of

router = APIRouter()
SIGNED, NOT_SIGNING = "signed", "not_signing"
AFTER = (State.SETTLING, State.HERE)


async def _page(
    request: Request,
    call: Call,
    case: UUID,
    faults: Sequence[Fault] = (),
    fields: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    async def unit(session: Session) -> Shown:
        shown = await look_at(session, call, case, request.query_params.get("memory", ""))
        acts.may(session, call.officer, "transfers.settle", shown.case)
        if not shown.case.in_state(*AFTER):
            await acts.require_act(session, call.officer, BY_NAME["settle"], shown.case)
        return shown

    try:
        shown = await call.read(unit)
    except NotInThisState as gone:
        return await changed(request, call, case, BY_NAME["settle"], gone)
    line = None
    if not shown.case.has_ended:
        line = await look_at_line(call.wiring, shown.case)  # what it has decided meanwhile has been received by now
        memory = shown.memory
        shown = await call.read(lambda session: look_at(session, call, case, memory))
    heard = await call.read(lambda session: acts.silent_since(session, shown.case.counterpart))
    ended = shown.case.certificate_valid_until is not None and shown.now.date() > shown.case.certificate_valid_until
    given = {"line": line, "heard": heard, "certificate_ended": ended, "faults": faults, "typed": fields or {}}
    asked = request.query_params.get("done") == "settle" and bool(shown.case.in_state(*AFTER))
    return render(request, call, shown, "settle.html", status=status, done=BY_NAME["settle"] if asked else None, **given)


@router.get("/w/case/{case}/settle")
async def settle_page(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.read"))]) -> Response:
    return await _page(request, about(call, case), case)


@router.post("/w/case/{case}/settle")
async def settle(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.settle"))]) -> Response:
    """签字落户, or with nobody answering 先签字，后领取: the same act."""
    call, fields = about(call, case), await typed(request)
    named: dict[str, list[int]] = {SIGNED: [], NOT_SIGNING: []}
    for name, value in fields.items():
        kind, _, place = name.partition("-")
        number = number_of(place) if kind == "member" else None
        if number is not None and value in named:
            named[value].append(number)

    async def run(session: Session) -> Any:
        form = filled(acts.SettlementForm, {**fields, SIGNED: tuple(named[SIGNED]), NOT_SIGNING: tuple(named[NOT_SIGNING])})
        return await acts.settle(session, call.officer, case, form)

    async def again(faults: Sequence[Fault], typed_fields: Mapping[str, str], status: int) -> Response:
        return await _page(request, call, case, faults, typed_fields, status)

    return await do_act(request, call, case, BY_NAME["settle"], run, again=again)
