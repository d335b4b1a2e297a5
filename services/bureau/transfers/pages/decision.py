"""审批: the branch decides on the application, the dated rule, and what the origin's register says."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page, typed
from services.bureau.rulebook import DatedRule
from services.bureau.transfers import acts
from services.bureau.transfers.api.forms import Approval, Reason
from services.bureau.transfers.pages.common import Shown, about, changed, do_act, filled, look_at, render
from services.bureau.transfers.rules.application import movement_of
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.errors import NotInThisState
from services.bureau.transfers.rules.possible import BY_NAME, CaseAct
from shared.database import Session
from shared.identifiers.errors import Fault

router = APIRouter()


def decision_values(call: Call, case: Case) -> dict[str, Any]:
    """The rule in force when the application was accepted, and how the case is decided."""
    application, rule = case.file.application, None
    day = case.accepted_on or call.wiring.node.business_today()
    if application is not None:
        found = call.wiring.rulebook.find(movement_of(application, bureau=call.wiring.node.bureau), day)
        rule = found if isinstance(found, DatedRule) else None
    approve = BY_NAME["approve-talent" if case.category == "TALENT" else "approve"]
    return {"rule": rule, "rule_day": day, "approve": approve}


async def _page(
    request: Request,
    call: Call,
    case: UUID,
    faults: Sequence[Fault] = (),
    fields: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    async def unit(session: Session) -> Shown:
        shown = await look_at(session, call, case)
        if not shown.can("refuse"):
            await acts.require_act(session, call.officer, BY_NAME["refuse"], shown.case)
        return shown

    try:
        shown = await call.read(unit)
    except NotInThisState as gone:
        return await changed(request, call, case, BY_NAME["refuse"], gone)
    values = decision_values(call, shown.case)
    return render(request, call, shown, "decide.html", status=status, faults=faults, typed=fields or {}, **values)


@router.get("/w/case/{case}/decide")
async def decide(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.read"))]) -> Response:
    return await _page(request, about(call, case), case)


async def _do(request: Request, call: Call, case: UUID, act: CaseAct) -> Response:
    async def run(session: Session) -> Any:
        fields = await typed(request)
        if act.name == "refuse":
            return await acts.refuse(session, call.officer, case, filled(Reason, fields).reason)
        return await acts.approve(session, call.officer, case, filled(Approval, fields).hrss_approval_no)

    call = about(call, case)
    return await do_act(
        request, call, case, act, run, again=lambda faults, fields, status: _page(request, call, case, faults, fields, status)
    )


@router.post("/w/case/{case}/approve")
async def approve(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.approve"))]) -> Response:
    """准予迁入并推送."""
    return await _do(request, call, case, BY_NAME["approve"])


@router.post("/w/case/{case}/approve-talent")
async def approve_talent(
    request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.approve_talent"))]
) -> Response:
    """准予迁入 of a talent, on the HRSS number."""
    return await _do(request, call, case, BY_NAME["approve-talent"])


@router.post("/w/case/{case}/refuse")
async def refuse(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.refuse"))]) -> Response:
    """不予批准."""
    return await _do(request, call, case, BY_NAME["refuse"])
