"""The pages of a transfer: the case, and one form for each act. As the API they only call `acts`."""

from fastapi import APIRouter

from services.bureau.transfers.pages import cases, decision, forms, holding, origin, settlement, slips

router = APIRouter(include_in_schema=False)
for part in (cases, decision, origin, settlement, slips, holding, forms):
    router.include_router(part.router)
