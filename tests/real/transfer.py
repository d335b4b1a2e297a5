"""A transfer of one person, act by act."""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import httpx2 as httpx

from shared.database import DatabaseDown, OutcomeUnknown
from tests.real.officers import Officers
from tests.real.people import Person, Place
from tests.real.waiting import STATE_SECONDS

Since = Literal["submitted", "approved", "received"]
States = Callable[[str], Awaitable[Mapping[tuple[UUID, str], str]]]
"""Bureau -> (case, side) -> state of the applicant, read from its database: reading a case through the API may move it."""


@dataclass(eq=False)
class Transfer:
    """A person on the way; each act is an officer's, through the API of the officer's bureau."""

    officers: Officers
    states: States
    person: Person
    destination: Place
    case: UUID

    async def at_destination(self, officer: str, act: str, body: Any = None) -> httpx.Response:
        return await self.officers.act(self.destination.bureau, officer, f"/api/v1/transfers/{self.case}/{act}", body)

    async def approve(self) -> httpx.Response:
        return await self.at_destination(self.destination.office, "approve", {})

    async def seal(self, **more: bool) -> httpx.Response:
        home = self.person.home
        path = f"/api/v1/transfers/{self.case}/seal"
        return await self.officers.act(home.bureau, home.verifier, path, {"applicant_confirms": True, **more})

    async def settle(self) -> httpx.Response:
        return await self.at_destination(self.destination.counter, "settle", {"signed": [1]})

    async def state(self, side: str) -> str | None:
        """The applicant's state at one side; None while the bureau there does not know the case."""
        bureau = self.person.home.bureau if side == "origin" else self.destination.bureau
        return (await self.states(bureau)).get((self.case, side))

    async def reached(self, state: str, *, seconds: float = STATE_SECONDS) -> None:
        """Until the applicant is in `state`, at the side that has it."""
        side, seen = "origin" if state == "RECEIVED" else "destination", None
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            with suppress(DatabaseDown, OutcomeUnknown):
                seen = await self.state(side)
                if seen == state:
                    return
        raise AssertionError(f"case {self.case} is {seen} and not {state} after {seconds:.0f} s")

    async def run(self, since: Since = "submitted", *, seconds: float = STATE_SECONDS) -> None:
        """From where it stands to settled; each step is waited for at most `seconds`."""
        if since == "submitted":
            await self.approve()
        if since != "received":
            await self.reached("RECEIVED", seconds=seconds)
        await self.seal()
        await self.reached("CERTIFIED", seconds=seconds)
        await self.settle()
        await self.reached("HERE", seconds=seconds)
