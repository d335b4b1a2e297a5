"""What officers do in a seed: each act with its key, sent again when no answer came; two at once where that can be."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.bureau.transfers.states import Side, State
from tests.federation.clerk import Transfer
from tests.stepper.cast import ACTS, GIVES_UP, Move, Pending
from tests.stepper.checks import Wrong, pairs
from tests.stepper.faults import Died, Gate
from tests.stepper.stage import Stage, Step

NO_ANSWER = 503
OVERLAP_SECONDS = 5.0
OVERLAPPING = frozenset({"approve", "void", "return", "ask-cancel", "ask-again", "seal"})


@dataclass(frozen=True)
class Meeting:
    """An act that may meet another one of the same bureau."""

    bureau: str
    move: Move
    act: str


class Officers(Stage):
    """All officers of the four bureaus."""

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


def _split(act: str) -> tuple[str, str]:
    name, _, side = act.partition("@")
    return name, side
