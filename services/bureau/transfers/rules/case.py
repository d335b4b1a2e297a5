"""A case as a value: loaded, stepped and saved by acts and inbound; pure by itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from services.bureau.transfers.states import TERMINAL, Side, State
from services.bureau.transfers.tables import CaseFile


@dataclass(slots=True)
class Member:
    """One person of a case, by place. Only `acts.moving` assigns `state`."""

    place: int
    state: State
    epoch: int
    citizen_index: bytes | str | None
    state_since: datetime
    void_reason: str | None = None
    settlement: dict[str, str] | None = None
    """At the origin, once gone: the `Proof` that the destination has settled."""
    since_business: datetime | None = None
    """Business time of `state_since`, as it was loaded."""


@dataclass(slots=True)
class Case:
    """One bureau's knowledge of a transfer. A tombstone has no file: nothing is known of it but that it is void."""

    counterpart: str
    case_id: UUID
    side: Side
    apply_no: str | None = None
    previous_case: UUID | None = None
    category: str | None = None
    station_code: str | None = None
    serial_no: str | None = None
    permit_no: str | None = None
    migration_no: str | None = None
    issue: int = 0
    reissue_asked: bool = False
    accepted_on: date | None = None
    permit_valid_until: date | None = None
    certificate_valid_until: date | None = None
    household_id: UUID | None = None
    query_code_index: bytes | str | None = None
    stored_file: CaseFile | None = None
    version: int = 0  # 0: not in the database yet
    members: dict[int, Member] = field(default_factory=dict)

    @property
    def file(self) -> CaseFile:
        return CaseFile() if self.stored_file is None else self.stored_file

    @property
    def is_tombstone(self) -> bool:
        return self.stored_file is None

    @property
    def has_ended(self) -> bool:
        """No member can change any more."""
        return all(member.state in TERMINAL[self.side] for member in self.members.values())

    def in_order(self) -> Sequence[Member]:
        """Members by place: also the order in which their persons are locked."""
        return [self.members[place] for place in sorted(self.members)]

    def in_state(self, *states: State) -> Sequence[Member]:
        return [member for member in self.in_order() if member.state in states]

    def write(self, **values: object) -> None:
        """Change the file (a frozen model): what is not named stays."""
        self.stored_file = self.file.model_copy(update=values)
