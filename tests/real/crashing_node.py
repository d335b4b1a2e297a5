"""A real node that kills itself with SIGKILL at a named point, once.

    python crashing_node.py --plan FILE BUREAU

It is the node of `quanyu node BUREAU` with two parts replaced through `Overrides`: the place that commits and the place that
publishes. A file FILE, when a test writes one, names the point; the node renames it to FILE.done in the moment before it dies,
so that the node that is started afterwards lives.

    before commit transfers.approve        after commit receive PermitIssued        before commit relay.mark
    before publish zhejiang.transfers      after publish shanghai.transfers

A unit that only reads has no point: nothing would be different before and after it.
"""

import argparse
import asyncio
import importlib
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest
from sqlalchemy import text

from services.bureau.process import run_node
from services.bureau.wiring import Overrides
from shared.database import Database, Session
from shared.messaging.bus import Publisher, Record
from shared.messaging.kafka import KafkaBus

KAFKA_SECONDS = 5.0
HAS_WRITTEN = text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")


class Plan:
    """The point at which to die, if a test has written one."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def names(self, point: str) -> bool:
        try:
            return self._file.read_text() == point
        except FileNotFoundError:
            return False

    def die(self) -> None:
        self._file.rename(done_file(self._file))
        os.kill(os.getpid(), signal.SIGKILL)


def done_file(plan: Path) -> Path:
    """What a plan that has been carried out is called."""
    return plan.with_suffix(".done")


def crashing_database(plan: Plan) -> type[Database]:
    class CrashingDatabase(Database):
        async def commit(self, session: Session, name: str) -> None:
            before, after = plan.names(f"before commit {name}"), plan.names(f"after commit {name}")
            dies = (before or after) and bool((await session.execute(HAS_WRITTEN)).scalar_one())
            if dies and before:
                plan.die()
            await super().commit(session, name)
            if dies:
                plan.die()

    return CrashingDatabase


class CrashingPublisher:
    """Kafka's publisher, with a death before anything has left or after everything is acknowledged."""

    def __init__(self, publisher: Publisher, plan: Plan) -> None:
        self._publisher = publisher
        self._plan = plan

    async def publish(self, records: Sequence[Record]) -> None:
        topics = {record.topic for record in records}
        if any(self._plan.names(f"before publish {topic}") for topic in topics):
            self._plan.die()
        await self._publisher.publish(records)
        if any(self._plan.names(f"after publish {topic}") for topic in topics):
            self._plan.die()

    async def close(self) -> None:
        await self._publisher.close()


class CrashingBus(KafkaBus):
    def __init__(self, servers: str, *, client_id: str, plan: Plan) -> None:
        super().__init__(servers, client_id=client_id)
        self._plan = plan

    async def publisher(self) -> Publisher:  # type: ignore[override]  # the port's promise, not the adapter's class
        return CrashingPublisher(await super().publisher(), self._plan)


async def leave_for_the_dead(servers: str, group: str) -> None:
    """Tell the broker that the members it knows in `group` are gone, all of them: this node is the group's only one.

    A broker believes a killed member alive for its session of 10 s. `test_nodes.py` measures that wait with the node as it is;
    here, after thirty kills, it would be most of the ring's time."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(KAFKA_SECONDS):
            await admin.start()
            coordinator = await admin.find_coordinator(group)
            for answer in await admin.describe_consumer_groups([group], coordinator):
                for _error, _group, _state, _type, _protocol, members, *_ in answer.groups:
                    for member_id, *_ in members:
                        await admin._send_request(LeaveGroupRequest(group, member_id), coordinator)
    await admin.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("bureau")
    told = parser.parse_args()
    plan, servers = Plan(told.plan), os.environ["QUANYU_KAFKA_BOOTSTRAP"]
    asyncio.run(leave_for_the_dead(servers, f"{told.bureau}.node"))
    profile: Path = importlib.import_module(f"services.{told.bureau}.main").PROFILE
    bus = CrashingBus(servers, client_id=f"{told.bureau}.1", plan=plan)
    run_node(profile, overrides=Overrides(database_class=crashing_database(plan), bus=bus))


if __name__ == "__main__":
    main()
