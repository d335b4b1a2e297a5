"""The command line in this process, as its users see it: exit code and what was printed."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from services.cli.program import run
from shared.web.texts import Language


@dataclass(frozen=True)
class Ran:
    """What a command did: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


Quanyu = Callable[..., Ran]


@pytest.fixture
def quanyu(capsys: pytest.CaptureFixture[str]) -> Iterator[Quanyu]:
    """Runs `quanyu ARGUMENTS…`; the logs that a command silences speak again afterwards."""
    logs, handlers, level = structlog.get_config(), logging.root.handlers, logging.root.level

    def ran(*arguments: str | Path, language: Language = "en") -> Ran:
        code = run([str(one) for one in arguments], language)
        return Ran(code, *capsys.readouterr())

    yield ran
    structlog.configure(**logs)
    logging.root.handlers, logging.root.level = handlers, level


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(programs: Path, name: str, script: str) -> None:
    (programs / name).write_text(f"#!/bin/sh\n{script}\n")
    (programs / name).chmod(0o755)
