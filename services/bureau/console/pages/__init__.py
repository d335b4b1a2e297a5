"""Pages of the whole node: the workbench, and what operators and auditors see."""

from fastapi import APIRouter

from services.bureau.console.pages import audit, maintenance, operations, start, workbench

router = APIRouter(include_in_schema=False)
for part in (start, workbench, operations, maintenance, audit):
    router.include_router(part.router)
