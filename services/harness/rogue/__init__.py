"""A rogue bureau: a member with valid keys and bad intent, and an outsider without any; each attack is a named kind.

For tests only. What it makes is real: envelopes that any program with these keys could send, as bytes on the bus or at a door.
"""

from services.harness.rogue.bus import BusKind
from services.harness.rogue.door import DOOR_KINDS, DoorKind, Told
from services.harness.rogue.forge import Forgery, Loot, Rogue, add_worn_keys
from services.harness.rogue.kinds import BUS_KINDS

__all__ = ["BUS_KINDS", "DOOR_KINDS", "BusKind", "DoorKind", "Forgery", "Loot", "Rogue", "Told", "add_worn_keys"]
