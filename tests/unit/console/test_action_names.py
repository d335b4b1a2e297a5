"""What the audit log calls what was done, in words of the reader's language."""

import re
from pathlib import Path
from typing import Any

import pytest

from services.bureau.access.rules import RULES
from services.bureau.console.pages.words import action_name
from services.bureau.transfers.states import On
from shared.web.texts import Texts

AUDITED = re.compile(r'AuditEntry\(\s*action="([a-z_.]+)"')
UNNAMED = {"population.generate", "bench.record"}  # of the harness, which makes registers and loads
ROOT = Path(__file__).parents[3]


def zh(text: str, **values: Any) -> str:
    return Texts.zh(text, values)


def written() -> set[str]:
    """Every action that the log can hold: of the rules, of what the code writes, of the transitions."""
    sources = [path.read_text() for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py")]
    literal = {action for text in sources for action in AUDITED.findall(text)}
    assert len(literal) > 10
    return ({rule.action for rule in RULES} | literal | {f"transfers.{on}" for on in On}) - UNNAMED


@pytest.mark.parametrize("action", sorted(written()))
def test_every_action_has_a_name_in_chinese(action: str) -> None:
    assert re.search(r"[\u4e00-\u9fff]", action_name(action, zh)), action


def test_an_act_is_named_and_a_code_that_nobody_named_stays() -> None:
    assert action_name("transfers.approve", lambda text: text) == "approve"
    assert action_name("transfers.PermitIssued", lambda text: text) == "Permit"
    assert action_name("other.thing", zh) == "other.thing"
