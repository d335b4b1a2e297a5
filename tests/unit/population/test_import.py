"""A whole file, read against a register in memory: the report, and that nothing is written when anything is wrong."""

import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from services.bureau.population.acts import importing
from services.bureau.population.acts.importing import ImportReport, import_register
from services.bureau.population.rules import importing as rules_of_import
from services.bureau.population.rules.importing import COLUMNS
from shared.database import Actor, NodeContext, Vault

Line = Callable[..., dict[str, str]]
NOW = datetime(2020, 12, 28, 2, tzinfo=UTC)


class SetClock:
    def now(self) -> datetime:
        return NOW


@dataclass
class FakeDatabase:
    """As much of a database as the import uses: what is in the register already, and what was copied into it."""

    known_persons: set[bytes] = field(default_factory=set)
    known_households: set[tuple[str, str]] = field(default_factory=set)
    copied: dict[str, bytes] = field(default_factory=dict)
    audited: list[dict[str, Any]] = field(default_factory=list)
    taken_meanwhile: bool = False

    def __post_init__(self) -> None:
        vault = Vault({1: b"k" * 32}, b"b" * 32)
        self.engine = SimpleNamespace(dialect=SimpleNamespace(quanyu_vault=vault))
        self.node = NodeContext("shanghai", None, None, SetClock(), SetClock(), 1)  # type: ignore[arg-type]  # no keys needed here

    async def run(self, unit: Callable[[Any], Awaitable[Any]], **_: Any) -> Any:
        return await unit(self)

    actor = Actor("node", "import")

    async def execute(self, statement: Any, values: Any = None) -> Any:
        if statement is importing.KNOWN_PERSONS:
            return SimpleNamespace(scalars=lambda: [one for one in values["persons"] if one in self.known_persons])
        if statement is importing.KNOWN_HOUSEHOLDS:
            rows = [key for key in self.known_households if key[1] in values["numbers"]]
            return [SimpleNamespace(station_code=station, household_no=number) for station, number in rows]
        return None

    def write_later(self, statement: Any, row: dict[str, Any]) -> None:
        self.audited.append(row)

    async def connection(self) -> Any:
        return self

    async def get_raw_connection(self) -> Any:
        return SimpleNamespace(driver_connection=self)

    async def copy_to_table(self, table: str, *, source: Any, **_: Any) -> None:
        if self.taken_meanwhile:
            raise asyncpg.UniqueViolationError("duplicate key")
        self.copied[table] = b"".join([block async for block in source])


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


def as_file(*lines: dict[str, str], encoding: str = "utf-8") -> bytes:
    columns = list(lines[0]) if lines else list(COLUMNS)
    return "\n".join([",".join(columns), *(",".join(line.values()) for line in lines), ""]).encode(encoding)


async def take(database: FakeDatabase, file: bytes) -> ImportReport:
    return await import_register(database, io.BytesIO(file), stations={"310116910000"})  # type: ignore[arg-type]  # the fake


def rules(report: ImportReport) -> list[tuple[int, str]]:
    return [(one.line, one.fault.rule) for one in report.faults]


async def test_a_good_file_enters_and_is_audited(database: FakeDatabase, line: Line, number: Callable[[str], str]) -> None:
    wife = line(citizen_id_no=number("31011619850101986"), sex="2", relation_code="12")
    report = await take(database, as_file(line(), wife))
    assert (report.imported, report.rows, report.households, list(report.faults)) == (True, 2, 1, [])
    assert set(database.copied) == {"household", "resident"}
    assert [(row["action"], row["change"]) for row in database.audited] == [("population.import", {"rows": 2, "households": 1})]


async def test_no_name_or_number_is_written_in_clear(database: FakeDatabase, line: Line) -> None:
    await take(database, as_file(line()))
    written = b"".join(database.copied.values())
    for clear in ("张华", "演示路", line()["citizen_id_no"]):
        assert clear.encode() not in written


async def test_one_wrong_line_keeps_the_whole_file_out(database: FakeDatabase, line: Line, number: Callable[[str], str]) -> None:
    wrong = line(citizen_id_no=number("31011619850101986"), sex="2", relation_code="12", ethnicity_code="99")
    report = await take(database, as_file(line(), wrong))
    assert (report.imported, rules(report)) == (False, [(3, "unknown_code")])
    assert database.copied == {}
    assert database.audited == []


