"""What lies in one bureau's database, read at once: small, because a seed begins with nothing."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.bureau.transfers.states import TRANSFER, Side, State
from services.harness.gauge import Saying
from tests.stepper.ground import Ground

LOOK = """
SELECT json_build_object(
 'residents', (SELECT json_agg(json_build_array(encode(citizen_id_index, 'hex'), kind, epoch, counterpart, case_id, version)
               ORDER BY citizen_id_index) FROM resident),
 'members', (SELECT json_agg(json_build_array(case_id, counterpart, place, side, state, epoch, encode(citizen_index, 'hex'))
             ORDER BY case_id, counterpart, place) FROM transfer_member),
 'cases', (SELECT json_agg(json_build_array(case_id, counterpart, apply_no, permit_no, migration_no, issue)
           ORDER BY case_id, counterpart) FROM transfer_case),
 'outbox', (SELECT json_agg(json_build_array(event_id, key, topic, sent_at IS NOT NULL) ORDER BY seq) FROM outbox),
 'acts', (SELECT json_agg(json_build_array(case_id, peer, change ->> 'side',
          (SELECT json_agg(m ->> 'state') FROM jsonb_array_elements(change -> 'members') m)) ORDER BY id)
          FROM audit WHERE change ? 'members'),
 'audit', (SELECT count(*) FROM audit),
 'owed', (SELECT json_agg(json_build_array(case_id, peer, kind, asks) ORDER BY case_id, peer, kind) FROM owed),
 'receipts', (SELECT json_agg(json_build_array(event_id, outcome) ORDER BY event_id) FROM receipt WHERE type LIKE '%.message'),
 'letters', (SELECT json_agg(json_build_array(raw_headers ->> 'ce_id', reason, next_try_at IS NOT NULL) ORDER BY id)
             FROM dead_letter WHERE resolved_at IS NULL)
)"""


@dataclass(frozen=True)
class Member:
    case: str
    counterpart: str
    place: int
    side: Side
    state: State
    epoch: int
    citizen: str | None


@dataclass(frozen=True)
class View:
    """One bureau's database."""

    bureau: str
    residents: tuple[tuple[Any, ...], ...]
    members: tuple[Member, ...]
    cases: tuple[tuple[Any, ...], ...]
    outbox: tuple[tuple[Any, ...], ...]
    acts: tuple[tuple[Any, ...], ...]
    audit: int
    owed: tuple[tuple[Any, ...], ...]
    receipts: dict[str, str]
    letters: tuple[tuple[Any, ...], ...]

    def state(self, case: str, counterpart: str) -> list[Member]:
        return [one for one in self.members if (one.case, one.counterpart) == (case, counterpart)]

    @property
    def unsent(self) -> int:
        return sum(not sent for _, _, _, sent in self.outbox)

    @property
    def waits_for_time(self) -> bool:
        """A message dated ahead of our clock is kept until that time has come."""
        return any(waits for _, _, waits in self.letters)

    def sayings(self) -> Iterable[tuple[str, Saying]]:
        for index, kind, epoch, counterpart, case, version in self.residents:
            yield index, Saying(self.bureau, kind, epoch, counterpart, case, version)
        for one in self.members:
            if one.side is Side.DESTINATION and one.state is State.SETTLING and one.citizen is not None:
                yield one.citizen, Saying(self.bureau, one.state.value, one.epoch, one.counterpart, one.case, 0)  # type: ignore[arg-type]

    def messages(self) -> Counter[tuple[str, str]]:
        """(case, to whom) -> messages written."""
        return Counter((key, topic.partition(".")[0]) for _, key, topic, _ in self.outbox)

    def speeches(self) -> Counter[tuple[str, str]]:
        """(case, to whom) -> changes of state that have to be told, from the audit log."""
        found: Counter[tuple[str, str]] = Counter()
        for case, peer, side, states in self.acts:
            if any(TRANSFER.says(Side(side), State(state)) is not None for state in states or ()):
                found[case, peer] += 1
        return found

    def changed_since(self, before: "View", *, with_audit: bool) -> list[str]:
        """What a redelivery must leave alone, and has not."""
        names = ["residents", "members", "cases", "outbox", "owed"] + (["audit"] if with_audit else [])
        return [
            f"{name}: {getattr(before, name)} -> {getattr(self, name)}"
            for name in names
            if getattr(before, name) != getattr(self, name)
        ]


class Looks:
    """The views of all bureaus; only those are read again that have committed since."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.views: dict[str, View] = {}

    def __getitem__(self, bureau: str) -> View:
        return self.views[bureau]

    async def refresh(self) -> None:
        touched = self._ground.faults.touched | (set(self._ground.looks) - set(self.views))
        for view in await asyncio.gather(*[self._read(bureau) for bureau in sorted(touched)]):
            self.views[view.bureau] = view
        self._ground.faults.touched.clear()

    async def _read(self, bureau: str) -> View:
        found = json.loads(await self._ground.looks[bureau].fetchval(LOOK))
        rows = {name: tuple(map(tuple, value or ())) for name, value in found.items() if name != "audit"}
        members = tuple(Member(c, p, n, Side(side), State(state), e, i) for c, p, n, side, state, e, i in rows["members"])
        return View(
            bureau, rows["residents"], members, rows["cases"], rows["outbox"], rows["acts"], found["audit"], rows["owed"],
            dict(rows["receipts"]), rows["letters"],
        )  # fmt: skip
