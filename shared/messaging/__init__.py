"""The post office: how a fact leaves one bureau and takes effect in another, exactly once in effect.

A message's way, file by file: `record` -> `relay` -> `bus` (`kafka`, `local`) -> `receive`; beside it `owed` (answers still
owed), `withdraw` (what a revoked key has signed) and `dead_letters` (kept by `burial`).
"""

from shared.messaging.owed import Ask, Owed, ask_due_now, set_due, set_owed
from shared.messaging.receive import Handler, NotYetApplicable, Received, Receiver
from shared.messaging.record import record, seal_message
from shared.messaging.relay import Relay
from shared.messaging.withdraw import SayAnew

__all__ = [
    "Ask",
    "Handler",
    "NotYetApplicable",
    "Owed",
    "Received",
    "Receiver",
    "Relay",
    "SayAnew",
    "ask_due_now",
    "record",
    "seal_message",
    "set_due",
    "set_owed",
]
