"""The command `quanyu`: `program.py` puts it together, each group of commands has a module."""

from services.cli.program import main

__all__ = ["main"]
