"""A bureau may publish its own stations only."""

from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from services.bureau.stations import inbound
from services.bureau.stations.inbound import on_directory_published
from shared.contract.messages import DirectoryPublished
from shared.contract.records import Station
from shared.contract.registry import ContentError
from shared.messaging import Received

NOW = datetime(2020, 12, 28, tzinfo=UTC)
NO_SESSION = cast(Any, None)  # refused before anything is looked up


def published(bureau: str, code: str) -> DirectoryPublished:
    one = Station(
        code=code,
        name="乍浦派出所",
        address="演示路1号",
        division_code=code[:6],
        longitude=121.1,
        latitude=30.6,
        valid_from=date(1996, 7, 1),
    )
    return DirectoryPublished(bureau=bureau, version=1, published_at=NOW, stations=(one,))


def from_bureau(sender: str) -> Received:
    return Received(sender, UUID(int=1), sender, NOW, NOW, b"")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[DirectoryPublished]:
    lists: list[DirectoryPublished] = []

    async def keep(_session: Any, message: DirectoryPublished) -> bool:
        lists.append(message)
        return True

    monkeypatch.setattr(inbound, "take_published", keep)
    return lists


async def test_the_sender_s_own_list_is_kept(kept: list[DirectoryPublished]) -> None:
    message = published("zhejiang", "330482910000")
    await on_directory_published(NO_SESSION, message, from_bureau("zhejiang"))
    assert kept == [message]


async def test_a_bureau_that_joined_later_may_list_units_of_a_province_we_do_not_know(kept: list[DirectoryPublished]) -> None:
    await on_directory_published(NO_SESSION, published("fujian", "350100910000"), from_bureau("fujian"))
    assert len(kept) == 1


@pytest.mark.parametrize(
    ("bureau", "code", "sender"),
    [("zhejiang", "330482910000", "anhui"), ("anhui", "330482910000", "anhui")],
    ids=["in another's name", "another's station"],
)
async def test_a_list_about_others_is_refused(kept: list[DirectoryPublished], bureau: str, code: str, sender: str) -> None:
    with pytest.raises(ContentError):
        await on_directory_published(NO_SESSION, published(bureau, code), from_bureau(sender))
    assert kept == []
