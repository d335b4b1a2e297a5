"""What one bureau tells another, once per fact (domain.md 15, protocol.md 2). The name on the wire is the class's name.

A member is spoken of by its place in the case. TransferSettled and TransferClosed are shown to third parties as proof,
whole: they carry no name and no id number, and no text in which somebody could write one.
"""

from datetime import date
from typing import TYPE_CHECKING, Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field, model_validator

from shared.contract.codes import ReturnCode, VoidReason
from shared.contract.fields import (
    MEMBERS_MAX,
    Content,
    Instant,
    Issue,
    MaintenanceText,
    OtherPlaces,
    Places,
    ReasonText,
    Version,
    contract_error,
    require_distinct,
)
from shared.contract.records import MigrationCertificate, MoveInPermit, PlaceEpoch, Station
from shared.identifiers.apply_no import ApplyNo
from shared.identifiers.bureau import BureauCode
from shared.identifiers.texts import N_

STATIONS_MAX = 2_000  # about 230 bytes each: near the limit of an envelope's content, 500 KiB, which sealing checks


class Message(Content):
    """A fact for one recipient. `key` orders records on the bus; it is never a citizen's number."""

    capability: ClassVar[str]

    @property
    def key(self) -> str:
        raise NotImplementedError(f"{type(self).__name__} names no key")


class TransferMessage(Message):
    """About a case, or members of it. The bureau that signs must be the case's counterpart (protocol.md 2, rule 0)."""

    capability: ClassVar[str] = "transfers"

    case: UUID

    if TYPE_CHECKING:  # three messages have `places` as a field of the wire, which pydantic refuses beside an inherited property

        @property
        def places(self) -> tuple[int, ...]:
            """The members that the message speaks about; () is the case as a whole."""
            raise NotImplementedError

    @property
    def key(self) -> str:
        return str(self.case)


class PermitIssued(TransferMessage):
    """Destination -> origin: these people may move in. A corrected permit is a new case that names the previous one."""

    previous_case: UUID | None = None
    apply_no: ApplyNo
    permit: MoveInPermit

    @property
    def places(self) -> tuple[int, ...]:
        return tuple(member.place for member in self.permit.members)


class PermitReturned(TransferMessage):
    """Origin -> destination: not sealed, for this reason; R04 and R08 may say where the person is heading or belongs."""

    places: Places
    code: ReturnCode
    reason_text: ReasonText = ""
    heading_to: BureauCode | None = None
    returned_on: date


class MigrationCertificateIssued(TransferMessage):
    """Origin -> destination: cancelled out, the origin answers until settlement. Also as reissue (higher `issue`)."""

    certificate: MigrationCertificate

    @property
    def places(self) -> tuple[int, ...]:
        return tuple(member.place for member in self.certificate.members)


class TransferSettled(TransferMessage):
    """Destination -> origin: these members signed; the others of the case are voided by the same act."""

    settled: Annotated[tuple[PlaceEpoch, ...], Field(min_length=1, max_length=MEMBERS_MAX)]
    voided: OtherPlaces = ()
    signed_at: Instant
    issue: Issue

    @property
    def places(self) -> tuple[int, ...]:
        return tuple(one.place for one in self.settled) + self.voided

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        require_distinct(self.places)
        return self


class TransferClosed(TransferMessage):
    """Origin -> destination: the register has let go of these members. The commit point, told."""

    closed: Annotated[tuple[PlaceEpoch, ...], Field(min_length=1, max_length=MEMBERS_MAX)]
    closed_at: Instant

    @property
    def places(self) -> tuple[int, ...]:
        return tuple(one.place for one in self.closed)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        require_distinct(self.places)
        return self


class TransferVoided(TransferMessage):
    """Destination -> origin: these members will not settle under this case, ever."""

    places: Places
    reason_code: VoidReason
    reason_text: ReasonText = ""
    voided_on: date


class CancellationRequested(TransferMessage):
    """Origin -> destination, for the citizen: please void; the destination decides, and does unless someone has signed."""

    places: Places
    reason_text: ReasonText = ""
    requested_on: date


class ReissueRequested(TransferMessage):
    """Destination -> origin: please issue the migration certificate again in place of `issue` (lost, expired)."""

    issue: Issue
    reason_text: ReasonText = ""
    requested_on: date

    @property
    def places(self) -> tuple[int, ...]:
        return ()


class DirectoryPublished(Message):
    """A bureau -> each other: its whole list of stations. The higher version wins."""

    capability: ClassVar[str] = "node"

    bureau: BureauCode
    version: Version
    published_at: Instant
    stations: Annotated[tuple[Station, ...], Field(max_length=STATIONS_MAX)]

    @property
    def key(self) -> str:
        return self.bureau

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen: set[str] = set()
        for station in self.stations:
            if station.code in seen:
                raise contract_error("station_twice", N_("station {code} is listed twice"), code=station.code)
            seen.add(station.code)
        return self


class MaintenanceAnnounced(Message):
    """A bureau -> each other: when its node will not be reachable, or that this is taken back. The higher version wins."""

    capability: ClassVar[str] = "node"

    bureau: BureauCode
    version: Version
    announced_at: Instant
    starts_at: Instant
    ends_at: Instant
    text: MaintenanceText
    withdrawn_at: Instant | None = None

    @property
    def key(self) -> str:
        return self.bureau

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise contract_error("before_start", N_("ends before it begins on {start}"), start=self.starts_at.isoformat())
        return self
