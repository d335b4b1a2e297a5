"""Reading what the kit knows, for operators and for Prometheus."""

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, select, text

from shared.audit import AuditEntry, audit, write_audit
from shared.database import Actor, DatabaseDown, Session
from shared.envelope import EnvelopeError, certificate_end, signing_key
from shared.messaging import dead_letters
from shared.messaging.bus import BusDown
from shared.messaging.owed import LIST as OWED
from shared.messaging.owed import OLDEST as OLDEST_OWED
from shared.messaging.tables import dead_letter, outbox, peer
from shared.web import NotFound

OWED_SHOWN = 500
AUDIT = (
    select(audit)
    .where(
        audit.c.id > bindparam("after"),
        (bindparam("a_case", type_=Uuid).is_(None)) | (audit.c.case_id == bindparam("a_case", type_=Uuid)),
    )
    .order_by(audit.c.id)
    .limit(bindparam("most"))
)
LOOK_BACK_ROWS = 10_000  # of the audit log: what a busy bureau does in a day; more would be felt on the page
RECENT_CASES = 25
_newest = select(audit.c.case_id, audit.c.station, audit.c.action, audit.c.at).order_by(audit.c.id.desc()).limit(LOOK_BACK_ROWS)
_newest_rows = _newest.subquery()
RECENT = (
    select(_newest_rows.c.case_id)
    .where(
        _newest_rows.c.case_id.is_not(None),
        _newest_rows.c.station == bindparam("station"),
        _newest_rows.c.action != "transfers.read",
    )
    .group_by(_newest_rows.c.case_id)
    .order_by(func.max(_newest_rows.c.at).desc())
    .limit(RECENT_CASES)
)
PEERS = select(peer).order_by(peer.c.bureau)
UNSENT = select(func.count().label("unsent"), func.min(outbox.c.created_at).label("oldest")).where(outbox.c.sent_at.is_(None))
REVISION = text("SELECT version_num FROM alembic_version")
LETTERS = (
    select(dead_letter.c.reason, func.count().label("letters"))
    .where(dead_letter.c.resolved_at.is_(None))
    .group_by(dead_letter.c.reason)
)


async def read_owed(session: Session) -> dict[str, Any]:
    """{"owed": rows, "oldest": by peer and direction}."""
    rows = (await session.execute(OWED.limit(OWED_SHOWN))).all()
    oldest = (await session.execute(OLDEST_OWED)).all()
    shown = ("case_id", "kind", "peer", "direction", "since", "business_since", "due_at", "asks", "next_ask_at")
    return {
        "owed": [{name: getattr(row, name) for name in shown} for row in rows],
        "oldest": [dict(row._mapping) for row in oldest],
    }


async def read_peers(session: Session) -> Sequence[Mapping[str, Any]]:
    return [dict(row._mapping) for row in await session.execute(PEERS)]


async def read_revision(session: Session) -> str:
    """Of the schema, as the database itself says."""
    return str((await session.execute(REVISION)).scalar_one())


async def recent_cases(session: Session, station: str) -> Sequence[UUID]:
    """The cases that the officers of a station worked on last, ended ones too, newest first; as far back as LOOK_BACK_ROWS."""
    return (await session.execute(RECENT, {"station": station})).scalars().all()


async def read_letters(session: Session, *, after: int, most: int) -> list[dict[str, Any]]:
    """Where each letter came from and why it is dead; its bytes stay in the database."""
    rows = await dead_letters.list_open(session, after=after, most=most)
    shown = ("id", "topic", "partition", "offset", "reason", "error", "first_seen", "next_try_at")
    return [{name: getattr(row, name) for name in shown} for row in rows]


async def skip_letter(session: Session, letter: int, reason: str) -> dict[str, Any]:
    """Raises NotFound when there is no open letter of that number."""
    try:
        await dead_letters.skip(session, letter, reason=reason)
    except dead_letters.NoSuchLetter:
        raise NotFound from None
    return {"letter": letter, "outcome": "skipped"}


async def measure(wiring: Any) -> None:
    """Set the gauges whose truth is in the database, when somebody asks; a database that is down leaves them and says so."""
    metrics = wiring.metrics

    async def unit(session: Session) -> None:
        now = session.node.machine_now()
        row = (await session.execute(UNSENT)).one()
        metrics.outbox_unsent.set(row.unsent)
        metrics.outbox_oldest_seconds.set(0 if row.oldest is None else (now - row.oldest).total_seconds())
        metrics.dead_letters.clear()
        for row in await session.execute(LETTERS):
            metrics.dead_letters.labels(row.reason).set(row.letters)
        metrics.owed.clear()
        metrics.owed_oldest_seconds.clear()
        ages: dict[str, float] = {}
        for row in await session.execute(OLDEST_OWED):
            by = row.peer if row.direction == "by_them" else wiring.settings.bureau
            metrics.owed.labels(by).inc(row.count)
            ages[by] = max(ages.get(by, 0.0), (now - row.oldest).total_seconds())
        for by, age in ages.items():
            metrics.owed_oldest_seconds.labels(by).set(age)

    try:
        await wiring.database.run(unit, name="metrics")
        metrics.up.labels("database").set(1)
    except DatabaseDown:
        metrics.up.labels("database").set(0)
    try:
        await wiring.bus.ping()
        metrics.up.labels("bus").set(1)
    except BusDown:
        metrics.up.labels("bus").set(0)
    since_start = time.time() - time.monotonic()
    for name, state in wiring.health.loops.items():
        metrics.loop_progress.labels(name).set(since_start + state.progressed_at)
    for name, part in wiring.health.inner_parts().items():
        metrics.up.labels(name).set(1 if part["status"] == "ok" else 0)
    _measure_ends(wiring)


def _measure_ends(wiring: Any) -> None:
    """When what must be renewed ends."""
    metrics, node, settings = wiring.metrics, wiring.node, wiring.settings
    try:
        _key, ends_at = signing_key(node.ring, node.trust.current, int(node.machine_now().timestamp()))
    except EnvelopeError:
        ends_at = 0
    metrics.signing_key_end.set(ends_at)
    metrics.trust_list_end.set(node.trust.current.next_update)
    metrics.certificate_end.labels("peers").set(certificate_end(settings.keys_folder / "tls" / "leaf.pem"))
    if settings.kafka_certificate is not None:
        metrics.certificate_end.labels("bus").set(certificate_end(settings.kafka_certificate))


async def read_audit(session: Session, *, case: UUID | None, after: int, most: int) -> list[dict[str, Any]]:
    """Rows of the audit log, oldest first, of one case or of all; that it was read is a row too."""
    rows = (await session.execute(AUDIT, {"a_case": case, "after": after, "most": most})).all()
    entry = AuditEntry(action="audit.read", object_kind="audit", object_id=str(after), purpose="supervision", case=case)
    await write_audit(session, entry)
    return [{name: value for name, value in row._mapping.items() if name != "commitment"} for row in rows]


async def replay_letters(wiring: Any, letters: Sequence[int], actor: Actor) -> list[dict[str, Any]]:
    """Handle letters again, one by one, each in its own transaction; what each gave."""
    results: list[dict[str, Any]] = []
    for letter in letters:
        try:
            outcome = await dead_letters.replay(wiring.bus_database, wiring.receiver, letter, actor)
        except dead_letters.NoSuchLetter:
            outcome = "no_such_letter"
        results.append({"letter": letter, "outcome": outcome})
    return results
