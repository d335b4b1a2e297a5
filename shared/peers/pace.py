"""How fast one bureau may ask, so that its questions never take the time of the others' and of our own officers.

Who asks faster waits: held back rather than sent away, it has no hand free to ask again. Only what would wait too long is sent
away.
"""

import asyncio
from collections.abc import Callable
from typing import Final

QUESTIONS_A_SECOND: Final = 20  # of one bureau, in the long run; an officer's act at a counter asks one to ten
BURST_QUESTIONS: Final = 60  # that come at once are answered at once
LONGEST_WAIT_SECONDS: Final = 2.0  # an asker gives up after 5
TOLD_EVERY_SECONDS: Final = 60.0


class Pace:
    """Turns by name; the names are bureaus of the trust list, so there are few."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        """`clock`: seconds, monotonic; the loop's by default."""
        self._clock = clock
        self._next: dict[str, float] = {}  # when the next turn would come if there were no burst
        self._told_at: dict[str, float] = {}

    async def turn(self, name: str) -> bool:
        """Return when it is this one's turn; False at once when that is too far away."""
        now = self._now()
        free = now - BURST_QUESTIONS / QUESTIONS_A_SECOND
        at = max(self._next.get(name, free), free)
        if at - now > LONGEST_WAIT_SECONDS:
            return False
        self._next[name] = at + 1 / QUESTIONS_A_SECOND
        if at > now:
            await asyncio.sleep(at - now)
        return True

    def is_news(self, name: str) -> bool:
        """Whether it is time to say that this one asks too much."""
        now = self._now()
        if now - self._told_at.get(name, float("-inf")) < TOLD_EVERY_SECONDS:
            return False
        self._told_at[name] = now
        return True

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()
