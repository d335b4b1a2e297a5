"""kill -9 before and after each commit and each publish on the whole path of a transfer, at both bureaus.

The node dies inside the call, at the named point, and is started again. The officer whose act got no answer sends it again with
the same key. Whatever the point: the transfer is done, every step of it once, nothing is lost, nothing is left over, and at no
instant did nobody or more than one bureau answer for the person.
"""

import signal
from dataclasses import dataclass
from typing import Literal

import pytest

from tests.real.officers import was_replayed
from tests.real.stage import Stage
from tests.real.waiting import until

pytestmark = pytest.mark.kafka

DESTINATION, ORIGIN = "shanghai", "zhejiang"


@dataclass(frozen=True)
class Point:
    """Where the node of `bureau` dies: in the wake of the officer's act `during`."""

    during: Literal["approve", "seal", "settle"]
    bureau: str
    what: str

    def __str__(self) -> str:
        return f"{self.during}-{self.bureau}-{self.what.replace(' ', '-')}"


POINTS = (
    # the destination approves: the permit is in its outbox, or nothing has happened
    Point("approve", DESTINATION, "commit transfers.approve"),
    # the permit leaves; "sent and not marked" sends the same bytes again
    Point("approve", DESTINATION, f"publish {ORIGIN}.transfers"),
    Point("approve", DESTINATION, "commit relay.mark"),
    # the permit arrives; "done and its offset not committed" brings it again
    Point("approve", ORIGIN, "commit receive PermitIssued"),
    # the origin seals: from here on it answers for a person who has moved out
    Point("seal", ORIGIN, "commit transfers.seal"),
    Point("seal", ORIGIN, f"publish {DESTINATION}.transfers"),
    Point("seal", ORIGIN, "commit relay.mark"),
    Point("seal", DESTINATION, "commit receive MigrationCertificateIssued"),
    # the citizen signs: bound at the destination, not yet answered for
    Point("settle", DESTINATION, "commit transfers.settle"),
    Point("settle", DESTINATION, f"publish {ORIGIN}.transfers"),
    Point("settle", DESTINATION, "commit relay.mark"),
    # the commit point of the whole protocol, and the close that it sends
    Point("settle", ORIGIN, "commit receive TransferSettled"),
    Point("settle", ORIGIN, f"publish {DESTINATION}.transfers"),
    Point("settle", ORIGIN, "commit relay.mark"),
    # the destination begins to answer
    Point("settle", DESTINATION, "commit receive TransferClosed"),
)
NEXT = {"approve": "RECEIVED", "seal": "CERTIFIED", "settle": "HERE"}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_a_killed_node_loses_nothing_and_does_nothing_twice(dying_stage: Stage, point: Point, moment: str) -> None:
    stage = dying_stage
    transfer = await stage.begin(ORIGIN, DESTINATION)
    async with stage.revived(ORIGIN, DESTINATION) as ends:
        for act, state in NEXT.items():
            if act == point.during:
                done = stage.plan(point.bureau, f"{moment} {point.what}")
            answer = await getattr(transfer, act)()
            if point.what == f"commit transfers.{act}":
                assert was_replayed(answer) == (moment == "after")
            await transfer.reached(state)
        await until(done.exists)
        await until(lambda: len(ends) == 1)
        await stage.ready(point.bureau)
    await stage.verify([transfer])
    assert ends == [-signal.SIGKILL]
