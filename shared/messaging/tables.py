"""Tables of the post office. All times are machine time unless a column says business."""

from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from shared.database import Encrypted, metadata


class SkipReason(BaseModel):
    """An operator's own words, which may name people; errors never show them."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    text: str


outbox = Table(
    "outbox",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid, nullable=False, unique=True),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("sent_at", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Index("ix_outbox_key", "key"),
    Index("ix_outbox_unsent", "seq", postgresql_where=text("sent_at IS NULL")),
)

receipt = Table(
    "receipt",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("content_hash", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("outcome", Text, nullable=False),  # applied | not_yet | dead
    Column("sealed", LargeBinary),  # kept only while it may be handled again
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_try_at", DateTime(timezone=True)),
    Column("last_error", Text),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("applied_at", DateTime(timezone=True)),
    Index("ix_receipt_key", "key"),
    Index("ix_receipt_due", "next_try_at", postgresql_where=text("outcome = 'not_yet'")),
    Index("ix_receipt_received_at", "received_at"),
)

owed = Table(
    "owed",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("peer", Text, primary_key=True),
    Column("direction", Text, nullable=False),  # by_us | by_them
    Column("since", DateTime(timezone=True), nullable=False),
    Column("business_since", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),  # business time
    Column("next_ask_at", DateTime(timezone=True)),  # machine time; null: nobody asks by itself
    Column("first_interval_s", Integer, nullable=False, server_default=text("0")),
    Column("longest_interval_s", Integer, nullable=False, server_default=text("0")),
    Column("asks", Integer, nullable=False, server_default=text("0")),
    Index("ix_owed_next_ask", "next_ask_at", postgresql_where=text("next_ask_at IS NOT NULL")),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("raw_key", Text, nullable=False),
    Column("raw_value", LargeBinary, nullable=False),
    Column("raw_headers", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("first_seen", DateTime(timezone=True), nullable=False),
    Column("next_try_at", DateTime(timezone=True)),  # of an open letter that may be right later; null: a person decides
    Column("resolved_at", DateTime(timezone=True)),
    Column("resolved_by", Text),
    Column("resolution", Text),
    Column("skip_reason", Encrypted("dead_letter.skip_reason", SkipReason)),
    Index("ix_dead_letter_open", "id", postgresql_where=text("resolved_at IS NULL")),
    Index("ix_dead_letter_next_try", "next_try_at", postgresql_where=text("next_try_at IS NOT NULL")),
    # Only among the open: what was closed may die again, and a bus that was made anew counts from 0 again.
    Index("uq_dead_letter_open", "topic", "partition", "offset", unique=True, postgresql_where=text("resolved_at IS NULL")),
)

consumer_offset = Table(
    "consumer_offset",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

peer = Table(
    "peer",
    metadata,
    Column("bureau", Text, primary_key=True),
    Column("incarnation", Integer, nullable=False),
    Column("last_heard", DateTime(timezone=True)),
    Column("last_attempt", DateTime(timezone=True)),
    Column("last_error", Text),
    Column("list_version", Integer),  # of the trust list that it serves as its newest, and when we saw it
    Column("list_digest", Text),
    Column("list_at", DateTime(timezone=True)),
    Column("clock_ahead_ms", BigInteger),  # of ours, by a signed answer; true within clock_within_ms
    Column("clock_within_ms", BigInteger),
    Column("clock_at", DateTime(timezone=True)),
    Column("certificate_ends_at", DateTime(timezone=True)),  # of the TLS certificate that its door showed
)

trust_list = Table(  # lists that were in force: a folder that is rolled back is noticed
    "trust_list",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False),
    Column("installed_at", DateTime(timezone=True), nullable=False),
)

relay_lease = Table(
    "relay_lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
