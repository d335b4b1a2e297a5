"""Directories: each bureau publishes its stations, the higher version wins, and permits are routed by the received copies."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from services.bureau.stations import acts as stations
from services.bureau.stations.tables import directory, station
from services.harness.network import BUREAUS, SERVICES
from shared.contract.messages import DirectoryPublished
from shared.database import Session
from shared.messaging.tables import dead_letter
from tests.federation.clerk import Clerk
from tests.federation.people import OTHER_STATIONS, STATIONS

NEW, OLD = "330482930000", OTHER_STATIONS["zhejiang"]
OPENED = f"{NEW},独山港派出所,独山港镇演示路9号（DEMO）,330482,121.16,30.66,2021-01-01,,"
OFFICERS = f"D33991,陈演示（演示）,{NEW},verifier,2021-01-01,\nD33992,褚演示（演示）,{NEW},counter,2021-01-01,"


async def load(clerk: Clerk, bureau: str, stations_csv: str, posts_csv: str) -> None:
    """The node starts with these lists of its province: taken up, and published when they have changed."""

    async def unit(session: Session) -> None:
        await stations.load_own(session, stations_csv=stations_csv, posts_csv=posts_csv)
        await stations.publish_directory(session)

    await clerk.network.nodes[bureau].wiring.bus_database.run(unit, name="node.prepare")


def lists_of(bureau: str) -> tuple[str, str]:
    return (SERVICES / bureau / "stations.csv").read_text(), (SERVICES / bureau / "posts.csv").read_text()


async def open_station(clerk: Clerk) -> None:
    """Zhejiang opens a station: a line in one file, its officers in another."""
    stations_csv, posts_csv = lists_of("zhejiang")
    await load(clerk, "zhejiang", f"{stations_csv.rstrip()}\n{OPENED}\n", f"{posts_csv.rstrip()}\n{OFFICERS}\n")
    clerk.add_officer(NEW, "verifier", "D33991")


async def close_station(clerk: Clerk, *, successor: str) -> None:
    """Zhejiang closes the station OLD with the end of February 2021."""
    stations_csv, posts_csv = lists_of("zhejiang")
    lines = [
        f"{line[: line.rindex(',,')]},2021-02-28,{successor}" if line.startswith(OLD) else line
        for line in stations_csv.splitlines()
    ]
    await load(clerk, "zhejiang", "\n".join(lines) + "\n", posts_csv)


async def copy_of(clerk: Clerk, at: str, bureau: str) -> Any:
    """(version, codes) of one bureau's directory as another has it."""
    (row,) = await clerk.rows(at, select(directory.c.version).where(directory.c.bureau == bureau))
    codes = await clerk.rows(at, select(station.c.code).where(station.c.bureau == bureau))
    return row.version, {found.code for found in codes}


async def test_every_bureau_knows_the_stations_of_all(clerk: Clerk) -> None:
    for bureau in BUREAUS:
        own = await copy_of(clerk, bureau, bureau)
        assert STATIONS[bureau] in own[1]
        for other in BUREAUS:
            assert await copy_of(clerk, other, bureau) == own


async def test_a_new_station_is_a_line_of_data_and_gets_permits_when_its_directory_has_arrived(clerk: Clerk) -> None:
    await open_station(clerk)
    person = await clerk.resident("zhejiang", station=NEW)
    refused = await clerk.send_application(person, origin_station=NEW)
    assert refused.status_code == 422
    assert [one["field"] for one in refused.json()["errors"]] == ["origin.station_code"]
    await clerk.wire.settle()
    transfer = await clerk.settled(person, origin_station=NEW)
    assert (await transfer.at_origin())["station_code"] == NEW
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_of_two_versions_the_higher_wins_in_whatever_order_they_come(clerk: Clerk) -> None:
    await open_station(clerk)
    newer = [parcel for parcel in clerk.wire.waiting if parcel.to == "shanghai"] or await newest(clerk, "shanghai")
    await close_station(clerk, successor=STATIONS["zhejiang"])
    await clerk.wire.settle()
    version, codes = await copy_of(clerk, "shanghai", "zhejiang")
    for parcel in newer:
        await clerk.wire.hand_over(clerk.wire.said_anew(parcel))
    assert await copy_of(clerk, "shanghai", "zhejiang") == (version, codes)
    assert NEW not in codes  # the last list has it not


async def newest(clerk: Clerk, to: str) -> list[Any]:
    await clerk.wire.collect()
    return [parcel for parcel in clerk.wire.waiting if parcel.to == to]


# what is added to the version that is known, and whether the list then is taken
VERSIONS = [(-1, False), (0, False), (1, True)]


@pytest.mark.parametrize(("step", "taken"), VERSIONS)
async def test_only_a_higher_version_replaces_a_directory(clerk: Clerk, step: int, taken: bool) -> None:
    version, codes = await copy_of(clerk, "shanghai", "zhejiang")
    empty = DirectoryPublished(
        bureau="zhejiang", version=version + step, published_at=datetime(2021, 3, 1, tzinfo=UTC), stations=()
    )
    await clerk.wire.hand_over(clerk.wire.forge("zhejiang", "shanghai", empty))
    assert await copy_of(clerk, "shanghai", "zhejiang") == ((version + step, set()) if taken else (version, codes))


async def test_nobody_publishes_for_another_bureau_or_lists_its_stations(clerk: Clerk) -> None:
    before = await copy_of(clerk, "shanghai", "zhejiang")
    foreign = next(one for one in await clerk.stations("shanghai", "zhejiang") if one.code == OLD)
    at = datetime(2021, 3, 1, tzinfo=UTC)
    for bureau, listed in (("zhejiang", ()), ("anhui", (foreign,))):
        lie = DirectoryPublished(bureau=bureau, version=2**40, published_at=at, stations=listed)
        await clerk.wire.hand_over(clerk.wire.forge("anhui", "shanghai", lie))
    assert await copy_of(clerk, "shanghai", "zhejiang") == before
    letters = await clerk.rows("shanghai", select(dead_letter.c.reason))
    assert [row.reason for row in letters] == ["content", "content"]


async def test_an_application_that_names_a_closed_station_is_led_to_its_successor(clerk: Clerk) -> None:
    await close_station(clerk, successor=STATIONS["zhejiang"])
    await clerk.wire.settle()
    transfer = await clerk.received(await clerk.resident("zhejiang"), origin_station=OLD)
    permit = clerk.wire.last("PermitIssued").message
    assert permit.permit.origin_station_code == STATIONS["zhejiang"]  # type: ignore[union-attr]
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])


async def test_a_permit_on_its_way_to_a_station_that_closes_is_routed_to_the_successor(clerk: Clerk) -> None:
    """And whoever was registered at the closed station is sealed by its successor, which keeps its books now."""
    person = await clerk.resident("zhejiang", station=OLD)
    transfer = await clerk.approved(person, origin_station=OLD)
    await close_station(clerk, successor=STATIONS["zhejiang"])
    await clerk.wire.settle()
    transfer.origin_station = STATIONS["zhejiang"]
    assert (await transfer.at_origin())["station_code"] == STATIONS["zhejiang"]
    await transfer.do("seal")
    await clerk.wire.settle()
    await transfer.do("settle")
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_a_permit_for_a_station_that_closed_without_successor_is_returned_by_the_node_itself(clerk: Clerk) -> None:
    transfer = await clerk.approved(await clerk.resident("zhejiang", station=OLD), origin_station=OLD)
    await close_station(clerk, successor="")
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["RETURNED"])
    returned = (await transfer.at_destination())["returned"]
    assert returned["code"] == "R08"
    assert OLD in returned["reason_text"]
