"""How a node is: its loops, its database, its bus, its keys. One object a node; the loops write, /health and /metrics read."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from shared.database import Database, DatabaseDown, NodeContext, OutcomeUnknown
from shared.envelope import EnvelopeError, signing_key
from shared.messaging.bus import Bus, BusDown
from shared.telemetry import masked

Status = Literal["ok", "degraded", "failing"]
STALLED_SECONDS = 120  # a loop without progress for so long is reported, unless it has said that it is silent for longer
CLOCKS_AGREE = timedelta(seconds=1)
KEY_WARNING_SECONDS = 14 * 86400  # roots are offline: a new key needs days, not minutes
ORDER: Mapping[Status, int] = {"ok": 0, "degraded": 1, "failing": 2}
OWN_ERRORS = (EnvelopeError, DatabaseDown, OutcomeUnknown, BusDown)  # our sentences: names of parts, keys and codes, no persons


@dataclass(slots=True)
class LoopState:
    """What a supervised loop says of itself; `progressed_at` is monotonic time, `within` its longest silence in seconds."""

    progressed_at: float
    within: float | None = STALLED_SECONDS
    restarts: int = 0
    error: str | None = None


class Health:
    """The state of one node. A part that is down is named with its reason; the node goes on with the others."""

    def __init__(self, node: NodeContext, database: Database, bus: Bus) -> None:
        self._node = node
        self._database = database
        self._bus = bus
        self.loops: dict[str, LoopState] = {}

    def progressed(self, loop: str, *, within: float | None = STALLED_SECONDS) -> None:
        """`within`: the next progress comes so many seconds from now at the latest; None: the loop is done, or only waits."""
        state = self.loops.setdefault(loop, LoopState(time.monotonic()))
        state.progressed_at, state.within, state.error = time.monotonic(), within, None

    def failed(self, loop: str, error: BaseException) -> None:
        state = self.loops.setdefault(loop, LoopState(time.monotonic()))
        state.restarts, state.error = state.restarts + 1, _told(error)

    async def report(self) -> dict[str, Any]:
        """{"status", "parts": {name: {"status", "reason"?}}}; the status is that of the worst part."""
        parts = {"database": await self._database_part(), "bus": await self._bus_part()} | self.inner_parts()
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

    def inner_parts(self) -> dict[str, dict[str, Any]]:
        """The parts that need no other server to be asked."""
        loops = {f"loop.{name}": self._loop_part(state) for name, state in self.loops.items()}
        return {"keys": self._keys_part(), "trust_list": self._trust_list_part(), **loops}

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
            signing, ends_at = signing_key(self._node.ring, self._node.trust.current, now)
        except EnvelopeError as error:
            return _part("failing", str(error))
        left = ends_at - now
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
        return (
            _part("ok") if state.within is None or quiet < state.within else _part("degraded", f"no progress for {quiet:.0f} s")
        )


def _told(error: BaseException) -> str:
    """What everybody may read: of a library's error, whose text may repeat a row, only its kind and the server's code."""
    name, sqlstate = type(error).__name__, getattr(getattr(error, "orig", error), "sqlstate", None)
    if isinstance(error, OWN_ERRORS):
        return f"{name}: {error}"
    return f"{name} ({sqlstate})" if sqlstate else name


def _part(status: Status, reason: str | None = None) -> dict[str, Any]:
    return {"status": status} if reason is None else {"status": status, "reason": masked(reason)}
