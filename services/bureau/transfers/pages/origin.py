"""核验: the pushed permit beside the own register; sealing and returning."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page, typed
from services.bureau.transfers import acts
from services.bureau.transfers.api.origin import ask_destination
from services.bureau.transfers.pages.common import Again, Shown, about, changed, do_act, filled, look_at, render
from services.bureau.transfers.rules.comparison import Comparison
from services.bureau.transfers.rules.errors import CounterpartSilent, NotInThisState
from services.bureau.transfers.rules.findings import OFFICERS_CHOICE
from services.bureau.transfers.rules.possible import BY_NAME
from shared.contract.codes import RETURN_TEXTS
from shared.database import Session
from shared.identifiers.errors import Fault

router = APIRouter()


async def _page(
    request: Request,
    call: Call,
    case: UUID,
    faults: Sequence[Fault] = (),
    fields: Mapping[str, str] | None = None,
    status: int = 200,
    silent: CounterpartSilent | None = None,
    revealed: bool = False,
) -> Response:
    async def unit(session: Session) -> tuple[Shown, Comparison]:
        if revealed:
            await acts.reveal_numbers(session, call.officer, case)
        shown = await look_at(session, call, case)
        await acts.require_act(session, call.officer, BY_NAME["return"], shown.case)
        return shown, await acts.read_comparison(session, call.officer, shown.case)

    try:
        shown, compared = await call.read(unit)
    except NotInThisState as gone:
        return await changed(request, call, case, BY_NAME["return"], gone)
    found = {one.code for one in compared.findings}
    codes = [(code.value, code.value, text) for code, text in RETURN_TEXTS.items() if code in OFFICERS_CHOICE | found]
    given = {
        "compared": compared,
        "codes": codes,
        "silent": silent,
        "faults": faults,
        "typed": fields or {},
        "revealed": revealed,
    }
    return render(request, call, shown, "review.html", status=status, **given)


@router.get("/w/case/{case}/review")
async def review(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.read"))]) -> Response:
    return await _page(request, about(call, case), case)


@router.post("/w/case/{case}/review")
async def reveal(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.verify"))]) -> Response:
    """显示（留痕）, beside the register."""
    return await _page(request, about(call, case), case, revealed=True)


@router.post("/w/case/{case}/seal")
async def seal(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.seal"))]) -> Response:
    """迁出注销并推送迁移证. The destination is asked first whether the permit still stands."""
    call, fields = about(call, case), await typed(request)
    given: dict[str, Any] = {
        "applicant_confirms": fields.get("applicant_confirms") == "yes",
        "without_answer": fields.get("without_answer") == "yes",
    }
    answered: list[bool] = []

    async def run(session: Session) -> Any:
        head = await acts.number_of_staying(session, call.officer, case, fields.get("new_head", ""))
        form = filled(acts.SealForm, given | {"new_head": head}).model_copy(update={"without_answer": not answered[0]})
        return await acts.seal(session, call.officer, case, form)

    try:
        answered.append(await ask_destination(call, case, go_on_without=given["without_answer"]))
    except NotInThisState:  # sealed already, perhaps by this very form, sent twice: the transaction decides
        answered.append(True)
    except CounterpartSilent as silent:
        return await _page(request, call, case, fields=fields, status=silent.status, silent=silent)
    return await do_act(request, call, case, BY_NAME["seal"], run, again=_again(request, call, case))


@router.post("/w/case/{case}/return")
async def return_permit(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.return"))]) -> Response:
    """退回, with its code."""
    call = about(call, case)

    async def run(session: Session) -> Any:
        return await acts.return_permit(session, call.officer, case, filled(acts.ReturnForm, await typed(request)))

    return await do_act(request, call, case, BY_NAME["return"], run, again=_again(request, call, case))


def _again(request: Request, call: Call, case: UUID) -> Again:
    return lambda faults, fields, status: _page(request, call, case, faults, fields, status)
