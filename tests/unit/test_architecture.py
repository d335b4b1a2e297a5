"""Rules of the architecture that import contracts cannot say: each is a search over the source."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("services/**/*.py"), *ROOT.glob("shared/**/*.py")])
SLICES = [path for path in SOURCES if path.is_relative_to(ROOT / "services" / "bureau") and len(path.relative_to(ROOT).parts) > 3]
LINES_LIMIT = 400
FUNCTION_LIMIT = 70


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_file_stays_within_the_budget(path: Path) -> None:
    text = path.read_text()
    if "versions" not in path.parts:
        assert text.count("\n") <= LINES_LIMIT
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "versions" not in path.parts:
            assert (node.end_lineno or node.lineno) - node.lineno < FUNCTION_LIMIT, f"{node.name} is too long"


def test_only_the_database_commits() -> None:
    commits = [name(path) for path in SOURCES if re.search(r"\.commit\(\)", path.read_text())]
    assert commits == ["services/bureau/schema/env.py", "shared/database/engine.py"]


def test_statements_go_through_execute_which_first_writes_what_waits() -> None:
    others = [name(path) for path in SOURCES if re.search(r"session\.(scalars?|stream|stream_scalars|get)\(", path.read_text())]
    assert others == []


def test_only_settings_and_the_harness_read_the_environment() -> None:
    readers = [name(path) for path in SOURCES if re.search(r"os\.environ|getenv", path.read_text())]
    assert all(reader.startswith(("services/harness/", "services/cli")) for reader in readers), readers


PURE = [path for path in SLICES if path.name in ("states.py", "rules.py") or "rules" in path.parts]


@pytest.mark.parametrize("path", PURE, ids=name)
def test_rules_and_states_know_no_session_clock_or_network(path: Path) -> None:
    text = path.read_text()
    found = re.search(r"\bSession\b|datetime\.now|time\.time\(|import (asyncio|httpx|sqlalchemy)", text)
    assert found is None, found
    assert not any(isinstance(node, ast.Await) for node in ast.walk(ast.parse(text)))


def test_a_members_state_is_assigned_in_one_place_only() -> None:
    assigners = [name(path) for path in SOURCES if re.search(r"(?m)^\s*member\.state\b[^=\n(]*=[^=]", path.read_text())]
    assert assigners == ["services/bureau/transfers/acts/moving.py"]


def test_files_of_a_slice_have_the_common_names() -> None:
    allowed = {"__init__", "states", "rules", "tables", "acts", "inbound", "questions", "api", "pages"}
    slices = {"population", "stations", "transfers", "console"}
    strangers = [
        name(path)
        for path in SLICES
        if path.relative_to(ROOT / "services" / "bureau").parts[0] in slices
        and path.relative_to(ROOT / "services" / "bureau").parts[1].removesuffix(".py") not in allowed
    ]
    assert strangers == []
