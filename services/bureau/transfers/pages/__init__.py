"""The pages of household transfer: one router for each thing that officers do with a case."""

from fastapi import APIRouter

from services.bureau.transfers.pages import holding, intake, searching

router = APIRouter(include_in_schema=False)
for part in (holding.router, intake.router, searching.router):
    router.include_router(part)
