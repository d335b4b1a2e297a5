"""The register, the transfers and the post office.

Revision: 0001, the first.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from services.bureau.population.tables import POPULATION_DDL
from services.bureau.transfers.tables import TRANSFERS_DDL
from shared.audit import AUDIT_DDL

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answered_request",
        sa.Column("officer", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("officer", "key", name=op.f("pk_answered_request")),
    )
    op.create_index(op.f("ix_answered_request_at"), "answered_request", ["at"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("fields", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("jti", sa.Uuid(), nullable=True),
        sa.Column("change", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("commitment", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_index(op.f("ix_audit_case_id"), "audit", ["case_id"], unique=False, postgresql_where=sa.text("case_id IS NOT NULL"))
    op.create_table(
        "consumer_offset",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_consumer_offset")),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("raw_key", sa.Text(), nullable=False),
        sa.Column("raw_value", sa.LargeBinary(), nullable=False),
        sa.Column("raw_headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("skip_reason", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
    )
    op.create_index(
        "ix_dead_letter_next_try",
        "dead_letter",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("next_try_at IS NOT NULL"),
    )
    op.create_index("ix_dead_letter_open", "dead_letter", ["id"], unique=False, postgresql_where=sa.text("resolved_at IS NULL"))
    op.create_index(
        "uq_dead_letter_open",
        "dead_letter",
        ["topic", "partition", "offset"],
        unique=True,
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "directory",
        sa.Column("bureau", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bureau", name=op.f("pk_directory")),
    )
    op.create_table(
        "directory_told",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("peer", name=op.f("pk_directory_told")),
    )
    op.create_table(
        "maintenance",
        sa.Column("bureau", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("announced_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("bureau", name=op.f("pk_maintenance")),
    )
    op.create_table(
        "maintenance_told",
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("peer", name=op.f("pk_maintenance_told")),
    )
    op.create_table(
        "household",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("household_no", sa.Text(), nullable=False),
        sa.Column("household_type", sa.Text(), nullable=False),
        sa.Column("station_code", sa.Text(), nullable=False),
        sa.Column("division_code", sa.Text(), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("head_resident_id", sa.Uuid(), nullable=True),
        sa.Column("dissolved_on", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("household_type IN ('FAMILY', 'COLLECTIVE')", name=op.f("ck_household_household_type")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_household")),
        sa.UniqueConstraint("station_code", "household_no", name=op.f("uq_household_station_code_household_no")),
    )
    op.create_index(
        "ix_household_numbered",
        "household",
        ["station_code", "household_no"],
        unique=False,
        postgresql_where=sa.text("household_no ~ '^[0-9]{9}$'"),
    )
    op.create_table(
        "citizen_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("apply_no", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_citizen_session")),
    )
    op.create_index(op.f("ix_citizen_session_began_at"), "citizen_session", ["began_at"], unique=False)
    op.create_table(
        "citizen_try",
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wait_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_citizen_try")),
    )
    op.create_index(op.f("ix_citizen_try_last_at"), "citizen_try", ["last_at"], unique=False)
    op.create_table(
        "login_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("badge_no", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("post", sa.Text(), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stepped_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_login_session")),
    )
    op.create_index(op.f("ix_login_session_used_at"), "login_session", ["used_at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outbox")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
    )
    op.create_index("ix_outbox_key", "outbox", ["key"], unique=False)
    op.create_index("ix_outbox_unsent", "outbox", ["seq"], unique=False, postgresql_where=sa.text("sent_at IS NULL"))
    op.create_table(
        "owed",
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_ask_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_interval_s", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("longest_interval_s", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("asks", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "kind", "peer", name=op.f("pk_owed")),
    )
    op.create_index(
        "ix_owed_next_ask", "owed", ["next_ask_at"], unique=False, postgresql_where=sa.text("next_ask_at IS NOT NULL")
    )
    op.create_table(
        "peer",
        sa.Column("bureau", sa.Text(), nullable=False),
        sa.Column("incarnation", sa.Integer(), nullable=False),
        sa.Column("last_heard", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_attempt", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("list_version", sa.Integer(), nullable=True),
        sa.Column("list_digest", sa.Text(), nullable=True),
        sa.Column("list_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clock_ahead_ms", sa.BigInteger(), nullable=True),
        sa.Column("clock_within_ms", sa.BigInteger(), nullable=True),
        sa.Column("clock_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("certificate_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("bureau", name=op.f("pk_peer")),
    )
    op.create_table(
        "post",
        sa.Column("badge_no", sa.Text(), nullable=False),
        sa.Column("station_code", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("officer_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("badge_no", "station_code", "role", "valid_from", name=op.f("pk_post")),
    )
    op.create_index("ix_post_station_code", "post", ["station_code"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("sender", "event_id", name=op.f("pk_receipt")),
    )
    op.create_index("ix_receipt_due", "receipt", ["next_try_at"], unique=False, postgresql_where=sa.text("outcome = 'not_yet'"))
    op.create_index("ix_receipt_key", "receipt", ["key"], unique=False)
    op.create_index("ix_receipt_received_at", "receipt", ["received_at"], unique=False)
    op.create_table(
        "relay_lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_relay_lease")),
    )
    op.create_table(
        "station",
        sa.Column("bureau", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("division_code", sa.Text(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("successor", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("bureau", "code", name=op.f("pk_station")),
    )
    op.create_table(
        "transfer_case",
        sa.Column("counterpart", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("apply_no", sa.Text(), nullable=True),
        sa.Column("previous_case", sa.Uuid(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("station_code", sa.Text(), nullable=True),
        sa.Column("serial_no", sa.Text(), nullable=True),
        sa.Column("permit_no", sa.Text(), nullable=True),
        sa.Column("migration_no", sa.Text(), nullable=True),
        sa.Column("issue", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("reissue_asked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("accepted_on", sa.Date(), nullable=True),
        sa.Column("permit_valid_until", sa.Date(), nullable=True),
        sa.Column("certificate_valid_until", sa.Date(), nullable=True),
        sa.Column("household_id", sa.Uuid(), nullable=True),
        sa.Column("query_code_index", sa.LargeBinary(), nullable=True),
        sa.Column("file", sa.LargeBinary(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("side IN ('destination', 'origin')", name=op.f("ck_transfer_case_side")),
        sa.CheckConstraint("issue >= 0 AND version >= 1", name=op.f("ck_transfer_case_counters")),
        sa.PrimaryKeyConstraint("counterpart", "case_id", name=op.f("pk_transfer_case")),
    )
    op.create_index(
        "uq_transfer_case_apply_no",
        "transfer_case",
        ["apply_no"],
        unique=True,
        postgresql_where=sa.text("side = 'destination' AND previous_case IS NULL"),
    )
    op.create_index("ix_transfer_case_apply_no", "transfer_case", ["apply_no"], unique=False)
    op.create_index("ix_transfer_case_case_id", "transfer_case", ["case_id"], unique=False)
    op.create_index("ix_transfer_case_migration_no", "transfer_case", ["migration_no"], unique=False)
    op.create_index("ix_transfer_case_permit_no", "transfer_case", ["permit_no"], unique=False)
    op.create_index(
        "ix_transfer_case_tombstones",
        "transfer_case",
        ["counterpart", "created_at"],
        unique=False,
        postgresql_where=sa.text("file IS NULL"),
    )
    op.create_table(
        "transfer_receipt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("counterpart", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("package_type", sa.Text(), nullable=False),
        sa.Column("serial_no", sa.Text(), nullable=True),
        sa.Column("permit_no", sa.Text(), nullable=True),
        sa.Column("migration_no", sa.Text(), nullable=True),
        sa.Column("code", sa.SmallInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_receipt")),
    )
    op.create_index(op.f("ix_transfer_receipt_case_id"), "transfer_receipt", ["case_id"], unique=False)
    op.create_table(
        "trust_list",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_trust_list")),
    )
    op.create_table(
        "audit_salt",
        sa.Column("audit_id", sa.BigInteger(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name=op.f("fk_audit_salt_audit_id_audit")),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_audit_salt")),
    )
    op.create_table(
        "resident",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("citizen_id_index", sa.LargeBinary(), nullable=False),
        sa.Column("household_id", sa.Uuid(), nullable=False),
        sa.Column("station_code", sa.Text(), nullable=False),
        sa.Column("relation_code", sa.Text(), nullable=False),
        sa.Column("personal", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("counterpart", sa.Text(), nullable=True),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("restoration_due", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "CASE WHEN kind IN ('IN_TRANSIT', 'MOVED') THEN case_id IS NOT NULL AND counterpart IS NOT NULL ELSE case_id IS NULL AND counterpart IS NULL END",
            name=op.f("ck_resident_kind_has_case"),
        ),
        sa.CheckConstraint("kind = 'ACTIVE' OR NOT restoration_due", name=op.f("ck_resident_restoration_is_active")),
        sa.CheckConstraint("kind IN ('ACTIVE', 'IN_TRANSIT', 'MOVED', 'CANCELLED')", name=op.f("ck_resident_kind")),
        sa.CheckConstraint("epoch >= 1", name=op.f("ck_resident_epoch")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_resident_version")),
        sa.ForeignKeyConstraint(["household_id"], ["household.id"], name=op.f("fk_resident_household_id_household")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resident")),
        sa.UniqueConstraint("citizen_id_index", name=op.f("uq_resident_citizen_id_index")),
    )
    op.create_index("ix_resident_case_id", "resident", ["case_id"], unique=False, postgresql_where=sa.text("case_id IS NOT NULL"))
    op.create_index(op.f("ix_resident_household_id"), "resident", ["household_id"], unique=False)
    op.create_index(
        "ix_resident_restoration_due", "resident", ["station_code"], unique=False, postgresql_where=sa.text("restoration_due")
    )
    op.create_table(
        "case_holder",
        sa.Column("counterpart", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("badge_no", sa.Text(), nullable=False),
        sa.Column("officer_name", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["counterpart", "case_id"],
            ["transfer_case.counterpart", "transfer_case.case_id"],
            name=op.f("fk_case_holder_counterpart_case_id_transfer_case"),
        ),
        sa.PrimaryKeyConstraint("counterpart", "case_id", "role", name=op.f("pk_case_holder")),
    )
    op.create_index("ix_case_holder_badge_no", "case_holder", ["badge_no", "role"], unique=False)
    op.create_table(
        "intake_draft",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("badge_no", sa.Text(), nullable=False),
        sa.Column("station_code", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake_draft")),
    )
    op.create_index("ix_intake_draft_badge_no", "intake_draft", ["badge_no", "station_code"], unique=False)
    op.create_table(
        "transfer_member",
        sa.Column("counterpart", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("citizen_index", sa.LargeBinary(), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.Column("settlement", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state_since_business", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(side = 'destination' AND state IN ('ACCEPTED', 'APPROVED', 'CERTIFIED', 'DRAFT', 'HERE', 'REFUSED', 'SETTLING', 'SUPPLEMENT_REQUIRED', 'UNDER_REVIEW', 'VOID', 'WITHDRAWN')) OR (side = 'origin' AND state IN ('CANCELLING', 'GONE', 'RECEIVED', 'RESTORED', 'RETURNED', 'SEALED', 'VOID'))",
            name=op.f("ck_transfer_member_state"),
        ),
        sa.CheckConstraint("place >= 1 AND epoch >= 0", name=op.f("ck_transfer_member_numbers")),
        sa.ForeignKeyConstraint(
            ["counterpart", "case_id"],
            ["transfer_case.counterpart", "transfer_case.case_id"],
            name=op.f("fk_transfer_member_counterpart_case_id_transfer_case"),
        ),
        sa.PrimaryKeyConstraint("counterpart", "case_id", "place", name=op.f("pk_transfer_member")),
    )
    op.create_index("ix_transfer_member_citizen", "transfer_member", ["citizen_index"], unique=False)
    op.create_index("ix_transfer_member_queue", "transfer_member", ["state", "state_since"], unique=False)
    op.create_index(
        "uq_transfer_member_one_open_case",
        "transfer_member",
        ["citizen_index"],
        unique=True,
        postgresql_where=sa.text(
            "side = 'destination' AND state IN ('DRAFT', 'ACCEPTED', 'SUPPLEMENT_REQUIRED', 'UNDER_REVIEW', 'APPROVED', 'CERTIFIED', 'SETTLING')"
        ),
    )
    op.create_table(
        "hold",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resident_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('RESTRICTED_PERSON', 'OTHER_BUSINESS', 'RECORD_LOCKED', 'DUPLICATE_NUMBER')", name=op.f("ck_hold_kind")
        ),
        sa.ForeignKeyConstraint(["resident_id"], ["resident.id"], name=op.f("fk_hold_resident_id_resident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
    )
    op.create_index("uq_hold_open", "hold", ["resident_id", "kind"], unique=True, postgresql_where=sa.text("lifted_at IS NULL"))
    op.create_table(
        "resident_change",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("resident_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("change_code", sa.Text(), nullable=True),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.Column("officer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["resident_id"], ["resident.id"], name=op.f("fk_resident_change_resident_id_resident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resident_change")),
    )
    op.create_index(op.f("ix_resident_change_resident_id"), "resident_change", ["resident_id"], unique=False)
    # A household and its head refer to each other: the second reference is added when both tables are there.
    op.create_foreign_key(
        "fk_household_head_resident_id_resident",
        "household",
        "resident",
        ["head_resident_id"],
        ["id"],
        deferrable=True,
        initially="DEFERRED",
    )
    op.execute(sa.schema.CreateSequence(sa.Sequence("document_number")))
    for statement in (*AUDIT_DDL, *POPULATION_DDL, *TRANSFERS_DDL):
        op.execute(statement)


def downgrade() -> None:
    op.execute(sa.schema.DropSequence(sa.Sequence("document_number")))
    op.drop_constraint("fk_household_head_resident_id_resident", "household", type_="foreignkey")
    op.drop_index(op.f("ix_resident_change_resident_id"), table_name="resident_change")
    op.drop_table("resident_change")
    op.drop_index("uq_hold_open", table_name="hold", postgresql_where=sa.text("lifted_at IS NULL"))
    op.drop_table("hold")
    op.drop_index(
        "uq_transfer_member_one_open_case",
        table_name="transfer_member",
        postgresql_where=sa.text(
            "side = 'destination' AND state IN ('DRAFT', 'ACCEPTED', 'SUPPLEMENT_REQUIRED', 'UNDER_REVIEW', 'APPROVED', 'CERTIFIED', 'SETTLING')"
        ),
    )
    op.drop_index("ix_intake_draft_badge_no", table_name="intake_draft")
    op.drop_table("intake_draft")
    op.drop_index("ix_case_holder_badge_no", table_name="case_holder")
    op.drop_table("case_holder")
    op.drop_index("ix_transfer_member_queue", table_name="transfer_member")
    op.drop_index("ix_transfer_member_citizen", table_name="transfer_member")
    op.drop_table("transfer_member")
    op.drop_index("ix_resident_restoration_due", table_name="resident", postgresql_where=sa.text("restoration_due"))
    op.drop_index(op.f("ix_resident_household_id"), table_name="resident")
    op.drop_index("ix_resident_case_id", table_name="resident", postgresql_where=sa.text("case_id IS NOT NULL"))
    op.drop_table("resident")
    op.drop_table("audit_salt")
    op.drop_table("trust_list")
    op.drop_index(op.f("ix_transfer_receipt_case_id"), table_name="transfer_receipt")
    op.drop_table("transfer_receipt")
    op.drop_index("ix_transfer_case_tombstones", table_name="transfer_case", postgresql_where=sa.text("file IS NULL"))
    op.drop_index("ix_transfer_case_permit_no", table_name="transfer_case")
    op.drop_index("ix_transfer_case_migration_no", table_name="transfer_case")
    op.drop_index("ix_transfer_case_case_id", table_name="transfer_case")
    op.drop_index("ix_transfer_case_apply_no", table_name="transfer_case")
    op.drop_index(
        "uq_transfer_case_apply_no",
        table_name="transfer_case",
        postgresql_where=sa.text("side = 'destination' AND previous_case IS NULL"),
    )
    op.drop_table("transfer_case")
    op.drop_table("station")
    op.drop_table("relay_lease")
    op.drop_index("ix_receipt_received_at", table_name="receipt")
    op.drop_index("ix_receipt_key", table_name="receipt")
    op.drop_index("ix_receipt_due", table_name="receipt", postgresql_where=sa.text("outcome = 'not_yet'"))
    op.drop_table("receipt")
    op.drop_index("ix_post_station_code", table_name="post")
    op.drop_table("post")
    op.drop_table("peer")
    op.drop_index("ix_owed_next_ask", table_name="owed", postgresql_where=sa.text("next_ask_at IS NOT NULL"))
    op.drop_table("owed")
    op.drop_index("ix_outbox_unsent", table_name="outbox", postgresql_where=sa.text("sent_at IS NULL"))
    op.drop_index("ix_outbox_key", table_name="outbox")
    op.drop_table("login_session")
    op.drop_index(op.f("ix_citizen_try_last_at"), table_name="citizen_try")
    op.drop_table("citizen_try")
    op.drop_index(op.f("ix_citizen_session_began_at"), table_name="citizen_session")
    op.drop_table("citizen_session")
    op.drop_table("outbox")
    op.drop_index("ix_household_numbered", table_name="household", postgresql_where=sa.text("household_no ~ '^[0-9]{9}$'"))
    op.drop_table("household")
    op.drop_table("maintenance_told")
    op.drop_table("maintenance")
    op.drop_table("directory_told")
    op.drop_table("directory")
    op.drop_index("uq_dead_letter_open", table_name="dead_letter", postgresql_where=sa.text("resolved_at IS NULL"))
    op.drop_index("ix_dead_letter_open", table_name="dead_letter", postgresql_where=sa.text("resolved_at IS NULL"))
    op.drop_index("ix_dead_letter_next_try", table_name="dead_letter", postgresql_where=sa.text("next_try_at IS NOT NULL"))
    op.drop_table("dead_letter")
    op.drop_table("consumer_offset")
    op.drop_index(op.f("ix_audit_case_id"), table_name="audit", postgresql_where=sa.text("case_id IS NOT NULL"))
    op.drop_index(op.f("ix_audit_at"), table_name="audit")
    op.drop_table("audit")
    op.drop_index(op.f("ix_answered_request_at"), table_name="answered_request")
    op.drop_table("answered_request")
    for function in ("refuse_change", "resident_goes_forward", "register_keeps", "transfer_goes_forward"):
        op.execute(f"DROP FUNCTION {function}()")
