"""`quanyu register`: files of residents into a bureau's register, checked first; synthetic residents. No node need run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from services.bureau.population.acts import ImportReport
from services.bureau.population.rules.importing import Faults, LineFault
from services.bureau.wiring import BUSINESS_CLOCK_FILE
from services.cli.common import DEMO_FOLDER, WRONG_USE, Bureau, RunFolderOption, language_of, postgres_address
from services.harness.interrupts import run_interruptibly
from services.harness.population import write_csv
from services.harness.registers import Register, check_file, generate, import_file, population_of
from services.harness.run_folder import read_settings
from services.harness.stack import StackError
from services.harness.stories.telling import Teller
from shared.database import CHINA, DatabaseDown, OutcomeUnknown
from shared.envelope import EnvelopeError
from shared.identifiers.texts import N_
from shared.web.problems import fault_body

RESIDENTS_MAX: Final = 1_000_000
HELP = N_("A bureau's register: import a file, or fill it with synthetic residents.")
IMPORT_HELP = N_(
    "Import a CSV file (UTF-8) of residents, one line each, columns named as the register's fields: as a whole or not at all. The"
    " file is checked first, and its faults are reported with line, field, rule and source; no running node is needed."
)
IMPORT_EXAMPLE = N_(
    "Example: quanyu register import shanghai residents.csv; outside of the demo with --database-url and --keys-folder"
)
GENERATE_HELP = N_("Write synthetic residents, the same for the same seed, into a file for the import or into the register.")
GENERATE_EXAMPLE = N_("Example: quanyu register generate zhejiang --count 1000 --seed 7 --output residents.csv")

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="QUANYU_DATABASE_URL",
        callback=postgres_address,
        help=N_("the bureau's database, postgresql+asyncpg://…; without it that of the run folder"),
    ),
]
KeysOption = Annotated[
    Path | None,
    typer.Option(
        "--keys-folder",
        envvar="QUANYU_KEYS_FOLDER",
        help=N_("with --database-url: the bureau's folder of keys, which opens the register"),
    ),
]


def add_to(app: typer.Typer) -> None:
    register = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    register.command("import", help=IMPORT_HELP, epilog=IMPORT_EXAMPLE)(import_)
    register.command("generate", help=GENERATE_HELP, epilog=GENERATE_EXAMPLE)(generate_)
    app.add_typer(register, name="register", help=HELP)


def import_(
    context: typer.Context,
    bureau: Bureau,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help=N_("the CSV file"))],
    folder: RunFolderOption = DEMO_FOLDER,
    database_url: DatabaseOption = None,
    keys_folder: KeysOption = None,
) -> None:
    teller, progress = Teller(language_of(context)), _Progress()
    # Before any database is asked for: a broken file is broken everywhere.
    checked = check_file(bureau, file, today=datetime.now(CHINA).date(), progress=progress)
    progress.end()
    if checked.faults:
        _tell_faults(checked.faults, teller)
        raise typer.Exit(WRONG_USE)
    teller.say(
        N_("the file is right: {rows} residents in {households} households"), rows=checked.rows, households=checked.households
    )
    register = _register(bureau, folder, database_url, keys_folder)
    with _sentences(register):
        report = run_interruptibly(import_file(register, file, progress=progress))
    progress.end()
    _tell_imported(report, bureau, teller)


def generate_(
    context: typer.Context,
    bureau: Bureau,
    count: Annotated[int, typer.Option(min=1, max=RESIDENTS_MAX, help=N_("how many residents"))] = 10_000,
    seed: Annotated[int, typer.Option(help=N_("another seed gives other people"))] = 1,
    output: Annotated[Path | None, typer.Option(help=N_("write a CSV file instead of filling the register"))] = None,
    folder: RunFolderOption = DEMO_FOLDER,
    database_url: DatabaseOption = None,
    keys_folder: KeysOption = None,
) -> None:
    teller, progress = Teller(language_of(context)), _Progress()
    if output is not None:
        with output.open("w", encoding="utf-8", newline="") as opened:
            written = write_csv(population_of(bureau, count=count, seed=seed), opened, progress=progress)
        progress.end()
        teller.say(N_("{count} residents are in {file}"), count=written, file=str(output))
        return
    register = _register(bureau, folder, database_url, keys_folder)
    with _sentences(register):
        written = run_interruptibly(generate(register, count=count, seed=seed, progress=progress))
    progress.end()
    teller.say(N_("{count} new residents are in the register of {bureau}"), count=written, bureau=bureau)


def _tell_imported(report: ImportReport, bureau: str, teller: Teller) -> None:
    _tell_each(report.warnings, teller)
    if report.faults:
        _tell_faults(report.faults, teller)
        raise typer.Exit(WRONG_USE)
    message = N_("imported: {rows} residents in {households} households are in the register of {bureau}")
    teller.say(message, rows=report.rows, households=report.households, bureau=bureau)


def _tell_faults(faults: Faults, teller: Teller) -> None:
    _tell_each(faults, teller)
    lines = len({one.line for one in faults})
    if faults.others:
        teller.say(N_("faults: {count}; nothing was imported"), count=len(faults))
    else:
        teller.say(N_("faults: {count}, on lines: {lines}; nothing was imported"), count=len(faults), lines=lines)


def _tell_each(faults: Faults, teller: Teller) -> None:
    for one in faults:
        teller.write(_line(one, teller))
    for rule, count in faults.others.most_common():
        teller.say(N_("and {count} more of the rule {rule}"), count=count, rule=rule)


def _line(one: LineFault, teller: Teller) -> str:
    """ "12: citizen_id_no: 校验码不符：… / check digit … [GB 11643-1999] (check_digit)"."""
    body = fault_body(one.fault)
    texts = (body["zh"], body["en"]) if teller.language == "zh" else (body["en"], body["zh"])
    field = f"{one.fault.field}: " if one.fault.field else ""
    return f"{one.line}: {field}{texts[0]} / {texts[1]} [{one.fault.source}] ({one.fault.rule})"


def _register(bureau: str, folder: Path, database_url: str | None, keys_folder: Path | None) -> Register:
    """The register that was named; else that of the run folder. Raises StackError, which says what to do."""
    if database_url is None:
        told = read_settings(folder, bureau)
        clock = folder / BUSINESS_CLOCK_FILE
        return Register(bureau, told["QUANYU_DATABASE_URL"], Path(told["QUANYU_KEYS_FOLDER"]), clock_file=clock)
    if keys_folder is None:
        raise StackError(N_("--database-url needs --keys-folder: the register is encrypted with the bureau's keys"))
    return Register(bureau, _with_driver(database_url), keys_folder)


@contextmanager
def _sentences(register: Register) -> Iterator[None]:
    """What a register that cannot be opened is told as."""
    try:
        yield
    except (DatabaseDown, OutcomeUnknown) as error:
        message = N_("the database of {bureau} does not answer ({error}); that of the demo runs while the demo does")
        raise StackError(message, bureau=register.bureau, error=str(error)) from error
    except EnvelopeError as error:
        message = N_("the keys in {folder} do not open the register: {error}")
        raise StackError(message, folder=str(register.keys_folder), error=str(error)) from error


def _with_driver(url: str) -> str:
    """For SQLAlchemy, which wants the driver's name in it."""
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)


class _Progress:
    """Rows so far, on one line of a terminal; nothing where standard error is none."""

    def __init__(self) -> None:
        self._shown = False

    def __call__(self, phase: str, rows: int) -> None:
        if sys.stderr.isatty():
            self._shown = True
            print(f"\r{phase} {rows:,}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print(file=sys.stderr)
            self._shown = False
