<<<<<<< HEAD
"""Pages of transfers, thin over `acts`: what citizens see, and what officers work on."""

from fastapi import APIRouter

from services.bureau.transfers.pages import citizens

router = APIRouter(include_in_schema=False)
router.include_router(citizens.router)
=======
"""The pages of household transfer: one router for each thing that officers do with a case."""

from fastapi import APIRouter

from services.bureau.transfers.pages import holding

router = APIRouter(include_in_schema=False)
for part in (holding.router,):
    router.include_router(part)
>>>>>>> de14f03aa5b8252804c7ccb3ce284c6efdf956b2
