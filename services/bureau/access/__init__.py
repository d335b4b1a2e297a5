"""Who is calling, and what he may do: knows callers and rules, and imports no slice."""

from services.bureau.access.callers import Caller, Citizen, Officer, Peer, Post, Role
from services.bureau.access.calls import Call, act, public
from services.bureau.access.rules import Denied, Facts, Grant, Scope, decide, reach

__all__ = [
    "Call",
    "Caller",
    "Citizen",
    "Denied",
    "Facts",
    "Grant",
    "Officer",
    "Peer",
    "Post",
    "Role",
    "Scope",
    "act",
    "decide",
    "public",
    "reach",
]
