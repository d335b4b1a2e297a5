"""Questions between bureaus: a sealed envelope over REST, answered by a sealed envelope. mTLS beside it is transport only."""

from shared.peers.client import AS_SENT, PeerClient, PeerDown, PeerError, PeerRefused, read_at_most
from shared.peers.server import Answerer, Inquiry, PeerReply, PeerServer, QuestionRefused

__all__ = [
    "AS_SENT",
    "Answerer",
    "Inquiry",
    "PeerClient",
    "PeerDown",
    "PeerError",
    "PeerRefused",
    "PeerReply",
    "PeerServer",
    "QuestionRefused",
    "read_at_most",
]
