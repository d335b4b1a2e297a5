"""Encryption at rest: AES-256-GCM-SIV (RFC 8452) for values, HMAC-SHA256 for exact look-ups.

Protects from readers of the database and its backups, not from a taken-over node.
"""

import hashlib
import hmac
import os
import unicodedata
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

FORMAT_VERSION = 1
NONCE_BYTES = 12
HEADER_BYTES = 2  # format version, key version
BLIND_INDEX_BYTES = 16  # 128 bits: no collision among 10^9 persons, and half as wide as the digest


class VaultError(Exception):
    """A stored value cannot be opened: wrong key, other column, or damaged."""


class Vault:
    """One bureau's data keys by version (the highest encrypts) and its blind-index key; each key has 32 bytes."""

    def __init__(self, data_keys: Mapping[int, bytes], blind_index_key: bytes) -> None:
        self._ciphers = {version: AESGCMSIV(key) for version, key in data_keys.items()}
        self._newest = max(data_keys)
        self._blind_index_key = blind_index_key

    def encrypt(self, label: str, plaintext: bytes) -> bytes:
        """version(1) | key version(1) | nonce(12) | ciphertext | tag(16); `label` (table.column) is authenticated."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, plaintext, label.encode())
        return bytes((FORMAT_VERSION, self._newest)) + nonce + sealed

    def decrypt(self, label: str, stored: bytes) -> bytes:
        if len(stored) < HEADER_BYTES + NONCE_BYTES or stored[0] != FORMAT_VERSION:
            raise VaultError(f"{label}: not a value of format {FORMAT_VERSION}")
        cipher = self._ciphers.get(stored[1])
        if cipher is None:
            raise VaultError(f"{label}: no data key of version {stored[1]}")
        nonce = stored[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
        try:
            return cipher.decrypt(nonce, stored[HEADER_BYTES + NONCE_BYTES :], label.encode())
        except InvalidTag:
            raise VaultError(f"{label}: the value was not written under this key and column") from None

    def blind_index(self, label: str, text: str) -> bytes:
        """Deterministic index of an exactly searched value: HMAC-SHA256(key, label | NFKC(upper(trim(text))))[:16]."""
        normal = unicodedata.normalize("NFKC", text.strip().upper())
        digest = hmac.new(self._blind_index_key, f"{label}\0{normal}".encode(), hashlib.sha256).digest()
        return digest[:BLIND_INDEX_BYTES]
