"""What machines do in a seed: relays send, the bus loses and repeats, nodes receive, timers ask; and how a step is broken."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.harness.network import BUREAUS
from shared.contract.messages import Message
from shared.contract.registry import decode
from shared.database import DatabaseDown, OutcomeUnknown
from shared.envelope import Opened
from shared.messaging import ask_due_now
from shared.messaging.bus import BusDown, Delivered
from shared.messaging.dead_letters import retry_due, retry_waiting
from tests.federation.clerk import Clerk
from tests.stepper.cast import Move
from tests.stepper.checks import Wrong
from tests.stepper.faults import PUBLISH, Died, Fault, Trap
from tests.stepper.ground import Ground
from tests.stepper.look import Looks

FAULT_SHARE = 0.25  # of the steps that can be broken
MOST_LOST = 6
CHUNK = 3  # parcels delivered in one transaction, at most
FAILED = (DatabaseDown, OutcomeUnknown, BusDown)
Step = Callable[[], Awaitable[str]]


@dataclass
class Parcel:
    """A record under way, with what only the stepper knows: its stable name."""

    to: str
    sender: str
    name: str
    delivered: Delivered

    @property
    def event_id(self) -> str:
        return self.delivered.record.headers["ce_id"]


class Stage:
    """The nodes of a seed and what is under way between them."""

    takes_before_work = False  # a planted fault: the offset is committed before the effect

    def __init__(self, ground: Ground, seed: int, tell: Callable[[str], None]) -> None:
        self.ground, self.network, self.faults, self.bus = ground, ground.network, ground.faults, ground.bus
        self.seed, self.tell, self.rng = seed, tell, random.Random(seed)
        self.clerk = Clerk(ground.network)
        self.looks = Looks(ground)
        self.moves: list[Move] = []
        self.waiting: list[Parcel] = []
        self.carried: list[Parcel] = []
        self.said: dict[str, tuple[str, str, str, Message | None]] = {}
        self.lost: set[str] = set()
        self.paused, self.latest, self.lines, self.keys, self.heard = timedelta(0), timedelta(0), 0, 0, 0
        self.clocks_were_wrong = False

    def say(self, line: str) -> None:
        self.tell(f"{self.lines:3}  {line}")
        self.lines += 1

    def _traffic(self) -> list[tuple[float, Step]]:
        found: list[tuple[float, Step]] = [
            (3.0, lambda bureau=bureau: self._relay(bureau)) for bureau in BUREAUS if self.looks[bureau].unsent
        ]
        if self.waiting:
            found += [(5.0, self._deliver), (1.2, self._lose)]
        if self.carried:
            found.append((0.8, self._repeat))
        return found

    async def _relay(self, bureau: str, *, faulty: bool = True) -> str:
        if faulty:
            self._set_trap(bureau, self.rng.choice(["relay.read", "relay.mark", PUBLISH]))
        before = len(self.bus.log)
        try:
            await self.network.nodes[bureau].wiring.relay.pass_once()
            end = ""
        except Died:
            await self._revive(bureau)
            end = ", dies"
        except FAILED as error:
            end = f", {type(error).__name__}"
        broken = self._broken()
        self._take_up()
        names = ", ".join(f"{one.name} -> {one.to}" for one in self.carried[len(self.carried) - (len(self.bus.log) - before) :])
        return f"{bureau}: relay{broken} sends {names or 'nothing'}{end}"

    def _take_up(self) -> None:
        """What has come to the bus since, with names."""
        for delivered in self.bus.log[self.heard :]:
            headers = delivered.record.headers
            to, sender = delivered.record.topic.partition(".")[0], headers["ce_source"]
            known = self.said.get(headers["ce_id"])
            if known is None:
                message = self._open(delivered, to, sender)
                move = next((one.name for one in self.moves if one.case == delivered.record.key), "?")
                known = sender, to, f"{type(message).__name__} {move}", message
                self.said[headers["ce_id"]] = known
            parcel = Parcel(to, sender, known[2], delivered)
            self.waiting.append(parcel)
            self.carried.append(parcel)
        self.heard = len(self.bus.log)

    def _open(self, delivered: Delivered, to: str, sender: str) -> Message | None:
        now = self.network.nodes[sender].wiring.node.machine_now()
        opened = self.network.nodes[to].wiring.receiver.try_open(delivered.record, now, None, seen={})
        return decode(opened.content) if isinstance(opened, Opened) else None

    async def _deliver(self) -> str:
        first = self.rng.choice(self.waiting)
        others = [one for one in self.waiting if one.to == first.to and one is not first]
        together = [first, *self.rng.sample(others, min(len(others), self.rng.choice([0, 0, 0, CHUNK - 1])))]
        return await self._hand_over(together, faulty=True)

    async def _hand_over(self, parcels: Sequence[Parcel], *, faulty: bool) -> str:
        """As the consumer's loop: take effect, then remember how far we are; what fails in between comes again."""
        bureau, names = parcels[0].to, ", ".join(f"{one.name} from {one.sender}" for one in parcels)
        if faulty:
            self._set_trap(bureau, "receive ")
        if self.takes_before_work:
            self.waiting = [one for one in self.waiting if one not in parcels]
        end = ""
        try:
            await self.network.nodes[bureau].wiring.receiver.receive([one.delivered for one in parcels])
            self.waiting = [one for one in self.waiting if one not in parcels]
        except Died:
            await self._revive(bureau)
            end = ", dies"
        except FAILED as error:
            end = f", {type(error).__name__}"
        return f"{bureau}: takes {names}{self._broken()}{end}"

    async def _repeat(self) -> str:
        """What is delivered again changes nothing, once it was applied."""
        parcel = self.rng.choice(self.carried)
        view = self.looks[parcel.to]
        was_applied = view.receipts.get(parcel.event_id) == "applied"
        line = await self._hand_over([parcel], faulty=False)
        await self.looks.refresh()
        with_audit = not self.clocks_were_wrong  # what a wrong clock now refuses is audited
        if was_applied and (changes := self.looks[parcel.to].changed_since(view, with_audit=with_audit)):
            raise Wrong(f"a redelivery took effect: {line}: {'; '.join(changes)}")
        return f"again, {line}"

    async def _lose(self) -> str:
        if len(self.lost) >= MOST_LOST:
            return "nothing is lost"
        parcel = self.rng.choice(self.waiting)
        self.waiting.remove(parcel)
        if self.looks[parcel.to].receipts.get(parcel.event_id) is None:
            self.lost.add(parcel.event_id)
        return f"lost: {parcel.name} from {parcel.sender} to {parcel.to}"

    async def _timers(self, bureau: str, *, faulty: bool = True) -> str:
        if faulty:
            self._set_trap(bureau, "owed.ask_due")
        wiring, end = self.network.nodes[bureau].wiring, ""
        try:
            done = await retry_due(wiring.bus_database, wiring.receiver)
            done += await ask_due_now(wiring.bus_database, wiring.asks)
            done += await retry_waiting(wiring.bus_database, wiring.receiver)
            end = f": {done}"
        except Died:
            await self._revive(bureau)
            end = ", dies"
        except FAILED as error:
            end = f", {type(error).__name__}"
        return f"{bureau}: timers{self._broken()}{end}"

    def _set_trap(self, bureau: str, unit: str, *, most: int = 1) -> None:
        """One step in four is broken somewhere. Always the same draws, so that a step more or less does not change the rest."""
        breaks, occurrence = self.rng.random() < FAULT_SHARE, self.rng.randint(1, most)
        fault = self.rng.choice(list(Fault))
        self.faults.trap = Trap(bureau, unit, occurrence, fault) if breaks else None

    def _broken(self) -> str:
        trap, self.faults.trap = self.faults.trap, None
        return f" [{trap}]" if trap is not None and trap.sprung else ""

    async def _revive(self, bureau: str) -> None:
        trap = self.faults.trap
        await self.ground.restart(bureau)
        self.faults.trap = trap  # for the line; it is sprung
