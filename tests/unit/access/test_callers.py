"""Posts are remembered for seconds, by officer and day; a peer is what its question says."""

from datetime import date

import pytest

from services.bureau.access import callers
from services.bureau.access.callers import POSTS_REMEMBERED_OFFICERS, POSTS_REMEMBERED_SECONDS, Peer, Post, RememberedPosts
from shared.contract.questions import Asker

DAY = date(2020, 11, 20)
COUNTER = Post("310116520000", "counter", "310116", "张三（演示）")


class Register:
    """Posts by officer; counts how often it is asked."""

    def __init__(self) -> None:
        self.posts: dict[str, list[Post]] = {"D31001": [COUNTER]}
        self.asked = 0

    async def posts_of(self, badge_no: str, day: date) -> list[Post]:
        self.asked += 1
        return self.posts.get(badge_no, [])


@pytest.fixture
def register() -> Register:
    return Register()


async def test_posts_are_asked_for_once_in_some_seconds(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    time = 1000.0
    monkeypatch.setattr(callers, "monotonic", lambda: time)
    remembered = RememberedPosts(register.posts_of)
    for _ in range(3):
        assert await remembered("D31001", DAY) == [COUNTER]
    assert register.asked == 1
    register.posts = {}
    time += POSTS_REMEMBERED_SECONDS
    assert await remembered("D31001", DAY) == []


async def test_other_day_and_other_officer_are_asked_for(register: Register) -> None:
    remembered = RememberedPosts(register.posts_of)
    await remembered("D31001", DAY)
    await remembered("D31001", date(2020, 11, 21))
    assert await remembered("D31002", DAY) == []
    assert register.asked == 3


async def test_new_post_counts_at_once(register: Register) -> None:
    remembered = RememberedPosts(register.posts_of)
    assert await remembered("D31002", DAY) == []
    register.posts["D31002"] = [COUNTER]
    assert await remembered("D31002", DAY) == [COUNTER]


async def test_memory_is_bounded(register: Register) -> None:
    remembered = RememberedPosts(register.posts_of)
    for number in range(POSTS_REMEMBERED_OFFICERS + 10):
        register.posts[f"D{number}"] = [COUNTER]
        await remembered(f"D{number}", DAY)
    assert len(remembered._known) <= POSTS_REMEMBERED_OFFICERS


def test_peer_is_who_signed_and_what_it_says_of_its_officer() -> None:
    asker = Asker(officer="abcdefghijklmnop", role="counter", purpose="household_transfer", case="QY1")
    peer = Peer.asking("zhejiang", asker)
    assert peer == Peer("zhejiang", "counter", "household_transfer", "QY1")
    assert (peer.actor.kind, peer.actor.name, peer.actor.role) == ("peer", "zhejiang", "counter")


def test_post_is_named_by_station_and_role() -> None:
    assert COUNTER.header == "310116520000:counter"
