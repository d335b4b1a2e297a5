"""The acts that need a sentence or nothing: each has a page with its form, and the address that it is sent to."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page, typed
from services.bureau.transfers import acts
from services.bureau.transfers.acts.destination import VOID_BY_OFFICER
from services.bureau.transfers.api.forms import Missing, Reason, Voiding
from services.bureau.transfers.pages.common import Shown, about, changed, do_act, filled, look_at, render
from services.bureau.transfers.rules.errors import NotInThisState
from services.bureau.transfers.rules.possible import BY_NAME, CaseAct
from shared.contract.codes import VOID_TEXTS
from shared.database import Session
from shared.identifiers.errors import Fault

router = APIRouter()
Fields = Mapping[str, str]
Do = Callable[[Session, Call, UUID, Fields], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class ActForm:
    """One act of this kind: what it does with what was typed."""

    name: str
    do: Do

    @property
    def act(self) -> CaseAct:
        return BY_NAME[self.name]


def _of_reason(act: Callable[..., Awaitable[Any]]) -> Do:
    return lambda session, call, case, fields: act(session, call.officer, case, filled(Reason, fields).reason)


def _of_nothing(act: Callable[..., Awaitable[Any]]) -> Do:
    return lambda session, call, case, fields: act(session, call.officer, case)


async def _void(session: Session, call: Call, case: UUID, fields: Fields) -> Any:
    form = filled(Voiding, fields)
    return await acts.void(session, call.officer, case, form.reason_code, form.reason_text)


async def _restore(session: Session, call: Call, case: UUID, fields: Fields) -> Any:
    """Only what belongs to the chosen household counts: the others may still hold what was typed before."""
    wanted = {"existing": ("household_no", "relation_to_head_code"), "new": ("new_household_address",)}
    names = ("reason", *wanted.get(fields.get("where", ""), ()))
    return await acts.restore(session, call.officer, case, filled(acts.RestoreForm, {name: fields.get(name) for name in names}))


ACT_FORMS: Sequence[ActForm] = (
    ActForm("accept", lambda session, call, case, fields: acts.accept(session, call.officer, case, call.wiring.rulebook)),
    ActForm("submit", _of_nothing(acts.submit)),
    ActForm("supplemented", _of_nothing(acts.supplemented)),
    ActForm(
        "ask-supplement",
        lambda session, call, case, fields: acts.ask_supplement(session, call.officer, case, filled(Missing, fields).missing),
    ),
    ActForm("withdraw", _of_reason(acts.withdraw)),
    ActForm("void", _void),
    ActForm("wait", _of_reason(acts.wait)),
    ActForm("request-reissue", _of_reason(acts.request_reissue)),
    ActForm("ask-cancel", _of_reason(acts.ask_cancel)),
    ActForm("reissue", _of_nothing(acts.reissue)),
    ActForm("restore", _restore),
)


async def act_page(
    request: Request,
    call: Call,
    case: UUID,
    act: CaseAct,
    faults: Sequence[Fault] = (),
    fields: Fields | None = None,
    status: int = 200,
) -> Response:
    """The page with the form of an act."""

    async def unit(session: Session) -> Shown:
        shown = await look_at(session, call, case)
        await acts.require_act(session, call.officer, act, shown.case)
        return shown

    try:
        shown = await call.read(unit)
    except NotInThisState as gone:
        return await changed(request, call, case, act, gone)
    reasons = [(reason.value, VOID_TEXTS[reason]) for reason in VOID_TEXTS if reason in VOID_BY_OFFICER]
    given = {"act": act, "reasons": reasons, "faults": faults, "typed": fields or {}}
    return render(request, call, shown, "act.html", status=status, **given)


def _serve(form: ActForm) -> None:
    act = form.act

    @router.get(f"/w/case/{{case}}/{act.name}", name=f"page of {act.name}")
    async def show(request: Request, case: UUID, call: Annotated[Call, Depends(page("transfers.read"))]) -> Response:
        return await act_page(request, about(call, case), case, act)

    @router.post(f"/w/case/{{case}}/{act.name}", name=act.name)
    async def do(request: Request, case: UUID, call: Annotated[Call, Depends(page(act.action))]) -> Response:
        call, fields = about(call, case), await typed(request)
        return await do_act(
            request,
            call,
            case,
            act,
            lambda session: form.do(session, call, case, fields),
            again=lambda faults, typed_fields, status: act_page(request, call, case, act, faults, typed_fields, status),
        )


for one in ACT_FORMS:
    _serve(one)
