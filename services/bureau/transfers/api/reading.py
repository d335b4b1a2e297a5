"""Reading cases, looking up the origin, asking again."""

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic_core import to_json

from services.bureau.access.calls import Call, act
from services.bureau.transfers import acts
from services.bureau.transfers.acts.reading import MOST_CASES, PAGE_CASES
from services.bureau.transfers.rules.view import case_view, finding_view
from services.bureau.transfers.states import State
from shared.database import Session
from shared.web import RowNumber

router = APIRouter()


@router.get("/transfers")
async def list_cases(
    call: Annotated[Call, Depends(act("transfers.read"))],
    state: State | None = None,
    after: Annotated[RowNumber, Query(description="offset: `next` of the page before")] = 0,
    most: Annotated[int, Query(ge=1, le=MOST_CASES)] = PAGE_CASES,
) -> Response:
    """Cases of the officer's station, region or bureau, longest in their state first: all that are open, or one state's."""
    wanted = None if state is None else state.value
    page = await call.read(lambda session: acts.queue(session, call.officer, state=wanted, after=after, most=most))
    return _json(asdict(page))


@router.get("/transfers/{case}")
async def read_case(case: UUID, call: Annotated[Call, Depends(act("transfers.read"))]) -> Response:
    """One case. While it is being settled, the origin is asked first: its close settles the case on the spot."""
    found, receipts, grant = await call.read(lambda session: acts.read_case(session, call.officer, case))
    if found.in_state(State.SETTLING):
        await call.wiring.enquiries.try_state_of(found.counterpart, case)
        found, receipts, grant = await call.read(lambda session: acts.read_case(session, call.officer, case))
    return _json(grant.filtered(case_view(found) | {"receipts": receipts}))


@router.get("/transfers/{case}/findings")
async def read_findings(case: UUID, call: Annotated[Call, Depends(act("transfers.verify"))]) -> Response:
    """The received permit beside the own register: what speaks against sealing, by code R01-R10."""
    found = await call.read(lambda session: acts.read_findings(session, call.officer, case))
    return _json({"findings": [finding_view(one) for one in found]})


@router.post("/transfers/{case}/look-up")
async def look_up(case: UUID, call: Annotated[Call, Depends(act("transfers.look_up_origin"))]) -> Response:
    """Ask the origin's register about the people of a case: advice for the officer, never a gate."""
    found = await call.read(lambda session: acts.begin_look_up(session, call.officer, case))
    return _json({"people": await call.wiring.enquiries.look_up(call.officer, found)})


@router.post("/transfers/{case}/ask-again")
async def ask_again(case: UUID, call: Annotated[Call, Depends(act("transfers.ask_again"))]) -> Response:
    """Say again, now, what waits for the counterpart's answer."""

    async def unit(session: Session) -> dict[str, Any]:
        return {"asked": await acts.ask_again(session, call.officer, case)}

    return await call.once(unit)


def _json(body: Any) -> Response:
    return Response(to_json(body), media_type="application/json")
