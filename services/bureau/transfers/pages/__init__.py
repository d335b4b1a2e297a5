"""The pages of household transfer: one router for each thing that officers do with a case, and the citizens' own."""

from fastapi import APIRouter

from services.bureau.transfers.pages import citizens, holding

router = APIRouter(include_in_schema=False)
for part in (citizens.router, holding.router):
    router.include_router(part)
