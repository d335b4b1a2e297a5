"""Import of a register file: everything is checked and reported first, then all of it enters in one transaction, or nothing.

Works on a database alone, no node need run. Between check and write the rows wait in unnamed temporary files, encrypted as they
will be stored.
"""

import csv
import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import IO, TypeVar

import asyncpg
from sqlalchemy import LargeBinary, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from services.bureau.population.acts.copying import CopySource, ResidentPlace, RowWriter, copy_rows
from services.bureau.population.rules.importing import (
    FAULTS_MAX,
    IMPORT_ROWS_MAX,
    IMPORT_SOURCE,
    REGULATIONS_ART_6,
    Entry,
    Faults,
    FileCheck,
    LineFault,
    ResidentLine,
    header_faults,
    import_fault,
    read_line,
)
from services.bureau.population.tables import household, resident
from shared.audit import AuditEntry, write_audit
from shared.database import NODE_ITSELF, Actor, Database, Session
from shared.database.vault import BLIND_INDEX_BYTES
from shared.identifiers.citizen_id import SOURCE as CITIZEN_ID_SOURCE
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_

LINE_BYTES_MAX = 64 * 1024  # the longest possible line of our columns has about 20 KB
PROGRESS_EVERY_ROWS = 5_000
LOOKED_UP_AT_ONCE = 5_000  # persons or households a query, when the register is searched for those of the file
BLOCK_BYTES = 256 * 1024

KNOWN_PERSONS = select(resident.c.citizen_id_index).where(
    resident.c.citizen_id_index == func.any(bindparam("persons", type_=ARRAY(LargeBinary)))
)
KNOWN_HOUSEHOLDS = select(household.c.station_code, household.c.household_no).where(
    household.c.household_no == func.any(bindparam("numbers", type_=ARRAY(Text)))
)
T = TypeVar("T")
Progress = Callable[[str, int], None]
"""(phase, rows so far): "check" while the file is read, "write" when all is in."""


