"""Whose turn it is, and from where to read again."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from shared.messaging.bus import Delivered, Record
from shared.messaging.line import BURIED_AT_ONCE, MOST_AHEAD, TURNS_AT_ONCE, Line
from shared.messaging.receive import CHUNK_MESSAGES

NOW = datetime(2026, 9, 1, tzinfo=UTC)


class One(SimpleNamespace):
    """As an Arrival, opened by saying so."""


def arrival(sender: str | None, offset: int, *, partition: int = 0) -> Any:
    return One(sender=sender, delivered=Delivered(Record("zhejiang.transfers", "", {}, b"x"), partition, offset))


def offsets(chunk: list[Any]) -> list[int]:
    return [one.delivered.offset for one in chunk]


def filled(*senders: str | None) -> Line:
    line = Line()
    for offset, sender in enumerate(senders):
        line.add(arrival(sender, offset))
    return line


def next_of(line: Line) -> list[Any]:
    """Everything that is taken now, whether side by side or one after the other."""
    return [one for chunks in line.next() for chunk in chunks for one in chunk]


def test_who_comes_behind_a_flood_is_in_the_next_turn() -> None:
    line = filled(*["anhui"] * 1000, "shanghai")
    taken = next_of(line)
    assert len(taken) == TURNS_AT_ONCE * CHUNK_MESSAGES
    assert "shanghai" in {one.sender for one in taken}


def test_a_partition_is_in_one_list_and_in_order_and_no_transaction_is_too_large() -> None:
    line = Line()
    for offset in range(1000):
        line.add(arrival("anhui", offset, partition=offset % 6))
    lists = line.next()
    assert 1 < len(lists) <= TURNS_AT_ONCE
    partitions = [{one.delivered.partition for chunk in chunks for one in chunk} for chunks in lists]
    assert sum(map(len, partitions)) == len(set().union(*partitions)) == 6
    for chunks in lists:
        assert max(map(len, chunks)) <= CHUNK_MESSAGES
        assert offsets([one for chunk in chunks for one in chunk]) == sorted(one.delivered.offset for c in chunks for one in c)


def test_what_nobody_has_signed_comes_every_other_turn_and_holds_up_nobody() -> None:
    line = filled(*[None] * 1000, *["shanghai"] * (TURNS_AT_ONCE * CHUNK_MESSAGES + 1))
    assert [one.sender for one in next_of(line)] == ["shanghai"] * TURNS_AT_ONCE * CHUNK_MESSAGES
    assert [one.sender for one in next_of(line)] == [None] * BURIED_AT_ONCE
    assert [one.sender for one in next_of(line)] == ["shanghai"]


def test_each_senders_messages_stay_in_order_and_all_come() -> None:
    line = filled(*["anhui", "shanghai", None, "jiangsu"] * 50)
    left: dict[str | None, list[int]] = {}
    while taken := next_of(line):
        for one in taken:
            left.setdefault(one.sender, []).append(one.delivered.offset)
    assert all(found == sorted(found) for found in left.values())
    assert sum(map(len, left.values())) == 200
    assert not line


def test_an_offset_is_done_when_all_before_it_are() -> None:
    line = filled(*["anhui"] * 30, "shanghai")
    place = ("zhejiang.transfers", 0)
    [[first, second]] = line.next()
    assert offsets(first)[:3] == [0, 30, 1]
    assert line.begin_again() == {place: 0}
    assert line.offsets_after(first) == {place: 19}
    assert line.begin_again() == {place: 19}
    assert line.offsets_after(second) == {place: 31}
    assert line.begin_again() == {}


def test_partitions_are_counted_apart() -> None:
    line = Line()
    line.add(arrival("anhui", 7, partition=1))
    line.add(arrival("anhui", 3, partition=2))
    assert line.offsets_after(next_of(line)) == {("zhejiang.transfers", 1): 8, ("zhejiang.transfers", 2): 4}


def test_what_was_read_twice_is_done_when_both_are() -> None:
    """A partition that went and came back is read again from where its offsets were committed."""
    line = filled("anhui", "anhui")
    line.add(arrival("anhui", 0))
    assert line.offsets_after(next_of(line)) == {("zhejiang.transfers", 0): 2}


def test_reading_ahead_ends() -> None:
    line = filled(*["anhui"] * (MOST_AHEAD - 1))
    assert line.has_room
    line.add(arrival("anhui", MOST_AHEAD))
    assert not line.has_room
    line.next()
    assert line.has_room
