"""Maintenance of nodes: ours as we announced it, and others' as they told us. One a bureau; the higher version wins."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from services.bureau.stations.acts.told import tell_peers
from services.bureau.stations.rules import read_window
from services.bureau.stations.tables import maintenance, maintenance_told
from shared.audit import AuditEntry, write_audit
from shared.contract.messages import MaintenanceAnnounced
from shared.database import Session
from shared.identifiers.texts import N_
from shared.web import Conflict

LOCK_OWN = select(func.pg_advisory_xact_lock(func.hashtextextended("stations.maintenance", 0)))
ALL = select(maintenance).order_by(maintenance.c.bureau)
OF_BUREAU = select(maintenance).where(maintenance.c.bureau == bindparam("bureau"))
_raise = upsert(maintenance)
RAISE = _raise.on_conflict_do_update(
    index_elements=["bureau"],
    set_={name: _raise.excluded[name] for name in ("version", "announced_at", "starts_at", "ends_at", "text", "withdrawn_at")},
    where=maintenance.c.version < _raise.excluded.version,
).returning(maintenance.c.version)


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What a bureau announced last."""

    bureau: str
    version: int
    announced_at: datetime
    starts_at: datetime
    ends_at: datetime
    text: str
    withdrawn_at: datetime | None

    def stage(self, now: datetime) -> Literal["planned", "running"] | None:
        """None: withdrawn, or over."""
        if self.withdrawn_at is not None or self.ends_at <= now:
            return None
        return "running" if self.starts_at <= now else "planned"


class StaleAnnouncement(Conflict):
    """Somebody has announced or withdrawn since the form was shown."""

    def __init__(self) -> None:
        super().__init__(N_("a colleague has changed the announcement; look at it again"), code="announcement_changed")


async def announce(session: Session, typed: Mapping[str, str], *, seen: int) -> Maintenance:
    """Announce what the form says in place of what stood, of version `seen` (0: nothing), and tell every peer.

    Raises InvalidInput, StaleAnnouncement."""
    now = session.node.machine_now()
    starts_at, ends_at, text = read_window(typed, now=now)
    last = await _unchanged(session, seen)
    new = Maintenance(session.node.bureau, _next(last, now), now, starts_at, ends_at, text, None)
    await _keep(session, new)
    await publish_maintenance(session)
    return new


async def withdraw(session: Session, *, seen: int) -> Maintenance:
    """Take back what stands, of version `seen`, and tell every peer. Raises StaleAnnouncement."""
    now = session.node.machine_now()
    last = await _unchanged(session, seen)
    if last is None or last.stage(now) is None:
        raise StaleAnnouncement
    new = Maintenance(last.bureau, _next(last, now), now, last.starts_at, last.ends_at, last.text, now)
    await _keep(session, new)
    await publish_maintenance(session)
    return new


async def publish_maintenance(session: Session) -> list[str]:
    """Record our announcement for every peer that has not been told this version; gives those told now."""
    own = await _of(session, session.node.bureau)
    if own is None:
        return []
    message = MaintenanceAnnounced(
        bureau=own.bureau,
        version=own.version,
        announced_at=own.announced_at,
        starts_at=own.starts_at,
        ends_at=own.ends_at,
        text=own.text,
        withdrawn_at=own.withdrawn_at,
    )
    return await tell_peers(session, maintenance_told, message)


async def take_announced(session: Session, told: MaintenanceAnnounced) -> bool:
    """Keep another bureau's announcement if it is newer than what we have; says whether it was."""
    return await _keep(session, Maintenance(**told.model_dump()))


async def maintenances(session: Session) -> dict[str, Maintenance]:
    """What is planned or running now, by bureau; our own too."""
    now = session.node.machine_now()
    found = [_as_maintenance(row) for row in await session.execute(ALL)]
    return {one.bureau: one for one in found if one.stage(now) is not None}


async def own_version(session: Session) -> int:
    """Of our last announcement, over or withdrawn ones too; 0: there was none."""
    own = await _of(session, session.node.bureau)
    return 0 if own is None else own.version


async def _of(session: Session, bureau: str) -> Maintenance | None:
    row = (await session.execute(OF_BUREAU, {"bureau": bureau})).one_or_none()
    return None if row is None else _as_maintenance(row)


async def _unchanged(session: Session, seen: int) -> Maintenance | None:
    await session.execute(LOCK_OWN)
    last = await _of(session, session.node.bureau)
    if seen != (0 if last is None else last.version):
        raise StaleAnnouncement
    return last


def _next(last: Maintenance | None, now: datetime) -> int:
    """At least the time: a bureau restored from an older backup still announces a higher version than its peers have seen."""
    return max((0 if last is None else last.version) + 1, int(now.timestamp()))


async def _keep(session: Session, new: Maintenance) -> bool:
    values = {name: getattr(new, name) for name in Maintenance.__slots__}
    if (await session.execute(RAISE, values)).first() is None:
        return False
    change = {"version": new.version, "starts_at": new.starts_at.isoformat(), "ends_at": new.ends_at.isoformat()}
    action = "stations.maintenance_announced" if new.withdrawn_at is None else "stations.maintenance_withdrawn"
    await write_audit(session, AuditEntry(action=action, object_kind="maintenance", object_id=new.bureau, change=change))
    return True


def _as_maintenance(row: Row[Any]) -> Maintenance:
    return Maintenance(**row._mapping)
