"""Cases of household transfer, one row a case and one a member, keyed by the counterpart that may speak about them.

A stranger's message about a case id makes a row of its own (a tombstone), never one in the way of the genuine permit. Rows are
never deleted. What is personal is one encrypted value; in clear are ids, states, dates and what the queues sort by.
"""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    Sequence,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.bureau.population.tables import CITIZEN_INDEX_LABEL
from services.bureau.transfers.states import TERMINAL, TRANSFER, Side, State
from shared.contract.codes import ReturnCode
from shared.contract.records import MigrationCertificate, MoveInPermit
from shared.database import BlindIndex, Encrypted, metadata

Category = Literal["KINSHIP", "TALENT"]


class Stored(BaseModel):
    """The content of an encrypted column; errors never show the input, it is a person's data."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Mover(Stored):
    """One person who moves. `relation_to_head_code` (GB/T 4761) is the one in the new household."""

    place: int
    citizen_id_no: str
    name: str
    sex: str
    born_on: date
    relation_to_applicant_code: str
    relation_to_head_code: str


class NewHome(Stored):
    """Where the members will be registered: an existing household of the station, or a new one at the address."""

    division_code: str
    address: str
    station_code: str
    station_name: str
    household_no: str | None = None


class OldHome(Stored):
    """Where the applicant says the members are registered."""

    bureau: str
    division_code: str
    address: str
    station_code: str
    station_name: str


class Application(Stored):
    """What the destination accepted (迁入申请)."""

    category: Category
    reason_code: str
    reason_text: str = ""
    applied_on: date | None = None
    """Date on the paper form."""
    applicant_phone: str | None = None
    sponsor_name: str | None = None
    sponsor_id_no: str | None = None
    origin: OldHome
    destination: NewHome
    hrss_approval_no: str | None = None
    movers: tuple[Mover, ...]


class Note(Stored):
    """A remark that an officer must see: advice, a supplement notice, a reason to wait."""

    at: datetime
    kind: str
    text: str


class Return(Stored):
    code: ReturnCode
    reason_text: str
    heading_to: str | None
    returned_on: date


class CaseFile(Stored):
    """Everything personal of one case, at either side. `application` is the destination's, `permit` both have."""

    application: Application | None = None
    accepted_by_name: str | None = None
    accepted_at: datetime | None = None
    permit: MoveInPermit | None = None
    certificate: MigrationCertificate | None = None
    returned: Return | None = None
    void_text: str = ""
    cancel_text: str = ""
    reissue_text: str = ""
    signed_at: datetime | None = None
    closed_at: datetime | None = None
    notes: tuple[Note, ...] = ()


def _states(side: Side) -> set[State]:
    """The states of the protocol's table that a row can have."""
    states = {state for state, _ in TRANSFER.of(side)} | {to for to, _ in TRANSFER.of(side).values()} | TERMINAL[side]
    return states - {State.UNKNOWN}


def _open_states(side: Side) -> tuple[str, ...]:
    return tuple(sorted(state.value for state in _states(side) - TERMINAL[side]))


def _legal_states() -> str:
    """(side, state) pairs of the protocol, as SQL; made from the table, so the two cannot differ."""
    pairs = []
    for side in Side:
        listed = ", ".join(f"'{state.value}'" for state in sorted(_states(side)))
        pairs.append(f"(side = '{side.value}' AND state IN ({listed}))")
    return " OR ".join(pairs)


OPEN_STATES = {side: _open_states(side) for side in Side}
OPEN_AT_DESTINATION = OPEN_STATES[Side.DESTINATION]

NUMBERED_HERE = text("side = 'destination' AND previous_case IS NULL")  # a corrected application keeps its number
ONE_OPEN_CASE = "uq_transfer_member_one_open_case"

