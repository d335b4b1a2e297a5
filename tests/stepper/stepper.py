"""One seed: officers, relays, deliveries, timers and restarts in a drawn order, with drawn faults; then the weather clears.

A step is one whole transaction or publish of the real nodes. The seed decides everything but ids, keys and envelopes, so two
runs tell the same story line by line. Clocks stand still between steps.
"""

import random
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from services.harness.network import BUREAUS
from shared.contract.codes import ReturnCode, VoidReason
from shared.contract.messages import CancellationRequested, PermitReturned, TransferClosed, TransferSettled, TransferVoided
from shared.contract.records import PlaceEpoch
from tests.stepper.cast import WORK, Move, Scenario, draw, moves_of
from tests.stepper.checks import Verdict, Watch, Wrong, documents_differ, has_ended, pairs
from tests.stepper.ground import CLOCKS_DAYS
from tests.stepper.officers import Officers
from tests.stepper.stage import Step

STEPS = 42  # of trouble; then faults end
PAUSES = (timedelta(seconds=2), timedelta(seconds=70), timedelta(hours=1.2), timedelta(days=1.1))
MOST_PAUSED = timedelta(days=2)
CLOCK_ERRORS = tuple(timedelta(days=days) for days in (-CLOCKS_DAYS, -3, -0.1, 0, 0.1, 3, CLOCKS_DAYS))
BUSINESS_DAYS = (1, 12, 35)  # past a certificate's 30 days, and with another step past a permit's 40
ROUNDS, ROUND = 16, timedelta(hours=6)  # of clearing up: a sealed case asks once a day
SILENCE = timedelta(days=2)  # after the end nobody says anything any more
MOST_DELIVERIES = 400  # in one settling: more means two bureaus talk in circles


class Stepper(Officers):
    """A whole seed."""

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
        return next(iter(acts), None)

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
