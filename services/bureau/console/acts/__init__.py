"""Reading what the node knows of itself, and the few things that operators do to it."""

from services.bureau.console.acts.audit import Way, messages_of_case, search_audit, way_of_case
from services.bureau.console.acts.node import (
    measure,
    read_audit,
    read_letters,
    read_owed,
    read_peers,
    read_revision,
    recent_cases,
    replay_letters,
    skip_letter,
)
from services.bureau.console.acts.overview import Snapshot, read_inbox, read_maintenance, read_snapshot, read_timers
from services.bureau.console.acts.self_test import Probe, Step, probe_peer

__all__ = [
    "Probe",
    "Snapshot",
    "Step",
    "Way",
    "measure",
    "messages_of_case",
    "probe_peer",
    "read_audit",
    "read_inbox",
    "read_letters",
    "read_maintenance",
    "read_owed",
    "read_peers",
    "read_revision",
    "read_snapshot",
    "read_timers",
    "recent_cases",
    "replay_letters",
    "search_audit",
    "skip_letter",
    "way_of_case",
]
