"""The bureau's private register: households, residents, what changed, and holds.

A resident's personal data is one encrypted value; in clear are only what queries need and what the transfer protocol decides
on: station, relation, kind, epoch, counterpart, case, version. The person is found by a blind index of the id number. A row is
never deleted: who moved away or died keeps it, and who comes back gets the same one.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from shared.contract.fields import Address, Code, CountryCode, FileHash, FormerNames, Name, Occupation, SexCode, UnitName
from shared.database import BlindIndex, Encrypted, metadata
from shared.identifiers.citizen_id import CITIZEN_ID_PATTERN
from shared.identifiers.division import AnyDivisionCode

CITIZEN_INDEX_LABEL = "resident.citizen_id_no"
HEIGHT_MIN_CM, HEIGHT_MAX_CM = 20, 280  # newborn to the tallest person known
TEXT_MAX_CHARS = 100  # employer, religion, relation of a guardian
REASON_MAX_CHARS = 500

HEAD_RELATION = "02"
"""户主 (GB/T 4761)."""
NEVER_TRANSFERRED = frozenset({"religion"})
"""Sensitive (个人信息保护法 Art. 28): in the register form, never in a record for another bureau."""

CitizenNo = Annotated[str, StringConstraints(pattern=CITIZEN_ID_PATTERN)]
"""Form only: what once entered the register must stay readable; check digit and date are tested when it enters."""
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_MAX_CHARS)]


class HouseholdType(StrEnum):
    """户别."""

    FAMILY = "FAMILY"
    COLLECTIVE = "COLLECTIVE"


class RowKind(StrEnum):
    """What a row says about its person (protocol.md 3)."""

    ACTIVE = "ACTIVE"
    IN_TRANSIT = "IN_TRANSIT"
    MOVED = "MOVED"
    CANCELLED = "CANCELLED"


class HoldKind(StrEnum):
    """Why other business must leave a person alone; the code of domain.md 4.8 that a permit is returned with."""

    RESTRICTED_PERSON = "RESTRICTED_PERSON"  # R05, 户口登记条例 Art. 14
    OTHER_BUSINESS = "OTHER_BUSINESS"  # R04
    RECORD_LOCKED = "RECORD_LOCKED"  # R04
    DUPLICATE_NUMBER = "DUPLICATE_NUMBER"  # R10


class Stored(BaseModel):
    """The content of an encrypted column. Errors never show the input: it is a person's data, and errors are logged."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, hide_input_in_errors=True)


class ResidentRecord(Stored):
    """常住人口登记卡 and 常住人口登记表 (公通字〔1995〕91号; domain.md 4.4(d)), and what a migration certificate adds.

    Where and why the person went, or why the registration ended, are no fields: the row's kind and the change log say it.
    """

    citizen_id_no: CitizenNo
    name: Name
    former_names: FormerNames | None = None
    sex: SexCode
    ethnicity_code: Code
    born_on: date
    birth_country: CountryCode | None = None
    birth_division_code: AnyDivisionCode | None = None
    birth_address: Address | None = None
    native_country: CountryCode | None = None
    native_division_code: AnyDivisionCode | None = None
    native_address: Address | None = None
    other_address: Address | None = None
    """本市(县)其他住址."""
    religion: ShortText | None = None
    height_cm: Annotated[int, Field(ge=HEIGHT_MIN_CM, le=HEIGHT_MAX_CM)] | None = None
    blood_type: Literal["A", "B", "AB", "O", "OTHER", "UNKNOWN"] | None = None
    education_code: Code | None = None
    marital_status_code: Code | None = None
    military_status: ShortText | None = None
    employer: ShortText | None = None
    occupation: Occupation | None = None
    moved_in_on: date | None = None
    """何时由何地迁来本市(县)."""
    moved_in_from: Address | None = None
    address_since: date | None = None
    """何时由何地迁来本址."""
    previous_address: Address | None = None
    guardian_name: Name | None = None
    guardian_id_no: CitizenNo | None = None
    guardian_relation: ShortText | None = None
    father_name: Name | None = None
    father_id_no: CitizenNo | None = None
    mother_name: Name | None = None
    mother_id_no: CitizenNo | None = None
    spouse_name: Name | None = None
    spouse_id_no: CitizenNo | None = None
    photo: FileHash | None = None
    id_card_issuer: UnitName | None = None
    id_card_valid_from: date | None = None
    id_card_valid_until: date | None = None
    registered_on: date | None = None
    """登记日期."""
    registered_by: Name | None = None
    """承办人签章."""


class HouseholdAddress(Stored):
    address: Address
    """In the household's division: street, number, room."""


