"""The only wiring for the bus: relay, consumer, timers, trust lists and the sweeper, each under one supervisor.

Everything here is right after kill -9: what a loop has in its hands is in the database or comes again from the bus.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import httpx2 as httpx
import structlog
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.dialects.postgresql import insert

from services.bureau.access.calls import forget_answers
from services.bureau.access.citizens import forget_citizens
from services.bureau.access.sessions import forget_sessions
from services.bureau.stations import acts as stations
from services.bureau.transfers.acts import forget_drafts
from services.bureau.wiring import Wiring
from shared.audit import AuditEntry, write_audit
from shared.database import DatabaseDown, OutcomeUnknown, Session
from shared.envelope import TooLarge, TrustListRefused
from shared.envelope.trust_list import Bureau
from shared.messaging import ask_due_now, doorbell
from shared.messaging.bus import BusDown, Consumer, Delivered
from shared.messaging.dead_letters import retry_due, retry_waiting, try_waiting_soon
from shared.messaging.line import Chunk, Line, Offsets
from shared.messaging.tables import trust_list
from shared.peers import LOOK_EVERY_SECONDS, ListTold, fetch_list, list_client, newest_list

FETCH_SECONDS = 0.5
COMMIT_SECONDS = 0.5  # while there is more to do: what is done and not yet committed only comes again, and is dropped
COMMIT_AGAIN_SECONDS = 2.0  # after the bus could not keep them
TIMER_SECONDS = 0.5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 10.0
BUS_LOOPS, BUS_LONGEST_PAUSE_SECONDS = frozenset({"relay", "consumer"}), 5.0  # somebody waits for what they carry
DATABASE_PAUSE_SECONDS = 0.3  # short: the consumer must go on fetching or lose its partitions
TRUST_PAUSE_SECONDS = 5.0
TRUST_LOOK_SECONDS = 3600.0  # what the peers have
TRUST_AGAIN_SECONDS = 60.0  # an unknown key, or a peer not known to have our list, makes us ask the peers at most so often
SWEEP_SECONDS = 3600.0
STOP_SECONDS = 20.0
SENT_KEPT = timedelta(days=14)
RECEIPTS_KEPT = timedelta(days=45)  # longer than topic retention, offset retention and the longest replay together
QUESTION_RECEIPTS_KEPT = timedelta(minutes=10)
LETTERS_KEPT = timedelta(days=45)  # after somebody has decided them
SWEPT_ROWS = 1_000  # in one transaction
SWEEP_PASSES = 1_000  # in a row; what is left after a million rows is left to the next hour

SWEEP_SENT = text(
    "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE sent_at < :before ORDER BY seq LIMIT :most)"
).bindparams(bindparam("most", SWEPT_ROWS))
SWEEP_LETTERS = text(
    "DELETE FROM dead_letter WHERE id IN (SELECT id FROM dead_letter WHERE resolved_at < :before ORDER BY id LIMIT :most)"
).bindparams(bindparam("most", SWEPT_ROWS))
SWEEP_RECEIPTS = text(
    "DELETE FROM receipt WHERE (sender, event_id) IN (SELECT sender, event_id FROM receipt WHERE outcome = 'applied'"
    " AND received_at < CASE WHEN type LIKE '%.question'"
    " THEN CAST(:questions_before AS timestamptz) ELSE CAST(:before AS timestamptz) END LIMIT :most)"
).bindparams(bindparam("most", SWEPT_ROWS))

HIGHEST_LIST = select(func.max(trust_list.c.version))
KEEP_LIST = insert(trust_list).on_conflict_do_nothing().returning(trust_list.c.version)

logger = structlog.get_logger(__name__)


class Worker:
    """The loops of one node. `run` until `stop`; every loop is started again when it fails."""

    def __init__(self, wiring: Wiring, *, alone: bool = False) -> None:
        """`alone`: the doors run in other processes, which ring when they have written to the outbox."""
        self._wiring = wiring
        self._alone = alone
        self._tasks: list[asyncio.Task[None]] = []
        self._prepared = asyncio.Event()
        self._taken_up = wiring.node.trust.current.version  # outlives a restart of the loop: what failed is done again
        self._asked_at = float("-inf")
        self._told: dict[str, ListTold] = {}  # by peer: the list it had when it told us last

    async def run(self) -> None:
        """Supervise all loops until cancelled or stopped."""
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "prepare": self._prepare,
            "relay": self._relay,
            "consumer": self._consume,
            "timers": self._time,
            "trust": self._trust,
            "peers": self._look_at_peers,
            "sweeper": self._sweep,
        }
        if self._alone:
            loops["doorbell"] = self._listen
        self._tasks = [asyncio.create_task(self._supervise(name, loop), name=name) for name, loop in loops.items()]
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """End the loops; what they were doing comes again. Bounded."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)

    async def _supervise(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        pause, health = FIRST_PAUSE_SECONDS, self._wiring.health
        if name != "prepare":
            await self._prepared.wait()
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await loop()
                return
            except asyncio.CancelledError:
                # aiokafka raises it from its own depths when all brokers are gone: only our own cancelling ends the loop.
                if (task := asyncio.current_task()) is None or task.cancelling():
                    raise
                health.failed(name, BusDown("cancelled from inside"))
            except Exception as error:
                if (task := asyncio.current_task()) is None or task.cancelling():
                    return  # told to end, and the clean-up failed: a database that is away must not keep the node running
                health.failed(name, error)
                self._wiring.metrics.loop_restarts.labels(name).inc()
                logger.warning("loop_failed", loop=name, error=f"{type(error).__name__}: {error}")
            if asyncio.get_running_loop().time() - started > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # jitter, not a secret
            pause = min(pause * 2, BUS_LONGEST_PAUSE_SECONDS if name in BUS_LOOPS else LONGEST_PAUSE_SECONDS)

    async def _prepare(self) -> None:
        await prepare(self._wiring)
        self._wiring.health.progressed("prepare", within=None)
        self._prepared.set()

    async def _relay(self) -> None:
        try:
            await self._wiring.relay.run(lambda: self._wiring.health.progressed("relay"))
        finally:
            await self._wiring.relay.close()

    async def _listen(self) -> None:
        self._wiring.health.progressed("doorbell", within=None)
        await doorbell.listen(self._wiring.settings.database_url, self._wiring.relay.wake)

    async def _consume(self) -> None:
        wiring, loop = self._wiring, asyncio.get_running_loop()
        consumer = await wiring.bus.consumer(group=f"{wiring.settings.bureau}.node", topics=wiring.topics)
        line, done, committed_at, not_before = Line(), Offsets(), loop.time(), loop.time()
        try:
            while True:
                if line.has_room:
                    await self._read_ahead(consumer, line)
                if line and not await self._take_turn(consumer, line, done):
                    line = Line()
                is_time = loop.time() >= not_before and (not line or loop.time() - committed_at > COMMIT_SECONDS)
                if done and is_time:
                    if await consumer.commit(done):
                        done, committed_at = Offsets(), loop.time()
                    else:  # a coordinator that is away: what is done is still said, by itself, when it is back
                        not_before = loop.time() + COMMIT_AGAIN_SECONDS
                wiring.health.progressed("consumer")
        finally:
            await consumer.close()

    async def _read_ahead(self, consumer: Consumer, line: Line) -> None:
        """Everything that has come, opened; waits for something to come only when nothing is left to do."""
        for delivered in await consumer.fetch(timeout_s=0 if line else FETCH_SECONDS):
            line.add(await self._wiring.receiver.open(delivered))
            await asyncio.sleep(0)  # opening is work for the processor: the doors of this process have their turn, too

    async def _take_turn(self, consumer: Consumer, line: Line, done: Offsets) -> bool:
        """What is next in the line; adds to the offsets that are done. False: the database failed, all will be read again."""
        again = line.begin_again()
        outcomes = await asyncio.gather(*(self._take(line, one, done) for one in line.next()), return_exceptions=True)
        errors = [outcome for outcome in outcomes if outcome is not None]
        for error in errors:
            if not isinstance(error, DatabaseDown | OutcomeUnknown):
                raise error
        if not errors:
            return True
        self._wiring.health.failed("consumer", errors[0])
        consumer.rewind(again)
        await asyncio.sleep(DATABASE_PAUSE_SECONDS)
        return False

    async def _take(self, line: Line, chunks: Sequence[Chunk], done: Offsets) -> None:
        """One after the other; raises DatabaseDown or OutcomeUnknown at the first that fails."""
        for chunk in chunks:
            after = line.offsets_after(chunk)
            await self._wiring.receiver.take(chunk, keep=after)
            done.update(after)

    async def _time(self) -> None:
        """Everything that comes due: receipts to try again, answers to ask for again, letters that time may heal."""
        wiring = self._wiring
        while True:
            await retry_due(wiring.bus_database, wiring.receiver)
            await ask_due_now(wiring.bus_database, wiring.asks)
            await retry_waiting(wiring.bus_database, wiring.receiver)
            wiring.health.progressed("timers")
            await asyncio.sleep(TIMER_SECONDS)

    async def _trust(self) -> None:
        """Trust lists: what the peers have, hourly, soon where it is not ours; and what follows from a newer one."""
        wiring, loop = self._wiring, asyncio.get_running_loop()
        unknown = (wiring.receiver.unknown_key, wiring.peer_server.unknown_key)
        while True:
            wanted = any(event.is_set() for event in unknown) or not self._all_have_our_list()
            if loop.time() - self._asked_at > (TRUST_AGAIN_SECONDS if wanted else TRUST_LOOK_SECONDS):
                self._asked_at = loop.time()
                for event in unknown:
                    event.clear()
                await self._ask_peers()
            if (version := wiring.node.trust.current.version) > self._taken_up:
                await self._take_up_list()
                self._taken_up = version
            wiring.health.progressed("trust")
            await asyncio.sleep(TRUST_PAUSE_SECONDS)

    async def _look_at_peers(self) -> None:
        """Whether each peer's door opens: who is asked nothing would pass for reachable."""
        wiring = self._wiring
        while True:
            await asyncio.gather(*(wiring.peers.look(one.code) for one in self._peers()))
            wiring.health.progressed("peers")
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _peers(self) -> list[Bureau]:
        return self._wiring.node.trust.current.peers_of(self._wiring.settings.bureau)

    def _all_have_our_list(self) -> bool:
        ours = self._wiring.node.trust.current
        return all(self._told.get(one.code) == ListTold(ours.version, ours.digest) for one in self._peers())

    async def _ask_peers(self) -> None:
        for bureau in self._peers():
            await self._look_at(bureau)

    async def _take_up_list(self) -> None:
        """What a newer list changes besides connections: letters that waited for a key, a bureau that has joined."""
        wiring = self._wiring
        await wiring.bus_database.run(keep_list, name="node.trust_list")
        await wiring.bus_database.run(stations.publish_all, name="node.publish")

    async def _look_at(self, bureau: Bureau) -> None:
        """Fetch what a peer has that is newer, version by version; note its newest. Who is down is asked another time."""
        trust = self._wiring.node.trust
        try:
            async with list_client(bureau.web) as client:
                while (raw := await fetch_list(client, trust.current.version + 1)) is not None:
                    trust.install(raw)
                    logger.info("trust_list_installed", version=trust.current.version)
                if (told := await newest_list(client)) is not None:
                    self._told[bureau.code] = told
                    await self._wiring.peers.note_list(bureau.code, version=told.version, digest=told.digest)
        except (httpx.HTTPError, OSError):
            return
        except (TrustListRefused, TooLarge) as refused:
            logger.error("trust_list_refused", peer=bureau.code, error=str(refused))

    async def _sweep(self) -> None:
        """Delete what nobody can need any more, in small pieces."""
        while True:
            for _ in range(SWEEP_PASSES):
                if not await self._wiring.bus_database.run(sweep_once, name="sweep"):
                    break
            await self._wiring.bus_database.run(forget_answers, name="sweep.answers")
            await self._wiring.bus_database.run(forget_sessions, name="sweep.sessions")
            await self._wiring.bus_database.run(forget_drafts, name="sweep.drafts")
            await self._wiring.bus_database.run(forget_citizens, name="sweep.citizens")
            self._wiring.health.progressed("sweeper", within=2 * SWEEP_SECONDS)
            await asyncio.sleep(SWEEP_SECONDS)


async def prepare(wiring: Wiring) -> None:
    """Once, when the database is there: the list in force, own stations and posts, the peers' incarnations."""
    folder = wiring.settings.profile_folder
    stations_csv, posts_csv = (folder / "stations.csv").read_text(), (folder / "posts.csv").read_text()

    async def unit(session: Session) -> None:
        await stations.load_own(session, stations_csv=stations_csv, posts_csv=posts_csv)
        await stations.publish_all(session)

    await wiring.bus_database.run(keep_list, name="node.trust_list")
    await wiring.bus_database.run(unit, name="node.prepare")
    await wiring.receiver.load()


async def keep_list(session: Session) -> None:
    """Write down which trust list is in force; letters that waited for a key are due.

    Raises TrustListRefused when a higher one was: the folder was rolled back."""
    current = session.node.trust.current
    highest = (await session.execute(HIGHEST_LIST)).scalar_one_or_none()
    if highest is not None and highest > current.version:
        raise TrustListRefused("rollback", f"version {highest} was in force, the folder has only {current.version}")
    row = {"version": current.version, "digest": current.digest, "installed_at": session.node.machine_now()}
    if (await session.execute(KEEP_LIST, row)).first() is not None:
        entry = AuditEntry(action="trust.list_accepted", object_kind="trust_list", object_id=str(current.version))
        await write_audit(session, entry)
        await try_waiting_soon(session)  # the timers take them up, page by page


async def sweep_once(session: Session) -> int:
    """At most SWEPT_ROWS rows of each table; gives how many."""
    now = session.node.machine_now()
    sent = await session.execute(SWEEP_SENT, {"before": now - SENT_KEPT})
    values = {"before": now - RECEIPTS_KEPT, "questions_before": now - QUESTION_RECEIPTS_KEPT}
    receipts = await session.execute(SWEEP_RECEIPTS, values)
    letters = await session.execute(SWEEP_LETTERS, {"before": now - LETTERS_KEPT})
    return sum(swept.rowcount for swept in (sent, receipts, letters))  # type: ignore[attr-defined]  # CursorResults: these are DELETEs


def first_offsets(delivered: list[Delivered]) -> dict[tuple[str, int], int]:
    first: dict[tuple[str, int], int] = {}
    for one in delivered:
        first.setdefault((one.record.topic, one.partition), one.offset)
    return first


def next_offsets(delivered: list[Delivered]) -> dict[tuple[str, int], int]:
    return {(one.record.topic, one.partition): one.offset + 1 for one in delivered}
