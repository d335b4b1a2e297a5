"""The bus in a test's hands: between the relays and the receivers it may lose, repeat, hold back and reorder what it carries."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from services.bureau.worker import next_offsets
from services.harness.network import DoesNotSettle, Network, Node
from shared.contract.messages import Message
from shared.contract.registry import ContractError, decode, encode, schema_of
from shared.envelope import Opened, Place, seal, transport_headers
from shared.messaging.bus import Delivered, Record
from shared.messaging.record import place_of

FETCH_SECONDS = 0.2
TEST_PARTITION = 7  # what a test puts on the bus itself lies beside what the relays put there
MOST_PARCELS = 400  # a transfer says a handful; more means two bureaus talk in circles

_offsets = itertools.count(1)


@dataclass
class Parcel:
    """One record under way. `name` and `message` are what only the recipient can read; None when nobody can."""

    to: str
    delivered: Delivered
    sender: str
    name: str
    message: Message | None

    @property
    def case(self) -> str:
        return self.delivered.record.key


@dataclass
class Wire:
    """Everything that the four bureaus say to each other goes through here, one record at a time.

    `after_each` runs after each record that took effect; `twice` delivers the same bytes again, and the same content anew."""

    network: Network
    after_each: Callable[[], Awaitable[None]]
    twice: bool = False
    waiting: list[Parcel] = field(default_factory=list)
    carried: list[Parcel] = field(default_factory=list)

    async def collect(self) -> int:
        """Take up what the relays send; gives how many parcels are new. A paused node sends and takes nothing."""
        awake = {bureau: node for bureau, node in self.network.nodes.items() if not node.paused}
        for node in awake.values():
            while await node.wiring.relay.pass_once():
                pass
        count = 0
        for bureau, node in awake.items():
            consumer = await self.network.consumer_of(node)
            while await consumer.lag():
                records = await consumer.fetch(timeout_s=FETCH_SECONDS)
                await consumer.commit(next_offsets(records))
                parcels = [self._parcel(bureau, one) for one in records]
                self.waiting += parcels
                self.carried += parcels
                count += len(parcels)
        return count

    def _parcel(self, bureau: str, delivered: Delivered) -> Parcel:
        wiring = self.network.nodes[bureau].wiring
        opened = wiring.receiver.try_open(delivered.record, wiring.node.machine_now(), None)
        if not isinstance(opened, Opened):
            return Parcel(bureau, delivered, delivered.record.headers.get("ce_source", ""), type(opened).__name__, None)
        try:
            message = decode(opened.content)
        except ContractError as error:
            return Parcel(bureau, delivered, opened.iss, type(error).__name__, None)
        return Parcel(bureau, delivered, opened.iss, type(message).__name__, message)

    async def hand_over(self, parcel: Parcel) -> None:
        """Deliver one parcel, whether it still waits or not: what is delivered again is a redelivery."""
        if parcel in self.waiting:
            self.waiting.remove(parcel)
        await self.network.nodes[parcel.to].wiring.receiver.receive([parcel.delivered])
        await self.after_each()

    async def settle(self) -> int:
        """Deliver all there is, in order, until nothing moves any more; gives how many parcels. Raises DoesNotSettle."""
        count = 0
        while await self.collect() or self.waiting:
            for parcel in list(self.waiting):
                await self.hand_over(parcel)
                if self.twice:
                    await self.hand_over(parcel)
                    await self.hand_over(self.said_anew(parcel))
                count += 1
                if count > MOST_PARCELS:
                    raise DoesNotSettle(f"{count} messages")
        return count

    async def settle_without(self, *names: str) -> list[Parcel]:
        """As `settle`, but messages of these names stay under way; gives them."""
        held: list[Parcel] = []
        while await self.collect() or self.waiting:
            for parcel in list(self.waiting):
                if parcel.name in names:
                    self.waiting.remove(parcel)
                    held.append(parcel)
                else:
                    await self.hand_over(parcel)
        return held

    def said_anew(self, parcel: Parcel) -> Parcel:
        """The same message in a new envelope, as when its sender asks again."""
        assert parcel.message is not None
        return self.forge(parcel.sender, parcel.to, parcel.message)

    def forge(
        self, sender: str, to: str, content: Message | bytes, *, jti: UUID | None = None, key: str = "", incarnation: int = 1
    ) -> Parcel:
        """An envelope that `sender` has really signed, whatever its program would have said. Bytes go to the transfers topic."""
        node: Node = self.network.nodes[sender]
        context = node.wiring.node
        if isinstance(content, Message):
            plaintext, place = encode(content), place_of(content, to)
        else:
            plaintext, place = content, Place("message", "transfers", topic=f"{to}.transfers", key=key)
        event_id, now = jti or uuid7(), int(context.machine_now().timestamp())
        schema = schema_of(place.capability)
        envelope = seal(
            plaintext,
            place=place,
            to=to,
            ring=context.ring,
            trust=context.trust.current,
            now=now,
            jti=event_id,
            incarnation=incarnation,
            schema=schema,
        )
        headers = transport_headers(place, iss=sender, jti=event_id, iat=now, schema=schema)
        record = Record(str(place.topic), place.key, headers, envelope)
        message = content if isinstance(content, Message) else None
        name = type(message).__name__ if message is not None else "?"
        return Parcel(to, Delivered(record, TEST_PARTITION, next(_offsets)), sender, name, message)

    def names(self, case: str) -> list[str]:
        """The messages that the bus has carried about a case, in the order in which they were sent."""
        return [parcel.name for parcel in self.carried if parcel.case == case]

    def last(self, name: str, **fields: Any) -> Parcel:
        """The last parcel of that name whose message has these members."""
        return next(
            parcel
            for parcel in reversed(self.carried)
            if parcel.name == name and all(getattr(parcel.message, field) == value for field, value in fields.items())
        )
