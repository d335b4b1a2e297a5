"""One sealed envelope for everything that leaves a bureau, and the trust list that says whose keys count. Bytes in, bytes out."""

from shared.envelope.errors import (
    CeremonyError,
    EnvelopeError,
    Fork,
    KeyFileError,
    NoKey,
    NotYet,
    Refused,
    TooLarge,
    TrustListRefused,
)
from shared.envelope.form import BODY_LIMIT_BYTES, ENVELOPE_LIMIT_BYTES, Place, signed_by, transport_headers
from shared.envelope.keyring import Keyring
from shared.envelope.keys import Ring, VaultKeys, load_ring, load_vault_keys, read_kek
from shared.envelope.open import LEEWAY_SECONDS, Opened, open_envelope
from shared.envelope.proof import Proof, Proven, verify_proof
from shared.envelope.seal import seal, signing_key
from shared.envelope.tls import TlsDoor, certificate_end, renew_leaf, tls_client_context, tls_server_context
from shared.envelope.trust_list import TrustList
from shared.envelope.trust_store import TrustStore

__all__ = [
    "BODY_LIMIT_BYTES",
    "ENVELOPE_LIMIT_BYTES",
    "LEEWAY_SECONDS",
    "CeremonyError",
    "EnvelopeError",
    "Fork",
    "KeyFileError",
    "Keyring",
    "NoKey",
    "NotYet",
    "Opened",
    "Place",
    "Proof",
    "Proven",
    "Refused",
    "Ring",
    "TlsDoor",
    "TooLarge",
    "TrustList",
    "TrustListRefused",
    "TrustStore",
    "VaultKeys",
    "certificate_end",
    "load_ring",
    "load_vault_keys",
    "open_envelope",
    "read_kek",
    "renew_leaf",
    "seal",
    "signed_by",
    "signing_key",
    "tls_client_context",
    "tls_server_context",
    "transport_headers",
    "verify_proof",
]
