"""What a page remembers to have shown counts for its officer in his post, for the same things, as long as a login lives."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from services.bureau.access.seen import memory_of, never, seen_by
from services.bureau.access.sessions import ABSOLUTE

NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)


def call(
    *, badge_no: str = "D31001", post: str = "310116910000:counter", node_key: str = "s", after: timedelta = timedelta()
) -> Any:
    officer = SimpleNamespace(badge_no=badge_no, post=SimpleNamespace(header=post))
    node = SimpleNamespace(machine_now=lambda: NOW + after)
    return SimpleNamespace(officer=officer, wiring=SimpleNamespace(node=node, login_secret=node_key))


def test_the_same_things_in_any_order_have_been_seen() -> None:
    seen = seen_by(call(after=ABSOLUTE), memory_of(call(), ("list", 1, 2)))
    assert seen(("list", 2, 1))
    assert [seen(other) for other in (("list", 1), ("list", 1, 2, 3), ("list", 1, 3), ())] == [False] * 4


@pytest.mark.parametrize(
    "other",
    [{"badge_no": "D31011"}, {"post": "310116910000:verifier"}, {"node_key": "t"}, {"after": ABSOLUTE + timedelta(seconds=1)}],
)
def test_in_another_hand_or_later_it_is_worth_nothing(other: dict[str, Any]) -> None:
    memory = memory_of(call(), ("case", 1))
    assert seen_by(call(), memory)(("case", 1))
    assert not seen_by(call(**other), memory)(("case", 1))


@pytest.mark.parametrize("memory", ["", "x", ".", "1.2.3", "ä", "\x00"])
def test_what_the_node_has_not_signed_is_no_memory(memory: str) -> None:
    assert seen_by(call(), memory) is never
