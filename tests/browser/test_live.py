"""Pages that follow what happens: at once when something does, quiet when nothing does, and honest when they cannot."""

import asyncio
import signal
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Request, Route, expect

from services.harness.processes import Federation
from tests.browser.cast import OLD, Cast
from tests.browser.conftest import Come
from tests.browser.look import Person, look
from tests.browser.test_story import act

SETTLED_MS, QUIET_MS = 2_000, 6_000
AT_MOST = 2  # in QUIET_MS: the wall looks every 5 s, everything else every 20 s
SOON_MS, STALE_MS, BACK_MS = 5_000, 25_000, 40_000
AWAY, AWAY_MS = OLD, 10_000  # as ui.md 14 asks
OWED = "#wall .kpi:nth-child(5) b"


async def asked_while_quiet(person: Person) -> int:
    """How often the page in front fetches itself while nobody does anything."""
    path, asked = urlsplit(person.page.url).path, list[str]()

    def note(request: Request) -> None:
        if urlsplit(request.url).path == path:
            asked.append(request.url)

    await person.page.wait_for_timeout(SETTLED_MS)
    person.page.on("request", note)
    await person.page.wait_for_timeout(QUIET_MS)
    return len(asked)


@pytest.mark.parametrize(
    ("officer", "path"),
    [("D31001", "/w"), ("D31001", "/w/queue/{queue}"), ("D31001", "/w/case/{case}"), ("D31001", "/w/case/{case}/trace"),
     ("D31005", "/ops"), ("D31005", "/ops?wall=1"), ("D31005", "/ops/owed")],
)  # fmt: skip
async def test_a_live_page_does_not_wake_itself(come: Come, troupe: Cast, officer: str, path: str) -> None:
    person = await come("zh")
    await person.log_in("shanghai", officer)
    if "{queue}" in path:
        await person.go("shanghai", "/w")
        await person.click("main a[href^='/w/queue/']")
    else:
        await person.go("shanghai", path.format(case=troupe.receipts["APPROVED"].case, queue=""))
    assert await asked_while_quiet(person) <= AT_MOST


async def test_what_an_officer_does_is_seen_on_a_colleagues_open_page(come: Come, troupe: Cast) -> None:
    person, receipt = await come("zh"), troupe.spare["DRAFT"]
    await person.log_in("shanghai", "D31001")
    await person.go("shanghai", f"/w/case/{receipt.case}")
    await expect(person.page.locator("main")).to_contain_text("暂存")
    await person.page.wait_for_timeout(SETTLED_MS)
    await troupe.act("shanghai", "D31001", receipt, "accept")
    await expect(person.page.locator("main .pill").first).to_contain_text("已受理", timeout=SOON_MS)


async def test_a_wall_that_cannot_look_greys_and_keeps_what_it_shows(come: Come, troupe: Cast) -> None:
    person = await come("zh")
    await person.log_in("shanghai", "D31005")

    async def fails(route: Route) -> None:
        await (route.abort() if "hx-request" in route.request.headers else route.continue_())

    await person.page.route("**/ops?wall=1", fails)
    await person.go("shanghai", "/ops?wall=1")
    shown = await person.page.locator("#wall .kpi").count()
    await expect(person.page.locator("body.stale")).to_be_visible(timeout=STALE_MS)
    assert shown
    assert await person.page.locator("#wall .kpi").count() == shown
    assert await look(person) == []
    person.complaints = [one for one in person.complaints if "Failed to fetch" not in one]  # as laid out


NOT_FITTING = """() => [...document.querySelectorAll('#wall, #wall .panel, #wall .cell, #wall p')]
  .filter(one => one.scrollHeight > one.clientHeight + 2 || one.scrollWidth > one.clientWidth + 1)
  .map(one => one.className + ': ' + one.textContent.trim().slice(0, 40))
  .concat(document.documentElement.scrollHeight > innerHeight ? ['the page'] : [])"""


