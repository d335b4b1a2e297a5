"""Stations of all bureaus as published, the version of each bureau's list, announced maintenance, and our own officers' posts."""

from sqlalchemy import BigInteger, Column, Date, DateTime, Double, Index, Table, Text

from shared.database import metadata

station = Table(
    "station",
    metadata,
    Column("bureau", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("division_code", Text, nullable=False),
    Column("longitude", Double, nullable=False),
    Column("latitude", Double, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date),
    Column("successor", Text),
)

directory = Table(
    "directory",
    metadata,
    Column("bureau", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
)

directory_told = Table(
    "directory_told",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),  # of our own list, the last that was recorded for this peer
)

maintenance = Table(
    "maintenance",
    metadata,
    Column("bureau", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("announced_at", DateTime(timezone=True), nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("text", Text, nullable=False),
    Column("withdrawn_at", DateTime(timezone=True)),
)

maintenance_told = Table(
    "maintenance_told",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),  # of our own announcement, the last that was recorded for this peer
)

post = Table(
    "post",
    metadata,
    Column("badge_no", Text, primary_key=True),
    Column("station_code", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_until", Date),
    Column("officer_name", Text, nullable=False),
    Index("ix_post_station_code", "station_code"),
)
