"""One bureau's private database: the unit of work, encrypted columns, blind indexes."""

from shared.database.engine import Database, DatabaseDown, OutcomeUnknown, is_infrastructure
from shared.database.metadata import metadata
from shared.database.session import CHINA, NODE_ITSELF, Actor, Clock, NodeContext, Session
from shared.database.types import BlindIndex, Encrypted
from shared.database.vault import Vault, VaultError

__all__ = [
    "CHINA",
    "NODE_ITSELF",
    "Actor",
    "BlindIndex",
    "Clock",
    "Database",
    "DatabaseDown",
    "Encrypted",
    "NodeContext",
    "OutcomeUnknown",
    "Session",
    "Vault",
    "VaultError",
    "is_infrastructure",
    "metadata",
]