class ChangeDetails(Stored):
    """登记事项变更和更正记载; a value is the text of a field, None where there was or is none."""

    old: str | None = None
    new: str | None = None
    reason: str = ""


class HoldReason(Stored):
    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_MAX_CHARS)]


ADDRESS = Encrypted("household.address", HouseholdAddress)
PERSONAL = Encrypted("resident.personal", ResidentRecord)


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


# A literal: with a bound pattern PostgreSQL could not know that the index below holds all such numbers.
NUMBERED_BY_US = text("household.household_no ~ '^[0-9]{9}$'")

household = Table(
    "household",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("household_no", Text, nullable=False),
    Column("household_type", Text, nullable=False),
    Column("station_code", Text, nullable=False),
    Column("division_code", Text, nullable=False),
    Column("address", ADDRESS, nullable=False),
    # Deferred: a household and its head enter in one transaction, in either order.
    Column("head_resident_id", ForeignKey("resident.id", use_alter=True, deferrable=True, initially="DEFERRED")),
    Column("dissolved_on", Date),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("station_code", "household_no"),
    # For the next number: a register that was taken over may have any number of others, which sort behind ours or between them.
    Index("ix_household_numbered", "station_code", "household_no", postgresql_where=text("household_no ~ '^[0-9]{9}$'")),
    _one_of("household_type", HouseholdType),
)

resident = Table(
    "resident",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("citizen_id_index", BlindIndex(CITIZEN_INDEX_LABEL), nullable=False, unique=True),
    Column("household_id", ForeignKey("household.id"), nullable=False, index=True),
    Column("station_code", Text, nullable=False),
    Column("relation_code", Text, nullable=False),
    Column("personal", PERSONAL, nullable=False),
    Column("kind", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("counterpart", Text),
    Column("case_id", Uuid),
    Column("restoration_due", Boolean, nullable=False, server_default=text("false")),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    _one_of("kind", RowKind),
    CheckConstraint("epoch >= 1", name="epoch"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint(
        "CASE WHEN kind IN ('IN_TRANSIT', 'MOVED') THEN case_id IS NOT NULL AND counterpart IS NOT NULL"
        " ELSE case_id IS NULL AND counterpart IS NULL END",
        name="kind_has_case",
    ),
    CheckConstraint("kind = 'ACTIVE' OR NOT restoration_due", name="restoration_is_active"),
    Index("ix_resident_case_id", "case_id", postgresql_where=text("case_id IS NOT NULL")),
    Index("ix_resident_restoration_due", "station_code", postgresql_where=text("restoration_due")),
)

resident_change = Table(
    "resident_change",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("resident_id", ForeignKey("resident.id"), nullable=False, index=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("business_at", DateTime(timezone=True), nullable=False),
    Column("field", Text, nullable=False),
    Column("change_code", Text),  # GA/T 2000.24, where the standard has one
    Column("details", Encrypted("resident_change.details", ChangeDetails), nullable=False),
    Column("officer", Text, nullable=False),
)

hold = Table(
    "hold",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("resident_id", ForeignKey("resident.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Encrypted("hold.reason", HoldReason), nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    Column("lifted_by", Text),
    Column("lifted_at", DateTime(timezone=True)),
    _one_of("kind", HoldKind),
    Index("uq_hold_open", "resident_id", "kind", unique=True, postgresql_where=text("lifted_at IS NULL")),
)

# What no statement of ours may do, whoever writes it: a register that forgets a person, or believes an older registration, would
# let two registers answer. One statement each: asyncpg prepares them.
POPULATION_DDL = (
    """
    CREATE FUNCTION resident_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.id <> OLD.id OR NEW.epoch < OLD.epoch OR NEW.version < OLD.version THEN
            RAISE EXCEPTION 'resident %: epoch % -> %, version % -> %: a row only goes forward',
                OLD.id, OLD.epoch, NEW.epoch, OLD.version, NEW.version USING ERRCODE = '23514';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION register_keeps() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the register keeps its rows: % of % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = '42501'; END $$
    """,
    "CREATE TRIGGER resident_forward BEFORE UPDATE ON resident FOR EACH ROW EXECUTE FUNCTION resident_goes_forward()",
    "CREATE TRIGGER resident_keeps BEFORE DELETE ON resident FOR EACH ROW EXECUTE FUNCTION register_keeps()",
    "CREATE TRIGGER resident_no_truncate BEFORE TRUNCATE ON resident FOR EACH STATEMENT EXECUTE FUNCTION register_keeps()",
    "CREATE TRIGGER resident_change_keeps BEFORE UPDATE OR DELETE ON resident_change"
    " FOR EACH ROW EXECUTE FUNCTION register_keeps()",
)
