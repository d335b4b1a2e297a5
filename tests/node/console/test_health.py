"""A node says what is wrong with it, by name, goes on with what it can, and recovers by itself."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2 as httpx
import pytest
from sqlalchemy.exc import DBAPIError

from services.bureau.wiring import Overrides
from services.bureau.worker import SWEEP_SECONDS, Worker
from services.harness.stack import node_role
from shared.messaging.bus import Bus, BusDown, Consumer, Publisher
from tests.node.access.tokens import claims_of, signed
from tests.node.bureau import Bureau
from tests.node.conftest import Yard
from tests.node.line import wire_to
from tests.node.people import mover
from tests.node.transfers.cases import CASES, COUNTER, OFFICE, application, reviewed

LOOPS = {"prepare", "relay", "doorbell", "consumer", "timers", "trust", "peers", "sweeper"}
LOOPS_LOOKS, LOOK_SECONDS = 400, 0.05
SIGNING_KEY_DAYS = 180  # the life of a signature key, from an hour before it was made


class BrokenBus(Bus):
    """Answers nothing until it is mended."""

    name = "broken"
    down = True

    async def publisher(self) -> Publisher:
        raise BusDown("the test's bus is down")

    async def consumer(self, *, group: str, topics: Any) -> Consumer:
        raise BusDown("the test's bus is down")

    async def ping(self) -> None:
        if self.down:
            raise BusDown("the test's bus is down")

    async def create_topics(self, topics: Any) -> None: ...

    async def close(self) -> None: ...


async def ready(bureau: Bureau) -> tuple[int, dict[str, Any]]:
    answer = await bureau.web.get("/health/ready")
    return answer.status_code, answer.json()


async def login_again(bureau: Bureau, officer: str = OFFICE) -> None:
    """After the machine clock has moved a token of before has ended."""
    bureau._tokens.clear()
    await bureau.token(officer)


async def test_a_node_in_order_is_ready_and_alive(quiet_shanghai: Bureau) -> None:
    status, report = await ready(quiet_shanghai)
    assert (status, report["status"], report["bureau"]) == (200, "ok", "shanghai")
    assert {"database", "bus", "keys", "trust_list"} <= set(report["parts"])
    live = await quiet_shanghai.web.get("/health/live")
    assert (live.status_code, live.json()) == (200, {"status": "ok"})


async def test_it_says_that_its_business_clock_is_set(shanghai: Bureau) -> None:
    _, report = await ready(shanghai)
    assert report["business_clock_is_set"] is True
    assert report["business_time"] == "2020-11-20T10:00:00+08:00"
    shanghai.clock.at = shanghai.machine.now()
    assert (await ready(shanghai))[1]["business_clock_is_set"] is False


async def test_without_its_bus_it_serves_officers_keeps_what_it_says_and_says_so(open_bureau: Any) -> None:
    bus = BrokenBus()
    shanghai: Bureau = await open_bureau("shanghai", Overrides(bus=bus))
    status, report = await ready(shanghai)
    assert (status, report["status"]) == (200, "degraded")
    assert report["parts"]["bus"] == {"status": "degraded", "reason": "the test's bus is down"}
    case = await reviewed(shanghai)
    assert (await shanghai.act(OFFICE, case, "approve", {})).status_code == 200
    with pytest.raises(BusDown):
        await shanghai.wiring.relay.pass_once()
    row = await shanghai.one("SELECT * FROM outbox")
    assert (row.sent_at, row.attempts) == (None, 1)
    assert "the test's bus is down" in row.last_error
    bus.down = False
    assert (await ready(shanghai))[1]["status"] == "ok"


async def test_without_its_database_it_says_so_and_comes_back_by_itself(yard: Yard, shanghai: Bureau, tmp_path: Path) -> None:
    url = yard.ground.postgres.url(shanghai.database_name, node_role("shanghai"))
    async with wire_to(yard.ground.postgres.port) as wire:
        through = url.replace(f":{yard.ground.postgres.port}/", f":{wire.port}/")
        assert through != url
        node = yard.start("shanghai", shanghai.database_name, tmp_path, database_url=through)
        try:
            await _lose_and_find(node, wire)
        finally:
            await node.close()


async def _lose_and_find(node: Bureau, wire: Any) -> None:
    assert (await ready(node))[0] == 200
    await node.token(COUNTER)
    await wire.cut()
    status, report = await ready(node)
    assert (status, report["status"], report["parts"]["database"]["status"]) == (503, "failing", "failing")
    assert report["parts"]["database"]["reason"]
    assert (await node.web.get("/health/live")).status_code == 200
    answer = await node.ask(COUNTER, "POST", CASES, application(), Idempotency_Key="down-1")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_down")
    assert int(answer.headers["retry-after"]) > 0
    assert (await node.web.get("/metrics")).status_code == 200
    await wire.mend()
    assert (await ready(node))[0] == 200
    answer = await node.ask(COUNTER, "POST", CASES, application(), Idempotency_Key="down-1")
    assert answer.status_code == 201, answer.text


async def test_an_expired_signature_key_is_named_and_nothing_is_half_done(shanghai: Bureau) -> None:
    case = await reviewed(shanghai)
    shanghai.machine.offset = timedelta(days=SIGNING_KEY_DAYS + 1)
    await login_again(shanghai)
    status, report = await ready(shanghai)
    assert (status, report["parts"]["keys"]["status"]) == (503, "failing")
    assert "sig" in report["parts"]["keys"]["reason"]
    before = await shanghai.fingerprint()
    answer = await shanghai.act(OFFICE, case, "approve", {})
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True), answer.text
    assert await shanghai.fingerprint() == before
    shanghai.machine.offset = timedelta(0)
    await login_again(shanghai)
    assert (await shanghai.act(OFFICE, case, "approve", {})).status_code == 200


async def test_a_signature_key_that_ends_soon_is_named_in_time(shanghai: Bureau) -> None:
    shanghai.machine.offset = timedelta(days=SIGNING_KEY_DAYS - 10)
    status, report = await ready(shanghai)
    assert (status, report["parts"]["keys"]["status"]) == (200, "degraded")
    assert "hours" in report["parts"]["keys"]["reason"]


async def test_a_trust_list_that_was_not_renewed_is_named(shanghai: Bureau) -> None:
    shanghai.machine.offset = timedelta(days=SIGNING_KEY_DAYS - 30)
    parts = (await ready(shanghai))[1]["parts"]
    assert parts["trust_list"]["status"] == "degraded"
    assert "trust list" in parts["trust_list"]["reason"]


async def test_the_key_that_is_named_is_the_one_that_signs(shanghai: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer key that the others cannot know yet, or may not believe any more, signs nothing and hinders nothing."""
    ring = shanghai.wiring.node.ring
    newer = replace(ring.signing_keys[0], kid="shanghai#sig-unlisted")
    monkeypatch.setattr(shanghai.wiring.node.keyring, "_ring", replace(ring, signing_keys=(newer, *ring.signing_keys)))
    case = await reviewed(shanghai)
    assert (await shanghai.act(OFFICE, case, "approve", {})).status_code == 200
    assert (await ready(shanghai))[1]["parts"]["keys"] == {"status": "ok"}
    monkeypatch.setattr(shanghai.wiring.node.keyring, "_ring", replace(ring, signing_keys=(newer,)))
    assert (await ready(shanghai))[1]["parts"]["keys"]["status"] == "failing"


