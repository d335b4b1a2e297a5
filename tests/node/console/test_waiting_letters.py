"""Letters that may be right later: looked at again by the node itself, ever more seldom, each in its turn."""

from datetime import timedelta

import pytest

from shared.database import Actor, Database
from shared.messaging import Receiver, dead_letters
from shared.messaging.dead_letters import retry_waiting
from tests.node.bureau import Bureau
from tests.node.console.letters import from_the_future, letters, replay
from tests.node.transfers.cases import O_OPERATOR, permit_for

AHEAD_S = 7 * 86_400


async def pass_by(bureau: Bureau, **time: float) -> int:
    """Time passes, and the timers come round; gives how many letters took effect."""
    bureau.machine.offset += timedelta(**time)
    bureau._tokens.clear()
    return await retry_waiting(bureau.wiring.bus_database, bureau.wiring.receiver)


async def pauses(bureau: Bureau, passes: int) -> list[timedelta]:
    """How long the only letter waits for each of its next looks, which are all in vain."""
    found = []
    for _ in range(passes):
        due = (await bureau.one("SELECT next_try_at FROM dead_letter")).next_try_at
        found.append(due - bureau.machine.now())
        assert await pass_by(bureau, seconds=found[-1].total_seconds()) == 0
    return found


async def test_what_only_time_can_heal_is_tried_by_the_node_itself(zhejiang: Bureau) -> None:
    await from_the_future(zhejiang)
    assert await pass_by(zhejiang, minutes=2) == 0
    assert await pass_by(zhejiang, minutes=8) == 1
    assert await letters(zhejiang) == []
    assert (await zhejiang.one("SELECT * FROM dead_letter")).resolved_by == "node"
    assert [(row.actor, row.reason) for row in await zhejiang.audit("operations.replay")] == [("node", "applied")]


async def test_what_waits_is_looked_at_ever_more_seldom_and_only_what_changes_is_audited(zhejiang: Bureau) -> None:
    await zhejiang.deliver(zhejiang.sealed(permit_for(), by="shanghai", ahead_s=AHEAD_S))
    minutes = [round(pause.total_seconds() / 60) for pause in await pauses(zhejiang, 9)]
    assert minutes == [1, 1, 2, 4, 8, 16, 32, 60, 60]
    assert await zhejiang.audit("operations.replay") == []
    (letter,) = await letters(zhejiang)
    assert letter["reason"] == "clock_ahead"
    assert await replay(zhejiang, letter["id"]) == ["clock_ahead"]
    assert [row.actor for row in await zhejiang.audit("operations.replay")] == [O_OPERATOR]


async def test_letters_that_wait_for_long_starve_none_behind_them(zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "MOST_AT_ONCE", 1)
    await zhejiang.deliver(zhejiang.sealed(permit_for(), by="shanghai", ahead_s=AHEAD_S))
    await zhejiang.deliver(zhejiang.sealed(permit_for(), by="shanghai", ahead_s=600))
    assert await pass_by(zhejiang, minutes=10) == 0
    assert await pass_by(zhejiang) == 1


async def test_a_letter_that_is_refused_at_last_waits_no_longer(zhejiang: Bureau) -> None:
    await from_the_future(zhejiang)
    zhejiang.wiring.receiver.seen["shanghai"] = 2  # restored meanwhile: what it said before is void
    assert await pass_by(zhejiang, minutes=10) == 0
    (letter,) = await letters(zhejiang)
    assert (letter["reason"], letter["next_try_at"]) == ("old_incarnation", None)
    assert "restored from a backup" in letter["error"]
    assert await pass_by(zhejiang, hours=2) == 0
    assert [row.reason for row in await zhejiang.audit("operations.replay")] == ["old_incarnation"]


async def test_a_letter_that_an_operator_has_just_decided_holds_up_no_other(
    zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await zhejiang.deliver(zhejiang.sealed(permit_for(), by="shanghai", ahead_s=600))
    genuine, first = dead_letters.replay, (await letters(zhejiang))[0]["id"]

    async def after_the_operator(database: Database, receiver: Receiver, letter: int, actor: Actor) -> str:
        if letter == first:
            await zhejiang.ask(O_OPERATOR, "POST", f"/api/v1/operations/dead-letters/{letter}/skip", {"reason": "演习"})
        return await genuine(database, receiver, letter, actor)

    monkeypatch.setattr(dead_letters, "replay", after_the_operator)
    assert await pass_by(zhejiang, minutes=10) == 1
