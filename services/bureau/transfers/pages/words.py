"""Words of the pages of a case for what the slice knows as codes."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from services.bureau.access.calls import ROLE_NAMES
from services.bureau.population.rules import RELATION_LABELS, ResidentRow
from services.bureau.population.tables import HoldKind
from services.bureau.transfers.rules.comparison import SEXES
from services.bureau.transfers.rules.errors import ACTS
from services.bureau.transfers.states import LABELS, Awaited
from shared.contract.codes import RETURN_TEXTS, Standing
from shared.identifiers.division import full_division_name
from shared.identifiers.texts import N_

Say = Callable[..., str]
MINUTE, HOUR = 60, 3600
HOLDS: Final = {
    HoldKind.RESTRICTED_PERSON.value: N_("restricted person"),
    HoldKind.OTHER_BUSINESS.value: N_("other business running"),
    HoldKind.RECORD_LOCKED.value: N_("record locked"),
    HoldKind.DUPLICATE_NUMBER.value: N_("duplicate id number"),
}
STANDINGS: Final = {
    Standing.HERE.value: N_("registered there"),
    Standing.IN_TRANSIT.value: N_("moved out there, not yet settled"),
    Standing.MOVED.value: N_("moved away from there"),
    Standing.ARRIVING.value: N_("settling there"),
    Standing.ABSENT.value: N_("not in that register"),
}
CATEGORIES: Final = {"KINSHIP": N_("joining a relative"), "TALENT": N_("talent")}
REASONS_OF_MOVE: Final = {
    "SPOUSE": N_("spouse joins spouse"),
    "PARENT_TO_CHILD": N_("parent joins child"),
    "CHILD_TO_PARENT": N_("child joins parent"),
    "TALENT_INTRODUCED": N_("introduced talent"),
    "RESIDENCE_TO_HUKOU": N_("residence permit to registration"),
    "RETURNED_FROM_ABROAD": N_("returned from study abroad"),
}
OWED_KINDS: Final = {
    f"transfers.{Awaited.CERTIFICATE.value}": N_("the migration certificate, or the permit's return"),
    f"transfers.{Awaited.SETTLEMENT.value}": N_("the settlement"),
    f"transfers.{Awaited.CLOSE.value}": N_("the close"),
    f"transfers.{Awaited.CANCELLATION.value}": N_("the answer to the cancellation"),
    f"transfers.{Awaited.REISSUE.value}": N_("the certificate issued again"),
}
MESSAGES: Final = {
    "PermitIssued": N_("Permit"),
    "MigrationCertificateIssued": N_("Migration certificate"),
    "PermitReturned": N_("Permit returned"),
    "CancellationRequested": N_("Cancellation asked"),
    "ReissueRequested": N_("Reissue asked"),
    "TransferSettled": N_("Settlement signed"),
    "TransferVoided": N_("Case voided"),
    "TransferClosed": N_("Close"),
}
SLIPS: Final = {
    "acceptance": N_("Acceptance receipt"),
    "interim": N_("Interim receipt"),
    "completion": N_("Completion slip"),
    "permit": N_("Move-in permit"),
    "certificate": N_("Migration certificate (paper)"),
    "query-code": N_("Query code slip"),
}
OTHER_ACTS: Final = {
    "open": N_("took the application"),
    "wait": N_("waited on"),
    "request reissue": N_("asked for a reissue"),
    "reissue": N_("issued the certificate again"),
    "issue query code": N_("issued a new query code"),
    "restore": N_("entered the restoration"),
    "ask again": N_("asked again"),
    "hold placed": N_("placed a hold"),
}


HAPPENED: Final[Mapping[str, str]] = MappingProxyType({on.value: text for on, text in ACTS.items()} | MESSAGES | OTHER_ACTS)
"""What an audit row's action is called, behind "transfers.": an act, a message, or one of the acts that change no state."""


def act_name(action: str, say: Say) -> str:
    _, _, word = action.partition(".")
    return say(HAPPENED[word]) if word in HAPPENED else word


def state_told(side: str, state: str) -> str:
    """What the officers at that side read where a peer has told `state`; one that we do not know is shown as it was told."""
    return next((label for (of, known), label in LABELS.items() if (of.value, known.value) == (side, state)), state)


def age(span: timedelta, say: Say) -> str:
    """How old a knowledge is, in its largest unit."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < MINUTE:
        return say(N_("{count} s ago"), count=seconds)
    if seconds < HOUR:
        return say(N_("{count} min ago"), count=seconds // MINUTE)
    return say(N_("{count} h ago"), count=seconds // HOUR)


def translated(pairs: Sequence[tuple[str, str]], say: Say) -> list[tuple[str, str]]:
    return [(key, say(text)) for key, text in pairs]


def return_options(codes: Sequence[tuple[str, str, str]], say: Say) -> list[tuple[str, str]]:
    return [(key, f"{code} {say(text)}") for key, code, text in codes]


def new_heads(staying: Sequence[ResidentRow], revealed: bool) -> list[tuple[str, str]]:
    """Who may become head, by name and birth date; sent back is the row of the register, for a page's source shows no numbers."""
    shown = [(str(one.id), one.personal) for one in staying]
    return [(row, f"{who.name} · {who.born_on}{' · ' + who.citizen_id_no if revealed else ''}") for row, who in shown]


WORDS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "holds": HOLDS,
        "role_names": ROLE_NAMES,
        "standings": STANDINGS,
        "categories": CATEGORIES,
        "reasons_of_move": REASONS_OF_MOVE,
        "owed_kinds": OWED_KINDS,
        "message_names": MESSAGES,
        "slip_names": SLIPS,
        "return_texts": RETURN_TEXTS,
        "sexes": SEXES,
        "relations": RELATION_LABELS,
        "act_name": act_name,
        "state_told": state_told,
        "age": age,
        "translated": translated,
        "return_options": return_options,
        "new_heads": new_heads,
        "division_name": full_division_name,
    }
)
