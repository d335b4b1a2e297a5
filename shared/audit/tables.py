"""Tables of the audit log. Rows carry no personal data in clear; what they must prove about a person is a salted commitment."""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, Index, LargeBinary, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.database import metadata

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("business_at", DateTime(timezone=True), nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("station", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("case_id", Uuid),
    Column("fields", ARRAY(Text), nullable=False),
    Column("peer", Text, nullable=False),
    Column("jti", Uuid),
    Column("change", JSONB(none_as_null=True)),
    Column("commitment", LargeBinary),
    Index(None, "case_id", postgresql_where=text("case_id IS NOT NULL")),
    Index(None, "at"),
)

audit_salt = Table(
    "audit_salt",
    metadata,
    Column("audit_id", ForeignKey("audit.id"), primary_key=True),
    Column("salt", LargeBinary, nullable=False),
)

# REVOKE alone does not bind the owner, triggers alone do not bind one who may drop them: both, and the node is neither.
AUDIT_DDL = (
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '42501'; END $$
    """,
    "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
)
