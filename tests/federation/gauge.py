"""Who answers for a person, seen from above: all four databases at once. In the product nobody has this view."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from services.bureau.population.acts import citizen_index
from services.bureau.population.tables import resident
from services.bureau.transfers.states import Side, State
from services.bureau.transfers.tables import transfer_member
from services.harness.network import Network
from shared.audit import audit
from shared.database import Session

from tests.federation.people import Person

PRESENT = ("ACTIVE", "IN_TRANSIT")
ROWS = select(
    resident.c.citizen_id_index.label("citizen"), resident.c.kind, resident.c.epoch, resident.c.counterpart, resident.c.case_id
).where(resident.c.citizen_id_index.in_(bindparam("indexes", expanding=True)))
BOUND = select(
    transfer_member.c.citizen_index.label("citizen"),
    transfer_member.c.counterpart,
    transfer_member.c.case_id,
    transfer_member.c.epoch,
).where(
    transfer_member.c.citizen_index.in_(bindparam("indexes", expanding=True)),
    transfer_member.c.side == Side.DESTINATION.value,
    transfer_member.c.state == State.SETTLING.value,
)
ROW_EVENTS = (
    select(audit.c.at, audit.c.object_id, audit.c.change)
    .where(audit.c.action == "population.set_row", audit.c.change.is_not(None))
    .order_by(audit.c.id)
)
MEMBER_EVENTS = (
    select(audit.c.at, audit.c.case_id, audit.c.peer, audit.c.action, audit.c.change)
    .where(audit.c.change.is_not(None), audit.c.action.like("transfers.%"))
    .order_by(audit.c.id)
)


@dataclass(frozen=True)
class Standing:
    """What one bureau's database says of a person: the row, and the case for which the person has signed, if any."""

    kind: str
    epoch: int
    counterpart: str | None
    case: UUID | None
    bound: tuple[str, UUID, int] | None  # (origin, case, epoch to be)


class Gauge:
    """Persons answered for by none, and by more than one, of the four; both must be 0 at every instant."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._watched: dict[str, dict[str, bytes]] = {}  # id number -> bureau -> index
        self.readings = 0

    async def watch(self, people: Iterable[Person]) -> None:
        """From now on these persons are registered somewhere."""
        for bureau, node in self._network.nodes.items():

            async def index(session: Session, people: Sequence[Person] = tuple(people)) -> dict[str, bytes]:
                return {one.number: citizen_index(session, one.number) for one in people}

            for number, found in (await node.wiring.database.run(index, name="test.index")).items():
                self._watched.setdefault(number, {})[bureau] = found

    async def look(self) -> dict[str, dict[str, Standing]]:
        """id number -> bureau -> what it says; bureaus that never heard of the person are left out."""
        found: dict[str, dict[str, Standing]] = {number: {} for number in self._watched}
        for bureau, node in self._network.nodes.items():
            by_index = {indexes[bureau]: number for number, indexes in self._watched.items()}
            values = {"indexes": list(by_index)}

            async def unit(session: Session, values: Mapping[str, Any] = values) -> tuple[Any, Any]:
                return (await session.execute(ROWS, values)).all(), (await session.execute(BOUND, values)).all()

            rows, bound_rows = await node.wiring.bus_database.run(unit, name="test.gauge")
            bound = {row.citizen: (row.counterpart, row.case_id, row.epoch) for row in bound_rows}
            for row in rows:
                standing = Standing(row.kind, row.epoch, row.counterpart, row.case_id, bound.pop(row.citizen, None))
                found[by_index[row.citizen]][bureau] = standing
            for citizen, case in bound.items():
                found[by_index[citizen]][bureau] = Standing("ABSENT", 0, None, None, case)
        return found

    async def who_answers(self, person: Person) -> str:
        """The one bureau at which every way ends; fails when there is none, or more than one."""
        (holder,) = holders((await self.look())[person.number])
        assert holder is not None, f"nobody answers for {person.name}"
        return holder

    async def check(self) -> None:
        """0/0, now."""
        self.readings += 1
        none, many = [], []
        for number, standings in (await self.look()).items():
            ends = holders(standings)
            if ends == {None} or not ends:
                none.append((number, standings))
            elif len(ends) > 1:
                many.append((number, standings))
        assert (none, many) == ([], [])


def holders(standings: Mapping[str, Standing]) -> set[str | None]:
    """The bureaus at which the answers end, whomever one asks first; None for a way that ends nowhere."""
    return {_follow(standings, bureau) for bureau, standing in standings.items() if standing.kind != "ABSENT"}


def _follow(standings: Mapping[str, Standing], asked: str) -> str | None:
    here = standings[asked]
    while here.kind == "MOVED":
        there = standings.get(here.counterpart or "")
        if there is None:
            return None
        # Bound: the counterpart asks this very register first, gets the close, and answers "registered here".
        if there.bound == (asked, here.case, here.epoch + 1):
            return here.counterpart
        if there.epoch <= here.epoch:
            return None
        asked, here = here.counterpart or "", there
    return asked if here.kind in PRESENT else None


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


async def check_cut(network: Network) -> None:
    """protocol.md 6.3: no two spans in which a register answers overlap, and every close comes before its activation."""
    gone: dict[tuple[str, int], Event] = {}
    here: dict[tuple[str, int], Event] = {}
    for one in await events(network):
        for state, seen in ((State.GONE, gone), (State.HERE, here)):
            if one.state == state.value:
                assert (one.case, one.place) not in seen, f"{state} twice: {one}"
                seen[one.case, one.place] = one
    for key, arrived in here.items():
        assert key in gone, f"activated, never closed: {arrived}"
        assert gone[key].epoch == arrived.epoch
        assert gone[key].at <= arrived.at, f"closed after its activation: {arrived}"
    for bureau, node in network.nodes.items():

        async def unit(session: Session) -> Any:
            return (await session.execute(ROW_EVENTS)).all()

        epochs: dict[str, int] = {}
        for row in await node.wiring.database.run(unit, name="test.rows"):
            assert row.change["epoch"] >= epochs.get(row.object_id, 0), f"{bureau}: an epoch went down"
            epochs[row.object_id] = row.change["epoch"]
