"""What one bureau asks another over REST (trust.md 5), and the answers. A question changes nothing at the one who is asked.

Path: /peer/v1/<capability>/<name in kebab case>. A question goes with its asker, so that the asked bureau can judge and
audit who wants to know and why; the officer is a pseudonym that only the asking bureau can resolve.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from shared.contract.codes import Standing
from shared.contract.fields import (
    MEMBERS_MAX,
    Address,
    Code,
    Content,
    Epoch,
    HouseholdNo,
    Name,
    Place,
    SexCode,
    UnitName,
    Wire,
    contract_error,
    require_distinct,
)
from shared.identifiers.bureau import BureauCode
from shared.identifiers.citizen_id import CitizenIdNumber
from shared.identifiers.division import AnyDivisionCode
from shared.identifiers.texts import N_
from shared.identifiers.unit_code import UnitCode

PURPOSE_MAX_CHARS = 100
CASE_REFERENCE_MAX_CHARS = 64
PROOF_MAX_CHARS = 64 * 1024  # a sealed settlement of 50 members has 9 KB, its JSON 3
SEALED_MAX = 10  # a case has at most a handful of messages that its counterpart can still need
SEALED_TOTAL_MAX_CHARS = 400 * 1024  # an answer's body may have 500 KiB, and other members beside these
HOUSEHOLD_MAX = MEMBERS_MAX  # a collective household is answered with the asked person alone
HOLDS_MAX = 20
RETRY_AFTER_MAX_SECONDS = 3_600
TEXT_MAX_CHARS = 500
NODE_ROLE = "node"

Envelope = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$")]
"""A sealed envelope, compact JWS."""
Pseudonym = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
Role = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
Purpose = Annotated[str, StringConstraints(min_length=1, max_length=PURPOSE_MAX_CHARS)]
CaseReference = Annotated[str, StringConstraints(min_length=1, max_length=CASE_REFERENCE_MAX_CHARS)]
Text = Annotated[str, StringConstraints(max_length=TEXT_MAX_CHARS)]
StateName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]{1,29}$")]
HoldCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]{1,29}$")]


class Asker(Wire):
    """Who asks. What the node asks by itself has the role "node" and no officer."""

    officer: Pseudonym | None = None
    role: Role
    purpose: Purpose
    case: CaseReference | None = None

    @model_validator(mode="after")
    def _officer_or_node(self) -> Self:
        if (self.role == NODE_ROLE) != (self.officer is None):
            raise contract_error("officer_or_node", N_("an officer asks under a pseudonym, a node without one"))
        return self


class Answer(Content):
    """What the asked bureau says, sealed, with the question's jti as `re`."""


class Question(Content):
    """Asks for facts of one bureau; `path` is where, `answer` is what comes back if not a Problem."""

    capability: ClassVar[str]
    path: ClassVar[str]
    answer: ClassVar[type[Answer]]


@dataclass(frozen=True, slots=True)
class Asked:
    question: Question
    asker: Asker


class ProblemCode(StrEnum):
    """Why a question that was opened gets no answer (trust.md 5)."""

    LOWER_INCARNATION = "lower_incarnation"
    STALE = "stale"
    UNKNOWN_QUESTION = "unknown_question"
    CONTENT = "content"
    FORBIDDEN = "forbidden"
    REPLAYED = "replayed"
    BUSY = "busy"


_PROBLEMS: Mapping[ProblemCode, tuple[int, str]] = MappingProxyType(
    {
        ProblemCode.LOWER_INCARNATION: (409, "The asker's incarnation is lower than one already seen"),
        ProblemCode.STALE: (400, "The question is not of this minute"),
        ProblemCode.UNKNOWN_QUESTION: (404, "This name or version is not known here"),
        ProblemCode.CONTENT: (422, "The question does not fit its model"),
        ProblemCode.FORBIDDEN: (403, "Not for this bureau, role or purpose"),
        ProblemCode.REPLAYED: (409, "This question was asked before"),
        ProblemCode.BUSY: (503, "The answer is not ready; ask again"),
    }
)
"""Status and title by code."""


class Problem(Answer):
    """RFC 9457, sealed like any answer. "No", or "not now" where `retry_after` (seconds) says when to ask again."""

    type: Text = "about:blank"
    title: Text
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Text | None = None
    instance: Text | None = None
    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{1,39}$")]
    """A ProblemCode, or one that a later node adds."""
    retry_after: Annotated[int, Field(ge=0, le=RETRY_AFTER_MAX_SECONDS)] | None = None
    our_time: int | None = None
    """Seconds since 1970 by the asked bureau's clock, with `stale`: the asker sees whose clock is wrong."""

    @classmethod
    def of(
        cls, code: ProblemCode, *, detail: str | None = None, retry_after: int | None = None, our_time: int | None = None
    ) -> "Problem":
        """The problem with the status and title of its code."""
        status, title = _PROBLEMS[code]
        return cls(title=title, status=status, code=code.value, detail=detail, retry_after=retry_after, our_time=our_time)


