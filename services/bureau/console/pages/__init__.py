"""Pages of the whole node: the workbench, and what operators and auditors see."""

from fastapi import APIRouter

from services.bureau.console.pages import workbench

router = APIRouter(include_in_schema=False)
for part in (workbench,):
    router.include_router(part.router)
