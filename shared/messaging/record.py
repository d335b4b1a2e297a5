"""The start of a message's way: sealed once and written as an outbox row, in the transaction of the fact that it reports."""

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from shared.contract.messages import Message
from shared.contract.registry import encode, schema_of, topic
from shared.database import Session
from shared.envelope import Place, seal, transport_headers
from shared.messaging.tables import outbox
from shared.telemetry import current_traceparent

INSERT = outbox.insert()


def seal_message(session: Session, message: Message, *, to: str, event_id: UUID, now: datetime | None = None) -> bytes:
    """The envelope of `message`, signed by us and encrypted to `to`; not written anywhere. `now`: machine time, if already read.

    Raises what `seal` raises: TooLarge over 500 KiB of body, NoKey when nothing is known of `to`.
    """
    node = session.node
    return seal(
        encode(message),
        place=place_of(message, to),
        to=to,
        ring=node.ring,
        trust=node.trust.current,
        now=int((now or node.machine_now()).timestamp()),
        jti=event_id,
        incarnation=node.incarnation,
        schema=schema_of(message.capability),
    )


def place_of(message: Message, to: str) -> Place:
    return Place("message", message.capability, topic=topic(to, message.capability), key=message.key)


async def record(session: Session, message: Message, *, to: str) -> UUID:
    """Tell the bureau `to` about `message`; gives the event id. Raises what `seal_message` raises.

    The message's key is the case or object, never a citizen's number: the broker can read it.
    """
    node, event_id, place = session.node, uuid7(), place_of(message, to)
    now = node.machine_now()
    headers = transport_headers(
        place, iss=node.bureau, jti=event_id, iat=int(now.timestamp()), schema=schema_of(message.capability)
    )
    row = {
        "event_id": event_id,
        "topic": place.topic,
        "key": place.key,
        "type": place.type,
        "headers": headers | {"traceparent": current_traceparent()},
        # One reading of the clock for both: headers that name another second than the envelope are refused by its reader.
        "sealed": seal_message(session, message, to=to, event_id=event_id, now=now),
        "created_at": now,
    }
    session.write_later(INSERT, row)
    session.after_commit.append(node.wake_relay)
    return event_id
