"""Answers kept for requests that carried an Idempotency-Key, so that an act sent twice has one effect and one answer."""

from pydantic import BaseModel
from sqlalchemy import Column, DateTime, Index, Integer, Table, Text

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
