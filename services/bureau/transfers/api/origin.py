"""Acts at the origin."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from services.bureau.access.calls import Call, act
from services.bureau.transfers import acts
from services.bureau.transfers.api.destination import do
from services.bureau.transfers.api.forms import Reason
from services.bureau.transfers.rules.errors import CounterpartSilent
from shared.peers import PeerError
from shared.web import Conflict

router = APIRouter()


@router.post("/transfers/{case}/seal")
async def seal(case: UUID, form: acts.SealForm, call: Annotated[Call, Depends(act("transfers.seal"))]) -> Response:
    """迁出注销: cancelled out by law, the migration certificate goes to the destination; our register still answers.

    The destination is asked first whether the permit still stands; when it is silent, `without_answer` goes on without it."""
    try:
        answered = await ask_destination(call, case, go_on_without=form.without_answer)
    except Conflict:  # sealed already, perhaps by this very request, sent again
        if (kept := await call.answered()) is None:
            raise
        return kept
    form = form.model_copy(update={"without_answer": not answered})
    return await do(call, lambda session: acts.seal(session, call.officer, case, form))


async def ask_destination(call: Call, case: UUID, *, go_on_without: bool) -> bool:
    """Whether it has answered; what it said went through the ordinary receiving. Raises CounterpartSilent."""
    bureau = await call.read(lambda session: acts.destination_of_unsealed(session, call.officer, case))
    try:
        await call.wiring.enquiries.state_of(bureau, case)
    except PeerError:
        if go_on_without:
            return False
        since = await call.read(lambda session: acts.silent_since(session, bureau))
        raise CounterpartSilent(bureau, "-" if since is None else since.isoformat(timespec="seconds")) from None
    return True


@router.post("/transfers/{case}/return")
async def return_permit(case: UUID, form: acts.ReturnForm, call: Annotated[Call, Depends(act("transfers.return"))]) -> Response:
    """退回, R01-R10."""
    return await do(call, lambda session: acts.return_permit(session, call.officer, case, form))


@router.post("/transfers/{case}/ask-cancel")
async def ask_cancel(case: UUID, form: Reason, call: Annotated[Call, Depends(act("transfers.ask_cancel"))]) -> Response:
    """The citizen does not want to move any more: the destination decides."""
    return await do(call, lambda session: acts.ask_cancel(session, call.officer, case, form.reason))


@router.post("/transfers/{case}/reissue")
async def reissue(case: UUID, call: Annotated[Call, Depends(act("transfers.reissue"))]) -> Response:
    """补发: a new number, the old one is void."""
    return await do(call, lambda session: acts.reissue(session, call.officer, case))


@router.post("/transfers/{case}/restore")
async def restore(case: UUID, form: acts.RestoreForm, call: Annotated[Call, Depends(act("transfers.restore"))]) -> Response:
    """恢复户口: the legal entry after the destination has voided."""
    return await do(call, lambda session: acts.restore(session, call.officer, case, form))
