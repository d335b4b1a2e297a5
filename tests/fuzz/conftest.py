"""The seed of the ring, and its figures: how many inputs and requests there were, over all processes of pytest."""

import os
from collections import Counter
from collections.abc import Callable

import pytest

from tests.node.conftest import open_bureau, quiet_logs, quiet_shanghai, yard, zhejiang

__all__ = ["open_bureau", "quiet_logs", "quiet_shanghai", "yard", "zhejiang"]  # fixtures of the node ring

SEED = 20_201_228  # the same inputs every time; FUZZ_SEED=… tries others
CRASH = "tests.fuzz.loop.Crash"
Count = Callable[[str, int], None]


@pytest.fixture(scope="session")
def seed() -> int:
    return int(os.environ.get("FUZZ_SEED", SEED))


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Count:
    """Notes a figure ("inputs", 1000); figures of one name are added up and printed at the end of the ring."""

    def note(what: str, number: int) -> None:
        record_property(f"fuzz {what}", number)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Properties travel with the reports, so that this sees those of pytest-xdist's workers too."""
    figures: Counter[str] = Counter()
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        if report.when == "call":
            for name, number in report.user_properties:
                if name.startswith("fuzz "):
                    figures[name.removeprefix("fuzz ")] += number
    if figures:
        told = ", ".join(f"{number:,} {what}" for what, number in figures.items())
        crashes = sum(CRASH in str(report.longrepr) for report in terminalreporter.getreports("failed"))
        terminalreporter.write_line(f"fuzz: {told}, {crashes} crashes")
