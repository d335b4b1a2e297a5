"""What the worker's consumer has done is told to the bus, also when the bus could not hear it the first time."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from services.bureau import worker
from services.bureau.wiring import HANDLERS
from services.bureau.worker import Worker
from shared.messaging import Receiver, receive
from shared.messaging.bus import Delivered
from tests.node.bureau import Bureau
from tests.node.transfers.cases import permit_for


class DeafConsumer:
    """Brings one record; keeps offsets only from the second time on."""

    def __init__(self, delivered: list[Delivered]) -> None:
        self.delivered = delivered
        self.committed: list[Mapping[tuple[str, int], int]] = []
        self.heard = asyncio.Event()

    async def fetch(self, *, timeout_s: float) -> list[Delivered]:
        await asyncio.sleep(0.01)
        found, self.delivered = self.delivered, []
        return found

    async def commit(self, next_offsets: Mapping[tuple[str, int], int]) -> bool:
        self.committed.append(dict(next_offsets))
        if len(self.committed) > 1:
            self.heard.set()
        return len(self.committed) > 1

    async def close(self) -> None:
        return None


async def test_offsets_that_the_bus_could_not_keep_are_said_again_without_another_message(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "COMMIT_AGAIN_SECONDS", 0.05)
    permit = permit_for()
    record = zhejiang.sealed(permit, by="shanghai")
    consumer = DeafConsumer([Delivered(record, 3, 41)])

    class DeafBus:
        async def consumer(self, **of: Any) -> DeafConsumer:
            return consumer

    wiring: Any = replace(zhejiang.wiring, bus=DeafBus())  # type: ignore[arg-type]
    task = asyncio.create_task(Worker(wiring)._consume())
    await asyncio.wait_for(consumer.heard.wait(), 10)
    task.cancel()
    await asyncio.wait([task])
    assert consumer.committed[:2] == [{(record.topic, 3): 42}] * 2
    assert await zhejiang.states(permit.case) == {1: "RECEIVED"}


async def test_bytes_over_which_our_own_reader_fails_are_a_letter_and_stop_nothing(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = permit_for(), permit_for()
    broken = zhejiang.sealed(bad, by="shanghai")
    real = receive.open_envelope

    def failing(raw: bytes, **about: Any) -> Any:
        if raw == broken.value:
            raise KeyError("a fault of ours")
        return real(raw, **about)

    monkeypatch.setattr(receive, "open_envelope", failing)
    record = zhejiang.sealed(good, by="shanghai")
    await zhejiang.wiring.receiver.receive([Delivered(broken, 0, 1), Delivered(record, 0, 2)])
    assert await zhejiang.states(good.case) == {1: "RECEIVED"}
    letters = await zhejiang.rows("SELECT reason, error FROM dead_letter WHERE resolved_at IS NULL")
    assert [(row.reason, "KeyError" in row.error) for row in letters] == [("not_an_envelope", True)]


async def test_one_message_twice_in_a_chunk_counts_once_and_other_content_under_its_id_is_a_letter(zhejiang: Bureau) -> None:
    first, other = permit_for(), permit_for()
    record = zhejiang.sealed(first, by="shanghai", event_id=(same := uuid7()))
    forged = zhejiang.sealed(other, by="shanghai", event_id=same)
    outcomes: list[str] = []
    receiver = Receiver(zhejiang.wiring.bus_database, HANDLERS, outcomes.append)
    await receiver.receive([Delivered(record, 0, 1), Delivered(record, 0, 2), Delivered(forged, 0, 3)])
    assert outcomes == ["applied", "duplicate", "refused"]
    assert await zhejiang.states(other.case) == {}
    assert [row.reason for row in await zhejiang.rows("SELECT reason FROM dead_letter")] == ["conflict"]