async def test_who_is_in_the_register_already_is_found(database: FakeDatabase, line: Line) -> None:
    vault: Vault = database.engine.dialect.quanyu_vault
    database.known_persons = {vault.blind_index("resident.citizen_id_no", line()["citizen_id_no"])}
    database.known_households = {("310116910000", "000000001"), ("310116920000", "000000002")}
    report = await take(database, as_file(line()))
    assert rules(report) == [(2, "in_register"), (2, "in_register")]
    assert database.copied == {}


async def test_a_person_who_enters_meanwhile_keeps_the_file_out(database: FakeDatabase, line: Line) -> None:
    database.taken_meanwhile = True
    report = await take(database, as_file(line()))
    assert (report.imported, rules(report)) == (False, [(0, "changed_meanwhile")])


async def test_a_spreadsheet_s_mark_and_line_ends_are_read(database: FakeDatabase, line: Line) -> None:
    file = as_file(line(), encoding="utf-8-sig").replace(b"\n", b"\r\n")
    assert (await take(database, file)).imported


async def test_an_abolished_division_of_first_issue_is_a_warning(
    database: FakeDatabase, line: Line, number: Callable[[str], str]
) -> None:
    report = await take(database, as_file(line(citizen_id_no=number("31022919850101981"))))
    assert report.imported
    assert [(one.line, one.fault.rule) for one in report.warnings] == [(2, "first_issue")]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda file: b"", [(0, "empty")]),
        (lambda file: file.splitlines()[0], [(0, "empty")]),
        (lambda file: file.decode().encode("gb18030"), [(2, "encoding")]),
        (lambda file: file.replace(b",FAMILY", b""), [(2, "width")]),
        (lambda file: file + b'"310116910000', [(3, "csv")]),
        (lambda file: file + b"x" * 70_000, [(3, "line_too_long")]),
        (lambda file: file.replace(b"household_no", b"no"), [(1, "unknown_column"), (1, "missing_column")]),
        (lambda file: file.replace("张华".encode(), "张\x07华".encode()), [(2, "control_character")]),
    ],
    ids=["nothing", "header only", "GBK", "a value missing", "unclosed quote", "endless line", "header", "control character"],
)
async def test_a_broken_file_is_reported_and_changes_nothing(
    database: FakeDatabase, line: Line, damage: Callable[[bytes], bytes], expected: list[tuple[int, str]]
) -> None:
    report = await take(database, damage(as_file(line())))
    assert (report.imported, rules(report)) == (False, expected)
    assert database.copied == {}


async def test_many_faults_and_warnings_take_no_more_memory_than_some(
    database: FakeDatabase, line: Line, number: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules_of_import, "FAULTS_KEPT_MAX", 2)
    vault: Vault = database.engine.dialect.quanyu_vault
    database.known_persons = {vault.blind_index("resident.citizen_id_no", line()["citizen_id_no"])}
    file = as_file(line()) + b"too,few\n" * 3
    report = await take(database, file)
    assert rules(report) == [(3, "width"), (4, "width")]
    assert report.faults.others == {"width": 1, "in_register": 1}
    abolished = [
        line(citizen_id_no=number(f"3102291985010198{i}")) | {"relation_code": "02" if i == 1 else "30"} for i in (1, 3, 5)
    ]
    report = await take(database, as_file(*abolished))
    assert (report.imported, len(report.warnings), len(report.warnings.kept)) == (True, 3, 2)


async def test_a_file_with_too_many_rows_or_faults_is_not_read_to_its_end(
    database: FakeDatabase, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "FAULTS_MAX", 3)
    report = await take(database, as_file(*[line(name="")] * 50))
    assert rules(report)[-1][1] == "too_many_faults"
    assert report.rows < 10
    report = await take(database, as_file(line()) + b"too,few\n" * 50)
    assert rules(report)[-1][1] == "too_many_faults"
    assert report.rows < 10
    monkeypatch.setattr(importing, "IMPORT_ROWS_MAX", 1)
    assert rules(await take(database, as_file(line(), line())))[-1] == (3, "too_many_rows")
