"""A peer away for weeks: what is owed stands at both ends with its age, is asked for on a schedule, and heals when it is back."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from services.bureau.worker import next_offsets
from services.harness.network import FETCH_SECONDS
from shared.messaging.owed import JITTER
from shared.messaging.tables import peer
from tests.federation.clerk import Clerk, Transfer
from tests.federation.gauge import ONE_OF_EACH, effects, effects_of_messages

WEEKS = 3
SOON, HOUR = timedelta(seconds=60), timedelta(hours=1)


def leave(clerk: Clerk, bureau: str) -> None:
    """The node is gone: it sends, takes and answers nothing."""
    clerk.network.nodes[bureau].paused = True
    clerk.network.unreachable.add(bureau)


def come_back(clerk: Clerk, bureau: str) -> None:
    clerk.network.nodes[bureau].paused = False
    clerk.network.unreachable.discard(bureau)


async def row(transfer: Transfer, bureau: str, kind: str) -> Any:
    return (await transfer.owed(bureau))[f"transfers.{kind}"]


async def test_an_origin_that_is_away_is_asked_after_a_minute_then_twice_as_long_up_to_hourly(clerk: Clerk) -> None:
    transfer = await clerk.approved(await clerk.resident("zhejiang"))
    leave(clerk, "zhejiang")
    clock = clerk.network.machine["shanghai"]
    assert await clerk.network.tick(seconds=50) == 0
    assert await clerk.network.tick(seconds=11) == 1
    for asks, wait in ((1, 2 * SOON), (2, 4 * SOON), (3, 8 * SOON), (4, 16 * SOON), (5, 32 * SOON), (6, HOUR), (7, HOUR)):
        owed = await row(transfer, "shanghai", "certificate")
        assert owed.asks == asks
        ahead = owed.next_ask_at - clock.now()
        assert wait * (1 - JITTER) - SOON / 10 <= ahead <= wait * (1 + JITTER)
        assert await clerk.network.tick(seconds=ahead.total_seconds() + 1) == 1


async def test_weeks_later_the_origin_has_one_permit_and_the_case_goes_on(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.approved(person)
    leave(clerk, "zhejiang")
    ages = []
    for _ in range(WEEKS):
        for _ in range(7):
            await clerk.network.tick(days=1)
            await clerk.wire.settle()
        ages.append(clerk.network.machine["shanghai"].now() - (await row(transfer, "shanghai", "certificate")).since)
    assert [age.days for age in ages] == [7, 14, 21]
    assert (await row(transfer, "shanghai", "certificate")).asks == 7 * WEEKS
    assert await clerk.watch.who_answers(person) == "zhejiang"
    come_back(clerk, "zhejiang")
    await clerk.wire.settle()
    assert clerk.wire.names(transfer.case).count("PermitIssued") == 1 + 7 * WEEKS
    assert (await effects_of_messages(clerk.network, transfer.case)) == {"PermitIssued": 1}
    assert (await row(transfer, "zhejiang", "certificate")).direction == "by_us"
    await transfer.do("seal")
    await clerk.wire.settle()
    await transfer.do("settle")
    await clerk.wire.settle()
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH


async def test_both_bureaus_show_how_old_the_oldest_debt_is(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await clerk.network.tick(days=3)
    for bureau, officer, peer_code, direction in (
        ("shanghai", clerk.officer(transfer.station, "counter"), "zhejiang", "by_them"),
        ("zhejiang", clerk.officer(transfer.origin_station, "verifier"), "shanghai", "by_us"),
    ):
        shown = await clerk.read(bureau, officer, "/api/v1/owed")
        (debt,) = [one for one in shown["owed"] if one["case_id"] == transfer.case]
        assert (debt["kind"], debt["peer"], debt["direction"]) == ("transfers.certificate", peer_code, direction)
        (oldest,) = [one for one in shown["oldest"] if one["direction"] == direction]
        assert (oldest["peer"], oldest["count"], oldest["oldest"]) == (peer_code, 1, debt["since"])
        metrics = (await clerk.send(bureau, officer, "GET", "/metrics")).text
        by = "zhejiang"  # it is Zhejiang that owes, in both books
        seconds = float(metrics.split(f'quanyu_owed_oldest_seconds{{owed_by="{by}"}} ')[1].split("\n")[0])
        assert timedelta(seconds=seconds).days >= 2


async def test_a_debt_keeps_its_age_while_it_is_asked_for_and_ends_with_the_answer(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    since = (await row(transfer, "shanghai", "certificate")).since
    await clerk.network.tick(hours=1)
    await clerk.wire.settle()
    again = await row(transfer, "shanghai", "certificate")
    assert (again.since, again.asks) == (since, 1)
    await transfer.do("seal")
    assert "transfers.certificate" not in await transfer.owed("zhejiang")
    assert "transfers.certificate" in await transfer.owed("shanghai")  # delivered is not acted on
    await clerk.wire.settle()
    assert "transfers.certificate" not in await transfer.owed("shanghai")


async def lose_all_for(clerk: Clerk, bureau: str) -> None:
    """What the bus still held for a bureau is gone, as after a retention that was too short."""
    consumer = await clerk.network.consumer_of(clerk.network.nodes[bureau])
    while await consumer.lag():
        await consumer.commit(next_offsets(await consumer.fetch(timeout_s=FETCH_SECONDS)))


async def test_a_peer_that_is_heard_of_after_a_silence_is_asked_at_once(clerk: Clerk) -> None:
    other = await clerk.received(await clerk.resident("zhejiang"))
    leave(clerk, "zhejiang")
    transfer = await clerk.approved(await clerk.resident("zhejiang"))
    for _ in range(4):
        await clerk.network.tick(days=1)
        await clerk.wire.collect()
    await lose_all_for(clerk, "zhejiang")
    come_back(clerk, "zhejiang")
    assert await clerk.network.tick() == 0  # the next question is up to an hour away
    await other.do("return", {"code": "R06"})  # the first sign of life
    await clerk.wire.settle()
    assert await transfer.states() == (["APPROVED"], [])
    assert await clerk.network.tick() == 1
    await clerk.wire.settle()
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])


async def test_a_destination_that_is_away_between_signature_and_close_is_not_answered_for_twice(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("settle")
    await clerk.wire.collect()
    leave(clerk, "shanghai")
    await clerk.wire.settle()
    assert await transfer.states() == (["SETTLING"], ["GONE"])
    for _ in range(WEEKS):
        await clerk.network.tick(days=7)
        await clerk.wire.settle()
    assert await transfer.owed("zhejiang") == {}  # who has closed waits for nothing
    come_back(clerk, "shanghai")
    await clerk.network.tick()
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH
    assert await clerk.watch.who_answers(person) == "shanghai"


async def test_an_origin_that_is_away_while_the_citizen_signs_closes_when_it_is_back(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    leave(clerk, "zhejiang")
    await transfer.do("settle")
    await clerk.wire.settle()
    assert (await transfer.at_destination())["states"] == ["SETTLING"]
    for _ in range(7 * WEEKS):
        await clerk.network.tick(days=1)
        await clerk.wire.settle()
    assert await transfer.states() == (["SETTLING"], ["SEALED"])
    assert await clerk.watch.who_answers(person) == "zhejiang"
    come_back(clerk, "zhejiang")
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])
    assert await effects_of_messages(clerk.network, transfer.case) == ONE_OF_EACH


async def test_a_close_that_does_not_come_is_asked_for_after_a_second(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("settle")
    await clerk.wire.settle_without("TransferClosed")
    await clerk.network.tick(seconds=1.5)
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_a_sealed_case_asks_for_its_settlement_once_a_day(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("seal")
    await clerk.wire.settle_without("MigrationCertificateIssued")
    await clerk.network.tick(hours=23)
    assert (await row(transfer, "zhejiang", "settlement")).asks == 0
    await clerk.network.tick(hours=1)
    assert (await row(transfer, "zhejiang", "settlement")).asks == 1
    await clerk.network.tick(hours=23 * (1 - JITTER))
    assert (await row(transfer, "zhejiang", "settlement")).asks == 1
    await clerk.wire.settle()
    assert await transfer.states() == (["CERTIFIED"], ["SEALED"])
    assert (await effects(clerk.network, transfer.case))["MigrationCertificateIssued"] == 1


@pytest.mark.parametrize("away", ["zhejiang", "shanghai"])
async def test_other_bureaus_work_on_while_one_is_away(clerk: Clerk, away: str) -> None:
    await clerk.approved(await clerk.resident("zhejiang"))
    leave(clerk, away)
    person = await clerk.resident("jiangsu")
    transfer = await clerk.settled(person, "jiangsu", "anhui")
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_an_operator_sees_since_when_a_peer_is_silent_and_what_its_last_error_was(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    leave(clerk, "shanghai")
    await transfer.do("seal", expect=409)
    shown = await clerk.read("zhejiang", "D33005", "/api/v1/operations/peers")
    (found,) = [one for one in shown["peers"] if one["bureau"] == "shanghai"]
    assert "ConnectError" in found["last_error"]
    (heard,) = await clerk.rows("zhejiang", select(peer.c.last_heard).where(peer.c.bureau == "shanghai"))
    assert heard.last_heard is not None
    assert found["last_attempt"] is not None
