"""The pages of a transfer: intake, the case, and one form for each act. As the API they only call `acts`."""

from fastapi import APIRouter

from services.bureau.transfers.pages import cases, decision, forms, holding, intake, origin, settlement, slips

router = APIRouter(include_in_schema=False)
for part in (intake, cases, decision, origin, settlement, slips, holding, forms):
    router.include_router(part.router)
