"""Servers and nodes that die, freeze, or are away for a while under the officers' hands: the work waits, and goes on by itself.

Each test ends as a day without faults would: every transfer is done once, nothing is lost or left over, and at no instant did
nobody or more than one bureau answer for a person.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from itertools import cycle, permutations
from random import Random

import httpx2 as httpx
import pytest

from tests.real.people import PLACES
from tests.real.stage import Stage, group_members
from tests.real.transfer import Since, Transfer
from tests.real.waiting import Measured, until

pytestmark = pytest.mark.kafka

READY_SECONDS = 10.0  # the issue says 5 on a quiet machine, which the figures show; this one also carries the other servers
STOP_SECONDS = 25.0  # messaging.md 10
NODE_BYTES = 200 * 1024 * 1024  # the limit
PROBLEM = "application/problem+json"
CIRCLE = (("shanghai", "jiangsu"), ("jiangsu", "zhejiang"), ("zhejiang", "anhui"), ("anhui", "shanghai"))
BURST = 200
BURST_KILLS = 6
BURST_SECONDS = 180.0
SEED = 20220301


@pytest.fixture
async def whole(stage: Stage) -> AsyncIterator[Stage]:
    """The stage; whatever a failing test has left dead or frozen runs again afterwards."""
    yield stage
    await stage.heal()


async def run_all(transfers: Sequence[Transfer], since: Since = "submitted") -> None:
    async with asyncio.TaskGroup() as group:
        for transfer in transfers:
            group.create_task(transfer.run(since))


async def begin_all(stage: Stage, pairs: Sequence[tuple[str, str]]) -> list[Transfer]:
    return [await stage.begin(origin, destination) for origin, destination in pairs]


async def test_a_broker_that_dies_under_load_and_comes_back_later_costs_only_time(whole: Stage, measured: Measured) -> None:
    stage, transfers = whole, await begin_all(whole, CIRCLE)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_all(transfers))
        await transfers[0].reached("CERTIFIED")
        stage.kafka.kill9()
        for bureau in PLACES:
            await until(stage.officers.is_degraded, bureau, "bus")
        late = await begin_all(stage, CIRCLE)  # officers go on
        for transfer in late:
            await transfer.approve()
        assert not running.done()
        await asyncio.to_thread(stage.kafka.restart)
        back = time.monotonic()
        await running
        measured("broker back after kill -9 under load: every transfer done", time.monotonic() - back)
        await run_all(late, "approved")
    for bureau in PLACES:
        await until(stage.officers.is_ok, bureau)
    await stage.verify([*transfers, *late])


async def test_nodes_that_start_without_a_bus_serve_officers_and_send_when_it_comes(whole: Stage, measured: Measured) -> None:
    stage = whole
    await stage.stop_nodes()
    stage.kafka.kill9()
    started = time.monotonic()
    for node in stage.nodes.values():
        node.start()
    for bureau in PLACES:
        await until(stage.officers.serves, bureau)
    measured("four nodes started without a bus: all serve officers", time.monotonic() - started)
    transfers = await begin_all(stage, CIRCLE)
    for transfer in transfers:
        await transfer.approve()
    for bureau in PLACES:
        report = await stage.officers.health(bureau)
        assert report["status"] == "degraded"
        assert report["parts"]["bus"]["status"] == "degraded"
        assert report["parts"]["bus"]["reason"]
        assert report["parts"]["database"]["status"] == "ok"
    assert await stage.unsent() == len(transfers)
    await asyncio.to_thread(stage.kafka.restart)
    back = time.monotonic()
    for transfer in transfers:
        await transfer.reached("RECEIVED")
    measured("bus came after the nodes: every permit arrived", time.monotonic() - back)
    await run_all(transfers, "received")
    await stage.verify(transfers)


async def test_a_database_that_dies_under_load_is_said_and_found_again(whole: Stage, measured: Measured) -> None:
    stage, server = whole, whole.federation.postgres["zhejiang"]
    pairs = [("zhejiang", "shanghai"), ("zhejiang", "anhui"), ("shanghai", "zhejiang"), ("jiangsu", "zhejiang")]
    transfers = await begin_all(stage, pairs)
    before = stage.process("zhejiang").pid
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_all(transfers))
        await transfers[0].reached("RECEIVED")
        server.kill9()
        refused = await until(stage.officers.is_refused, "zhejiang")
        assert (await stage.officers.health("zhejiang"))["parts"]["database"]["status"] == "failing"
        measured("PostgreSQL killed: the first refusal", refused)
        await asyncio.to_thread(server.restart)
        back = time.monotonic()
        await running
        measured("PostgreSQL back after kill -9 under load: every transfer done", time.monotonic() - back)
    assert stage.process("zhejiang").pid == before
    await until(stage.officers.is_ok, "zhejiang")
    await stage.verify(transfers)


async def test_without_its_database_a_node_answers_with_a_problem_and_does_nothing(whole: Stage) -> None:
    stage, server = whole, whole.federation.postgres["zhejiang"]
    transfer = await stage.begin("zhejiang", "shanghai")
    await transfer.approve()
    await transfer.reached("RECEIVED")
    server.kill9()
    path, officer = f"/api/v1/transfers/{transfer.case}/seal", PLACES["zhejiang"].verifier
    answer = await stage.officers.post("zhejiang", officer, path, {"applicant_confirms": True})
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert answer.headers["content-type"].startswith(PROBLEM)
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["code"]
    assert answer.json()["title"]
    await asyncio.to_thread(server.restart)
    assert await transfer.state("origin") == "RECEIVED"
    await transfer.run("received")
    await stage.verify([transfer])


async def test_a_bureau_that_is_away_is_waited_for(whole: Stage) -> None:
    stage, (origin, destination) = whole, ("zhejiang", "shanghai")
    await asyncio.to_thread(stage.nodes[origin].stop)
    transfer = await stage.begin(origin, destination)
    looked_up = await transfer.at_destination(PLACES[destination].counter, "look-up")
    assert ["no_answer" in person for person in looked_up.json()["people"]] == [True]
    await transfer.approve()
    stage.nodes[origin].start()
    await transfer.reached("RECEIVED")
    await asyncio.to_thread(stage.nodes[destination].stop)
    path, form = f"/api/v1/transfers/{transfer.case}/seal", {"applicant_confirms": True}
    silent = await stage.officers.post(origin, PLACES[origin].verifier, path, form)
    assert (silent.status_code, silent.json()["code"]) == (httpx.codes.CONFLICT, "counterpart_silent")
    await transfer.seal(without_answer=True)
    stage.nodes[destination].start()
    await transfer.reached("CERTIFIED")
    await transfer.settle()
    await transfer.reached("HERE")
    await stage.verify([transfer])


async def test_a_node_that_is_asked_to_end_under_load_ends_in_time_and_loses_nothing(whole: Stage, measured: Measured) -> None:
    stage, transfers = whole, await begin_all(whole, [("zhejiang", "shanghai"), ("shanghai", "zhejiang")] * 8)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_all(transfers))
        await transfers[0].reached("CERTIFIED")
        stage.nodes["shanghai"].terminate()
        took = await until(lambda: stage.nodes["shanghai"].ended is not None, seconds=STOP_SECONDS)
        measured("SIGTERM under load: the node has ended", took)
        assert stage.nodes["shanghai"].ended == 0
        assert not running.done()
        stage.nodes["shanghai"].start()
        await running
    await stage.verify(transfers)


async def test_a_node_whose_database_hangs_says_so_and_ends_in_time_when_asked(whole: Stage, measured: Measured) -> None:
    stage, transfer = whole, await whole.begin("zhejiang", "shanghai")
    node = stage.nodes["zhejiang"]
    with stage.hanging_database("zhejiang"):
        assert (await stage.officers.health("zhejiang"))["parts"]["database"]["status"] == "failing"
        await transfer.approve()
        node.terminate()
        measured("SIGTERM while the database hangs", await until(lambda: node.ended is not None, seconds=STOP_SECONDS))
    node.start()
    await transfer.run("approved")
    await stage.verify([transfer])


async def test_a_frozen_node_is_expelled_and_joins_again_when_it_wakes(whole: Stage, measured: Measured) -> None:
    stage, transfers = whole, await begin_all(whole, [("zhejiang", "shanghai"), ("shanghai", "zhejiang")])
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run_all(transfers))
        await transfers[0].reached("CERTIFIED")
        stage.process("zhejiang").suspend()

        async def is_expelled() -> bool:
            return await group_members(stage.servers, "zhejiang") == 0

        measured("frozen node: expelled from its group", await until(is_expelled))
        assert not running.done()
        stage.process("zhejiang").resume()
        woken = time.monotonic()
        await running
        measured("frozen node woken: every transfer done", time.monotonic() - woken)
    await stage.verify(transfers)


async def test_a_killed_node_serves_officers_again_at_once(whole: Stage, measured: Measured) -> None:
    """Its group waits for the dead member's session of 10 s; officers do not."""
    stage, transfer = whole, await whole.begin("zhejiang", "shanghai")
    stage.nodes["zhejiang"].kill9()
    await transfer.approve()
    started = time.monotonic()
    stage.nodes["zhejiang"].start()
    served = await until(stage.officers.serves, "zhejiang")
    measured("node killed and started: serves officers", served)
    assert served < READY_SECONDS
    await transfer.reached("RECEIVED")
    measured("node killed and started: takes messages", time.monotonic() - started)
    await transfer.run("received")
    await stage.verify([transfer])


