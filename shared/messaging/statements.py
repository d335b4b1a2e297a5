"""The receiver's statements, built once (a statement built per call costs 1 ms of CPU, messaging.md 8)."""

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from shared.messaging.tables import dead_letter, peer, receipt

INSERT_RECEIPT = insert(receipt).on_conflict_do_nothing().returning(receipt.c.event_id)
# All of a chunk in one statement and one plan, however many they are.
INSERT_RECEIPTS = text(
    "INSERT INTO receipt (sender, event_id, content_hash, type, key, topic, outcome, received_at, applied_at)"
    " SELECT sender, event_id, content_hash, type, key, topic, 'applied', at, at FROM unnest(CAST(:senders AS text[]),"
    " CAST(:event_ids AS uuid[]), CAST(:hashes AS text[]), CAST(:types AS text[]), CAST(:keys AS text[]),"
    " CAST(:topics AS text[]), CAST(:times AS timestamptz[])) AS r (sender, event_id, content_hash, type, key, topic, at)"
    " ON CONFLICT DO NOTHING RETURNING sender, event_id"
)
KNOWN_HASH = select(receipt.c.content_hash).where(
    receipt.c.sender == bindparam("sender"), receipt.c.event_id == bindparam("event_id")
)
_THIS_RECEIPT = (receipt.c.sender == bindparam("a_sender"), receipt.c.event_id == bindparam("an_event"))
POSTPONE = (
    update(receipt)
    .where(*_THIS_RECEIPT)
    .values(outcome="not_yet", sealed=bindparam("sealed"), next_try_at=bindparam("next"), applied_at=None,
            attempts=receipt.c.attempts + 1, last_error=bindparam("error"))
)  # fmt: skip
BURY_RECEIPT = (
    update(receipt)
    .where(*_THIS_RECEIPT)
    .values(outcome="dead", sealed=None, next_try_at=None, applied_at=None, attempts=receipt.c.attempts + 1,
            last_error=bindparam("error"))
)  # fmt: skip
APPLY_RECEIPT = (
    update(receipt)
    .where(*_THIS_RECEIPT)
    .values(outcome="applied", sealed=None, next_try_at=None, applied_at=bindparam("now"), last_error=None)
)
WAITING_RECEIPTS = (
    select(func.count()).select_from(receipt).where(receipt.c.outcome == "not_yet", receipt.c.sender == bindparam("a_sender"))
)
OUTCOME = select(receipt.c.outcome, receipt.c.content_hash).where(*_THIS_RECEIPT).with_for_update()
DUE_RECEIPTS = (
    select(receipt)
    .where(receipt.c.outcome == "not_yet", receipt.c.next_try_at <= bindparam("now"))
    .order_by(receipt.c.next_try_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
KEEP_OFFSET = text(
    "INSERT INTO consumer_offset AS c (topic, partition, next_offset) VALUES (:topic, :partition, :next_offset)"
    " ON CONFLICT (topic, partition) DO UPDATE SET next_offset = greatest(c.next_offset, excluded.next_offset)"
)
PEERS = select(peer.c.bureau, peer.c.incarnation)
PEERS_HEARD = select(peer.c.last_heard).where(peer.c.bureau == bindparam("bureau"))
PEER_HEARD = text(
    "INSERT INTO peer AS p (bureau, incarnation, last_heard) VALUES (:bureau, :incarnation, :now)"
    " ON CONFLICT (bureau) DO UPDATE SET incarnation = greatest(p.incarnation, excluded.incarnation),"
    " last_heard = excluded.last_heard, last_error = NULL"
)
# A peer passes for reachable while it has no last_error. Each of these tells whether it changed that.
PEER_TRIED = text(
    "WITH shut AS (SELECT FROM peer WHERE bureau = :bureau AND last_error IS NOT NULL)"
    " INSERT INTO peer AS p (bureau, incarnation, last_attempt, last_error) VALUES (:bureau, 0, :now, :error)"
    " ON CONFLICT (bureau) DO UPDATE SET last_attempt = excluded.last_attempt, last_error = excluded.last_error"
    " RETURNING NOT EXISTS (SELECT FROM shut)"
)
PEER_ANSWERED = text("UPDATE peer SET last_error = NULL WHERE bureau = :bureau AND last_error IS NOT NULL RETURNING true")
PEER_OPENED = text(
    "UPDATE peer SET last_error = :error WHERE bureau = :bureau AND starts_with(last_error, :door_error) RETURNING true"
)
PEER_LIST = text(
    "INSERT INTO peer AS p (bureau, incarnation, list_version, list_digest, list_at) VALUES (:bureau, 0, :version, :digest, :now)"
    " ON CONFLICT (bureau) DO UPDATE SET list_version = excluded.list_version, list_digest = excluded.list_digest,"
    " list_at = excluded.list_at"
)
PEER_CLOCK = text(
    "INSERT INTO peer AS p (bureau, incarnation, clock_ahead_ms, clock_within_ms, clock_at)"
    " VALUES (:bureau, 0, :ahead_ms, :within_ms, :now) ON CONFLICT (bureau) DO UPDATE SET"
    " clock_ahead_ms = excluded.clock_ahead_ms, clock_within_ms = excluded.clock_within_ms, clock_at = excluded.clock_at"
)
PEER_CERTIFICATE = text(
    "INSERT INTO peer AS p (bureau, incarnation, certificate_ends_at) VALUES (:bureau, 0, :ends_at)"
    " ON CONFLICT (bureau) DO UPDATE SET certificate_ends_at = excluded.certificate_ends_at"
)
INSERT_DEAD_LETTER = insert(dead_letter).on_conflict_do_nothing()
OPEN_LETTERS = (
    select(func.count())
    .select_from(dead_letter)
    .where(dead_letter.c.topic == bindparam("a_topic"), dead_letter.c.resolved_at.is_(None))
)
OPEN_DEAD_LETTERS = (
    select(dead_letter)
    .where(dead_letter.c.resolved_at.is_(None), dead_letter.c.id > bindparam("after"))
    .order_by(dead_letter.c.id)
    .limit(bindparam("most"))
)
ONE_DEAD_LETTER = select(dead_letter).where(dead_letter.c.id == bindparam("letter")).with_for_update()
WAITING_LETTERS = (
    select(dead_letter.c.id)
    .where(dead_letter.c.next_try_at <= bindparam("now"))
    .order_by(dead_letter.c.next_try_at, dead_letter.c.id)
    .limit(bindparam("most"))
)
ALL_WAITING_ARE_DUE = update(dead_letter).where(dead_letter.c.next_try_at.is_not(None)).values(next_try_at=bindparam("now"))
STAYS_OPEN = (
    update(dead_letter)
    .where(dead_letter.c.id == bindparam("letter"))
    .values(reason=bindparam("why"), error=bindparam("text"), next_try_at=bindparam("next"))
)
RESOLVE = (
    update(dead_letter)
    .where(dead_letter.c.id == bindparam("letter"))
    .values(
        next_try_at=None,
        resolved_at=bindparam("now"),
        resolved_by=bindparam("by"),
        resolution=bindparam("how"),
        skip_reason=bindparam("words"),
    )
)
