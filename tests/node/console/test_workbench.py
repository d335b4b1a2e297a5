"""The workbench: what is counted is what is listed, at each step of a case; each role has its own queues."""

import re

import pytest

from services.bureau.transfers.rules.queues import QUEUES
from tests.node.browser import Browser
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.people import mover
from tests.node.transfers.cases import (
    COUNTER,
    HRSS,
    O_VERIFIER,
    OFFICE,
    application,
    at_destination,
    at_origin,
    permit_for,
    received,
    talent,
)

PATHS = ("/w", "/w/queue/mine", "/w/queue/recent")


async def counted(browser: Browser) -> dict[str, int]:
    """What the workbench says of each queue."""
    page = await browser.get("/w")
    assert page.status_code == 200
    return {name: int(count) for name, count in re.findall(r'data-queue="(\w+)" data-count="(\d+)"', page.text)}


async def listed(browser: Browser, name: str) -> list[str]:
    """The cases that a queue lists, in its order."""
    page = await browser.get(f"/w/queue/{name}")
    assert page.status_code == 200, name
    return re.findall(r'href="/w/case/([0-9a-f-]{36})[^"]*" data-row', page.text)


async def agree(browser: Browser) -> dict[str, int]:
    counts = await counted(browser)
    assert counts == {name: len(await listed(browser, name)) for name in counts}
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("state", "queue"),
    [
        ("DRAFT", "drafts"),
        ("ACCEPTED", "accepted"),
        ("SUPPLEMENT_REQUIRED", "corrections"),
        ("APPROVED", "peer"),
        ("CERTIFIED", "settle"),
        ("SETTLING", "settling"),
        ("UNDER_REVIEW", None),
        ("HERE", None),
        ("WITHDRAWN", None),
    ],
)
async def test_a_case_stands_in_the_counters_queue_of_its_state(
    shanghai: Bureau, browse: Browse, state: str, queue: str | None
) -> None:
    case = await at_destination(shanghai, state)
    browser = await browse(shanghai, COUNTER)
    assert await agree(browser) == ({} if queue is None else {queue: 1})
    if queue is not None:
        assert await listed(browser, queue) == [case]
        assert "王演示" in (await browser.get(f"/w/queue/{queue}")).text


async def test_the_branch_decides_everything_and_the_window_for_talents_only_those(shanghai: Bureau, browse: Browse) -> None:
    await at_destination(shanghai, "UNDER_REVIEW", application(mover(1)))
    shanghai.on(2021, 3, 1)
    answer = await shanghai.ask(COUNTER, "POST", "/api/v1/transfers", talent(mover(2)))
    case = answer.json()["case"]
    for act in ("accept", "submit"):
        await shanghai.done(COUNTER, case, act)
    assert await agree(await browse(shanghai, OFFICE)) == {"review": 2}
    assert await agree(await browse(shanghai, HRSS)) == {"review": 1}
    assert await agree(await browse(shanghai, "D31023")) == {}  # the branch of another region


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        ("RECEIVED", {"verify": 1}),
        ("SEALED", {"transit": 1}),
        ("CANCELLING", {"transit": 1}),
        ("RESTORED", {"restore": 1}),
        ("GONE", {}),
        ("RETURNED", {}),
    ],
)
async def test_the_origins_queues(zhejiang: Bureau, browse: Browse, state: str, counts: dict[str, int]) -> None:
    case = await at_origin(zhejiang, state)
    browser = await browse(zhejiang, O_VERIFIER)
    assert await agree(browser) == counts
    if state == "RESTORED":
        await zhejiang.done(O_VERIFIER, case, "restore", {"reason": "演示"})
        assert await agree(browser) == {}


async def test_the_oldest_comes_first_and_pages_follow(zhejiang: Bureau, browse: Browse) -> None:
    cases = [await received(zhejiang, permit_for(mover(number))) for number in range(27)]
    browser = await browse(zhejiang, O_VERIFIER)
    first = await listed(browser, "verify")
    rest = re.findall(r'href="/w/case/([0-9a-f-]{36})[^"]*" data-row', (await browser.get("/w/queue/verify?after=25")).text)
    assert (first, rest) == (cases[:25], cases[25:])
    assert (await counted(browser))["verify"] == 27
    assert (await browser.get("/w/queue/verify?after=27")).status_code == 200
    assert (await browser.get("/w/queue/verify?after=-1")).status_code == 422