transfer_case = Table(
    "transfer_case",
    metadata,
    Column("counterpart", Text, primary_key=True),
    Column("case_id", Uuid, primary_key=True),
    Column("side", Text, nullable=False),
    Column("apply_no", Text),
    Column("previous_case", Uuid),
    Column("category", Text),
    Column("station_code", Text),  # ours; null on a tombstone
    Column("serial_no", Text),
    Column("permit_no", Text),
    Column("migration_no", Text),
    Column("issue", Integer, nullable=False, server_default=text("0")),
    Column("reissue_asked", Boolean, nullable=False, server_default=text("false")),
    Column("accepted_on", Date),
    Column("permit_valid_until", Date),
    Column("certificate_valid_until", Date),
    Column("household_id", Uuid),  # at the destination, once somebody has signed
    Column("query_code_index", BlindIndex("transfer_case.query_code")),
    Column("file", Encrypted("transfer_case.file", CaseFile)),  # null on a tombstone: nothing is known of it
    Column("version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("side IN ('destination', 'origin')", name="side"),
    CheckConstraint("issue >= 0 AND version >= 1", name="counters"),
    Index("ix_transfer_case_case_id", "case_id"),
    Index("ix_transfer_case_apply_no", "apply_no"),
    Index("ix_transfer_case_permit_no", "permit_no"),
    Index("ix_transfer_case_migration_no", "migration_no"),
    Index("uq_transfer_case_apply_no", "apply_no", unique=True, postgresql_where=NUMBERED_HERE),
    Index("ix_transfer_case_tombstones", "counterpart", "created_at", postgresql_where=text("file IS NULL")),
)

transfer_member = Table(
    "transfer_member",
    metadata,
    Column("counterpart", Text, primary_key=True),
    Column("case_id", Uuid, primary_key=True),
    Column("place", SmallInteger, primary_key=True),
    Column("side", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("epoch", Integer, nullable=False),  # that the settled registration will have; 0 while unknown
    Column("citizen_index", BlindIndex(CITIZEN_INDEX_LABEL)),  # the register's label: it equals the resident's index
    Column("void_reason", Text),
    Column("settlement", JSONB),  # at the origin: the destination's TransferSettled, as `Proof` of MOVED; no personal data
    Column("state_since", DateTime(timezone=True), nullable=False),
    Column("state_since_business", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["counterpart", "case_id"], ["transfer_case.counterpart", "transfer_case.case_id"]),
    CheckConstraint("place >= 1 AND epoch >= 0", name="numbers"),
    CheckConstraint(_legal_states(), name="state"),
    Index("ix_transfer_member_queue", "state", "state_since"),
    Index("ix_transfer_member_citizen", "citizen_index"),
    Index(
        ONE_OPEN_CASE,
        "citizen_index",
        unique=True,
        postgresql_where=text(
            "side = 'destination' AND state IN (" + ", ".join(f"'{state}'" for state in OPEN_AT_DESTINATION) + ")"
        ),
    ),
)

transfer_receipt = Table(
    "transfer_receipt",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("counterpart", Text, nullable=False),
    Column("case_id", Uuid, nullable=False, index=True),
    Column("package_type", Text, nullable=False),  # 010122 准迁证, 010124 迁移证
    Column("serial_no", Text),
    Column("permit_no", Text),
    Column("migration_no", Text),
    Column("code", SmallInteger, nullable=False),  # 跨地区迁移成功标志: 0 迁出, 1 迁出且迁入
    Column("message", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

# Who works on a case now: one officer a role, since the case goes from role to role and comes back.
case_holder = Table(
    "case_holder",
    metadata,
    Column("counterpart", Text, primary_key=True),
    Column("case_id", Uuid, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("badge_no", Text, nullable=False),
    Column("officer_name", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["counterpart", "case_id"], ["transfer_case.counterpart", "transfer_case.case_id"]),
    Index("ix_case_holder_badge_no", "badge_no", "role"),
)


class DraftBody(Stored):
    """What an officer has typed into an intake so far, by field; and once the case is open, what only the receipt may show."""

    answers: dict[str, str] = {}
    opened_as: str = ""
    """The answers of which the open case was made, as JSON: when they differ now, the case is opened anew."""
    looked_up: tuple[dict[str, object], ...] | None = None
    query_code: str = ""
    """Until the sweeper takes it: a receipt that did not print can be printed again."""


# An intake that is being typed. It is not a case yet: nothing but the officer's own pages shows it.
intake_draft = Table(
    "intake_draft",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("badge_no", Text, nullable=False),
    Column("station_code", Text, nullable=False),
    Column("case_id", Uuid),
    Column("submitted_at", DateTime(timezone=True)),
    Column("body", Encrypted("intake_draft.body", DraftBody), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("ix_intake_draft_badge_no", "badge_no", "station_code"),
)

# Numbers of permits and certificates: a sequence, so that two officers never wait for each other; gaps mean nothing.
document_number = Sequence("document_number", metadata=metadata)

# A tombstone that could be deleted would let a dead case come to life again.
TRANSFERS_DDL = (
    """
    CREATE FUNCTION transfer_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.epoch < OLD.epoch THEN
            RAISE EXCEPTION 'case % member %: epoch % -> %: never down', OLD.case_id, OLD.place, OLD.epoch, NEW.epoch
                USING ERRCODE = '23514';
        END IF;
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER transfer_member_forward BEFORE UPDATE ON transfer_member"
    " FOR EACH ROW EXECUTE FUNCTION transfer_goes_forward()",
    "CREATE TRIGGER transfer_member_keeps BEFORE DELETE ON transfer_member FOR EACH ROW EXECUTE FUNCTION register_keeps()",
    "CREATE TRIGGER transfer_case_keeps BEFORE DELETE ON transfer_case FOR EACH ROW EXECUTE FUNCTION register_keeps()",
)

PACKAGE_PERMIT = "010122"
PACKAGE_CERTIFICATE = "010124"
MOVED_OUT, MOVED_IN = 0, 1  # 跨地区迁移成功标志: 迁出, 迁出且迁入
