"""One picture of the node at one moment, out of one transaction: pages and wall show nothing else beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, select, text

from services.bureau.console.acts.exchange import RECORDED_AT, Exchange, newest_exchange
from services.bureau.console.acts.node import LETTERS
from services.bureau.console.acts.peers import PeerState, peer_state
from services.bureau.stations import acts as stations
from services.bureau.transfers.states import TERMINAL, Side
from services.bureau.transfers.tables import transfer_case, transfer_member
from shared.audit import audit
from shared.database import CHINA, Session
from shared.messaging import dead_letters
from shared.messaging.owed import LIST as OWED
from shared.messaging.tables import dead_letter, owed, peer, receipt

BUCKET_MINUTES = 5
BUCKETS = 12  # the last hour
OWED_SHOWN = 500
TIMERS_SHOWN = 200
NEAR = timedelta(days=1)
SENT_LOOKED_AT = 20_000  # of the newest outbox rows: an hour at six a second; no index leads by time
FEED_ROWS = 7
NEW_LETTERS_SHOWN = 100

DELAYS = text(
    "SELECT sender, ago, count(*) AS messages,"  # noqa: S608  # a constant of ours
    " percentile_cont(0.95) WITHIN GROUP (ORDER BY delay) AS p95 FROM ("
    " SELECT sender, floor(extract(epoch FROM (CAST(:now AS timestamptz) - received_at)) / CAST(:bucket AS int))::int AS ago,"
    f" greatest(0, extract(epoch FROM received_at) - {RECORDED_AT}) AS delay"
    " FROM receipt WHERE received_at > CAST(:since AS timestamptz) AND received_at <= CAST(:now AS timestamptz)"
    " AND type LIKE '%.message') AS r GROUP BY GROUPING SETS ((sender, ago), (sender), (ago), ())"
)
UNSENT = text(
    "SELECT split_part(topic, '.', 1) AS peer, count(*) AS messages, min(created_at) AS oldest, max(attempts) AS attempts,"
    " (array_agg(last_error ORDER BY seq DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS last_error"
    " FROM outbox WHERE sent_at IS NULL GROUP BY 1"
)
DEPTHS = text(
    "WITH o AS (SELECT created_at, sent_at FROM outbox WHERE (seq > (SELECT coalesce(max(seq), 0) FROM outbox)"
    " - CAST(:looked AS bigint) AND sent_at > CAST(:now AS timestamptz) - (CAST(:buckets AS int) + 1)"
    " * make_interval(secs => CAST(:bucket AS int))) OR sent_at IS NULL), moments AS (SELECT ago,"
    " CAST(:now AS timestamptz) - ago * make_interval(secs => CAST(:bucket AS int)) AS ends,"
    " CAST(:now AS timestamptz) - (ago + 1) * make_interval(secs => CAST(:bucket AS int)) AS begins"
    " FROM generate_series(0, CAST(:buckets AS int)) AS ago)"
    " SELECT ago, count(*) FILTER (WHERE created_at <= ends AND (sent_at IS NULL OR sent_at > ends)) AS waiting,"
    " count(*) FILTER (WHERE sent_at > begins AND sent_at <= ends) AS sent"
    " FROM moments LEFT JOIN o ON true GROUP BY ago ORDER BY ago DESC"
)
OWED_COUNTS = text(
    "SELECT peer, direction, count(*) AS owed, count(*) FILTER (WHERE due_at <= CAST(:now AS timestamptz)) AS overdue,"
    " count(*) FILTER (WHERE due_at > CAST(:now AS timestamptz) AND due_at <= CAST(:near AS timestamptz)) AS near,"
    " min(next_ask_at) AS next_ask"
    " FROM owed GROUP BY peer, direction"
)
NEW_LETTERS = select(func.count()).where(dead_letter.c.resolved_at.is_(None), dead_letter.c.first_seen > bindparam("since"))
RECEIPTS = text("SELECT outcome, count(*) AS receipts FROM receipt GROUP BY outcome ORDER BY outcome")
WAITING = select(receipt).where(receipt.c.outcome == "not_yet").order_by(receipt.c.next_try_at).limit(TIMERS_SHOWN)
ENDINGS = (
    select(transfer_case.c.case_id, transfer_case.c.counterpart, transfer_case.c.permit_valid_until,
           transfer_case.c.certificate_valid_until)
    .where(
        transfer_case.c.permit_valid_until.is_not(None),
        select(transfer_member.c.place)
        .where(
            transfer_member.c.counterpart == transfer_case.c.counterpart,
            transfer_member.c.case_id == transfer_case.c.case_id,
            transfer_member.c.side == Side.DESTINATION.value,
            transfer_member.c.state.not_in([state.value for state in TERMINAL[Side.DESTINATION]]),
        )
        .exists(),
    )
    .order_by(transfer_case.c.permit_valid_until)
    .limit(TIMERS_SHOWN)
)  # fmt: skip
FIRST_DUE = OWED.order_by(None).order_by(owed.c.due_at, owed.c.case_id).limit(OWED_SHOWN)
FEED: Select[Any] = select(audit.c.at, audit.c.action, audit.c.actor_kind, audit.c.actor, audit.c.decision, audit.c.peer)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The node at the moment `at`; `owed` and `letters` are the oldest only, the counts are of all."""

    at: datetime
    business_now: datetime
    peers: Sequence[PeerState]
    owed: Sequence[Row[Any]]
    owed_counts: Sequence[Row[Any]]
    letters: Sequence[Row[Any]]
    letter_counts: Mapping[str, int]
    p95: float | None
    received: int
    sent: int
    delays: Mapping[str, Sequence[float | None]]
    all_delays: Sequence[float | None]
    depths: Sequence[int]
    moved: Sequence[int]
    new_letters: int
    exchange: Exchange | None
    feed: Sequence[Row[Any]]
    maintenance: Mapping[str, stations.Maintenance]

    @property
    def waiting(self) -> int:
        return sum(one.waiting for one in self.peers)

    @property
    def oldest(self) -> datetime | None:
        return min((one.oldest for one in self.peers if one.oldest is not None), default=None)

    @property
    def up(self) -> int:
        return sum(one.is_up is True for one in self.peers)

    @property
    def down(self) -> list[PeerState]:
        return [one for one in self.peers if one.is_up is False]

    @property
    def owed_total(self) -> int:
        return sum(row.owed for row in self.owed_counts)

    @property
    def letters_total(self) -> int:
        return sum(self.letter_counts.values())

    @property
    def overdue(self) -> int:
        return sum(row.overdue for row in self.owed_counts)

    @property
    def near(self) -> int:
        return sum(row.near for row in self.owed_counts)

    @property
    def per_minute(self) -> float:
        return (self.received + self.sent) / (BUCKETS * BUCKET_MINUTES)


