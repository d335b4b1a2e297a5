"""One seed: officers, relays, deliveries, timers and restarts in a drawn order, with drawn faults; then the weather clears.

A step is one whole transaction or publish of the real nodes. The seed decides everything but ids, keys and envelopes, so two
runs tell the same story line by line. Clocks stand still between steps.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.bureau.transfers.states import Side, State
from services.harness.network import BUREAUS
from shared.contract.codes import ReturnCode, VoidReason
from shared.contract.messages import (
    CancellationRequested,
    Message,
    PermitReturned,
    TransferClosed,
    TransferSettled,
    TransferVoided,
)
from shared.contract.records import PlaceEpoch
from shared.contract.registry import decode
from shared.database import DatabaseDown, OutcomeUnknown
from shared.envelope import Opened
from shared.messaging import ask_due_now
from shared.messaging.bus import BusDown, Delivered
from shared.messaging.dead_letters import retry_due, retry_waiting
from tests.federation.clerk import Clerk, Transfer
from tests.stepper.cast import ACTS, GIVES_UP, WORK, Move, Pending, Scenario, draw, moves_of
from tests.stepper.checks import Verdict, Watch, Wrong, documents_differ, has_ended, pairs
from tests.stepper.faults import PUBLISH, Died, Fault, Gate, Trap
from tests.stepper.ground import CLOCKS_DAYS, Ground
from tests.stepper.look import Looks

STEPS = 42  # of trouble; then faults end
FAULT_SHARE = 0.25  # of the steps that can be broken
MOST_LOST = 6
CHUNK = 3  # parcels delivered in one transaction, at most
PAUSES = (timedelta(seconds=2), timedelta(seconds=70), timedelta(hours=1.2), timedelta(days=1.1))
MOST_PAUSED = timedelta(days=2)
CLOCK_ERRORS = tuple(timedelta(days=days) for days in (-CLOCKS_DAYS, -3, -0.1, 0, 0.1, 3, CLOCKS_DAYS))
BUSINESS_DAYS = (1, 12, 35)  # past a certificate's 30 days, and with another step past a permit's 40
ROUNDS, ROUND = 16, timedelta(hours=6)  # of clearing up: a sealed case asks once a day
SILENCE = timedelta(days=2)  # after the end nobody says anything any more
MOST_DELIVERIES = 400  # in one settling: more means two bureaus talk in circles
NO_ANSWER = 503
OVERLAP_SECONDS = 5.0
FAILED = (DatabaseDown, OutcomeUnknown, BusDown)
OVERLAPPING = frozenset({"approve", "void", "return", "ask-cancel", "ask-again", "seal"})
"""Acts that record a message and wait for nobody else's case."""


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


@dataclass(frozen=True)
class Meeting:
    """An act that may meet another one of the same bureau."""

    bureau: str
    move: Move
    act: str


Step = Callable[[], Awaitable[str]]


