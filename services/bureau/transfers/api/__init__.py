"""Transfers for officers, as JSON: thin, everything is in `acts`."""

from fastapi import APIRouter

from services.bureau.transfers.api import destination, origin, reading
from services.bureau.transfers.api.examples import CASE_EXAMPLE, responses_of

router = APIRouter(prefix="/api/v1", tags=["transfers"])
router.include_router(reading.router)
router.include_router(destination.router, responses=responses_of(CASE_EXAMPLE))
router.include_router(origin.router, responses=responses_of(CASE_EXAMPLE))
