"""The command `quanyu`: `program.py` puts it together, each group of commands has a module."""

import signal


def main() -> None:
    """Run the command of this process's arguments; ends the process."""
    # The imports take most of a second, in which nothing has begun and Ctrl-C has nothing to undo: it just ends the process.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from services.cli.program import main as run_command

    run_command()
