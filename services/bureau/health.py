"""How a node is: its loops, its database, its bus, its keys. One object a node; the loops write, /health and /metrics read."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from shared.database import Database, DatabaseDown, NodeContext
from shared.envelope import EnvelopeError
from shared.messaging.bus import Bus, BusDown

Status = Literal["ok", "degraded", "failing"]
STALLED_SECONDS = 120  # a loop without progress for so long is reported, whatever it says of itself
CLOCKS_AGREE = timedelta(seconds=1)
KEY_WARNING_SECONDS = 14 * 86400  # roots are offline: a new key needs days, not minutes
ORDER: Mapping[Status, int] = {"ok": 0, "degraded": 1, "failing": 2}


@dataclass(slots=True)
class LoopState:
    """What a supervised loop says of itself; `progressed_at` is monotonic time."""

    progressed_at: float
    restarts: int = 0
    error: str | None = None


class Health:
    """The state of one node. A part that is down is named with its reason; the node goes on with the others."""

    def __init__(self, node: NodeContext, database: Database, bus: Bus) -> None:
        self._node = node
        self._database = database
        self._bus = bus
        self.loops: dict[str, LoopState] = {}

    def progressed(self, loop: str) -> None:
        state = self.loops.setdefault(loop, LoopState(time.monotonic()))
        state.progressed_at, state.error = time.monotonic(), None

    def failed(self, loop: str, error: BaseException) -> None:
        state = self.loops.setdefault(loop, LoopState(time.monotonic()))
        state.restarts, state.error = state.restarts + 1, f"{type(error).__name__}: {error}"

    async def report(self) -> dict[str, Any]:
        """{"status", "parts": {name: {"status", "reason"?}}}; the status is that of the worst part."""
        parts = {
            "database": await self._database_part(),
            "bus": await self._bus_part(),
            "keys": self._keys_part(),
            "trust_list": self._trust_list_part(),
        } | {f"loop.{name}": self._loop_part(state) for name, state in self.loops.items()}
        worst = max((part["status"] for part in parts.values()), key=lambda status: ORDER[status])
        business = self._node.business_now()
        is_set = abs(business - self._node.machine_now()) > CLOCKS_AGREE
        return {
            "status": worst,
            "bureau": self._node.bureau,
            "business_time": business.isoformat(timespec="seconds"),
            "business_clock_is_set": is_set,  # only stories and the demo set it: whoever sees true there looks at no real case
            "parts": parts,
        }

    async def _database_part(self) -> dict[str, Any]:
        try:
            await self._database.ping()
        except DatabaseDown as down:
            return _part("failing", str(down))
        return _part("ok")

    async def _bus_part(self) -> dict[str, Any]:
        try:
            await self._bus.ping()
        except BusDown as down:
            return _part("degraded", down.reason)  # facts wait in the outbox; nothing is lost, officers go on
        return _part("ok")

    def _keys_part(self) -> dict[str, Any]:
        now = int(self._node.machine_now().timestamp())
        try:
            signing = self._node.ring.signing_key(now)
        except EnvelopeError as error:
            return _part("failing", str(error))
        listed = self._node.trust.key(signing.kid)
        if listed is None or (listed.revoked_at is not None and listed.revoked_at <= now):
            return _part("failing", f"{signing.kid} is not valid in the trust list")
        left = min(signing.exp, listed.exp) - now
        if left < KEY_WARNING_SECONDS:
            return _part("degraded", f"{signing.kid} ends in {left // 3600} hours")
        return _part("ok")

    def _trust_list_part(self) -> dict[str, Any]:
        freshness = self._node.trust.current.freshness(int(self._node.machine_now().timestamp()))
        if self._node.trust.forks():
            return _part("degraded", "two lists of one version: a person must decide")
        return _part("ok") if freshness == "fresh" else _part("degraded", f"the trust list is {freshness}")

    @staticmethod
    def _loop_part(state: LoopState) -> dict[str, Any]:
        if state.error is not None:
            return _part("degraded", state.error)
        quiet = time.monotonic() - state.progressed_at
        return _part("ok") if quiet < STALLED_SECONDS else _part("degraded", f"no progress for {quiet:.0f} s")


def _part(status: Status, reason: str | None = None) -> dict[str, Any]:
    return {"status": status} if reason is None else {"status": status, "reason": reason}
