"""Words of the pages of operations for what the log and the post office know as codes."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from services.bureau.transfers.pages.words import HAPPENED, OWED_KINDS, state_told
from services.bureau.transfers.rules.possible import CASE_ACTS
from shared.identifiers.texts import N_

ACTIONS: Final = {
    "access.me": N_("look at one's own page"),
    "access.log_in": N_("log in"),
    "access.take_post": N_("take a post"),
    "audit.read": N_("read the audit log"),
    "console.work": N_("open the workbench"),
    "messages.withdrawn": N_("withdraw messages"),
    "messaging.receive": N_("receive a message"),
    "operations.announce": N_("announce maintenance"),
    "operations.read": N_("look at the node"),
    "operations.replay": N_("replay a dead letter"),
    "operations.skip": N_("skip a dead letter"),
    "owed.read": N_("look at answers owed"),
    "peers.answer": N_("answer a peer's question"),
    "population.confirm_restoration": N_("confirm a restoration"),
    "population.hold": N_("place a hold on a person"),
    "population.import": N_("load the register"),
    "population.lift_hold": N_("lift a hold"),
    "population.read": N_("read the register"),
    "population.set_row": N_("change a register row"),
    "stations.read": N_("look at stations"),
    "stations.list_replaced": N_("replace the list of stations"),
    "transfers.hold": N_("take or give a case"),
    "transfers.look_up_origin": N_("ask the origin's register"),
    "transfers.question.person_status": N_("tell a peer where a person is registered"),
    "transfers.question.resident_for_transfer": N_("tell a peer who is to move"),
    "transfers.question.transfer_state": N_("tell a peer how a case stands"),
    "transfers.read": N_("read a case"),
    "transfers.reveal": N_("show an id number"),
    "transfers.track": N_("follow a case as its citizen"),
    "transfers.verify": N_("verify at the origin"),
    "trust.list_accepted": N_("take up a trust list"),
}
"""Beside these an action is an act on a case, or a message."""

_LABELS: Final = {act.action: act.label for act in CASE_ACTS}


def action_name(action: str, say: Callable[..., str]) -> str:
    """What the audit log's action is called; its code where nobody has named it."""
    if action in ACTIONS:
        return say(ACTIONS[action])
    slice_name, _, word = action.partition(".")
    if slice_name == "transfers" and word in HAPPENED:
        return say(HAPPENED[word])
    return say(_LABELS[action]) if action in _LABELS else action


WORDS: Final[Mapping[str, Any]] = MappingProxyType(
    {"owed_kinds": OWED_KINDS, "action_name": action_name, "state_told": state_told}
)
