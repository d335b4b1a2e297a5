"""`quanyu node`: the program of one bureau."""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.bureau.process import Part
from services.cli.common import Bureau
from services.harness.nodes import pid_file, running_pid
from services.harness.run_folder import read_settings
from services.harness.stack import StackError
from shared.identifiers.texts import N_

HELP = N_("Run the node of one bureau until Ctrl-C or SIGTERM. Its settings are QUANYU_… variables, or those of a run folder.")
EXAMPLE = N_("Example, a bureau of the running demo started again: quanyu node zhejiang --folder run/demo")


def add_to(app: typer.Typer) -> None:
    app.command("node", help=HELP, epilog=EXAMPLE)(run)


def run(
    bureau: Bureau,
    only: Annotated[Part, typer.Option(help=N_("one part of the node alone"))] = "all",
    folder: Annotated[
        Path | None, typer.Option("--folder", help=N_("take the settings that the bureau has in this run folder"))
    ] = None,
) -> None:
    if folder is not None:
        told = read_settings(folder, bureau)
        if pid := running_pid(folder, bureau):  # it could not listen, and the run would forget the one that does
            message = N_("the node of {bureau} already runs in {folder} as process {pid}")
            raise StackError(message, bureau=bureau, folder=str(folder), pid=pid)
        pid_file(folder, bureau).write_text(str(os.getpid()))  # so that the run's end is this node's end, too
        # Settings are read from the environment and nowhere else: the node begins anew with them.
        command = [sys.executable, "-m", "services.cli", "node", bureau, "--only", only]
        os.execve(sys.executable, command, os.environ | told)  # noqa: S606  # our own program, no shell
    importlib.import_module(f"services.{bureau}.main").main(only)