class Proof(Wire):
    """A message as its sender sealed it, for another recipient, with what its signed header commits to: `salt` (16 bytes,
    base64url) and `content` (its JSON). Whoever has the trust list can check who said it: signature, then commitment."""

    envelope: Annotated[Envelope, StringConstraints(max_length=PROOF_MAX_CHARS)]
    salt: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{22}$")]
    content: Annotated[str, StringConstraints(max_length=PROOF_MAX_CHARS)]


class PersonStatusAnswer(Answer):
    """`since`, `case` and `counterpart` tell where a person who is not simply here is heading, gone to or coming from."""

    kind: Standing
    epoch: Epoch | None = None
    case: UUID | None = None
    counterpart: BureauCode | None = None
    since: date | None = None
    proof: Proof | None = None
    """With MOVED: the destination's TransferSettled."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.kind is Standing.ABSENT) != (self.epoch is None):
            raise contract_error("epoch_unless_absent", N_("every standing but ABSENT has its epoch"))
        on_the_way = self.kind in (Standing.IN_TRANSIT, Standing.MOVED, Standing.ARRIVING)
        if on_the_way and (self.case is None or self.counterpart is None):
            raise contract_error("case_on_the_way", N_("{kind} needs its case and its counterpart"), kind=self.kind.value)
        return self


class PersonStatus(Question):
    """Who answers for this person: you?"""

    capability: ClassVar[str] = "population"
    path: ClassVar[str] = "/peer/v1/population/person-status"
    answer: ClassVar[type[Answer]] = PersonStatusAnswer

    citizen_id_no: CitizenIdNumber


class HouseholdMember(Wire):
    """`relation_code` is the relation to the head (GB/T 4761)."""

    place_in_household: Place
    relation_code: Code
    citizen_id_no: CitizenIdNumber | None = None
    name: Name
    sex: SexCode
    born_on: date


class ResidentExcerpt(Wire):
    """What a permit (4.4 a) needs to know, and no more."""

    name: Name
    sex: SexCode
    born_on: date
    division_code: AnyDivisionCode
    address: Address
    station_code: UnitCode
    station_name: UnitName
    household_no: HouseholdNo
    relation_code: Code
    holds: Annotated[tuple[HoldCode, ...], Field(max_length=HOLDS_MAX)] = ()
    household: Annotated[tuple[HouseholdMember, ...], Field(max_length=HOUSEHOLD_MAX)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        require_distinct(member.place_in_household for member in self.household)
        return self


class ResidentForTransferAnswer(Answer):
    """Whether the person is registered here, and if so the excerpt; `name_differs`: under another name, so nothing is shown."""

    found: bool
    name_differs: bool = False
    resident: ResidentExcerpt | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.found and not self.name_differs) != (self.resident is not None):
            raise contract_error("found_with_resident", N_("a resident who is found is shown, and only then"))
        return self


class ResidentForTransfer(Question):
    """The person and household as registered, for an application elsewhere; told only to who knows name and number."""

    capability: ClassVar[str] = "population"
    path: ClassVar[str] = "/peer/v1/population/resident-for-transfer"
    answer: ClassVar[type[Answer]] = ResidentForTransferAnswer

    citizen_id_no: CitizenIdNumber
    name: Name


class PlaceState(Wire):
    place: Place
    state: StateName
    """Of protocol.md 1, as the answering side has it; a reader shows a state that it does not know as it is."""
    epoch: Epoch | None = None


class TransferStateAnswer(Answer):
    """`side` is the answering bureau's, None (and no states) where the case is unknown.

    `sealed`: messages addressed to the asker, which it passes through its ordinary receive, as if the bus had brought them."""

    side: Literal["origin", "destination"] | None = None
    states: Annotated[tuple[PlaceState, ...], Field(max_length=MEMBERS_MAX)] = ()
    sealed: Annotated[tuple[Envelope, ...], Field(max_length=SEALED_MAX)] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        require_distinct(one.place for one in self.states)
        if (self.side is None) != (not self.states):
            raise contract_error("side_with_states", N_("a known case has a side and states, an unknown one neither"))
        if sum(len(envelope) for envelope in self.sealed) > SEALED_TOTAL_MAX_CHARS:
            raise contract_error(
                "sealed_too_long", N_("the messages have more than {limit} characters"), limit=SEALED_TOTAL_MAX_CHARS
            )
        return self


class TransferState(Question):
    """How does this case stand at your side? Only its counterpart is answered."""

    capability: ClassVar[str] = "transfers"
    path: ClassVar[str] = "/peer/v1/transfers/transfer-state"
    answer: ClassVar[type[Answer]] = TransferStateAnswer

    case: UUID
