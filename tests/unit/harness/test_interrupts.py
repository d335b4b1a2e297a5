"""Signals: the first interrupts, none breaks off what must be finished, and none is a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.harness.interrupts import Interrupts, finished_first

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 60.0


def test_first_signal_interrupts_and_later_ones_do_nothing() -> None:
    with Interrupts():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)


def test_what_is_begun_is_finished_before_the_interrupt() -> None:
    done = []

    def begin() -> None:
        with finished_first():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            done.append("known")
        done.append("too far")

    with Interrupts():
        with pytest.raises(KeyboardInterrupt):
            begin()
        signal.raise_signal(signal.SIGINT)
    assert done == ["known"]


def test_what_fails_while_it_is_finished_fails_as_ever() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="as ever"):
        with finished_first():
            raise ValueError("as ever")
    assert signal.getsignal(signal.SIGTERM) == before


def test_ctrl_c_while_the_command_is_loaded_ends_it_without_a_word() -> None:
    loud = [sys.executable, "-X", "importtime", "-m", "services.cli", "keys", "--help"]
    with subprocess.Popen(loud, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as command:
        assert command.stderr is not None
        next(line for line in command.stderr if "pydantic" in line)  # about the middle of the imports
        os.kill(command.pid, signal.SIGINT)
        rest = command.stderr.read()
        assert command.wait(PATIENCE_SECONDS) == -signal.SIGINT
    assert "Traceback" not in rest