@dataclass(slots=True)
class ImportReport:
    """What became of a file: `imported` only when `faults` is empty; then every row is in, else none."""

    rows: int = 0
    households: int = 0
    faults: Faults = field(default_factory=Faults)
    warnings: Faults = field(default_factory=Faults)
    imported: bool = False

    def add(self, line: int, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.faults.add(line, fault)


class _Stop(Exception):
    """The rest of the file is not worth reading: the report says why."""


def no_progress(_phase: str, _rows: int) -> None:
    """For who does not watch."""


async def import_register(
    database: Database,
    file: IO[bytes],
    *,
    stations: Collection[str],
    progress: Progress = no_progress,
    actor: Actor = NODE_ITSELF,
) -> ImportReport:
    """Import a CSV file (UTF-8) of residents into the register of the database's bureau.

    `stations`: codes of the bureau's own stations. The report has the faults with their lines, of the file itself and against
    the register. Raises DatabaseDown, OutcomeUnknown."""
    report, check = ImportReport(), FileCheck()
    writer = RowWriter(database.engine.dialect, at=database.node.machine_now())
    with tempfile.TemporaryFile() as households, tempfile.TemporaryFile() as residents:
        spool = _Spool(writer, households, residents)
        reader = _FileReader(report, check, database.node.bureau, stations, person=writer.person, keep=spool.keep)
        reader.read(file, today=database.node.business_today(), progress=progress)

        async def compare(session: Session) -> Faults:
            return await _known_in_register(session, check)

        report.faults.merge(await database.run(compare, name="population.import.compare", actor=actor))
        report.faults.sort()
        if report.faults:
            return report

        async def write(session: Session) -> None:
            await copy_rows(session, CopySource(lambda: _blocks(households), lambda: _blocks(residents)))
            change = {"rows": report.rows, "households": report.households}
            await write_audit(session, AuditEntry(action="population.import", object_kind="register", change=change))

        try:
            await database.run(write, name="population.import.write", actor=actor)
        except asyncpg.UniqueViolationError:
            message = N_("the register changed meanwhile: import again")
            report.add(0, [import_fault("", "changed_meanwhile", message)])
            return report
    report.imported = True
    progress("write", report.rows)
    return report


def check_register_file(
    file: IO[bytes], *, bureau: str, stations: Collection[str], today: date, progress: Progress = no_progress
) -> ImportReport:
    """What is wrong with a file by itself, with the faults that `import_register` would find before it asks the register.

    No database is needed; `today` is the day on which dates are judged."""
    report = ImportReport()
    reader = _FileReader(report, FileCheck(), bureau, stations, person=_digest, keep=lambda person, entry, line: None)
    reader.read(file, today=today, progress=progress)
    report.faults.sort()
    return report


def _digest(citizen_id_no: str) -> bytes:
    """Tells persons of one file apart, as short as the index by which a register finds them."""
    return hashlib.sha256(citizen_id_no.encode()).digest()[:BLIND_INDEX_BYTES]


@dataclass(frozen=True, slots=True)
class _Spool:
    """Rows that wait to be written, encrypted as they will be stored."""

    writer: RowWriter
    households: IO[bytes]
    residents: IO[bytes]

    def keep(self, person: bytes, entry: Entry, read: ResidentLine) -> None:
        if read.household is None or read.record is None:
            raise AssertionError("a line without faults has both")
        if entry.opens is not None:
            self.households.write(self.writer.household(entry.household_id, entry.head_id, entry.opens))
        place = ResidentPlace(entry.resident_id, entry.household_id, read.household.station_code, read.relation_code)
        self.residents.write(self.writer.resident(place, person, read.record))


@dataclass(frozen=True, slots=True)
class _FileReader:
    """From lines to faults, and to `keep` for what is right. `person`: what a person is recognised by."""

    report: ImportReport
    check: FileCheck
    bureau: str
    stations: Collection[str]
    person: Callable[[str], bytes]
    keep: Callable[[bytes, Entry, ResidentLine], None]

    def read(self, file: IO[bytes], *, today: date, progress: Progress) -> None:
        """Read all lines; what is wrong is in the report afterwards."""
        try:
            for line, values in self._lines(file):
                self.report.rows += 1
                if self.report.rows > IMPORT_ROWS_MAX:
                    message = N_("the file has more than {limit} residents")
                    raise self._stop(line, "too_many_rows", message, limit=IMPORT_ROWS_MAX)
                if values is not None:
                    self._take(line, values, today)
                if len(self.report.faults) > FAULTS_MAX:
                    raise self._stop(line, "too_many_faults", N_("more than {limit} faults: reading stopped"), limit=FAULTS_MAX)
                if self.report.rows % PROGRESS_EVERY_ROWS == 0:
                    progress("check", self.report.rows)
        except _Stop:
            return
        self.report.households = self.check.households
        for one in self.check.headless():
            self.report.faults.add(one.line, one.fault)
        if self.report.rows == 0 and not self.report.faults:
            self.report.add(0, [import_fault("", "empty", N_("the file has no residents"))])
        progress("check", self.report.rows)

    def _take(self, line: int, values: dict[str, str], today: date) -> None:
        read = read_line(values, bureau=self.bureau, stations=self.stations, today=today)
        person = None if read.citizen is None else self.person(read.citizen.text)
        entry, faults = self.check.enter(line, person, read)
        self.report.add(line, (*read.faults, *faults))
        if self.report.faults or entry is None or person is None or read.record is None or read.citizen is None:
            return  # from the first fault on nothing will be written: the rest is read for the report only
        if not read.citizen.known_division:
            message = N_("division {code} of first issue is not in today's list")
            code = read.citizen.division_code
            fault = import_fault("citizen_id_no", "first_issue", message, source=CITIZEN_ID_SOURCE, code=code)
            self.report.warnings.add(line, fault)
        self.keep(person, entry, read)

    def _lines(self, file: IO[bytes]) -> Iterator[tuple[int, dict[str, str] | None]]:
        """(line number, values by column, or None where their number is wrong); raises _Stop where it is no longer CSV."""
        reader = csv.reader(self._decoded(file), strict=True)
        header: list[str] | None = None
        while True:
            line = reader.line_num + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except UnicodeDecodeError:
                raise self._stop(reader.line_num + 1, "encoding", N_("the file is not UTF-8")) from None
            except csv.Error as error:
                raise self._stop(line, "csv", N_("the line is not CSV: {error}"), error=str(error)) from None
            if not row:
                continue
            if header is None:
                header = [name.strip() for name in row]
                if faults := header_faults(header):
                    self.report.add(line, faults)
                    raise _Stop
            elif len(row) != len(header):
                message = N_("{actual} values instead of {expected}")
                self.report.add(line, [import_fault("", "width", message, actual=len(row), expected=len(header))])
                yield line, None
            else:
                yield line, dict(zip(header, (value.strip() for value in row), strict=True))

    def _decoded(self, file: IO[bytes]) -> Iterator[str]:
        encoding, number = "utf-8-sig", 0  # spreadsheets write a mark at the start
        while raw := file.readline(LINE_BYTES_MAX + 1):
            number += 1
            if len(raw) > LINE_BYTES_MAX:
                raise self._stop(number, "line_too_long", N_("the line has more than {limit} bytes"), limit=LINE_BYTES_MAX)
            yield raw.decode(encoding)
            encoding = "utf-8"

    def _stop(self, line: int, rule: str, message: str, **values: str | int) -> _Stop:
        fault = Fault(field="", rule=rule, source=IMPORT_SOURCE, message=message, values=values)
        self.report.faults.kept.append(LineFault(line, fault))  # told, however many came before
        return _Stop()


async def _known_in_register(session: Session, check: FileCheck) -> Faults:
    """Persons and households of the file that the register has already, whatever became of them."""
    faults = Faults()
    for persons in _in_parts(check.lines_by_person):
        for index in (await session.execute(KNOWN_PERSONS, {"persons": persons})).scalars():
            message = N_("this person is in the register already")
            fault = import_fault("citizen_id_no", "in_register", message, source=REGULATIONS_ART_6)
            faults.add(check.lines_by_person[index], fault)
    for households in _in_parts(check.numbers()):
        found = await session.execute(KNOWN_HOUSEHOLDS, {"numbers": sorted({number for _, number, _ in households})})
        known = {(row.station_code, row.household_no) for row in found}
        for station, number, line in households:
            if (station, number) in known:
                message = N_("household {number} of this station is in the register already")
                faults.add(line, import_fault("household_no", "in_register", message, number=number))
    return faults


def _in_parts(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, LOOKED_UP_AT_ONCE)):
        yield part


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(BLOCK_BYTES):
        yield block
