"""A household as one case: its members have a state each, and every act and message is one commit for all whom it names.

Smaller than `world`: two bureaus, no journal and no restore (each member runs the protocol that `explorer` has tried with them).
What is tried here is the sharing: the destination settles those who sign and voids the others in one commit, which one message
reports; the origin closes the ones and restores the others in one commit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from services.bureau.transfers.states import HEARD_BY, TRANSFER, On, Row, RowKind, Side, State, Step, Tables, epoch_of

ACTS = {Side.DESTINATION: (On.APPROVE, On.VOID), Side.ORIGIN: (On.RETURN, On.ASK_CANCEL)}


class Member(NamedTuple):
    """One member at one bureau."""

    state: State
    epoch: int
    row: Row


class Line(NamedTuple):
    """What a message says of one member."""

    member: int
    on: On
    epoch: int


Members = tuple[Member, ...]
Letter = tuple[Line, ...]


class World(NamedTuple):
    destination: Members
    origin: Members
    bus: tuple[Letter, ...]
    losses: int = 0
    asks: int = 0  # left

    def at(self, side: Side) -> Members:
        return self.destination if side is Side.DESTINATION else self.origin


class Move(NamedTuple):
    label: str
    world: World
    letters: int  # that the move has said


@dataclass(frozen=True)
class Household:
    """The moves of a household of `members`. With `lingering`, a message may be delivered again and again until it is lost."""

    members: int
    lingering: bool = True
    tables: Tables = TRANSFER

    def start(self, *, losses: int = 0, asks: int = 0) -> World:
        """The application has been examined; all live at the origin."""
        applied = Member(State.UNDER_REVIEW, 0, Row(RowKind.ABSENT, 0))
        living = Member(State.UNKNOWN, 0, Row(RowKind.ACTIVE, 1))
        return World((applied,) * self.members, (living,) * self.members, (), losses, asks)

    def moves(self, world: World) -> Iterator[Move]:
        for side in Side:
            for act in ACTS[side]:
                yield from self._act(world, side, dict.fromkeys(self._able(world, side, act), act))
            for asked in self._repeats(world, side):
                if world.asks and asked not in world.bus:
                    yield self._said(world._replace(asks=world.asks - 1), f"ask again at {side}", asked)
        if len(self._able(world, Side.ORIGIN, On.CERTIFY)) == self.members:  # it seals all members of the permit or returns it
            yield from self._act(world, Side.ORIGIN, dict.fromkeys(range(self.members), On.CERTIFY))
        signers = self._able(world, Side.DESTINATION, On.SIGN)
        for count in range(1, len(signers) + 1):
            for signing in combinations(signers, count):
                others = dict.fromkeys(signers, On.VOID)
                yield from self._act(world, Side.DESTINATION, others | dict.fromkeys(signing, On.SIGN))
        for letter in world.bus:
            rest = list(world.bus)
            rest.remove(letter)
            yield from self._deliver(world if self.lingering else world._replace(bus=tuple(rest)), letter)
            if world.losses:
                yield Move("lose", world._replace(bus=tuple(rest), losses=world.losses - 1), 0)

    def _able(self, world: World, side: Side, act: On) -> list[int]:
        return [m for m, member in enumerate(world.at(side)) if self._step(side, member, act, member.epoch)]

    def _act(self, world: World, side: Side, acts: Mapping[int, On]) -> Iterator[Move]:
        if acts:
            steps = {m: self._step(side, world.at(side)[m], act, world.at(side)[m].epoch) for m, act in acts.items()}
            yield self._commit(world, side, steps, f"{sorted(set(acts.values()))} at {side}")

    def _deliver(self, world: World, letter: Letter) -> Iterator[Move]:
        side = HEARD_BY[letter[0].on]
        steps: dict[int, Step | None] = {}
        for m, on, named in letter:
            member = world.at(side)[m]
            epoch = epoch_of(member.state, member.epoch, on, named)
            done = None if epoch is None else self._step(side, member, on, epoch)
            if done or (epoch is not None and self.tables.answers_again(side, member.state, on)):
                steps[m] = done
        if steps or not self.lingering:
            yield self._commit(world, side, steps, f"deliver {letter[0].on}")

    def _commit(self, world: World, side: Side, steps: Mapping[int, Step | None], label: str) -> Move:
        """All steps together, and one message about them; a step None changes nothing and says again what the state says."""
        members = list(world.at(side))
        for m, done in steps.items():
            if done:
                members[m] = Member(done.state, done.epoch, done.row or members[m].row)
        now = tuple(members)
        new = world._replace(destination=now) if side is Side.DESTINATION else world._replace(origin=now)
        return self._said(new, label, self._letter(side, now, list(steps)))

    def _said(self, world: World, label: str, letter: Letter) -> Move:
        if not letter or (self.lingering and letter in world.bus):
            return Move(label, world, 0)
        return Move(label, world._replace(bus=tuple(sorted((*world.bus, letter)))), 1)

    def _repeats(self, world: World, side: Side) -> set[Letter]:
        """What may be said again: about those who wait alone, or about all of whom the message spoke at first."""
        members = world.at(side)
        waiting = [m for m, member in enumerate(members) if self.tables.awaits(side, member.state)]
        void = [m for m, member in enumerate(members) if member.state is State.VOID]
        return {self._letter(side, members, named) for named in (waiting, waiting + void)} if waiting else set()

    def _letter(self, side: Side, members: Members, named: list[int]) -> Letter:
        said = ((m, self.tables.says(side, members[m].state)) for m in sorted(named))
        return tuple(Line(m, on, members[m].epoch) for m, on in said if on)

    def _step(self, side: Side, member: Member, on: On, epoch: int) -> Step | None:
        return self.tables.step(side, member.state, member.row, epoch, on)
