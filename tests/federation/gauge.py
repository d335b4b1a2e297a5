"""After every step: who answers for each person, seen from above, and what the audit logs of all four say together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text

from services.bureau.transfers.states import State
from services.harness.cut import CUT, cut_faults, history
from services.harness.gauge import PRESENT, Gauge, Sayings
from services.harness.network import Network
from services.harness.registers import Register
from shared.audit import audit
from shared.database import Session
from tests.federation.people import Person

MEMBER_EVENTS = (
    select(audit.c.at, audit.c.case_id, audit.c.peer, audit.c.action, audit.c.change)
    .where(audit.c.change.is_not(None), audit.c.action.like("transfers.%"))
    .order_by(audit.c.id)
)


ONE_OF_EACH = {"PermitIssued": 1, "MigrationCertificateIssued": 1, "TransferSettled": 1, "TransferClosed": 1}
"""Effects of the messages of one settled transfer of one person."""


class Watch:
    """The persons of a test. At every step each of them has exactly one register that answers, and every answer leads to it."""

    def __init__(self, network: Network) -> None:
        registers = {
            bureau: Register(bureau, network.owner_url(bureau), node.wiring.settings.keys_folder)
            for bureau, node in network.nodes.items()
        }
        self._gauge = Gauge(registers)
        self._people: list[str] = []
        self.readings = 0

    def add(self, people: Iterable[Person]) -> None:
        """From now on these persons are registered somewhere."""
        self._people += [one.number for one in people]

    async def check(self) -> None:
        """0/0, now; and following the answers ends where they say."""
        self.readings += 1
        for person, sayings in (await self._gauge.look(self._people)).items():
            self._gauge.reading.judge(person, sayings)
            assert self._gauge.reading.counts() == {"none": 0, "many": 0}, sayings
            assert len(ends(sayings)) == 1, sayings

    async def who_answers(self, person: Person) -> str:
        """The one bureau at which every way ends."""
        (holder,) = ends((await self._gauge.look([person.number]))[person.number])
        assert holder is not None
        return holder

    async def close(self) -> None:
        async with self._gauge:
            return


def ends(sayings: Sayings) -> set[str | None]:
    """Where the answers end, whichever register is asked first; None for a way that ends nowhere."""
    return {_follow(sayings, one.bureau) for one in sayings if one.kind != State.SETTLING}


def _follow(sayings: Sayings, asked: str) -> str | None:
    rows = {one.bureau: one for one in sayings if one.kind != State.SETTLING}
    bound = {(one.bureau, one.counterpart, one.case, one.epoch) for one in sayings if one.kind == State.SETTLING}
    here = rows[asked]
    while here.kind == "MOVED":
        there = rows.get(str(here.counterpart))
        # Signed there: that bureau asks this very register first, gets the close, and answers "registered here".
        if (here.counterpart, here.bureau, here.case, here.epoch + 1) in bound:
            return here.counterpart
        if there is None or there.epoch <= here.epoch:
            return None
        here = there
    return here.bureau if here.kind in PRESENT else None


# ---- from the audit logs --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """One member's change of state at one bureau; `action` is the act or the message that made it."""

    at: datetime
    bureau: str
    case: str
    place: int
    action: str
    state: str
    epoch: int


async def events(network: Network) -> list[Event]:
    """Every change of a member's state, of all bureaus, rebuilt from their audit logs."""
    found = []
    for bureau, node in network.nodes.items():

        async def unit(session: Session) -> Any:
            return (await session.execute(MEMBER_EVENTS)).all()

        for row in await node.wiring.database.run(unit, name="test.events"):
            for member in row.change.get("members", ()):
                found.append(
                    Event(row.at, bureau, str(row.case_id), member["place"], row.action, member["state"], member["epoch"])
                )
    return found


async def effects(network: Network, case: str) -> Counter[str]:
    """How often each message of the case has changed something, by its name."""
    return Counter(one.action.removeprefix("transfers.") for one in await events(network) if one.case == case)


async def effects_of_messages(network: Network, case: str) -> dict[str, int]:
    """As `effects`, without officers' acts: a message's name begins with a capital."""
    return {name: count for name, count in (await effects(network, case)).items() if name[0].isupper()}


async def check_cut(network: Network, *, clocks_agree: bool = True) -> None:
    """protocol.md 6.3, over the audit logs of all four."""
    logs = {}
    for bureau, node in network.nodes.items():

        async def unit(session: Session) -> Any:
            return (await session.execute(text(CUT))).all()

        logs[bureau] = history(bureau, await node.wiring.database.run(unit, name="test.cut"))
    faults = cut_faults(logs, clocks_agree=clocks_agree)
    assert faults == [], faults
