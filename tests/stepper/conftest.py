"""One ground a test process: its seeds share the server, and each begins with nothing."""

from collections.abc import AsyncIterator

import pytest
import structlog

from tests.stepper.ground import Ground, made_ground


@pytest.fixture(scope="session")
async def ground() -> AsyncIterator[Ground]:
    async with made_ground() as made:
        yield made
    structlog.reset_defaults()
