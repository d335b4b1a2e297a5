"""What must not have changed: one hash a table of all that registers, cases and outboxes hold."""

from collections.abc import Mapping

from sqlalchemy import TextClause, text

# table -> what is compared of it, and the column that names the counterpart, where rows have one
TABLES: Mapping[str, tuple[str, str | None]] = {
    "resident": ("t::text", None),
    "resident_change": ("t::text", None),
    "household": ("t::text", None),
    "hold": ("t::text", None),
    "transfer_case": ("t::text", "counterpart"),
    "transfer_member": ("t::text", "counterpart"),
    "transfer_receipt": ("t::text", None),
    "owed": ("t::text", "peer"),
    "outbox": ("t.event_id || ' ' || t.topic", "split_part(topic, '.', 1)"),  # whether it was sent meanwhile is no effect
    "directory": ("t::text", None),
    "station": ("t::text", None),
    "post": ("t::text", None),
}


def _one(table: str) -> str:
    compared, counterpart = TABLES[table]
    others = "" if counterpart is None else f" WHERE {counterpart} <> :but"
    rows = f"SELECT {compared} AS told FROM {table} t{others}"  # noqa: S608  # tables and columns of the list above
    return f"(SELECT md5(coalesce(string_agg(told, E'\\n' ORDER BY told), '')) FROM ({rows}) one) AS {table}"  # noqa: S608


FINGERPRINT: TextClause = text(f"SELECT {', '.join(_one(table) for table in TABLES)}")
"""`but`: a bureau whose own cases with the reader do not count; "" for none."""
