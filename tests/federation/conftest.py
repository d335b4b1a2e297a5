"""Four bureaus in this process, a clerk who does every officer's acts, and a gauge over all four databases."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import pytest
import structlog

from services.harness.network import Network
from shared.database import CHINA
from tests.federation.clerk import Clerk
from tests.federation.gauge import check_cut

SPRING = datetime(2021, 3, 1, 10, 0, tzinfo=CHINA)
"""A Monday on which online transfer is open between all four (Hefei for Anhui)."""


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Lines without local variables: a traceback with all of them takes longer than the test."""
    processors = [structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
    structlog.configure(processors=processors)
    yield
    structlog.reset_defaults()


@pytest.fixture
async def clerk(network: Network) -> AsyncIterator[Clerk]:
    """All officers, on a day on which they may transfer between all four; at the end the audit logs are held together."""
    network.clock.at = SPRING
    made = Clerk(network)
    yield made
    await made.watch.check()
    await check_cut(network, clocks_agree=made.clocks_agree)
    await made.watch.close()
