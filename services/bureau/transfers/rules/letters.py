"""What a letter was about, for officers: an envelope does not say, and only its recipient can open it; our audit log tells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.bureau.transfers.states import TRANSFER, On, Side, State

SAME_COMMIT: Final = timedelta(seconds=2)  # between the audit row and the receipt of one transaction
REISSUE_ASKED = "ReissueRequested"
SAID_WITHOUT_A_STATE: Final[Mapping[str, str]] = {
    "request reissue": REISSUE_ASKED,
    "reissue": On.MigrationCertificateIssued.value,
}
MESSAGES: Final = frozenset(on.value for on in On if on.is_message) | {REISSUE_ASKED}


@dataclass(frozen=True, slots=True)
class Done:
    """A change of the case, from its audit row: when, by which act or message, and what members became."""

    at: datetime
    word: str
    change: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Letter:
    """`name`: of the message, "" when nothing tells it; `row`: its times."""

    name: str
    row: Any


def said(done: Sequence[Done], side: Side, at: datetime) -> str:
    """What our case said at that time: the last change before has a word for it."""
    for one in reversed([one for one in done if one.at <= at]):
        if one.word in SAID_WITHOUT_A_STATE:
            return SAID_WITHOUT_A_STATE[one.word]
        words = [TRANSFER.says(side, State(member["state"])) for member in (one.change or {}).get("members", ())]
        word = next((word for word in words if word is not None), None)
        if word is not None:
            return word.value
    return ""


def heard(done: Sequence[Done], applied_at: datetime | None) -> str:
    """Which message took effect at that time."""
    if applied_at is None:
        return ""
    near = [one for one in done if one.word in MESSAGES and abs(one.at - applied_at) <= SAME_COMMIT]
    return min(near, key=lambda one: abs(one.at - applied_at)).word if near else ""
