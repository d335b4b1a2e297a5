"""What other bureaus publish: only about themselves, and the higher version wins."""

from typing import Any

import pytest

from services.bureau.stations.rules import read_stations
from services.harness.network import SERVICES
from shared.contract.messages import DirectoryPublished
from shared.contract.records import Station
from tests.node.bureau import Bureau
from tests.node.people import XINDAI, ZHAPU
from tests.node.transfers.cases import CASES, COUNTER, application

LISTED = read_stations((SERVICES / "zhejiang" / "stations.csv").read_text(), bureau="zhejiang")


def directory(shanghai: Bureau, version: int, *stations: Station, bureau: str = "zhejiang") -> DirectoryPublished:
    return DirectoryPublished(bureau=bureau, version=version, published_at=shanghai.machine.now(), stations=stations or LISTED)


async def codes(shanghai: Bureau) -> set[str]:
    return {row.code for row in await shanghai.rows("SELECT code FROM station WHERE bureau = 'zhejiang'")}


async def test_a_higher_version_replaces_the_list(shanghai: Bureau) -> None:
    kept = tuple(one for one in LISTED if one.code != XINDAI)
    await shanghai.told(directory(shanghai, 2, *kept), by="zhejiang")
    assert await codes(shanghai) == {one.code for one in kept}
    assert (await shanghai.one("SELECT version FROM directory WHERE bureau = 'zhejiang'")).version == 2
    row = (await shanghai.audit("stations.list_replaced", object_id="zhejiang"))[-1]
    assert (row.actor_kind, row.actor, row.change["version"]) == ("peer", "zhejiang", 2)


@pytest.mark.parametrize("version", [1, 4, 5])
async def test_the_same_or_a_lower_version_changes_nothing(shanghai: Bureau, version: int) -> None:
    await shanghai.told(directory(shanghai, 5, LISTED[0]), by="zhejiang")
    await shanghai.told(directory(shanghai, version), by="zhejiang")
    assert await codes(shanghai) == {LISTED[0].code}


async def test_the_application_counter_uses_the_copy_received_last(shanghai: Bureau) -> None:
    kept = tuple(one for one in LISTED if one.code != ZHAPU)
    await shanghai.told(directory(shanghai, 2, *kept), by="zhejiang")
    answer = await shanghai.ask(COUNTER, "POST", CASES, application())
    assert [fault["rule"] for fault in answer.json()["errors"]] == ["unknown_station"]
    await shanghai.told(directory(shanghai, 3), by="zhejiang")
    assert (await shanghai.ask(COUNTER, "POST", CASES, application())).status_code == 201


async def refused(shanghai: Bureau, message: Any, by: str) -> None:
    before = await shanghai.rows("SELECT * FROM station ORDER BY bureau, code")
    await shanghai.told(message, by=by)
    assert await shanghai.rows("SELECT * FROM station ORDER BY bureau, code") == before
    assert (await shanghai.one("SELECT reason FROM dead_letter")).reason == "content"


async def test_nobody_publishes_for_another_bureau(shanghai: Bureau) -> None:
    await refused(shanghai, directory(shanghai, 9), by="jiangsu")


async def test_nobody_empties_another_bureaus_list(shanghai: Bureau) -> None:
    empty = DirectoryPublished(bureau="jiangsu", version=9, published_at=shanghai.machine.now(), stations=())
    await refused(shanghai, empty, by="zhejiang")


async def test_nobody_lists_another_bureaus_stations(shanghai: Bureau) -> None:
    await refused(shanghai, directory(shanghai, 9, *LISTED, bureau="jiangsu"), by="jiangsu")


async def test_nobody_replaces_our_own_list(shanghai: Bureau) -> None:
    own = read_stations((SERVICES / "shanghai" / "stations.csv").read_text(), bureau="shanghai")
    await refused(shanghai, directory(shanghai, 2**50, *own, bureau="shanghai"), by="zhejiang")
