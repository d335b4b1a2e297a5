"""The pages of a transfer: intake, search, the case, one form for each act, and the citizens' own. As the API they only call
`acts`."""

from fastapi import APIRouter

from services.bureau.transfers.pages import (
    cases,
    citizens,
    decision,
    forms,
    holding,
    intake,
    origin,
    query_codes,
    searching,
    settlement,
    slips,
)

router = APIRouter(include_in_schema=False)
for part in (intake, searching, cases, decision, origin, settlement, slips, query_codes, holding, citizens, forms):
    router.include_router(part.router)
