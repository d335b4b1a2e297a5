from collections.abc import Iterator
from pathlib import Path

import pytest

from services.harness.stack import KafkaServer


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One broker for all contract tests; each test has topics and groups of its own on it."""
    server = KafkaServer(Path(tmp_path_factory.mktemp("kafka")))
    server.start()
    yield server
    server.stop()
