"""Dead letters as operators see them, and how a test comes by one."""

from datetime import timedelta
from typing import Any

from shared.messaging.bus import Record
from tests.node.bureau import Bureau
from tests.node.transfers.cases import O_OPERATOR, permit_for

LETTERS = "/api/v1/operations/dead-letters"


async def letters(bureau: Bureau, query: str = "") -> list[dict[str, Any]]:
    answer = await bureau.ask(O_OPERATOR, "GET", f"{LETTERS}{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["letters"]
    return found


async def preview(bureau: Bureau, letter: int) -> Any:
    return await bureau.ask(O_OPERATOR, "POST", f"{LETTERS}/{letter}/preview")


async def replay(bureau: Bureau, *numbers: int) -> list[str]:
    answer = await bureau.ask(O_OPERATOR, "POST", f"{LETTERS}/replay", {"letters": numbers})
    assert answer.status_code == 200, answer.text
    return [result["outcome"] for result in answer.json()["results"]]


async def from_the_future(zhejiang: Bureau) -> Record:
    """A permit from a sender whose clock is ahead of ours: kept, and good once ours has followed."""
    record = zhejiang.sealed(permit_for(), by="shanghai")
    zhejiang.machine.offset = -timedelta(minutes=10)
    zhejiang._tokens.clear()
    await zhejiang.deliver(record)
    return record
