"""What the commands share: arguments, exit codes, and how they speak."""

from pathlib import Path
from typing import Annotated, Final

import typer

from services.harness.network import SERVICES
from services.harness.processes import Existing, Stack
from shared.identifiers.texts import N_
from shared.web.texts import Language

FAILED: Final = 1  # it was done as asked, and did not succeed
WRONG_USE: Final = 2  # it cannot be done as asked: arguments or files are wrong, nothing has happened
DEMO_FOLDER: Final = Path("run/demo")
EXITS: Final = N_("Exit codes: 0 done, 1 not done, 2 wrong use: nothing has happened.")


def _known_bureau(bureau: str) -> str:
    known = sorted(profile.parent.name for profile in SERVICES.glob("*/bureau.toml"))  # a fifth one is a folder, no change here
    if bureau not in known:
        raise typer.BadParameter(f"{bureau!r}: {', '.join(known)}")
    return bureau


Bureau = Annotated[str, typer.Argument(metavar="BUREAU", help=N_("shanghai, jiangsu, zhejiang or anhui"), callback=_known_bureau)]


def postgres_address(url: str | None) -> str | None:
    """An address of PostgreSQL as people and tools write it, in the form that ours read."""
    if not url:
        return None
    scheme, found, rest = url.partition("://")
    if not found or scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise typer.BadParameter("postgresql://user:password@host:port/database")  # what was given may hold a password
    return f"postgresql://{rest}"


StackOption = Annotated[
    Stack,
    typer.Option("--stack", help=N_("embedded: PostgreSQL from pip and a bus file; kafka: Apache Kafka, needs Java and Maven")),
]
RunFolderOption = Annotated[
    Path, typer.Option("--folder", help=N_("run folder of the bureaus; what `quanyu demo` made is in run/demo"))
]
PostgresOption = Annotated[
    str | None,
    typer.Option(
        "--postgres-url",
        envvar="QUANYU_POSTGRES_URL",
        callback=postgres_address,
        help=N_("use this PostgreSQL server instead of own ones: postgresql://… of a superuser"),
    ),
]
KafkaOption = Annotated[
    str | None,
    typer.Option(
        "--kafka-bootstrap",
        envvar="QUANYU_KAFKA_BOOTSTRAP",
        help=N_("with --stack kafka: use these Kafka servers (host:port,…), which no other run uses at the time"),
    ),
]


def language_of(context: typer.Context) -> Language:
    """The language that `main` has found."""
    language: Language = context.find_root().obj
    return language


def existing(postgres_url: str | None, kafka_bootstrap: str | None) -> Existing:
    return Existing(postgres_url, kafka_bootstrap or None)
