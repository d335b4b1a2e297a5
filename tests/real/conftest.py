"""What the ring of real processes needs, said once; and one federation a test module."""

import os
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import pytest

from services.harness.stack import StackError
from services.harness.stack.java import CACHE, require_java
from services.harness.stack.kafka import NAME as KAFKA
from services.harness.stack.kafka import fetch_jars
from services.harness.stack.keycloak import NAME as KEYCLOAK
from services.harness.stack.keycloak import fetch_keycloak
from services.harness.stack.postgres import wheel_binaries
from services.harness.stack.prometheus import require_prometheus
from tests.real.waiting import Measured

pytest.register_assert_rewrite("tests.real.stage", "tests.real.verdict")  # they assert for the tests: show what differs

from tests.real.stage import Stage, staged  # noqa: E402


@cache
def missing(*, kafka: bool, prometheus: bool, keycloak: bool) -> str | None:
    """What to install before these tests can run here; None when nothing is missing."""
    try:
        wheel_binaries()
        if kafka:
            require_java(KAFKA)
            fetch_jars(Path.home() / CACHE)
        if prometheus:
            require_prometheus()
        if keycloak:
            require_java(KEYCLOAK)
            fetch_keycloak(Path.home() / CACHE)
    except StackError as error:
        return str(error)
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """With CI=true a machine that cannot run this ring is a failure; elsewhere it is reported, with what to install."""
    wanted = {name: item.get_closest_marker(name) is not None for name in ("kafka", "prometheus", "keycloak")}
    reason = missing(**wanted)
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


FIGURES = pytest.StashKey[list[tuple[str, float]]]()


@pytest.fixture
def measured(pytestconfig: pytest.Config) -> Measured:
    """Notes a figure; all of them are printed at the end of the run."""

    def note(what: str, value: float) -> None:
        pytestconfig.stash.setdefault(FIGURES, []).append((what, value))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for what, value in config.stash.get(FIGURES, []):
        terminalreporter.write_line(f"measured  {what}: {value:.1f}")


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Four ordinary nodes on their own servers."""
    async with staged(tmp_path_factory.mktemp("federation")) as made:
        yield made


@pytest.fixture(scope="module")
async def dying_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Four nodes that can be told where to die."""
    async with staged(tmp_path_factory.mktemp("federation"), dying=True) as made:
        yield made