async def test_what_an_officer_holds_is_his(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    browser = await browse(shanghai, COUNTER)
    await browser.send(f"/w/case/{case}/take")
    assert await agree(browser) == {"accepted": 1, "mine": 1}
    assert await agree(await browse(shanghai, "D31011")) == {}
    assert "孔俊杰" in (await browser.get("/w/queue/accepted")).text


async def test_an_ended_case_is_among_the_recent_ones(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "WITHDRAWN")
    assert await listed(await browse(shanghai, COUNTER), "recent") == [case]
    assert await listed(await browse(shanghai, "D31011"), "recent") == []


async def test_reading_a_queue_is_a_row_in_the_audit_log(shanghai: Bureau, browse: Browse) -> None:
    await at_destination(shanghai, "DRAFT")
    browser = await browse(shanghai, COUNTER)
    await listed(browser, "drafts")
    rows = await shanghai.audit("transfers.read", object_kind="queue", decision="allowed")
    assert [(row.actor, row.object_id, row.purpose) for row in rows] == [(COUNTER, "drafts", "household_transfer")]


@pytest.mark.parametrize(("officer", "status"), [(COUNTER, 200), (OFFICE, 200), (HRSS, 200), ("D31002", 200), ("D31005", 403)])
async def test_who_may_work_sees_his_own_queues_only(quiet_shanghai: Bureau, browse: Browse, officer: str, status: int) -> None:
    browser = await browse(quiet_shanghai, officer)
    for path in PATHS:
        for language in ("zh", "en"):
            assert (await browser.get(f"{path}?lang={language}")).status_code == status
    if status == 200:
        posts = await quiet_shanghai.wiring.posts_of(officer, quiet_shanghai.wiring.node.business_today())
        own = {one.name for one in QUEUES[posts[0].role]}
        for name in {one.name for queues in QUEUES.values() for one in queues}:
            assert (await browser.get(f"/w/queue/{name}")).status_code == (200 if name in own else 404), name


async def test_an_answer_that_is_late_and_the_most_urgent_case_stand_on_the_workbench(shanghai: Bureau, browse: Browse) -> None:
    drafted = await at_destination(shanghai, "DRAFT", application(mover(1)))
    approved = await at_destination(shanghai, "APPROVED")
    browser = await browse(shanghai, COUNTER)
    page = (await browser.get("/w")).text
    assert "没有超时的答复" in page
    assert page.index(f"/w/case/{approved}/trace") < page.index('data-queue="settle"')  # its permit ends; a draft has no end
    shanghai.on(2021, 1, 20)
    page = (await browser.get("/w")).text
    assert "没有超时的答复" not in page
    assert f'href="/w/case/{approved}"' in page
    assert f'href="/w/case/{drafted}"' not in page
    near = (await (await browse(shanghai, "D31011")).get("/w")).text
    assert "没有超时的答复" in near


async def test_the_links_say_who_was_heard_and_who_does_not_answer(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    assert (await browser.get("/w")).text.count("尚未收到消息") == 3
    case = await at_destination(shanghai, "CERTIFIED")  # a message of Zhejiang's has come
    assert (await browser.get("/w")).text.count("连接正常") == 1
    shanghai.peers.down = {"zhejiang"}
    await shanghai.act(COUNTER, case, "look-up")
    assert "无应答" in (await browser.get("/w")).text


@pytest.mark.parametrize("officer", [COUNTER, OFFICE, HRSS, "D31002", "D31005", "D31006"])
async def test_who_may_search_has_a_box_and_nobody_else(shanghai: Bureau, browse: Browse, officer: str) -> None:
    browser = await browse(shanghai, officer)
    may = (await browser.send("/w/search", {"q": "QY1"})).status_code != 403
    assert may == (officer != "D31006")  # auditors see cases by their log alone
    assert ('role="search"' in (await browser.get("/me")).text) == may
