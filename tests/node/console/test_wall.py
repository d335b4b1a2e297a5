"""The wall of one node: what it shows is what its tables hold, and what it cannot see it says it cannot."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from services.bureau.console import acts
from shared.messaging.bus import Record
from tests.node.browser import Browser
from tests.node.bureau import Bureau
from tests.node.people import WANG
from tests.node.transfers.cases import approved, certificate_for

CELL = re.compile(r'<td class="cell ?([a-z]*)">(.*?)</td>', re.DOTALL)
NEIGHBOURS = ("jiangsu", "zhejiang", "anhui")


@pytest.fixture
async def operator(shanghai: Bureau) -> AsyncIterator[Browser]:
    opened = Browser(shanghai)
    await opened.log_in("D31005")
    yield opened
    await opened.close()


async def wall(operator: Browser) -> str:
    answer = await operator.get("/ops?wall=1&lang=en")
    assert answer.status_code == 200
    return answer.text


async def snapshot(bureau: Bureau) -> acts.Snapshot:
    return await bureau.wiring.database.run(acts.read_snapshot, name="snapshot")


def cells(page: str) -> list[list[tuple[str, str]]]:
    """Of the matrix, row by row: what each cell is and what it says."""
    found = [(kind, " ".join(re.sub(r"<[^>]+>", " ", text).split())) for kind, text in CELL.findall(page)]
    return [found[row : row + 4] for row in range(0, len(found), 4)]


async def test_the_matrix_has_what_is_sent_and_received_here_and_nothing_of_the_others(
    operator: Browser, shanghai: Bureau
) -> None:
    _, permit = await approved(shanghai)
    await shanghai.told(certificate_for(permit), by="zhejiang")
    rows = cells(await wall(operator))
    order = [one.bureau for one in (await snapshot(shanghai)).peers]
    assert sorted(order) == sorted(NEIGHBOURS)
    to_zhejiang, seen = order.index("zhejiang") + 1, "not seen from here"
    assert [kind for kind, _ in rows[0]] == ["self", *("warn" if one == "zhejiang" else "good" for one in order)]
    assert rows[0][to_zhejiang] == ("warn", "1 To send")
    assert re.fullmatch(r"\d+\.\d s 1 received", rows[to_zhejiang][0][1])
    for place, row in enumerate(rows[1:], start=1):
        others = [cell for column, cell in enumerate(row) if column not in (0, place)]
        assert others == [("unknown", seen)] * 2
        assert row[place] == ("self", "—")
        assert place == to_zhejiang or row[0][1] == "— 0 received"


async def test_a_peer_that_is_down_is_red_in_its_row_and_column_and_on_the_map(operator: Browser, shanghai: Bureau) -> None:
    assert not any(kind == "bad" for row in cells(await wall(operator)) for kind, _ in row)
    await shanghai.wiring.peers._note("anhui", "ConnectError")
    page = await wall(operator)
    place = [one.bureau for one in (await snapshot(shanghai)).peers].index("anhui") + 1
    rows = cells(page)
    assert [(r, c) for r, row in enumerate(rows) for c, (kind, _) in enumerate(row) if kind == "bad"] == [(0, place), (place, 0)]
    assert 'class="flow bad"' in page
    assert "next attempt" in page
    assert "what is sent to it waits on the bus, nothing is lost" in page


async def test_the_newest_exchange_is_one_that_left_and_was_answered(operator: Browser, shanghai: Bureau) -> None:
    case, permit = await approved(shanghai)
    assert "Nothing was sent and answered lately." in await wall(operator)
    await shanghai.told(certificate_for(permit), by="zhejiang")
    assert (await snapshot(shanghai)).exchange is None  # it never left, so this answers something else
    await shanghai.rows("UPDATE outbox SET sent_at = created_at + interval '40 ms' WHERE key = :case RETURNING seq", case=case)
    found = (await snapshot(shanghai)).exchange
    assert found is not None
    assert (found.peer, found.case) == ("zhejiang", case)
    (row,) = await shanghai.rows("SELECT created_at FROM outbox WHERE key = :case", case=case)
    (came,) = await shanghai.rows("SELECT received_at FROM receipt WHERE key = :case AND type LIKE '%.message'", case=case)
    assert found.at == row.created_at
    assert found.whole == came.received_at - row.created_at
    assert [leg.kind for leg in found.legs] == ["outbox", "there", "reply"]
    assert found.legs[0].lasts == timedelta(milliseconds=40)
    assert sum((leg.lasts for leg in found.legs), timedelta()) == found.whole
    page = await wall(operator)
    assert page.count('class="leg ') == 3
    assert "40 ms" in page
    assert case[-8:] in page


async def test_a_message_to_another_bureau_or_after_the_reply_is_not_what_was_answered(shanghai: Bureau) -> None:
    case, permit = await approved(shanghai)
    await shanghai.told(certificate_for(permit), by="zhejiang")
    await shanghai.rows(
        "UPDATE outbox SET sent_at = created_at, topic = 'anhui.transfers' WHERE key = :case RETURNING seq", case=case
    )
    assert (await snapshot(shanghai)).exchange is None
    ours = (
        "UPDATE outbox SET topic = 'zhejiang.transfers', created_at = now() + interval '1 minute' WHERE key = :case RETURNING seq"
    )
    await shanghai.rows(ours, case=case)
    assert (await snapshot(shanghai)).exchange is None
    await shanghai.rows("UPDATE outbox SET created_at = now() - interval '1 minute' WHERE key = :case RETURNING seq", case=case)
    assert (await snapshot(shanghai)).exchange is not None


async def test_what_a_peer_says_again_is_not_the_reply(shanghai: Bureau) -> None:
    case, permit = await approved(shanghai)
    await shanghai.rows("UPDATE outbox SET sent_at = created_at WHERE key = :case RETURNING seq", case=case)
    await shanghai.told(certificate_for(permit), by="zhejiang")
    first = (await snapshot(shanghai)).exchange
    await shanghai.told(certificate_for(permit), by="zhejiang")
    came = await shanghai.rows("SELECT sender FROM receipt WHERE key = :case AND type LIKE '%.message'", case=case)
    assert len(came) == 2
    assert first is not None
    assert (await snapshot(shanghai)).exchange == first


async def test_a_question_is_no_message_in_delay_and_throughput(shanghai: Bureau) -> None:
    await shanghai.rows(
        "INSERT INTO receipt (sender, event_id, content_hash, type, key, topic, outcome, received_at, applied_at)"
        " SELECT 'anhui', gen_random_uuid(), '', 'transfers.question', '', '/peer/v1/transfers/x', 'applied', now(), now()"
        " FROM generate_series(1, 9) RETURNING sender"
    )
    shanghai.machine.offset = timedelta(seconds=2)
    seen = await snapshot(shanghai)
    assert (seen.received, seen.p95) == (0, None)


async def test_throughput_and_delay_are_drawn_by_five_minutes(shanghai: Bureau) -> None:
    _, permit = await approved(shanghai)
    await shanghai.told(certificate_for(permit), by="zhejiang")
    shanghai.machine.offset = timedelta(minutes=7)
    seen = await snapshot(shanghai)
    assert len(seen.moved) == len(seen.all_delays) == 12
    assert (seen.moved[-1], seen.moved[-2]) == (0, 1)
    assert seen.all_delays[-1] is None
    assert seen.all_delays[-2] == seen.p95
    assert sum(seen.moved) == seen.received + seen.sent


async def test_seven_dead_letters_are_counted_and_those_of_this_hour_are_new(operator: Browser, shanghai: Bureau) -> None:
    for place in range(7):
        await shanghai.deliver(Record("shanghai.transfers", "k", {"ce_source": "anhui"}, f"no envelope {place}".encode()))
    await shanghai.rows("UPDATE dead_letter SET first_seen = now() - interval '2 hours' WHERE id % 2 = 0 RETURNING id")
    fresh = (await shanghai.one("SELECT count(*) AS n FROM dead_letter WHERE id % 2 = 1")).n
    page = await wall(operator)
    assert "<b>7</b>" in page
    assert f"{fresh} new in 60 min" in page


async def test_what_is_owed_and_done_is_said_in_words_and_without_persons(operator: Browser, shanghai: Bureau) -> None:
    await approved(shanghai)
    page = (await operator.get("/ops?wall=1&lang=zh")).text
    assert "迁移证或退回" in page
    assert "准予迁入" in page
    assert "transfers." not in page
    assert WANG.name not in page
    assert WANG.citizen_id_no not in page
    assert "D31001" not in page


async def test_the_wall_says_of_when_it_is(operator: Browser) -> None:
    at = re.search(r'data-as-of="([^"]+)"', await wall(operator))
    assert at is not None
    assert datetime.fromisoformat(at[1]).tzinfo is not None