async def test_two_hundred_transfers_at_once_outlive_kills_of_nodes_and_broker(whole: Stage, measured: Measured) -> None:
    stage, random = whole, Random(SEED)
    pairs = [pair for pair, _ in zip(cycle(permutations(PLACES, 2)), range(BURST), strict=False)]
    people = {bureau: iter(await stage.settle_people(bureau, BURST // len(PLACES) + 1)) for bureau in PLACES}
    wanted = [(next(people[origin]), PLACES[destination]) for origin, destination in pairs]
    first = stage.officers.answered
    moments = sorted(random.sample(range(BURST, 5 * BURST), BURST_KILLS))
    victims = random.sample([*PLACES, "broker", random.choice(list(PLACES))], BURST_KILLS)
    started = time.monotonic()

    async def whole_way(number: int) -> Transfer:
        transfer = await stage.open(*wanted[number])
        await transfer.run(seconds=BURST_SECONDS)
        return transfer

    async def kill() -> None:
        for moment, victim in zip(moments, victims, strict=True):
            await until(stage.officers.has_answered, first + moment, seconds=BURST_SECONDS)
            if victim == "broker":
                stage.kafka.kill9()
                await asyncio.to_thread(stage.kafka.restart)
            else:
                stage.nodes[victim].kill9()

    async with stage.revived(*PLACES) as ends, asyncio.TaskGroup() as group:
        group.create_task(kill())
        runs = [group.create_task(whole_way(number)) for number in range(len(wanted))]
    took = time.monotonic() - started
    measured(f"{BURST} transfers at once, {BURST_KILLS} kills: all done", took)
    assert len(ends) == BURST_KILLS - 1
    await stage.verify([run.result() for run in runs])


async def test_a_node_is_small_after_work_and_ready_soon(whole: Stage, measured: Measured) -> None:
    stage = whole
    for bureau in PLACES:
        resident = stage.process(bureau).memory_info().rss
        measured(f"memory of {bureau} after the burst (MB)", resident / 1024 / 1024)
        assert resident < NODE_BYTES
    await stage.stop_nodes()
    started = time.monotonic()
    stage.nodes["shanghai"].start()
    await stage.ready("shanghai")
    measured("one node started: ready, its consumer too", time.monotonic() - started)
