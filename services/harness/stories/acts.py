"""What officers can do in a story: the acts of the API, under the names of their routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from shared.identifiers.texts import N_

ROUTE = "/api/v1/transfers"


@dataclass(frozen=True, slots=True)
class Act:
    """`action`: its name in the table of who may do what; `told`: how a story tells it; `asks`: the questions to a peer."""

    name: str
    action: str
    told: str
    at: Literal["destination", "origin"]
    method: Literal["GET", "POST"] = "POST"
    asks: str | None = None

    def path(self, case: str) -> str:
        return ROUTE if self.name == "open" else f"{ROUTE}/{case}/{self.name}"


ACTS: Mapping[str, Act] = MappingProxyType(
    {
        act.name: act
        for act in (
            Act("open", "transfers.open", N_("takes the application"), "destination"),
            Act(
                "look-up",
                "transfers.look_up_origin",
                N_("asks the origin's register"),
                "destination",
                asks="PersonStatus, ResidentForTransfer",
            ),
            Act("accept", "transfers.accept", N_("accepts the application"), "destination"),
            Act("ask-supplement", "transfers.ask_supplement", N_("asks for what is missing"), "destination"),
            Act("supplemented", "transfers.supplemented", N_("takes what was missing"), "destination"),
            Act("submit", "transfers.submit", N_("submits it for approval"), "destination"),
            Act("withdraw", "transfers.withdraw", N_("withdraws the application"), "destination"),
            Act("approve", "transfers.approve", N_("approves the move and issues the permit"), "destination"),
            Act("approve-talent", "transfers.approve_talent", N_("approves the move on the HRSS number"), "destination"),
            Act("refuse", "transfers.refuse", N_("does not approve the move"), "destination"),
            Act("void", "transfers.void", N_("voids the case"), "destination"),
            Act("request-reissue", "transfers.request_reissue", N_("asks for a new migration certificate"), "destination"),
            Act("settle", "transfers.settle", N_("lets the citizen sign and settles the move"), "destination"),
            Act("findings", "transfers.verify", N_("verifies the permit against the register"), "origin", method="GET"),
            Act("seal", "transfers.seal", N_("cancels out and issues the migration certificate"), "origin"),
            Act("return", "transfers.return", N_("returns the permit"), "origin"),
            Act("ask-cancel", "transfers.ask_cancel", N_("asks for the move to be cancelled"), "origin"),
            Act("reissue", "transfers.reissue", N_("issues the migration certificate again"), "origin"),
            Act("restore", "transfers.restore", N_("enters the restoration"), "origin"),
        )
    }
)
