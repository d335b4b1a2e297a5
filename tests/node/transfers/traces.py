"""What an act leaves behind, checked the same way in the file of each act."""

from typing import Any
from uuid import UUID

from shared.database import CHINA
from tests.node.bureau import Bureau

POSTS = {
    "D31001": ("counter", "310116910000"),
    "D31003": ("population_office", "310116000000"),
    "D31004": ("hrss", "310116000000"),
    "D33001": ("counter", "330482910000"),
    "D33002": ("verifier", "330482910000"),
}


async def assert_audited(bureau: Bureau, on: str, case: object, *, by: str, members: dict[int, str], peer: str) -> Any:
    """One audit row for the act: who, in which post, for which purpose and case, and the change of each member."""
    row = (await bureau.audit(f"transfers.{on}", case_id=UUID(str(case))))[-1]
    assert (row.actor_kind, row.actor, row.role, row.station) == ("officer", by, *POSTS[by])
    assert (row.decision, row.purpose, row.object_kind, row.object_id) == ("allowed", "household_transfer", "case", str(case))
    assert row.peer == peer
    assert {one["place"]: one["state"] for one in row.change["members"]} == members
    assert row.change["version"] == (await stored_case(bureau, case)).version
    return row


async def assert_message_audited(bureau: Bureau, message: str, case: object, *, by: str, members: dict[int, str]) -> Any:
    """One audit row for the message of another bureau."""
    rows = await bureau.audit(f"transfers.{message}", case_id=UUID(str(case)), decision="allowed")
    assert len(rows) == 1
    assert (rows[0].actor_kind, rows[0].actor) == ("peer", by)
    assert {one["place"]: one["state"] for one in rows[0].change["members"]} == members
    return rows[0]


async def stored_case(bureau: Bureau, case: object) -> Any:
    return await bureau.one("SELECT * FROM transfer_case WHERE case_id = :c", c=UUID(str(case)))


async def receipts(bureau: Bureau, case: object) -> list[tuple[str, int, str]]:
    """(package, code, message) of the officers' list of what went out and came back (domain.md 4.4 c)."""
    rows = await bureau.rows("SELECT * FROM transfer_receipt WHERE case_id = :c ORDER BY id", c=UUID(str(case)))
    return [(row.package_type, row.code, row.message) for row in rows]


def owed_as(row: Any) -> tuple[str, str, str]:
    """(peer, direction, last day in China on which it is not late)."""
    return row.peer, row.direction, row.due_at.astimezone(CHINA).date().isoformat()


def asks_after(row: Any) -> float | None:
    """Seconds after which the node asks by itself; None: never."""
    return None if row.next_ask_at is None else (row.next_ask_at - row.since).total_seconds()
