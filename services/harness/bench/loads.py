"""Rows by the hundred thousand, so that tables and indexes have the size of a bureau that has worked for years.

Each is the row of a real person, or one of the rows that a real, finished transfer has left, written again by INSERT .. SELECT
under ids of its own: what is sealed or encrypted has its true size and is nobody's. Triggers and foreign keys do not look
(replica role): the copies keep what their patterns keep. Afterwards VACUUM ANALYZE, as autovacuum would have done long ago, and
a checkpoint.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Table

from services.bureau.population.tables import household, resident, resident_change
from services.bureau.transfers.tables import transfer_case, transfer_member, transfer_receipt
from shared.audit import audit
from shared.messaging.tables import outbox, receipt

FIRST_HOUSEHOLD_NO = {"residents": 100_000_000, "cases": 500_000_000}
LARGE_ROWS = 5_000
"""A table that small is rightly read as a whole."""
PERSON = "t.citizen_id_index = (SELECT index FROM bench_person)"
THEIR_HOME = f"t.id = (SELECT t.household_id FROM resident AS t WHERE {PERSON})"  # noqa: S608  # constants
ABOUT_THEM = f"t.resident_id = (SELECT t.id FROM resident AS t WHERE {PERSON})"  # noqa: S608  # constants
OWN_CASE = {"case_id": "n.case_id"}
HOUSEHOLD = {
    "id": "n.household_id",
    "household_no": "CASE WHEN n.number % 2 = 0 THEN ($first + n.number)::text ELSE 'OLD-' || ($first + n.number) END",  # half
    "head_resident_id": "CASE WHEN t.head_resident_id IS NULL THEN NULL ELSE n.resident_id END",
}
RESIDENT = {
    "id": "n.resident_id",
    "citizen_id_index": "n.person",
    "household_id": "n.household_id",
    "case_id": "CASE WHEN t.case_id IS NULL THEN NULL ELSE n.case_id END",
}
Copy = tuple[Table, str, Mapping[str, str]]
"""Table, which of its rows (as t), what differs in a copy (n has the ids)."""
REGISTER: tuple[Copy, ...] = ((household, THEIR_HOME, HOUSEHOLD), (resident, PERSON, RESIDENT))
ARCHIVE: tuple[Copy, ...] = (
    *REGISTER,
    (resident_change, ABOUT_THEM, {"id": "uuidv7()", "resident_id": "n.resident_id"}),
    (transfer_case, "t.case_id = $case", OWN_CASE | {"apply_no": "t.apply_no || '-' || n.number"}),
    (transfer_member, "t.case_id = $case", OWN_CASE | {"citizen_index": "n.person"}),
    (transfer_receipt, "t.case_id = $case", OWN_CASE),
    (audit, "t.case_id = $case", OWN_CASE),
    (outbox, "t.key = $case::text", {"event_id": "uuidv7()", "key": "n.case_id::text"}),
    (receipt, "t.key = $case::text", {"event_id": "uuidv7()", "key": "n.case_id::text"}),
)
NEW_IDS = (
    "CREATE TEMP TABLE bench_copy AS SELECT number, uuidv7() AS case_id, uuidv7() AS resident_id, uuidv7() AS household_id,"
    " decode(md5('{name} ' || number), 'hex') AS person FROM generate_series(1, {count}) AS number"
)
SALTS = (
    "INSERT INTO audit_salt (audit_id, salt) SELECT a.id, decode(md5(a.id::text), 'hex')"
    " FROM audit AS a JOIN bench_copy AS n ON n.case_id = a.case_id WHERE a.commitment IS NOT NULL"
)
ANY_HEAD = "SELECT citizen_id_index AS index FROM resident WHERE kind = 'ACTIVE' AND relation_code = '02' LIMIT 1"
AFTERWARDS = ("VACUUM ANALYZE", "CHECKPOINT")


def residents(count: int) -> list[str]:
    """Statements that write so many households of one person each, in the pattern of one who is there."""
    return _statements(REGISTER, count=count, name="residents", person=ANY_HEAD)


def finished_cases(count: int, *, like: str) -> list[str]:
    """Statements that write so many finished transfers, at either side, in the pattern of the case `like`: its rows in the
    register, the case's tables, the audit log, the outbox (sent) and the receipts."""
    person = f"SELECT citizen_index AS index FROM transfer_member WHERE case_id = '{like}'"  # noqa: S608  # a UUID of ours
    found = _statements(ARCHIVE, count=count, name="cases", person=person)
    return [statement.replace("$case", f"'{like}'::uuid") for statement in (*found[:-2], SALTS, *found[-2:])]


def _statements(copies: Sequence[Copy], *, count: int, name: str, person: str) -> list[str]:
    return [
        "SET session_replication_role = replica",
        f"CREATE TEMP TABLE bench_person AS {person}",
        NEW_IDS.format(name=name, count=count),
        "ANALYZE bench_copy",
        *(copy_statement(*copy).replace("$first", str(FIRST_HOUSEHOLD_NO[name])) for copy in copies),
        *AFTERWARDS,
    ]


def copy_statement(table: Table, rows: str, differing: Mapping[str, str]) -> str:
    """One INSERT .. SELECT: each of the rows once for every new id; identity columns are drawn anew."""
    if unknown := set(differing) - {column.name for column in table.columns}:
        raise ValueError(f"{table.name} has no {', '.join(sorted(unknown))}")
    names = [column.name for column in table.columns if column.identity is None]
    values = [differing.get(name, f't."{name}"') for name in names]
    columns = ", ".join(f'"{name}"' for name in names)
    pattern = f"(SELECT * FROM {table.name} AS t WHERE {rows}) AS t"  # noqa: S608  # names of our own tables
    return f"INSERT INTO {table.name} ({columns}) SELECT {', '.join(values)} FROM bench_copy AS n CROSS JOIN {pattern}"  # noqa: S608
