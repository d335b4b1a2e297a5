"""The pages of a transfer: intake, the case, one form for each act, and the citizens' own. As the API they only call `acts`."""

from fastapi import APIRouter

from services.bureau.transfers.pages import (
    cases,
    citizens,
    decision,
    forms,
    holding,
    intake,
    origin,
    searching,
    settlement,
    slips,
)

router = APIRouter(include_in_schema=False)
for part in (citizens, searching, intake, cases, decision, origin, settlement, slips, holding, forms):
    router.include_router(part.router)
