"""What a page says about the other bureau and the bus: asked while somebody stands at the counter, so only for a moment."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.bureau.transfers.rules.case import Case
from shared.contract.questions import TransferStateAnswer
from shared.peers import PeerError

PATIENCE_SECONDS = 2.0  # longer, and the citizen waits for a page instead of an answer


@dataclass(frozen=True, slots=True)
class Told:
    """What the other bureau has answered; `answer` None: it has not, and `reason` says why."""

    answer: TransferStateAnswer | None
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """Whether a settlement would be answered at once."""

    told: Told
    bus: str | None
    """Why the bus does not work; None: it does."""

    @property
    def is_open(self) -> bool:
        return self.told.answer is not None and self.bus is None


async def ask_counterpart(wiring: Any, case: Case) -> Told:
    """How the case stands there; what it says of a decision goes through the ordinary receiving."""
    reason = ""
    answer = None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await wiring.enquiries.state_of(case.counterpart, case.case_id)
    except TimeoutError:
        reason = f"{PATIENCE_SECONDS:.0f} s"
    except PeerError as silent:
        reason = str(silent)
    return Told(answer, reason, wiring.node.machine_now())


async def look_at_line(wiring: Any, case: Case) -> Line:
    told, bus = await asyncio.gather(ask_counterpart(wiring, case), _bus(wiring))
    return Line(told, bus)


async def _bus(wiring: Any) -> str | None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            report = await wiring.health.report()
    except TimeoutError:
        return f"{PATIENCE_SECONDS:.0f} s"
    part = report["parts"]["bus"]
    return None if part["status"] == "ok" else str(part.get("reason", part["status"]))
