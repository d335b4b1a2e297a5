"""Pages of transfers, thin over `acts`: what citizens see, and what officers work on."""

from fastapi import APIRouter

from services.bureau.transfers.pages import citizens

router = APIRouter(include_in_schema=False)
router.include_router(citizens.router)