class Stepper:
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

    # ---- the story ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Raises Wrong, or whatever the program should never raise."""
        random.seed(self.seed)  # the jitter of the timers too
        await self.ground.begin()
        scenario, bureaus = draw(self.rng)
        await self._people(scenario, bureaus)
        self.say(f"{scenario.name}: " + ", ".join(f"{move.name} {move.origin} -> {move.destination}" for move in self.moves))
        await self.watch.check()
        for _ in range(STEPS):
            await self._step()
        self.say("the weather clears")
        await self._clear_up()
        await self._judge()

    def say(self, line: str) -> None:
        self.tell(f"{self.lines:3}  {line}")
        self.lines += 1

    async def _people(self, scenario: Scenario, bureaus: Sequence[str]) -> None:
        home = bureaus[scenario.moves[0][1]]
        households = [await self.clerk.household(home, relations) for relations in scenario.households]
        self.moves = moves_of(scenario, bureaus, households)
        for move in self.moves:
            await self.clerk.sponsor(move.application().at, move.destination)
        names = {one.number: f"person {number}" for number, one in enumerate([p for h in households for p in h], start=1)}
        self.watch = Watch(self.ground, self.looks, names)
        self.faults.touched |= set(BUREAUS)

    async def _step(self) -> None:
        choices = [*self._acts(), *self._traffic(), *self._troubles()]
        ((_, step),) = self.rng.choices(choices, [weight for weight, _ in choices])
        self.say(await step())
        self.faults.trap = None
        self._take_up()
        await self.watch.check()

    # ---- what officers do -----------------------------------------------------------------------------------------------

    def _acts(self) -> list[tuple[float, Step]]:
        found: list[tuple[float, Step]] = []
        for move in self.moves:
            if move.pending is not None:
                found.append((3.0, lambda move=move: self._send(move, move.pending, faulty=True)))
            elif move.transfer is None:
                ready = move.after is None or all(pair[0] == "HERE" for pair in pairs(self.looks, move.after) or [("", None)])
                found.append((4.0 if ready else 0.1, lambda move=move: self._act(move, "apply")))
            else:
                found += [(weight, lambda move=move, act=act: self._act(move, act)) for act, weight in self._possible(move)]
        return found

    def _possible(self, move: Move) -> list[tuple[str, float]]:
        there = self.looks[move.destination].state(move.case, move.origin)
        here = self.looks[move.origin].state(move.case, move.destination)
        states = {(one.side, one.state) for one in (*there, *here)}
        possible: dict[tuple[str, Side], float] = {}
        for state in sorted(states):
            for act, weight in ACTS.get(state, {}).items():
                possible[act, state[0]] = max(weight, possible.get((act, state[0]), 0.0))
        return [(f"{act}@{side}" if act == "ask-again" else act, weight) for (act, side), weight in possible.items()]

    async def _act(self, move: Move, act: str, *, faulty: bool = True) -> str:
        self.keys += 1
        return await self._send(move, Pending(act, self._body(move, act), f"{self.seed}-{self.keys}"), faulty=faulty)

    def _body(self, move: Move, act: str) -> Mapping[str, Any] | None:
        if act == "seal":
            return {"without_answer": True}
        if act == "return":
            return {"code": "R06"}
        if act == "settle":
            places = [*range(1, len(move.people) + 1)]
            certified = [
                one.place for one in self.looks[move.destination].state(move.case, move.origin) if one.state is State.CERTIFIED
            ]
            signed = sorted(self.rng.sample(certified, self.rng.randint(1, len(certified)))) if certified else places
            return {
                "signed": signed,
                "not_signing": [place for place in certified if place not in signed],
                "late_reason": "申请人住院",
            }
        return None

    async def _send(self, move: Move, pending: Pending, *, faulty: bool) -> str:
        """Send an act to its bureau, perhaps to one that breaks; without an answer its officer keeps it to send it again."""
        act, _, side = pending.act.partition("@")
        bureau = self._where(move, act, side)
        again = " again" if move.pending is pending else ""
        if faulty:
            self._set_trap(bureau, "transfers.", most=2)
        try:
            status, replayed, answer = await self._request(move, pending, act, side)
        except Died:
            await self._revive(bureau)
            status, replayed, answer = NO_ANSWER, False, None
        line = f"{bureau}: {act} {move.name}{again}{self._broken()}: "
        if status == NO_ANSWER:
            move.pending = pending
            move.given_up |= act in GIVES_UP  # perhaps
            return line + "no answer"
        move.pending = None
        if status >= 500:
            raise Wrong(f"{line}{status} {answer}")
        if status < 400:
            self._note(move, act, pending, answer)
        return line + f"{status}{' as before' if replayed else ''}"

    def _where(self, move: Move, act: str, side: str) -> str:
        if act == "apply" or side == Side.DESTINATION.value or (not side and self._side(move, act) is Side.DESTINATION):
            return move.destination
        return move.origin

    @staticmethod
    def _side(move: Move, act: str) -> Side:
        assert move.transfer is not None
        return Side.DESTINATION if move.transfer.where(act)[0] == move.destination else Side.ORIGIN

    async def _request(self, move: Move, pending: Pending, act: str, side: str) -> tuple[int, bool, Any]:
        clerk = self.clerk
        if act == "apply":
            asked = move.application()
            bureau, (officer, path, body) = asked.destination, await clerk._counter(asked)
        else:
            transfer = move.transfer
            assert transfer is not None
            if act == "ask-again":
                bureau, officer = transfer.where("settle" if side == Side.DESTINATION.value else "seal")
            else:
                bureau, officer = transfer.where(act)
            path, body = transfer._path(act), transfer._body(act, pending.body)
        answer = await clerk.send(bureau, officer, "POST", path, body, key=pending.key)
        return answer.status_code, "Idempotency-Replayed" in answer.headers, answer.json()

    def _note(self, move: Move, act: str, pending: Pending, answer: Any) -> None:
        if act == "apply":
            asked = move.application()
            move.transfer = Transfer(
                self.clerk, str(answer["case"]), move.origin, move.destination, asked.formerly, asked.at, move.people, answer
            )
        if act == "settle" and pending.body is not None:
            move.not_signing = list(pending.body["not_signing"])
        move.given_up |= act in GIVES_UP

    # ---- what machines do -----------------------------------------------------------------------------------------------

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

    # ---- what goes wrong ------------------------------------------------------------------------------------------------

    def _troubles(self) -> list[tuple[float, Step]]:
        found: list[tuple[float, Step]] = [
            *[(0.12, lambda bureau=bureau: self._timers(bureau)) for bureau in BUREAUS],
            *[(0.05, lambda bureau=bureau: self._restart(bureau)) for bureau in BUREAUS],
            (0.5, self._pause),
            (0.3, self._move_clock),
            (0.15, self._business_days),
            (0.3, self._cut_or_mend),
        ]
        if any(move.transfer is not None for move in self.moves):
            found.append((0.25, self._lie))
        if self._at_once():
            found.append((1.5, self._overlap))
        return found

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

    async def _restart(self, bureau: str) -> str:
        await self.ground.restart(bureau)
        return f"{bureau}: restarts"

    async def _pause(self) -> str:
        pause = self.rng.choice(PAUSES)
        if self.paused + pause > MOST_PAUSED:
            return "no time passes"
        self.paused += pause
        for clock in self.ground.clocks.values():
            clock.offset += pause
        return f"{pause} pass"

    async def _move_clock(self) -> str:
        bureau, error = self.rng.choice(BUREAUS), self.rng.choice(CLOCK_ERRORS)
        self.ground.clocks[bureau].offset = error + self.paused
        self.clocks_were_wrong |= bool(error)
        self.latest = max(self.latest, error)
        return f"{bureau}: machine clock is {error.total_seconds() / 86400:+.1f} days off"

    async def _business_days(self) -> str:
        days = self.rng.choice(BUSINESS_DAYS)
        self.network.clock.at += timedelta(days=days)
        return f"{days} business days pass"

    async def _cut_or_mend(self) -> str:
        bureau = self.rng.choice(BUREAUS)
        self.network.unreachable ^= {bureau}
        return f"{bureau}: the line for questions is {'cut' if bureau in self.network.unreachable else 'mended'}"

    async def _lie(self) -> str:
        """A third bureau says, under its own name, what only the counterpart may say."""
        move = self.rng.choice([move for move in self.moves if move.transfer is not None])
        liar = self.rng.choice([one for one in BUREAUS if one not in (move.origin, move.destination)])
        case, place, now = UUID(move.case), self.rng.randint(1, len(move.people)), self.network.clock.now()
        epochs = {one.place: one.epoch for one in self.looks[move.destination].state(move.case, move.origin)}
        one = PlaceEpoch(place=place, epoch=epochs.get(place) or 1)
        to, message = self.rng.choice(
            [
                (move.destination, TransferClosed(case=case, closed=(one,), closed_at=now)),
                (move.destination, PermitReturned(case=case, places=(place,), code=ReturnCode.R06, returned_on=now.date())),
                (move.destination, CancellationRequested(case=case, places=(place,), requested_on=now.date())),
                (move.origin, TransferSettled(case=case, settled=(one,), signed_at=now, issue=1)),
                (move.origin, TransferVoided(case=case, places=(place,), reason_code=VoidReason.WITHDRAWN, voided_on=now.date())),
            ]
        )
        forged = self.clerk.wire.forge(liar, to, message)
        await self.network.nodes[to].wiring.receiver.receive([forged.delivered])
        return f"{liar} lies to {to}: {type(message).__name__} {move.name}"

    def _at_once(self) -> list[tuple[Meeting, Meeting]]:
        """Pairs of acts of one bureau, on different persons, that can be done at the same time."""
        acts = [
            Meeting(self._where(move, *_split(act)), move, act)
            for move in self.moves
            if move.transfer is not None and move.pending is None
            for act, _ in self._possible(move)
            if act.partition("@")[0] in OVERLAPPING
        ]
        return [
            (one, two) for one in acts for two in acts if one.bureau == two.bureau and one.move.people[0] != two.move.people[0]
        ]

    async def _overlap(self) -> str:
        """A slow commit: while one act of a bureau waits for its own, another passes it, and the relay looks."""
        slow, quick = self.rng.choice(self._at_once())
        bureau = slow.bureau
        gate = self.faults.gate = Gate(bureau)
        first = asyncio.create_task(self._act(slow.move, slow.act, faulty=False))
        held = asyncio.create_task(gate.held.wait())
        await asyncio.wait({first, held}, return_when=asyncio.FIRST_COMPLETED)
        held.cancel()
        self.faults.gate = None
        lines = []
        try:
            async with asyncio.timeout(OVERLAP_SECONDS):
                lines.append(await self._act(quick.move, quick.act, faulty=False))
                lines.append(await self._relay(bureau, faulty=False))
        finally:
            gate.release.set()
            lines.append(await first)
        return "while another commits slowly: " + "; ".join(lines)

    # ---- the end --------------------------------------------------------------------------------------------------------

    async def _clear_up(self) -> None:
        """Messages arrive, clocks agree, officers do their work, until everybody knows the end."""
        self.network.unreachable.clear()
        for clock in self.ground.clocks.values():  # the time that the fastest clock once showed has come
            clock.offset = self.latest + self.paused
        for _ in range(ROUNDS):
            await self._settle()
            await self._work()
            await self._settle()
            waits = any(self.looks[bureau].waits_for_time for bureau in BUREAUS)
            if not waits and all(has_ended(self.looks, move) for move in self.moves):
                return
            await self._let_pass(ROUND)
        raise Wrong(f"stuck: {[(move.name, pairs(self.looks, move)) for move in self.moves if move.transfer is not None]}")

    async def _let_pass(self, time: timedelta) -> None:
        for clock in self.ground.clocks.values():
            clock.offset += time
        for bureau in BUREAUS:
            line = await self._timers(bureau, faulty=False)
            if not line.endswith(" 0"):
                self.say(f"{time} later, {line}")
        await self.watch.check()

    async def _settle(self) -> None:
        count = 0
        await self.looks.refresh()
        while self.waiting or any(self.looks[bureau].unsent for bureau in BUREAUS):
            sending = any(self.looks[bureau].unsent for bureau in BUREAUS)
            on_the_bus = len(self.bus.log)
            for bureau in BUREAUS:
                if self.looks[bureau].unsent:
                    self.say(await self._relay(bureau, faulty=False))
            self._take_up()
            for parcel in list(self.waiting):
                self.say(await self._hand_over([parcel], faulty=False))
                await self.watch.check()
                count += 1
            await self.watch.check()
            if count > MOST_DELIVERIES:
                raise Wrong(f"{count} deliveries, and no end: two bureaus talk in circles")
            if sending and len(self.bus.log) == on_the_bus:
                raise Wrong("the outbox is not empty, and its relay sends nothing")

    async def _work(self) -> None:
        for move in self.moves:
            while move.pending is not None:
                self.say(await self._send(move, move.pending, faulty=False))
                await self.watch.check()
            if move.transfer is None and not move.skipped:
                await self._apply_or_not(move)
            while (act := self._next(move)) is not None:
                before = self.looks[move.destination].audit + self.looks[move.origin].audit
                self.say(await self._act(move, act, faulty=False))
                await self.watch.check()
                if act == "seal" and self._next(move) == "seal":
                    await self._return(move)
                elif before == self.looks[move.destination].audit + self.looks[move.origin].audit:
                    break

    async def _apply_or_not(self, move: Move) -> None:
        if move.after is not None and not all(pair[0] == "HERE" for pair in pairs(self.looks, move.after)):
            move.skipped = has_ended(self.looks, move.after)
            return
        self.say(await self._act(move, "apply", faulty=False))
        await self.watch.check()

    def _next(self, move: Move) -> str | None:
        if move.transfer is None:
            return None
        there = self.looks[move.destination].state(move.case, move.origin)
        here = self.looks[move.origin].state(move.case, move.destination)
        acts = [WORK[one.side, one.state] for one in (*there, *here) if (one.side, one.state) in WORK]
        return next((act for act in acts if act != "restore" or self._restoration_due(move)), None)

    def _restoration_due(self, move: Move) -> bool:
        return False

    async def _return(self, move: Move) -> None:
        """What cannot be sealed is returned with the register's reason."""
        move.given_up = True
        transfer = move.transfer
        assert transfer is not None
        bureau, officer = transfer.where("seal")
        path = f"/api/v1/transfers/{move.case}/seal"
        answer = await self.clerk.send(bureau, officer, "POST", path, transfer._body("seal", {"without_answer": True}))
        if answer.status_code != 409 or not answer.json().get("errors"):
            raise Wrong(f"{bureau}: seal {move.name}: {answer.status_code} {answer.text}")
        code = answer.json()["errors"][0]["rule"]
        answer = await self.clerk.send(bureau, officer, "POST", transfer._path("return"), {"code": code})
        self.say(f"{bureau}: return {move.name} with {code}: {answer.status_code}")
        if answer.status_code != 200:
            raise Wrong(f"{bureau}: return {move.name}: {answer.text}")
        await self.watch.check()

    async def _judge(self) -> None:
        verdict = Verdict(self.ground, self.looks, self.moves, self.said)
        agree = not self.clocks_were_wrong
        await verdict.check(lost=self.lost, clocks_were_wrong=self.clocks_were_wrong, clocks_agree=agree)
        for move in self.moves:
            if move.transfer is not None and (difference := await documents_differ(self.ground, move)):
                raise Wrong(difference)
        messages = len(self.said)
        await self._let_pass(SILENCE)
        await self._settle()
        if len(self.said) != messages:
            raise Wrong(f"{len(self.said) - messages} messages after the end")
        self.say("ended: " + "; ".join(f"{move.name} {pairs(self.looks, move) if move.transfer else '-'}" for move in self.moves))


def _split(act: str) -> tuple[str, str]:
    name, _, side = act.partition("@")
    return name, side
