"""The command `quanyu`."""

import importlib
from typing import Annotated

import typer

from services.bureau.process import Part, PortTaken
from services.bureau.wiring import SettingsError
from shared.envelope import EnvelopeError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Quanyu 全域: the federation of four police bureaus.")
BUREAUS = ("shanghai", "jiangsu", "zhejiang", "anhui")
WRONG_USE = 2


@app.callback()
def about() -> None:
    """Quanyu 全域: the federation of four police bureaus."""


@app.command()
def node(
    bureau: Annotated[str, typer.Argument(help="shanghai, jiangsu, zhejiang or anhui")],
    only: Annotated[Part, typer.Option(help="one part of the node alone")] = "all",
) -> None:
    """Run the node of one bureau until Ctrl-C or SIGTERM; settings come from QUANYU_… variables."""
    if bureau not in BUREAUS:
        typer.echo(f"no bureau {bureau!r}: one of {', '.join(BUREAUS)}", err=True)
        raise typer.Exit(WRONG_USE)
    province = importlib.import_module(f"services.{bureau}.main")
    try:
        province.main(only)
    except (SettingsError, PortTaken, EnvelopeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def main() -> None:
    app()


if __name__ == "__main__":
    main()