async def read_snapshot(session: Session) -> Snapshot:
    """Everything that overview and wall show, as of one moment."""
    now, bucket = session.node.machine_now(), BUCKET_MINUTES * 60
    hour = {"now": now, "bucket": bucket, "since": now - timedelta(seconds=bucket * BUCKETS)}
    delays = (await session.execute(DELAYS, hour)).all()
    depths = (await session.execute(DEPTHS, {"now": now, "bucket": bucket, "buckets": BUCKETS, "looked": SENT_LOOKED_AT})).all()
    unsent = {row.peer: row for row in await session.execute(UNSENT)}
    heard = {row.bureau: row for row in await session.execute(select(peer))}
    due = {"now": session.node.business_now(), "near": session.node.business_now() + NEAR}
    owed_counts = (await session.execute(OWED_COUNTS, due)).all()
    theirs = {row.peer: row for row in owed_counts if row.direction == "by_them"}
    whole = next((row for row in delays if row.sender is None and row.ago is None), None)
    by_peer = {row.sender: row for row in delays if row.sender is not None and row.ago is None}
    trust = session.node.trust.current
    others = [one.code for one in trust.peers_of(session.node.bureau)]
    peers = [
        peer_state(one, trust, heard=heard.get(one), unsent=unsent.get(one), delay=by_peer.get(one), owed=theirs)
        for one in others
    ]
    return Snapshot(
        at=now,
        business_now=session.node.business_now(),
        peers=peers,
        owed=(await session.execute(OWED.limit(OWED_SHOWN))).all(),
        owed_counts=owed_counts,
        letters=await dead_letters.list_open(session, most=NEW_LETTERS_SHOWN),
        letter_counts={row.reason: row.letters for row in await session.execute(LETTERS)},
        p95=None if whole is None or whole.p95 is None else float(whole.p95),
        received=0 if whole is None else whole.messages,
        sent=sum(row.sent for row in depths if row.ago < BUCKETS),
        delays={one: _line(one, delays) for one in others},
        all_delays=_line(None, delays),
        depths=[row.waiting for row in depths],
        moved=_moved(delays, depths),
        new_letters=(await session.execute(NEW_LETTERS, {"since": hour["since"]})).scalar_one(),
        exchange=await newest_exchange(session),
        feed=(await session.execute(FEED.order_by(audit.c.id.desc()).limit(FEED_ROWS))).all(),
        maintenance=await stations.maintenances(session),
    )


def _moved(delays: Sequence[Row[Any]], depths: Sequence[Row[Any]]) -> list[int]:
    """Messages received and sent in each bucket, oldest first."""
    received = {row.ago: row.messages for row in delays if row.sender is None and row.ago is not None}
    return [row.sent + received.get(row.ago, 0) for row in depths if row.ago < BUCKETS]


def _line(code: str | None, delays: Sequence[Row[Any]]) -> list[float | None]:
    """p95 of each bucket, of one sender or of all, oldest first; None where nothing came."""
    known = {row.ago: float(row.p95) for row in delays if row.sender == code and row.ago is not None}
    return [known.get(ago) for ago in range(BUCKETS - 1, -1, -1)]


async def read_inbox(session: Session) -> dict[str, Any]:
    """Receipts by outcome, and those that wait with their next try."""
    waiting = (await session.execute(_counted(WAITING))).all()
    total = waiting[0].total if waiting else 0
    return {"outcomes": (await session.execute(RECEIPTS)).all(), "waiting": waiting, "waiting_total": total}


async def read_timers(session: Session) -> dict[str, Any]:
    """Everything that runs out or comes back by itself: answers owed, permits and certificates, receipts."""
    lists = {"owed": FIRST_DUE, "endings": ENDINGS, "waiting": WAITING}
    rows = {name: (await session.execute(_counted(one))).all() for name, one in lists.items()}
    return {
        "at": session.node.machine_now(),
        "business_now": session.node.business_now(),
        "today": session.node.business_now().astimezone(CHINA).date(),
        "totals": {name: found[0].total if found else 0 for name, found in rows.items()},
        **rows,
    }


def _counted(limited: Select[Any]) -> Select[Any]:
    """With how many rows there are behind the first that are shown."""
    return limited.add_columns(func.count().over().label("total"))


async def read_maintenance(session: Session) -> dict[str, Any]:
    """What is planned or running, ours first; `version` of our last announcement, for the form."""
    found = await stations.maintenances(session)
    return {
        "at": session.node.machine_now(),
        "own": found.pop(session.node.bureau, None),
        "others": list(found.values()),
        "version": await stations.own_version(session),
    }
