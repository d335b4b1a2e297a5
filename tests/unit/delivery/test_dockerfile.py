"""The image: what the linter says, no root, locked packages, and everything that the program imports."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.delivery.conftest import DEPLOY, ROOT

DOCKERFILE = DEPLOY / "Dockerfile"
IMPORTED_AS = {"httpx2": "httpx2", "chinese_calendar": "chinesecalendar", "confluent_kafka": "confluent-kafka"}
DEVELOPERS_ONLY = {"playwright"}  # `quanyu bench pages` looks whether it is there, and says so where it is not


def test_the_linter_finds_nothing() -> None:
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if linter is None:
        assert os.environ.get("CI") != "true", "hadolint is not installed"
        pytest.skip("hadolint is not to be had from pip for this machine")
    done = subprocess.run([linter, "--no-color", str(DOCKERFILE)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_an_ordinary_user_with_a_health_check_and_locked_packages() -> None:
    text = DOCKERFILE.read_text()
    last = text[text.rindex("FROM ") :]
    assert re.search(r"^USER [1-9]\d*$", last, re.MULTILINE)
    assert "/health/live" in last
    assert "--require-hashes" in text


def test_the_locked_packages_are_all_that_the_program_imports() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements" / "deploy.txt").read_text(), re.MULTILINE))
    imported = set[str]()
    for path in [*ROOT.glob("services/**/*.py"), *ROOT.glob("shared/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    foreign = imported - sys.stdlib_module_names - {"services", "shared"} - DEVELOPERS_ONLY
    assert {IMPORTED_AS.get(name, name.replace("_", "-")) for name in foreign} <= locked
