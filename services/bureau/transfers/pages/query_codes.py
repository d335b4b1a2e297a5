"""换发查询码 at the counter: the form, and the slip that shows the new code."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page, typed
from services.bureau.transfers import acts
from services.bureau.transfers.acts.tracking import is_proof
from services.bureau.transfers.pages.common import Shown, about, do_act, filled, look_at, render
from services.bureau.transfers.pages.forms import act_page
from services.bureau.transfers.rules.possible import BY_NAME
from shared.database import Session
from shared.identifiers.texts import N_
from shared.web import Conflict

router = APIRouter()
ACT = BY_NAME["issue-query-code"]


@router.get("/w/case/{case}/issue-query-code")
async def show(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.read"))]) -> Response:
    return await act_page(request, about(call, case), case, ACT)


@router.post("/w/case/{case}/issue-query-code")
async def issue(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.issue_query_code"))]) -> Response:
    """换发查询码. The slip is the answer, and no other page ever shows the code; sent again, the form shows it again."""
    call, fields = about(call, case), await typed(request)

    async def run(session: Session) -> dict[str, str]:
        form = filled(acts.QueryCodeForm, {"identity_checked": fields.get("identity_checked") == "yes"})
        return {"query_code": (await acts.issue_query_code(session, call.officer, case, form)).query_code}

    async def then(given: Mapping[str, Any]) -> Response:
        return await _slip(request, call, case, str(given["query_code"]))

    return await do_act(
        request,
        call,
        case,
        ACT,
        run,
        again=lambda faults, typed_fields, status: act_page(request, call, case, ACT, faults, typed_fields, status),
        then=then,
    )


async def _slip(request: Request, call: Call, case: UUID, code: str) -> Response:
    """Raises Conflict where the code has been replaced since: nobody prints one that opens nothing."""

    async def unit(session: Session) -> Shown:
        shown = await look_at(session, call, case)
        if not await is_proof(session, shown.case.apply_no or "", code):
            raise Conflict(N_("another query code has been issued since; this one opens nothing any more"), code="code_replaced")
        return shown

    return render(request, call, await call.read(unit), "slip.html", name="query-code", code=code)
