"""Files that a node reads of its own folder: what is wrong in them is said, and is no crash of another kind."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.bureau.clocks import BusinessClock, set_business_clock
from services.bureau.rulebook import read_rulebook


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", "null", '{"offset_seconds": null}', '{"offset_seconds": [1]}', '{"offset_seconds": "1"}'),
        *('{"offset_seconds": NaN}', '{"offset_seconds": 1e300}', '{"offset_seconds": -4e9}', "[" * 100_000),
    ],
    ids=lambda text: text[:40],
)
def test_a_business_clock_without_a_usable_offset_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "business-clock.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"business-clock\.json"):
        BusinessClock(file).now()


def test_a_business_clock_shows_what_was_set(tmp_path: Path) -> None:
    file, story = tmp_path / "business-clock.json", datetime(2020, 12, 28, 10, tzinfo=UTC)
    set_business_clock(file, story)
    assert abs(BusinessClock(file).now() - story) < timedelta(minutes=1)
    file.write_text(json.dumps({"offset_seconds": 0}))
    assert abs(BusinessClock(file).now() - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "rule = 1", "[rule]\nid = 'x'", "[[rule]]\nid = 'x'", "not toml"])
def test_a_rule_book_without_readable_rules_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(text)
    with pytest.raises(ValueError):
        read_rulebook(file)
