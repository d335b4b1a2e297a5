"""The bus as the node sees it: a port with two adapters, `kafka.py` and `local.py`, under one contract suite (`tests/bus`).

Both promise the same: what `publish` returned for is on disk, every group sees every record of its topics at least once, and
records of one key come in the order they were published as long as nothing fails. Nobody may rely on more: receivers drop what
they know and put things in order by state.

Errors, all of them:

    BusDown            the bus could not be reached or did not acknowledge; the publisher or consumer that raised it is finished:
                       close it and ask the bus for a new one
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

FETCH_LIMIT_RECORDS = 500  # one fetch; bounds a receiver's memory and the work lost when it dies
RECORD_LIMIT_BYTES = 1_048_576 - 4_096  # Kafka's message.max.bytes less its framing; a body of 500 KiB is 933 KB sealed, padded


@dataclass(frozen=True, slots=True)
class Record:
    """What travels. `topic` is `{recipient}.{capability}`, `key` the case; the headers are text and prove nothing."""

    topic: str
    key: str
    headers: Mapping[str, str]
    value: bytes

    @property
    def size_bytes(self) -> int:
        headers = sum(len(name.encode()) + len(text.encode()) for name, text in self.headers.items())
        return len(self.key.encode()) + headers + len(self.value)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A record and where it lies. On the local bus the partition is always 0."""

    record: Record
    partition: int
    offset: int


class BusDown(Exception):
    """The bus cannot be reached or did not acknowledge everything.

    `acknowledged` are the indexes, in the published batch, of records that are on disk: never send these again. `refused` are
    those that the bus will never take (too large): publish the others without them.
    """

    def __init__(self, reason: str, *, acknowledged: frozenset[int] = frozenset(), refused: frozenset[int] = frozenset()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.acknowledged = acknowledged
        self.refused = refused


class Publisher(Protocol):
    async def publish(self, records: Sequence[Record]) -> None:
        """Return when every record is on disk, else raise BusDown. At most a few hundred records at a time."""

    async def close(self) -> None:
        """End within seconds whatever the bus does; never raises BusDown."""


class Consumer(Protocol):
    async def fetch(self, *, timeout_s: float) -> list[Delivered]:
        """Up to 500 records, in order per partition; [] when nothing came within `timeout_s`. BusDown: make a new consumer.

        Call it again and again, also while there is nothing to do: a member that stops polling loses its partitions. A fetch
        that was cancelled may have taken records with it: close the consumer then.
        """

    async def commit(self, next_offsets: Mapping[tuple[str, int], int]) -> bool:
        """Remember for the group: (topic, partition) -> the next offset to read. False: the bus could not, say it again later.

        Losing it only means redelivery, so it never raises because a partition has meanwhile gone to another member."""

    def rewind(self, to: Mapping[tuple[str, int], int]) -> None:
        """Fetch again from these offsets, for example after the database failed; partitions that are not ours are ignored."""

    async def lag(self) -> int:
        """How many records of our topics (on Kafka: of our partitions) `fetch` has not handed out yet."""

    async def close(self) -> None:
        """End within seconds whatever the bus does; never raises BusDown. Commits nothing."""


class Bus(Protocol):
    @property
    def name(self) -> str:
        """ "local" or "kafka", for health and logs."""

    async def publisher(self) -> Publisher:
        """Connect; BusDown when that fails."""

    async def consumer(self, *, group: str, topics: Sequence[str]) -> Consumer:
        """Join `group` on `topics`, at the group's offsets or, where there are none, the beginning. BusDown when that fails."""

    async def ping(self) -> None:
        """Return when the bus answers, else raise BusDown."""

    async def create_topics(self, topics: Sequence[str]) -> None:
        """For development and tests: make the topics that are missing. In production `deploy/` makes them."""

    async def close(self) -> None:
        """Give back what the bus itself holds; its publishers and consumers are closed by those who asked for them."""


def refuse_oversize(records: Sequence[Record]) -> None:
    """Raise BusDown naming the records above RECORD_LIMIT_BYTES before anything is sent."""
    refused = frozenset(index for index, record in enumerate(records) if record.size_bytes > RECORD_LIMIT_BYTES)
    if refused:
        raise BusDown(f"{len(refused)} record(s) larger than {RECORD_LIMIT_BYTES} bytes", refused=refused)
