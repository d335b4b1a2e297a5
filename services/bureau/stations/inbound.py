"""What other bureaus tell us about their stations and their nodes."""

from services.bureau.stations.acts import take_announced, take_published
from shared.contract.messages import DirectoryPublished, MaintenanceAnnounced
from shared.contract.registry import ContentError
from shared.database import Session
from shared.identifiers.unit_code import bureau_of_unit
from shared.messaging import Received


async def on_directory_published(session: Session, message: DirectoryPublished, received: Received) -> None:
    """Keep the sender's list if its version is higher; refused (ContentError) unless it is about the sender's own stations."""
    if message.bureau != received.sender:
        raise ContentError(f"{received.sender} publishes for {message.bureau}")
    for one in message.stations:
        # None: a bureau that joined after our list of provinces; its own signature is all we can check.
        if bureau_of_unit(one.code) not in (received.sender, None):
            raise ContentError(f"{received.sender} lists unit {one.code}, which is not its own")
    await take_published(session, message)


async def on_maintenance_announced(session: Session, message: MaintenanceAnnounced, received: Received) -> None:
    """Keep the sender's announcement if its version is higher; refused (ContentError) unless it is about the sender itself."""
    if message.bureau != received.sender:
        raise ContentError(f"{received.sender} announces for {message.bureau}")
    await take_announced(session, message)
