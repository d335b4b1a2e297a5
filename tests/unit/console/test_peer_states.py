"""What the list of peers warns of: an end that comes, a list that is another, a clock that goes wrong."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from services.bureau.console.acts.peers import CLOCK_MAX_SECONDS, End, PeerState, first_end, peer_state

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def key(use: str, days: int, *, bureau: str = "anhui", revoked_at: int | None = None) -> Any:
    return SimpleNamespace(use=use, bureau=bureau, exp=int((NOW + timedelta(days=days)).timestamp()), revoked_at=revoked_at)


def listed(*keys: Any) -> Any:
    return SimpleNamespace(keys=keys, version=2, digest="ours")


def state(**known: Any) -> PeerState:
    names = ("last_heard", "last_attempt", "last_error", "list_version", "list_digest", "list_at", "clock_ahead_ms",
             "clock_within_ms", "clock_at", "certificate_ends_at")  # fmt: skip
    heard: Any = SimpleNamespace(**{name: known.get(name) for name in names})
    return peer_state("anhui", listed(key("root", 900)), heard=heard, unsent=None, delay=None, owed={})


def test_of_each_use_the_key_that_lives_longest_counts() -> None:
    trust = listed(key("sig", 3), key("sig", 90), key("enc", 40), key("enc", 200, revoked_at=1), key("sig", 1, bureau="jiangsu"))
    assert first_end(trust, "anhui", None) == End("enc", NOW + timedelta(days=40))


def test_the_certificate_of_its_door_ends_too() -> None:
    trust, ends_at = listed(key("sig", 90)), NOW + timedelta(days=8)
    assert first_end(trust, "anhui", ends_at) == End("tls", ends_at)
    assert first_end(trust, "anhui", NOW + timedelta(days=91)).what == "sig"


@pytest.mark.parametrize(("days", "grade"), [(-1, "bad"), (0, "bad"), (13, "warn"), (14, "good")])
def test_an_end_is_amber_in_time_and_red_when_past(days: int, grade: str) -> None:
    assert End("sig", NOW + timedelta(days=days)).grade(NOW) == grade


@pytest.mark.parametrize(
    ("version", "digest", "grade"),
    [(None, None, None), (2, "ours", "good"), (1, "older", "warn"), (3, "newer", "warn"), (2, "x", "bad")],
)
def test_a_list_that_differs_is_amber_and_a_fork_red(version: int | None, digest: str | None, grade: str | None) -> None:
    assert state(list_version=version, list_digest=digest).list_grade == grade


@pytest.mark.parametrize(
    ("ahead", "grade"), [(None, None), (0.2, "good"), (-30.0, "good"), (-30.1, "warn"), (60.0, "warn"), (60.1, "bad")]
)
def test_a_clock_is_amber_at_half_of_what_the_envelope_tolerates(ahead: float | None, grade: str | None) -> None:
    assert CLOCK_MAX_SECONDS == 60
    assert state(clock_ahead_ms=None if ahead is None else round(ahead * 1000)).clock_grade == grade


def test_a_shut_door_is_tried_again_five_seconds_later() -> None:
    assert state(last_attempt=NOW, last_error="shut").next_look == NOW + timedelta(seconds=5)
    assert state(last_attempt=NOW).next_look is None
