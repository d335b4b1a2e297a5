"""Questions between bureaus: a sealed envelope over REST, answered by a sealed envelope. mTLS beside it is transport only."""

from shared.peers.client import PeerClient, PeerDown, PeerError, PeerRefused
from shared.peers.server import Answerer, Inquiry, PeerReply, PeerServer, QuestionRefused

__all__ = [
    "Answerer",
    "Inquiry",
    "PeerClient",
    "PeerDown",
    "PeerError",
    "PeerRefused",
    "PeerReply",
    "PeerServer",
    "QuestionRefused",
]
