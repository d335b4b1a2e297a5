"""Signals: the first interrupts, none breaks off what must be finished, and none is a traceback."""

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.harness.interrupts import Interrupts, finished_first, run_interruptibly

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


def test_signal_cancels_what_a_loop_does_and_interrupts_afterwards() -> None:
    done = []

    async def work() -> None:
        asyncio.get_running_loop().call_later(0.01, signal.raise_signal, signal.SIGTERM)
        try:
            await asyncio.sleep(PATIENCE_SECONDS)
        finally:
            await asyncio.sleep(0)
            done.append("closed")

    with Interrupts():
        with pytest.raises(KeyboardInterrupt):
            run_interruptibly(work())
        signal.raise_signal(signal.SIGINT)
    assert done == ["closed"]


async def four() -> int:
    return 4


def test_work_of_a_loop_that_nobody_interrupts_has_its_result() -> None:
    assert run_interruptibly(four()) == 4


def test_other_threads_finish_and_run_as_ever() -> None:
    def begin() -> int:
        with finished_first():
            return run_interruptibly(four())

    with ThreadPoolExecutor() as pool:
        assert pool.submit(begin).result() == 4


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
