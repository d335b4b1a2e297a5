"""What every peer is told of us once a version: which peers have not been told, and what they have been."""

from sqlalchemy import Table, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from services.bureau.stations.tables import directory_told, maintenance_told
from shared.contract.messages import DirectoryPublished, MaintenanceAnnounced
from shared.database import Session
from shared.envelope import NoKey
from shared.messaging import record


async def tell_peers(session: Session, told: Table, message: DirectoryPublished | MaintenanceAnnounced) -> list[str]:
    """Record `message` for every peer that has not been told its version; gives those told now.

    A peer without a usable key is passed over and told another time: a bureau starts without its peers."""
    node = session.node
    known = {row.peer: row.version for row in await session.execute(select(told.c.peer, told.c.version))}
    keep = upsert(told)
    keep = keep.on_conflict_do_update(index_elements=["peer"], set_={"version": keep.excluded.version})
    told_now = []
    for peer in (one.code for one in node.trust.current.peers_of(node.bureau)):
        if known.get(peer, 0) >= message.version:
            continue
        try:
            await record(session, message, to=peer)
        except NoKey:
            continue
        await session.execute(keep, {"peer": peer, "version": message.version})
        told_now.append(peer)
    return told_now


async def forget_told(session: Session, peer: str) -> None:
    """What was recorded for `peer` was not sent."""
    for told in (directory_told, maintenance_told):
        await session.execute(delete(told).where(told.c.peer == bindparam("a_peer")), {"a_peer": peer})
