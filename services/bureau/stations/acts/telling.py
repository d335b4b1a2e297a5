"""All that peers are told of this bureau's node."""

from services.bureau.stations.acts.directory import publish_directory
from services.bureau.stations.acts.maintenance import publish_maintenance
from services.bureau.stations.acts.told import forget_told
from shared.database import Session


async def publish_all(session: Session) -> None:
    """Record our list and our announced maintenance for every peer that has not been told these versions."""
    await publish_directory(session)
    await publish_maintenance(session)


async def tell_anew(session: Session, key: str, peer: str) -> None:
    """What we told `peer` was not sent, its message was withdrawn: record it again. (`key` is our own code.)"""
    await forget_told(session, peer)
    await publish_all(session)
