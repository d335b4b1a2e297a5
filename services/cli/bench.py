"""`quanyu bench`: figures beside their floors."""

from typing import Annotated, Any, get_args

import typer

from services.cli.common import FAILED, language_of
from services.harness.bench.figures import Bench
from services.harness.bench.runs import ROUNDS, run_bench
from services.harness.stories.telling import Teller
from shared.identifiers.texts import N_

HELP = N_(
    "Measure on nodes of its own: deliver (an act until its effect at another bureau) and transfer (whole transfers), with "
    "PostgreSQL and Apache Kafka; post (an act beside a bare handler that writes as much), growth (a message among more "
    "bureaus, residents and cases) and pages (the officers' pages among more residents and cases), with PostgreSQL alone. "
    "Every figure stands beside a floor of the same run. Minutes; nothing else should run meanwhile."
)
EXAMPLE = N_("Examples: quanyu bench deliver; quanyu bench growth --json")


def add_to(app: typer.Typer) -> None:
    app.command("bench", help=HELP, epilog=EXAMPLE)(bench)


def _known(name: str) -> str:
    if name not in get_args(Bench):
        raise typer.BadParameter(f"{name!r}: {', '.join(get_args(Bench))}")
    return name


def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help=N_("deliver, transfer, post, growth or pages"), callback=_known)],
    rounds: Annotated[int, typer.Option(min=1, max=50, help=N_("rounds, each with its floors; transfer has none"))] = ROUNDS,
    as_json: Annotated[bool, typer.Option("--json", help=N_("figures as one line of JSON in the end"))] = False,
) -> None:
    wanted: Any = name
    figures = run_bench(wanted, Teller(language_of(context)), rounds=rounds)
    if as_json:
        print(figures.last_line())
    if not figures.ok:
        raise typer.Exit(FAILED)
