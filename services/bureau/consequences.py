"""What one slice causes in another: fact -> functions, run in the same transaction as the fact.

Slices never import each other sideways or upwards. One states a fact (`Consequences.happened`), `wiring.py` says here who acts
on it, and the caller's commit makes both true or neither.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from shared.database import Session

Consequence = Callable[[Session, Any], Awaitable[None]]


class Consequences:
    """An immutable table of consequences by the class of the fact."""

    def __init__(self, table: Mapping[type, Sequence[Consequence]]) -> None:
        self._table = dict(table)

    async def happened(self, session: Session, fact: object) -> None:
        """Run what follows from `fact`; an exception undoes the fact too."""
        for consequence in self._table.get(type(fact), ()):
            await consequence(session, fact)
