"""Announced maintenance: told to all bureaus, the higher version wins, and a bureau that was away hears it later."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from services.bureau.stations import acts as stations
from services.bureau.stations.tables import maintenance
from services.harness.network import BUREAUS
from shared.contract.messages import MaintenanceAnnounced
from shared.database import CHINA, Session
from shared.messaging.tables import dead_letter
from tests.federation.clerk import Clerk

OTHERS = tuple(bureau for bureau in BUREAUS if bureau != "shanghai")


def now(clerk: Clerk) -> datetime:
    return clerk.network.nodes["shanghai"].wiring.node.machine_now()


async def announce(clerk: Clerk, text: str = "更换机房电源（演示）") -> stations.Maintenance:
    """Shanghai's operator announces two hours that have begun."""
    start = now(clerk).astimezone(CHINA) - timedelta(minutes=30)
    form = {"starts_at": f"{start:%Y-%m-%dT%H:%M}", "ends_at": f"{start + timedelta(hours=2):%Y-%m-%dT%H:%M}", "text": text}

    async def unit(session: Session) -> stations.Maintenance:
        return await stations.announce(session, form, seen=await stations.own_version(session))

    return await clerk.network.nodes["shanghai"].wiring.database.run(unit, name="test")


async def withdraw(clerk: Clerk) -> stations.Maintenance:
    async def unit(session: Session) -> stations.Maintenance:
        return await stations.withdraw(session, seen=await stations.own_version(session))

    return await clerk.network.nodes["shanghai"].wiring.database.run(unit, name="test")


async def shown(clerk: Clerk, at: str) -> Any:
    """The text of Shanghai's maintenance as the pages of another bureau show it now; None: there is none."""
    found = await clerk.network.nodes[at].wiring.database.run(stations.maintenances, name="test")
    return found["shanghai"].text if "shanghai" in found else None


async def version_at(clerk: Clerk, at: str) -> int | None:
    rows = await clerk.rows(at, select(maintenance.c.version).where(maintenance.c.bureau == "shanghai"))
    return rows[0].version if rows else None


async def test_what_shanghai_announces_the_other_three_show_until_it_is_taken_back(clerk: Clerk) -> None:
    made = await announce(clerk)
    assert [await shown(clerk, bureau) for bureau in OTHERS] == [None] * 3
    await clerk.wire.settle()
    assert [await shown(clerk, bureau) for bureau in OTHERS] == [made.text] * 3
    assert {await version_at(clerk, bureau) for bureau in BUREAUS} == {made.version}
    await withdraw(clerk)
    await clerk.wire.settle()
    assert [await shown(clerk, bureau) for bureau in OTHERS] == [None] * 3


# what is added to the version that is known, and whether the announcement then is taken
@pytest.mark.parametrize(("step", "taken"), [(-1, False), (0, False), (1, True)])
async def test_only_a_higher_version_replaces_an_announcement(clerk: Clerk, step: int, taken: bool) -> None:
    made = await announce(clerk)
    await clerk.wire.settle()
    other = MaintenanceAnnounced(
        bureau="shanghai",
        version=made.version + step,
        announced_at=now(clerk),
        starts_at=made.starts_at,
        ends_at=made.ends_at,
        text="另一次（演示）",
    )
    await clerk.wire.hand_over(clerk.wire.forge("shanghai", "anhui", other))
    assert await shown(clerk, "anhui") == ("另一次（演示）" if taken else made.text)


async def test_what_comes_late_does_not_bring_a_withdrawn_announcement_back(clerk: Clerk) -> None:
    await announce(clerk)
    await clerk.wire.collect()
    late = [parcel for parcel in clerk.wire.waiting if parcel.to == "anhui"]
    assert late
    await withdraw(clerk)
    await clerk.wire.settle()
    for parcel in late:
        await clerk.wire.hand_over(clerk.wire.said_anew(parcel))
    assert await shown(clerk, "anhui") is None


async def test_nobody_announces_for_another_bureau(clerk: Clerk) -> None:
    made = await announce(clerk)
    await clerk.wire.settle()
    lie = MaintenanceAnnounced(
        bureau="shanghai",
        version=2**40,
        announced_at=now(clerk),
        starts_at=made.starts_at,
        ends_at=made.ends_at,
        text="假的（演示）",
    )
    await clerk.wire.hand_over(clerk.wire.forge("anhui", "zhejiang", lie))
    assert await shown(clerk, "zhejiang") == made.text
    letters = await clerk.rows("zhejiang", select(dead_letter.c.reason))
    assert [row.reason for row in letters] == ["content"]


async def test_a_bureau_that_was_away_hears_the_last_word_when_it_is_back(clerk: Clerk) -> None:
    await announce(clerk)
    await clerk.wire.collect()
    kept = [parcel for parcel in clerk.wire.waiting if parcel.to == "anhui"]
    clerk.wire.waiting[:] = [parcel for parcel in clerk.wire.waiting if parcel.to != "anhui"]
    await clerk.wire.settle()
    assert [await shown(clerk, bureau) is None for bureau in OTHERS] == [bureau == "anhui" for bureau in OTHERS]
    last = await announce(clerk, "改期（演示）")
    clerk.wire.waiting[:0] = kept
    await clerk.wire.settle()
    assert [await shown(clerk, bureau) for bureau in OTHERS] == [last.text] * 3
    assert await version_at(clerk, "anhui") == last.version