async def fits(person: Person) -> None:
    """Everything of the wall is on it, at the size it is made for."""
    await person.page.set_viewport_size({"width": 1920, "height": 1080})
    await expect(person.page.locator("#wall .matrix .cell")).to_have_count(16)
    assert await person.page.evaluate(NOT_FITTING) == []
    await person.page.set_viewport_size({"width": 1440, "height": 900})


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_wall_fits_its_screen_without_scrolling(come: Come, troupe: Cast, language: str) -> None:
    person = await come(language)
    await person.log_in("shanghai", "D31005")
    await person.go("shanghai", "/ops?wall=1")
    await fits(person)
    assert await look(person) == []


async def test_settling_with_the_origin_away_says_so_first_and_ends_by_itself(
    come: Come, troupe: Cast, federation: Federation
) -> None:
    person, receipt = await come("zh"), troupe.spare["CERTIFIED"]
    person.page.on("dialog", lambda dialog: dialog.accept())
    await person.log_in("shanghai", "D31001")
    origin = federation.nodes["zhejiang"].process
    assert origin is not None
    origin.send_signal(signal.SIGSTOP)
    try:
        await person.go("shanghai", f"/w/case/{receipt.case}/settle")
        assert "无应答" in await person.page.inner_text("main")
        assert await look(person) == []
        await act(person, "shanghai", f"/w/case/{receipt.case}/settle", "settle", "input[name=member-1][value=signed]")
        assert "落户确认中" in await person.page.inner_text("main")
        slip = person.page.locator("main a[href$='/slip/interim']")
        assert await slip.count() == 1
        assert await look(person) == []
    finally:
        origin.send_signal(signal.SIGCONT)
        await asyncio.sleep(0)
    await expect(person.page.locator("main a[href$='/slip/completion']")).to_be_visible(timeout=BACK_MS)


async def test_a_peer_that_has_stopped_is_red_although_nobody_asks_it_and_what_it_owes_waits(
    come: Come, troupe: Cast, federation: Federation
) -> None:
    """Letters leave for the bus all the same: answers are what is missing. When it is back every counter returns."""
    person, wall, away = await come("zh"), await come("zh"), federation.nodes[AWAY.bureau]
    receipt = await troupe.open_case(await troupe.newcomer())
    await troupe.to_review(receipt)
    await person.log_in("shanghai", "D31005", "/ops/peers")
    await wall.log_in("shanghai", "D31005", "/ops?wall=1")
    row = person.page.locator("tr", has=person.page.locator(f"a[href='/ops/peers/{AWAY.bureau}']"))
    state, owes, alarm = row.locator(".pill").first, row.locator("td").last, wall.page.locator("#wall .alarm")
    await expect(state).to_contain_text("在线", timeout=AWAY_MS)
    await expect(alarm).to_have_count(0, timeout=AWAY_MS)
    before = int(await owes.inner_text())
    all_owed = int(await wall.page.locator(OWED).inner_text())
    await asyncio.to_thread(away.stop)
    try:
        await expect(state).to_contain_text("中断", timeout=AWAY_MS)
        await expect(alarm).to_contain_text("浙江", timeout=AWAY_MS)
        await troupe.act("shanghai", "D31003", receipt, "approve", {})
        await expect(owes).to_have_text(str(before + 1), timeout=AWAY_MS)
        await expect(wall.page.locator(OWED)).to_have_text(str(all_owed + 1), timeout=AWAY_MS)
        await expect(wall.page.locator("#wall .matrix .cell.bad")).to_have_count(2)
        await fits(wall)
        for one in (person, wall):
            assert await look(one) == []
    finally:
        away.start()
        await asyncio.to_thread(away.wait_ready)
    await expect(state).to_contain_text("在线", timeout=AWAY_MS)
    await expect(alarm).to_have_count(0, timeout=AWAY_MS)
    await troupe.until(AWAY.bureau, AWAY.verifier, receipt, "RECEIVED")
    await troupe.act(AWAY.bureau, AWAY.verifier, receipt, "return", {"code": "R06", "reason_text": "本人来电撤回（演示）"})
    await expect(owes).to_have_text(str(before), timeout=AWAY_MS)
    await expect(wall.page.locator(OWED)).to_have_text(str(all_owed), timeout=AWAY_MS)
