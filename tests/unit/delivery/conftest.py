"""What stands in the files of the delivery, read once."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"


@cache
def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors resolved; variables as they stand."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return read
