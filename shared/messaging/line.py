"""Who is next among what has been read from the bus: each sender in turn, so that one who floods holds up only itself.

A topic is one log for all senders, and whoever may write to it may write as fast as the broker takes it. So a reader reads ahead,
opens what it has read (which proves the sender, and costs a tenth of the effect), and takes some of everybody's oldest; what
nobody of ours has signed comes in turns of its own. An offset counts as done when all before it in its partition are: after a
crash what was done out of turn comes again, and is dropped as known.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final
from zlib import crc32

from shared.messaging.receive import CHUNK_MESSAGES, Arrival

MOST_AHEAD: Final = 4_000  # records read and not done; with what is open in them up to some 50 MB of ordinary messages
MOST_AHEAD_BYTES: Final = 64 * 1024 * 1024  # of envelopes: large ones are fewer
TURNS_AT_ONCE: Final = 3  # transactions side by side: most of one is waiting for the database; of the bus's pool they leave one
BURIED_AT_ONCE: Final = 100  # what is refused costs so little that more of it fits into a turn

Offsets = dict[tuple[str, int], int]
Chunk = list[Arrival]
"""Taken in one transaction."""


class Line:
    """Of one reader. Records enter in the order of the bus; each sender's leave in that order."""

    def __init__(self) -> None:
        self._lanes: dict[str | None, deque[Arrival]] = {}  # by proven sender; None: refused, or not to be judged yet
        self._open: dict[tuple[str, int], deque[int]] = {}  # offsets read and not done, and before them none
        self._done: dict[tuple[str, int], set[int]] = {}
        self._bytes = 0
        self._refused_next = False

    def __bool__(self) -> bool:
        return bool(self._lanes)

    @property
    def has_room(self) -> bool:
        return sum(map(len, self._lanes.values())) < MOST_AHEAD and self._bytes < MOST_AHEAD_BYTES

    def add(self, arrival: Arrival) -> None:
        one = arrival.delivered
        self._lanes.setdefault(arrival.sender, deque()).append(arrival)
        self._open.setdefault((one.record.topic, one.partition), deque()).append(one.offset)
        self._bytes += len(one.record.value)

    def next(self) -> list[list[Chunk]]:
        """What is to be taken now: lists that may be worked off side by side, each of chunks that come one after the other.

        Each list has partitions of its own, and so objects (keys) of its own. [] when nobody waits."""
        senders = [sender for sender in self._lanes if sender is not None]
        refused = None in self._lanes and (self._refused_next or not senders)
        self._refused_next = not refused
        taken = self._take(None, BURIED_AT_ONCE) if refused else self._in_turn(senders)
        self._bytes -= sum(len(arrival.delivered.record.value) for arrival in taken)
        if refused or len(taken) <= CHUNK_MESSAGES:
            return [[taken]] if taken else []
        at_once: dict[int, Chunk] = {}
        for arrival in taken:
            one = arrival.delivered
            at_once.setdefault(crc32(f"{one.record.topic}/{one.partition}".encode()) % TURNS_AT_ONCE, []).append(arrival)
        return [[mine[i : i + CHUNK_MESSAGES] for i in range(0, len(mine), CHUNK_MESSAGES)] for mine in at_once.values()]

    def _in_turn(self, senders: Sequence[str]) -> Chunk:
        """One of each sender, again and again."""
        taken: Chunk = []
        while len(taken) < TURNS_AT_ONCE * CHUNK_MESSAGES and any(sender in self._lanes for sender in senders):
            for sender in senders:
                taken += self._take(sender, 1)
        return taken

    def _take(self, sender: str | None, most: int) -> Chunk:
        lane = self._lanes.get(sender)
        if lane is None:
            return []
        taken = [lane.popleft() for _ in range(min(most, len(lane)))]
        if not lane:
            del self._lanes[sender]
        return taken

    def begin_again(self) -> Offsets:
        """The first offset of each partition that is not done: where to read again if a chunk fails."""
        return {place: offsets[0] for place, offsets in self._open.items() if offsets}

    def offsets_after(self, chunk: Sequence[Arrival]) -> Offsets:
        """The next offset of each partition once the chunk is done: all before it are done, too."""
        after: Offsets = {}
        for arrival in chunk:
            one = arrival.delivered
            self._done.setdefault((one.record.topic, one.partition), set()).add(one.offset)
        for place in {(arrival.delivered.record.topic, arrival.delivered.partition) for arrival in chunk}:
            offsets, done = self._open[place], self._done[place]
            while offsets and offsets[0] in done:
                done.remove(offsets[0])
                after[place] = offsets.popleft() + 1
        return after