async def test_a_loop_that_failed_or_stalls_is_named_with_its_error(shanghai: Bureau) -> None:
    health = shanghai.wiring.health
    health.failed("relay", BusDown("演示"))
    health.progressed("consumer")
    health.loops["consumer"].progressed_at -= 3600
    parts = (await ready(shanghai))[1]["parts"]
    assert parts["loop.relay"] == {"status": "degraded", "reason": "BusDown: 演示"}
    assert "no progress" in parts["loop.consumer"]["reason"]
    health.progressed("relay")
    assert (await ready(shanghai))[1]["parts"]["loop.relay"] == {"status": "ok"}


async def test_a_loop_that_is_done_or_rests_as_long_as_it_said_is_in_order(shanghai: Bureau) -> None:
    worker = Worker(shanghai.wiring, alone=True)
    running = asyncio.create_task(worker.run())
    loops = shanghai.wiring.health.loops
    for _ in range(LOOPS_LOOKS):
        if loops.keys() == LOOPS:
            break
        await asyncio.sleep(LOOK_SECONDS)
    await worker.stop()
    await running
    for state in loops.values():
        state.progressed_at -= SWEEP_SECONDS
    parts = (await ready(shanghai))[1]["parts"]
    stalled = {name for name, part in parts.items() if part["status"] != "ok"}
    assert stalled == {"loop.relay", "loop.consumer", "loop.timers", "loop.trust", "loop.peers"}
    loops["sweeper"].progressed_at -= 2 * SWEEP_SECONDS
    assert "no progress" in (await ready(shanghai))[1]["parts"]["loop.sweeper"]["reason"]


def refused_row(number: str) -> DBAPIError:
    error = asyncpg.UniqueViolationError(f"duplicate key value\nDETAIL:  Key (citizen_id_no)=({number}) already exists.")
    return DBAPIError(f"INSERT ... '{number}'", {}, error)


@pytest.mark.parametrize("failure", [refused_row, ValueError, lambda number: BusDown(f"no room for {number}")])
async def test_the_error_of_a_loop_tells_no_persons(shanghai: Bureau, failure: Callable[[str], Exception]) -> None:
    number = mover(1).citizen_id_no
    error = failure(number)
    shanghai.wiring.health.failed("timers", error)
    answer = await shanghai.web.get("/health/ready")
    assert number not in answer.text
    assert type(error).__name__ in answer.json()["parts"]["loop.timers"]["reason"]


async def test_a_refusal_of_the_server_is_told_by_its_code(shanghai: Bureau) -> None:
    shanghai.wiring.health.failed("timers", refused_row(mover(1).citizen_id_no))
    assert (await ready(shanghai))[1]["parts"]["loop.timers"]["reason"] == "DBAPIError (23505)"


async def test_health_needs_no_login_and_tells_no_persons(shanghai: Bureau) -> None:
    await reviewed(shanghai, application(mover(1)))
    for path in ("/health/live", "/health/ready", "/metrics"):
        answer = await shanghai.web.get(path)
        assert answer.status_code == 200
        assert mover(1).citizen_id_no not in answer.text


async def test_a_login_provider_that_is_down_is_said_as_such(shanghai: Bureau) -> None:
    token = signed(shanghai, await claims_of(shanghai, COUNTER))

    async def unreachable() -> dict[str, Any]:
        raise httpx.ConnectError("the test's provider is down")

    shanghai.wiring.tokens._jwks_source = unreachable
    shanghai.wiring.tokens._keys = {}
    shanghai.wiring.tokens._fetched_at = shanghai.wiring.tokens._tried_at = None
    answer = await shanghai.web.get(CASES, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (503, "login_provider_down")
