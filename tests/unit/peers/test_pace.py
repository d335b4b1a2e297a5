"""How fast one bureau may ask."""

import asyncio

import pytest

from shared.peers import pace
from shared.peers.pace import BURST_QUESTIONS, LONGEST_WAIT_SECONDS, QUESTIONS_A_SECOND, Pace


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept, without sleeping."""
    told: list[float] = []

    async def sleep(seconds: float) -> None:
        told.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return told


async def test_a_burst_is_answered_at_once_then_each_waits_its_turn(waited: list[float]) -> None:
    made = Pace(lambda: 100.0)
    for _ in range(BURST_QUESTIONS + 1):
        assert await made.turn("shanghai")
    assert waited == []
    assert await made.turn("shanghai")
    assert waited == [pytest.approx(1 / QUESTIONS_A_SECOND)]


async def test_who_would_wait_too_long_is_sent_away_and_nobody_else(waited: list[float]) -> None:
    made = Pace(lambda: 100.0)
    turns = [await made.turn("anhui") for _ in range(500)]
    assert sum(turns) == BURST_QUESTIONS + LONGEST_WAIT_SECONDS * QUESTIONS_A_SECOND + 1
    assert max(waited) <= LONGEST_WAIT_SECONDS
    assert await made.turn("shanghai")


async def test_a_pause_gives_the_burst_back(waited: list[float]) -> None:
    now = 100.0
    made = Pace(lambda: now)
    for _ in range(500):
        await made.turn("anhui")
    now += 60.0
    waited.clear()
    for _ in range(BURST_QUESTIONS):
        assert await made.turn("anhui")
    assert waited == []


def test_it_is_said_once_a_minute() -> None:
    now = 100.0
    made = Pace(lambda: now)
    assert [made.is_news("anhui"), made.is_news("anhui"), made.is_news("jiangsu")] == [True, False, True]
    now += pace.TOLD_EVERY_SECONDS
    assert made.is_news("anhui")
