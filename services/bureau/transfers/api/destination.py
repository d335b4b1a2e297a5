"""Acts at the destination."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Response

from services.bureau.access.calls import Call, act
from services.bureau.transfers import acts
from services.bureau.transfers.api.examples import APPLICATION_EXAMPLES
from services.bureau.transfers.api.forms import Approval, Missing, Reason, Voiding
from services.bureau.transfers.rules.application import ApplicationForm
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.view import case_view
from shared.database import Session

router = APIRouter()


async def do(call: Call, unit: Callable[[Session], Awaitable[Case]], *, status: int = 200) -> Response:
    """Do an act once and answer with the case as it now stands."""

    async def shown(session: Session) -> dict[str, Any]:
        return case_view(await unit(session))

    return await call.once(shown, status=status)


@router.post("/transfers", status_code=201)
async def open_case(
    call: Annotated[Call, Depends(act("transfers.open"))],
    form: Annotated[ApplicationForm, Body(openapi_examples=APPLICATION_EXAMPLES)],
    previous_case: UUID | None = None,
) -> Response:
    """Take an application as a draft (暂存). The answer alone shows the citizen's query code: print it on the receipt."""

    async def unit(session: Session) -> dict[str, Any]:
        opened = await acts.open_case(session, call.officer, form, previous=previous_case)
        return case_view(opened.case) | {"query_code": opened.query_code}

    return await call.once(unit, status=201)


@router.post("/transfers/{case}/accept")
async def accept(case: UUID, call: Annotated[Call, Depends(act("transfers.accept"))]) -> Response:
    """受理. The dated rules between the two provinces are judged by this day."""
    return await do(call, lambda session: acts.accept(session, call.officer, case, call.wiring.rulebook))


@router.post("/transfers/{case}/ask-supplement")
async def ask_supplement(case: UUID, form: Missing, call: Annotated[Call, Depends(act("transfers.ask_supplement"))]) -> Response:
    """一次性告知, 待补正."""
    return await do(call, lambda session: acts.ask_supplement(session, call.officer, case, form.missing))


@router.post("/transfers/{case}/supplemented")
async def supplemented(case: UUID, call: Annotated[Call, Depends(act("transfers.supplemented"))]) -> Response:
    """已补正."""
    return await do(call, lambda session: acts.supplemented(session, call.officer, case))


@router.post("/transfers/{case}/submit")
async def submit(case: UUID, call: Annotated[Call, Depends(act("transfers.submit"))]) -> Response:
    """提交审批."""
    return await do(call, lambda session: acts.submit(session, call.officer, case))


@router.post("/transfers/{case}/withdraw")
async def withdraw(case: UUID, form: Reason, call: Annotated[Call, Depends(act("transfers.withdraw"))]) -> Response:
    """撤回, before approval; afterwards it is a void."""
    return await do(call, lambda session: acts.withdraw(session, call.officer, case, form.reason))


@router.post("/transfers/{case}/approve")
async def approve(case: UUID, form: Approval, call: Annotated[Call, Depends(act("transfers.approve"))]) -> Response:
    """准予迁入 by the branch's population office: the permit goes to the origin."""
    return await do(call, lambda session: acts.approve(session, call.officer, case, form.hrss_approval_no))


@router.post("/transfers/{case}/approve-talent")
async def approve_talent(case: UUID, form: Approval, call: Annotated[Call, Depends(act("transfers.approve_talent"))]) -> Response:
    """准予迁入 of a talent, on the HRSS approval number."""
    return await do(call, lambda session: acts.approve(session, call.officer, case, form.hrss_approval_no))


@router.post("/transfers/{case}/refuse")
async def refuse(case: UUID, form: Reason, call: Annotated[Call, Depends(act("transfers.refuse"))]) -> Response:
    """不予批准."""
    return await do(call, lambda session: acts.refuse(session, call.officer, case, form.reason))


@router.post("/transfers/{case}/void")
async def void(case: UUID, form: Voiding, call: Annotated[Call, Depends(act("transfers.void"))]) -> Response:
    """作废: withdrawn, expired or issued wrongly; told to the origin."""
    return await do(call, lambda session: acts.void(session, call.officer, case, form.reason_code, form.reason_text))


@router.post("/transfers/{case}/wait")
async def wait(case: UUID, form: Reason, call: Annotated[Call, Depends(act("transfers.wait"))]) -> Response:
    """The permit has ended without a migration certificate: wait on, with a reason."""
    return await do(call, lambda session: acts.wait(session, call.officer, case, form.reason))


@router.post("/transfers/{case}/request-reissue")
async def request_reissue(case: UUID, form: Reason, call: Annotated[Call, Depends(act("transfers.request_reissue"))]) -> Response:
    """Ask the origin for a new migration certificate (补发)."""
    return await do(call, lambda session: acts.request_reissue(session, call.officer, case, form.reason))


@router.post("/transfers/{case}/issue-query-code")
async def issue_query_code(
    case: UUID, form: acts.QueryCodeForm, call: Annotated[Call, Depends(act("transfers.issue_query_code"))]
) -> Response:
    """换发查询码: the receipt is lost. The answer alone shows the new code; the old one is none from now on.

    Until 60 days after the case's end, and by the station that has it."""

    async def unit(session: Session) -> dict[str, Any]:
        issued = await acts.issue_query_code(session, call.officer, case, form)
        return case_view(issued.case) | {"query_code": issued.query_code}

    return await call.once(unit)


@router.post("/transfers/{case}/settle")
async def settle(case: UUID, form: acts.SettlementForm, call: Annotated[Call, Depends(act("transfers.settle"))]) -> Response:
    """落户: the citizen has signed. HERE follows when the origin has let go: read the case again."""
    return await do(call, lambda session: acts.settle(session, call.officer, case, form))
