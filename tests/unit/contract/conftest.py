"""Golden samples: one file per content, tests/vectors/messages/<Name>.<version>.json. Never changed for a version in use."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parents[2] / "vectors" / "messages"


@pytest.fixture(scope="session")
def sample_names() -> list[str]:
    return sorted(path.name for path in SAMPLES.glob("*.json"))


@pytest.fixture
def sample() -> Callable[[str], dict[str, Any]]:
    """The sample of a content's first version, fresh each time: {"name", "version", "body"[, "asker"]}."""

    def read(name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((SAMPLES / f"{name}.1.json").read_text(encoding="utf-8"))
        return content

    return read
