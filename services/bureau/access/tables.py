"""Answers kept for requests that carried an Idempotency-Key, so that an act sent twice has one effect and one answer."""

from pydantic import BaseModel
from sqlalchemy import Column, DateTime, Index, Integer, LargeBinary, Table, Text

from shared.database import BlindIndex, Encrypted, metadata


class KeptAnswer(BaseModel, frozen=True):
    """The body of an answer, byte for byte (UTF-8 JSON)."""

    body: str


answered_request = Table(
    "answered_request",
    metadata,
    Column("officer", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("action", Text, nullable=False),
    # Bodies hold id numbers, and a plain hash of a short body could be guessed: a blind index of it cannot.
    Column("request_hash", BlindIndex("answered_request.request_hash"), nullable=False),
    # Empty only inside the transaction that works on the request.
    Column("status", Integer),
    Column("answer", Encrypted("answered_request.answer", KeptAnswer)),
    Column("at", DateTime(timezone=True), nullable=False),
    Index(None, "at"),
)

# Officers at their browsers. No roles: what he may do is said by his posts of the day.
login_session = Table(
    "login_session",
    metadata,
    # SHA-256 of the cookie: who reads the table cannot log in with it.
    Column("token_hash", LargeBinary, primary_key=True),
    Column("badge_no", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("post", Text),  # station:role; empty until it is chosen
    Column("began_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True), nullable=False),
    Column("stepped_up_at", DateTime(timezone=True)),
    Index(None, "used_at"),
)

citizen_session = Table(
    "citizen_session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),  # SHA-256, as above
    Column("apply_no", Text, nullable=False),
    Column("began_at", DateTime(timezone=True), nullable=False),
    Index(None, "began_at"),
)

# Wrong proofs by case number and by address of the network: both are known only to who asks for the same again.
citizen_try = Table(
    "citizen_try",
    metadata,
    Column("subject", BlindIndex("citizen_try.subject"), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
    Column("wait_until", DateTime(timezone=True)),
    Index(None, "last_at"),
)
