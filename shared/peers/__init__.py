"""Questions between bureaus: a sealed envelope over REST, answered by a sealed envelope. mTLS beside it is transport only."""

from shared.peers.client import AS_SENT, LOOK_EVERY_SECONDS, Clock, PeerClient, PeerDown, PeerError, PeerRefused, read_at_most
from shared.peers.lists import ListTold, fetch_list, list_client, newest_list
from shared.peers.server import Answerer, Inquiry, PeerReply, PeerServer, QuestionRefused

__all__ = [
    "AS_SENT",
    "LOOK_EVERY_SECONDS",
    "Answerer",
    "Clock",
    "Inquiry",
    "ListTold",
    "PeerClient",
    "PeerDown",
    "PeerError",
    "PeerRefused",
    "PeerReply",
    "PeerServer",
    "QuestionRefused",
    "fetch_list",
    "list_client",
    "newest_list",
    "read_at_most",
]
