"""Hints say that something changed, to whoever listens; what changes nothing says nothing."""

import asyncio

import pytest

from shared.web import Hints, TooManyRequests, hints


async def heard(stream: "asyncio.Future[bytes]") -> bytes:
    return await asyncio.wait_for(stream, 2)


@pytest.mark.parametrize(
    "unit", ["transfers.approve", "receive PermitIssued", "population.hold", "operations.replay", "peers.door"]
)
async def test_what_changes_something_is_told_to_everybody(unit: str) -> None:
    told = Hints()
    streams = [told.stream("D31001"), told.stream("D31001")]
    assert [await anext(one) for one in streams] == [b"event: alive\ndata: .\n\n"] * 2
    told.committed(unit)
    assert [await heard(asyncio.ensure_future(anext(one))) for one in streams] == [b"event: changed\ndata: .\n\n"] * 2


@pytest.mark.parametrize(
    "unit",
    ["transfers.read", "transfers.look_up_origin", "transfers.verify", "transfers.track", "transfers.track.prove", "console.work",
     "access.me",
     "peers.note", "population.read", "access.session", "relay.mark", "owed.ask_due", "receive.due", "sweep", "audit.read",
     "operations.read"],
)  # fmt: skip
async def test_what_only_reads_or_comes_with_the_clock_is_told_to_nobody(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "ALIVE_SECONDS", 0.05)
    told = Hints()
    stream = told.stream("D31001")
    await anext(stream)
    told.committed(unit)
    assert await heard(asyncio.ensure_future(anext(stream))) == b"event: alive\ndata: .\n\n"


async def test_a_stream_ends_and_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "STREAM_SECONDS", 0.1)
    monkeypatch.setattr(hints, "ALIVE_SECONDS", 0.02)
    told = Hints()
    stream = told.stream("D31001")
    assert await anext(stream)
    assert len(told._waiting) == 1
    assert {one async for one in stream} == {b"event: alive\ndata: .\n\n"}
    assert not told._waiting


async def test_one_listener_has_so_many_streams_and_the_others_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "STREAM_SECONDS", 0.1)
    monkeypatch.setattr(hints, "ALIVE_SECONDS", 0.02)
    told = Hints()
    streams = [told.stream("D31001") for _ in range(hints.STREAMS_OF_ONE)]
    for one in streams:
        await anext(one)
    with pytest.raises(TooManyRequests):
        told.stream("D31001")
    other = told.stream("D31002")
    assert await anext(other)
    for one in streams:
        assert {piece async for piece in one} <= {b"event: alive\ndata: .\n\n"}
    streams = [other, told.stream("D31001")]
    assert await anext(streams[1])
    assert told._streams == {"D31001": 1, "D31002": 1}
