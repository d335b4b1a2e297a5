"""What must be true after each step, and what when everything has come to rest."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.bureau.population.tables import CITIZEN_INDEX_LABEL
from services.bureau.transfers.states import TERMINAL, State
from services.bureau.transfers.tables import CaseFile
from services.harness.cut import CUT, cut_faults, history
from services.harness.gauge import Saying, holders
from services.harness.network import BUREAUS
from shared.contract.messages import PermitReturned, TransferVoided
from tests.federation.gauge import ends
from tests.stepper.cast import Move
from tests.stepper.ground import Ground
from tests.stepper.look import Looks

EFFECTS = ("PermitIssued", "MigrationCertificateIssued", "TransferSettled", "TransferClosed")
MOST_MESSAGES = 120  # about one case: a storm with every fault says some thirty
GOOD_ENDS = {("HERE", "GONE"), ("VOID", "RETURNED"), ("VOID", "VOID"), ("VOID", "RESTORED"), ("VOID", None)}
UNSAID_ENDS = {("WITHDRAWN", None), ("REFUSED", None)}
BY_WRONG_CLOCKS = frozenset({"too_old", "clock_ahead", "key_not_yet_valid", "key_expired"})


class Wrong(AssertionError):
    """A promise is broken; the text says which."""


class Watch:
    """Looks after each step at the databases of all bureaus, and remembers what was told."""

    def __init__(self, ground: Ground, looks: Looks, people: Mapping[str, str]) -> None:
        """`people`: citizen id number -> the name that the lines use."""
        self._ground, self._looks = ground, looks
        self._people = dict(people)
        self._indexes = {
            bureau: {ground.vaults[bureau].blind_index(CITIZEN_INDEX_LABEL, number).hex(): number for number in people}
            for bureau in BUREAUS
        }
        self._told: dict[str, tuple[int, str]] = {}

    async def check(self) -> None:
        """Raises Wrong."""
        await self._looks.refresh()
        self._one_answers()
        for bureau in BUREAUS:
            self._what_happened_is_told(bureau)
            self._what_is_marked_was_sent(bureau)

    def _one_answers(self) -> None:
        said: dict[str, set[Saying]] = {number: set() for number in self._people}
        for bureau in BUREAUS:
            for index, saying in self._looks[bureau].sayings():
                if (number := self._indexes[bureau].get(index)) is not None:
                    said[number].add(saying)
        for number, sayings in said.items():
            found = holders(sayings) or []
            if len(found) != 1 or ends(frozenset(sayings)) != set(found):
                raise Wrong(f"{self._people[number]} is answered for by {found or 'nobody'}: {_shown(sayings)}")
            epoch = max(one.epoch for one in sayings if one.bureau == found[0])
            before = self._told.get(number, (0, found[0]))
            if epoch < before[0] or (epoch == before[0] and found[0] != before[1]):
                raise Wrong(f"{self._people[number]} went back: {found[0]} epoch {epoch}, after {before}")
            self._told[number] = epoch, found[0]

    def _what_happened_is_told(self, bureau: str) -> None:
        view = self._looks[bureau]
        messages = view.messages()
        for (case, peer), count in view.speeches().items():
            if messages[case, peer] < count:
                raise Wrong(f"{bureau} has {count} changes to tell {peer}, and {messages[case, peer]} messages in its outbox")

    def _what_is_marked_was_sent(self, bureau: str) -> None:
        never = [1 for event_id, _, _, sent in self._looks[bureau].outbox if sent and event_id not in self._ground.bus.published]
        if never:
            raise Wrong(f"{bureau} has marked {len(never)} message(s) as sent that the bus never saw")


def _shown(sayings: Iterable[Saying]) -> str:
    return ", ".join(sorted(f"{one.bureau} {one.kind} epoch {one.epoch} -> {one.counterpart}" for one in sayings))


# ---- at rest ---------------------------------------------------------------------------------------------------------


def pairs(looks: Looks, move: Move) -> list[tuple[str, str | None]]:
    """(state at the destination, at the origin) of each member."""
    there = looks[move.destination].state(move.case, move.origin)
    here = {one.place: one.state.value for one in looks[move.origin].state(move.case, move.destination)}
    return [(one.state.value, here.get(one.place)) for one in there]


def has_ended(looks: Looks, move: Move) -> bool:
    """Both sides know their end, and nobody waits for an answer."""
    if move.transfer is None:
        return move.skipped
    members = [*looks[move.destination].state(move.case, move.origin), *looks[move.origin].state(move.case, move.destination)]
    owed = any(row[0] == move.case for bureau in BUREAUS for row in looks[bureau].owed)
    return not owed and all(one.state in TERMINAL[one.side] for one in members)


class Verdict:
    """At rest: done, done once, nothing lost, nothing left over. `said`: event id -> (sender, to, name, message)."""

    def __init__(self, ground: Ground, looks: Looks, moves: Sequence[Move], said: Mapping[str, Any]) -> None:
        self._ground, self._looks, self._said = ground, looks, said
        self._moves = [move for move in moves if move.transfer is not None]

    async def check(self, *, lost: set[str], clocks_were_wrong: bool, clocks_agree: bool) -> None:
        """Raises Wrong. `lost`: event ids of messages that the bus has lost on purpose."""
        self._nothing_left_over()
        for move in self._moves:
            self._ended_well(move)
            self._equal_at_both(move)
        self._every_message_applied(lost, clocks_were_wrong=clocks_were_wrong)
        await self._logs_agree(clocks_agree=clocks_agree)

    def _nothing_left_over(self) -> None:
        for bureau in BUREAUS:
            view = self._looks[bureau]
            waiting = [reason for _, reason, _ in view.letters if reason not in BY_WRONG_CLOCKS]
            if view.unsent or view.owed or waiting:
                raise Wrong(f"left over at {bureau}: {view.unsent} unsent, owed {view.owed}, letters {waiting}")
            for (case, peer), count in view.messages().items():
                if count > MOST_MESSAGES:
                    raise Wrong(f"{bureau} said {count} messages about {case} to {peer}")

    def _ended_well(self, move: Move) -> None:
        found = pairs(self._looks, move)
        for place, pair in enumerate(found, start=1):
            if pair not in GOOD_ENDS | UNSAID_ENDS:
                raise Wrong(f"{move.name} member {place} ended as {pair}")
            if pair[0] == "HERE" and self._was_told_void(move, place):
                raise Wrong(f"{move.name} member {place} was told void, and has settled")
        if not move.given_up and any(pair[0] != "HERE" and place not in move.not_signing for place, pair in enumerate(found, 1)):
            raise Wrong(f"{move.name}: nobody gave it up, and it ended as {found}")

    def _was_told_void(self, move: Move, place: int) -> bool:
        return any(
            isinstance(message, TransferVoided | PermitReturned) and str(message.case) == move.case and place in message.places
            for sender, to, _, message in self._said.values()
            if {sender, to} == {move.origin, move.destination}  # not what a liar was answered
        )

    def _equal_at_both(self, move: Move) -> None:
        there = next(row for row in self._looks[move.destination].cases if row[:2] == (move.case, move.origin))
        here = next((row for row in self._looks[move.origin].cases if row[:2] == (move.case, move.destination)), None)
        if here is None or here[2] is None:  # a tombstone: the permit never came
            return
        if here[2:4] != there[2:4]:
            raise Wrong(f"{move.name}: case and permit numbers differ: {here[2:4]}, {there[2:4]}")
        if there[5] > here[5] or (there[5] == here[5] and there[4] != here[4]):
            raise Wrong(f"{move.name}: certificates differ: issue {there[5]} there, {here[5]} here")
        epochs = {
            one.place: one.epoch for one in self._looks[move.origin].state(move.case, move.destination) if one.state is State.GONE
        }
        for one in self._looks[move.destination].state(move.case, move.origin):
            if one.state is State.HERE and epochs.get(one.place) != one.epoch:
                raise Wrong(f"{move.name} member {one.place}: epoch {one.epoch} there, {epochs.get(one.place)} here")

    def _every_message_applied(self, lost: set[str], *, clocks_were_wrong: bool) -> None:
        refused = {event: reason for bureau in BUREAUS for event, reason, _ in self._looks[bureau].letters}
        for event_id, (sender, to, name, _) in self._said.items():
            outcome = self._looks[to].receipts.get(event_id)
            if outcome == "applied" or event_id in lost or (clocks_were_wrong and refused.get(event_id) in BY_WRONG_CLOCKS):
                continue
            raise Wrong(f"{name} from {sender} to {to} was not lost, and not applied: {outcome or refused.get(event_id)}")

    async def _logs_agree(self, *, clocks_agree: bool) -> None:
        histories = {bureau: history(bureau, await read_log(self._ground, bureau)) for bureau in BUREAUS}
        if faults := cut_faults(histories, clocks_agree=clocks_agree):
            raise Wrong("cut: " + "; ".join(faults))
        for move in self._moves:
            for place, pair in enumerate(pairs(self._looks, move), start=1):
                if pair != ("HERE", "GONE"):
                    continue
                counted = Counter(
                    one.action
                    for each in histories.values()
                    for one in each.events
                    if one.member == (move.case, place) and {one.bureau, one.peer} == {move.origin, move.destination}
                )
                if effects := {name: counted[name] for name in EFFECTS if counted[name] != 1}:
                    raise Wrong(f"{move.name} member {place}: effects are not 1 : 1 : 1 : 1: {effects}")


class LogLine:
    """A row of `CUT`, its change parsed."""

    def __init__(self, at: datetime, case_id: UUID | None, peer: str, action: str, object_id: str, change: Any) -> None:
        self.at, self.case_id, self.peer, self.action, self.object_id, self.change = at, case_id, peer, action, object_id, change


async def read_log(ground: Ground, bureau: str) -> list[LogLine]:
    rows = await ground.looks[bureau].fetch(CUT)
    return [LogLine(*row[:5], json.loads(row[5])) for row in rows]


FILES = "SELECT file FROM transfer_case WHERE case_id = $1 AND counterpart = $2 AND file IS NOT NULL"


async def documents_differ(ground: Ground, move: Move) -> str:
    """The permit, and the certificate of the same issue, must be the same at both ends; "" when they are."""
    files = []
    for bureau, peer in ((move.destination, move.origin), (move.origin, move.destination)):
        stored = await ground.looks[bureau].fetchval(FILES, UUID(move.case), peer)
        if stored is None:
            return ""
        files.append(CaseFile.model_validate_json(ground.vaults[bureau].decrypt("transfer_case.file", stored)))
    there, here = files
    if there.permit != here.permit:
        return f"{move.name}: the permits differ"
    issues = (there.certificate, here.certificate)
    if None not in issues and issues[0].issue == issues[1].issue and issues[0] != issues[1]:  # type: ignore[union-attr]
        return f"{move.name}: the certificates differ"
    return ""
