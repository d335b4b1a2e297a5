"""Who moves where in a seed, and what officers may do in each state; the weights say how often they do."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.bureau.transfers.states import Side, State
from services.harness.network import BUREAUS
from tests.federation.clerk import Application, Transfer
from tests.federation.people import HEAD, SON, SPOUSE, Person

D, O = Side.DESTINATION, Side.ORIGIN  # noqa: E741  # as in the design
LEADS_ON, OFTEN, SELDOM, RARELY = 5.0, 2.0, 0.4, 0.15
# What is drawn in each state; acts that the table does not have in that state must be refused, and are tried seldom.
ACTS: Mapping[tuple[Side, State], Mapping[str, float]] = {
    (D, State.DRAFT): {"accept": LEADS_ON, "withdraw": RARELY},
    (D, State.ACCEPTED): {"submit": LEADS_ON, "ask-supplement": SELDOM, "withdraw": RARELY},
    (D, State.SUPPLEMENT_REQUIRED): {"supplemented": LEADS_ON, "withdraw": RARELY},
    (D, State.UNDER_REVIEW): {"approve": LEADS_ON, "refuse": RARELY, "withdraw": RARELY},
    (D, State.APPROVED): {"void": SELDOM, "look-up": RARELY, "ask-again": SELDOM, "settle": RARELY},
    (D, State.CERTIFIED): {"settle": LEADS_ON, "void": SELDOM, "request-reissue": SELDOM},
    (D, State.SETTLING): {"ask-again": SELDOM, "void": SELDOM},
    (D, State.HERE): {"void": RARELY},
    (D, State.VOID): {"settle": RARELY},
    (O, State.RECEIVED): {"seal": LEADS_ON, "return": SELDOM, "ask-cancel": RARELY},
    (O, State.SEALED): {"ask-cancel": SELDOM, "reissue": SELDOM, "ask-again": SELDOM},
    (O, State.CANCELLING): {"ask-again": SELDOM, "reissue": RARELY},
    (O, State.RETURNED): {"seal": SELDOM},
    (O, State.RESTORED): {"restore": OFTEN, "seal": RARELY},
    (O, State.GONE): {"ask-cancel": RARELY},
}
# What leads to an end when officers do their work and nothing else happens.
WORK: Mapping[tuple[Side, State], str] = {
    (D, State.DRAFT): "accept",
    (D, State.ACCEPTED): "submit",
    (D, State.SUPPLEMENT_REQUIRED): "supplemented",
    (D, State.UNDER_REVIEW): "approve",
    (D, State.CERTIFIED): "settle",
    (O, State.RECEIVED): "seal",
}
GIVES_UP = frozenset({"withdraw", "refuse", "void", "return", "ask-cancel"})
"""After one of these a case need not end in a settlement."""


@dataclass(frozen=True)
class Pending:
    """An act whose officer got no answer, and who will send it again with its key."""

    act: str
    body: Mapping[str, Any] | None
    key: str


@dataclass
class Move:
    """One intended transfer. `after`: it makes sense when that one has ended well, and is mostly applied for then."""

    name: str
    people: list[Person]
    origin: str
    destination: str
    after: "Move | None" = None
    new_household: bool = False
    relations: Sequence[str] = ()
    transfer: Transfer | None = None
    pending: Pending | None = None
    given_up: bool = False
    skipped: bool = False
    not_signing: list[int] = field(default_factory=list)

    @property
    def case(self) -> str:
        return "" if self.transfer is None else self.transfer.case

    def application(self) -> Application:
        return Application(self.people, self.origin, self.destination, new_household=self.new_household, relations=self.relations)


@dataclass(frozen=True)
class Scenario:
    """`moves`: (movers, from, to, whether it follows the one before), by places in the drawn order of the bureaus."""

    name: str
    households: Sequence[Sequence[str]]
    moves: Sequence[tuple[int, int, int, bool]]


SCENARIOS = (
    Scenario("one transfer", [(HEAD,)], [(0, 0, 1, False)]),
    Scenario("two strangers", [(HEAD,), (HEAD,)], [(0, 0, 1, False), (1, 0, 1, False)]),
    Scenario("two applications", [(HEAD,)], [(0, 0, 1, False), (0, 0, 2, False)]),
    Scenario("there and back", [(HEAD,)], [(0, 0, 1, False), (0, 1, 0, True)]),
    Scenario("chain", [(HEAD,)], [(0, 0, 1, False), (0, 1, 2, True)]),
    Scenario("household", [(HEAD, SPOUSE, SON)], [(0, 0, 1, False)]),
)


def draw(rng: random.Random) -> tuple[Scenario, list[str]]:
    """A scenario, and the four bureaus in the order in which it uses them."""
    return rng.choice(SCENARIOS), rng.sample(BUREAUS, len(BUREAUS))


def moves_of(scenario: Scenario, bureaus: Sequence[str], households: Sequence[list[Person]]) -> list[Move]:
    moves: list[Move] = []
    for number, (movers, origin, destination, follows) in enumerate(scenario.moves):
        relations = scenario.households[movers]
        move = Move("AB"[number], list(households[movers]), bureaus[origin], bureaus[destination])
        if len(relations) > 1:
            move.new_household, move.relations = True, relations
        if follows:
            move.after = moves[-1]
        moves.append(move)
    return moves
