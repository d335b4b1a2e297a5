"""Pages when there is nothing, when something is wrong, and when somebody may not: in both languages, for everybody's eyes."""

import asyncio
import signal
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import expect

from services.bureau.access.sessions import LOGIN
from services.harness.processes import Federation
from tests.browser.cast import HOME, OLD, Cast
from tests.browser.conftest import Come
from tests.browser.look import Person, look
from tests.browser.test_intake import NAME, SEND, begin

TOLD_MS, STALE_MS, BACK_MS = 10_000, 25_000, 40_000
ROWS = "[data-row]"
LANGUAGES = pytest.mark.parametrize("language", ["zh", "en"])
ERRORS = """() => {
  const summary = document.querySelector('.errors'), active = document.activeElement;
  return {
    focused: active === summary || (active?.getAttribute('aria-invalid') === 'true'),
    links: [...summary.querySelectorAll('a')].map(one => one.getAttribute('href')),
    lost: [...summary.querySelectorAll('a')].filter(one => one.hash && one.pathname === location.pathname
      && !document.getElementById(decodeURIComponent(one.hash.slice(1)))).map(one => one.hash),
  };
}"""


async def see_errors(officer: Person) -> list[str]:
    """The summary has the focus, each of its links leads to a field; its links."""
    told = await officer.page.evaluate(ERRORS)
    assert told["focused"]
    assert told["links"]
    assert told["lost"] == []
    assert await look(officer) == []
    await officer.page.click(".errors a >> nth=0")
    first = told["links"][0].rpartition("#")[2]
    await expect(officer.page.locator(f'[id="{first}"]')).to_be_in_viewport()
    return cast(list[str], told["links"])


@LANGUAGES
@pytest.mark.parametrize(
    ("badge", "pages"),
    [
        ("D32001", {"/w": ".queues .card:not(.nothing)", "/w/queue/settle": ROWS, "/w/queue/mine": ROWS, "/w/intake": ROWS}),
        ("D32002", {"/w/queue/verify": ROWS, "/w/queue/recent": ROWS}),
        ("D32005", {"/ops/dlq": "tbody tr", "/ops/owed": "tbody tr"}),
    ],
)
async def test_where_nothing_is_the_page_says_so(
    come: Come, troupe: Cast, badge: str, pages: dict[str, str], language: str
) -> None:
    """Jiangsu has no case and no intake of its own, and nobody wants to leave it."""
    officer = await come(language)
    await officer.log_in("jiangsu", badge)
    for path, rows in pages.items():
        assert await officer.go("jiangsu", path) == 200
        assert await officer.page.locator(f"main {rows}").count() == 0, path
        assert await officer.page.locator("main .empty, main .nothing").count(), path
        assert await look(officer) == [], path


@LANGUAGES
async def test_a_search_that_finds_nothing_says_what_can_be_searched_for(
    come: Come, troupe: Cast, screenshots: Path | None, language: str
) -> None:
    officer = await come(language)
    await officer.log_in("shanghai", HOME.counter, "/w")
    for wanted in ("QY31011620201120999999X", "330482198001019995", "?!", ""):
        await officer.page.fill("#q", wanted)
        await officer.enter()
        assert await officer.page.locator("main .notice[role=status]").count() == 1, wanted
        assert await look(officer) == [], wanted
    await officer.picture(screenshots, "search-nothing")


@LANGUAGES
async def test_the_steps_of_an_intake_name_each_wrong_field(
    come: Come, troupe: Cast, screenshots: Path | None, language: str
) -> None:
    officer = await come(language)
    address = (await begin(officer, "shanghai", HOME.counter)).removesuffix("applicant")
    await officer.page.fill('[id="applicant.citizen_id_no"]', "310116198209269737")
    await officer.click(SEND)
    assert set(await see_errors(officer)) == {
        f"#{name}" for name in ("applicant.citizen_id_no", "applicant.name", "origin.station_code", "origin.address")
    }
    await officer.picture(screenshots, "intake-applicant-wrong")
    await officer.page.goto(f"{address}matter")
    await officer.click(SEND)
    assert {"#reason_code", "#destination.address"} <= set(await see_errors(officer))
    await officer.page.goto(f"{address}members")
    await officer.click("button[value=add]")
    await officer.click(SEND)
    assert {"#members.0.citizen_id_no", "#members.0.name"} <= set(await see_errors(officer))
    await officer.page.goto(f"{address}check")
    assert await look(officer) == []
    wrong = officer.page.locator(".errors a")
    assert await wrong.count() >= len(("applicant", "matter", "members"))
    target = await wrong.first.get_attribute("href")
    await officer.click(".errors a >> nth=0")  # to the step and the field on which it stands
    assert officer.page.url.endswith(str(target))
    assert await officer.page.locator(f'[id="{str(target).rpartition("#")[2]}"]').count() == 1


@LANGUAGES
@pytest.mark.parametrize(
    ("bureau", "badge", "forms"),
    [
        ("shanghai", HOME.office, [("UNDER_REVIEW", "decide", "refuse")]),
        ("shanghai", HOME.counter, [("ACCEPTED", "ask-supplement", "ask-supplement"), ("ACCEPTED", "withdraw", "withdraw")]),
        ("zhejiang", OLD.verifier, [("APPROVED", "review", "return")]),
    ],
)
async def test_an_act_without_its_reason_is_not_done_and_says_what_is_missing(
    come: Come, troupe: Cast, bureau: str, badge: str, forms: list[tuple[str, str, str]], language: str
) -> None:
    officer = await come(language)
    officer.page.on("dialog", lambda dialog: dialog.accept())
    await officer.log_in(bureau, badge)
    for state, page, form in forms:
        receipt = troupe.receipts[state]
        before = await troupe.standing(bureau, badge, receipt)
        await officer.go(bureau, f"/w/case/{receipt.case}/{page}")
        sent = f"form[action$='/{form}']"
        await officer.page.eval_on_selector(sent, "one => { one.noValidate = true }")  # what the browser would keep back itself
        await officer.click(f"{sent} button:not([type=button])")
        await see_errors(officer)
        assert await troupe.standing(bureau, badge, receipt) == before


@LANGUAGES
async def test_who_was_slower_is_shown_what_has_changed(
    come: Come, troupe: Cast, screenshots: Path | None, language: str
) -> None:
    officer, receipt = await come(language), await troupe.open_case(await troupe.newcomer())
    officer.page.on("dialog", lambda dialog: dialog.accept())
    await troupe.act("shanghai", HOME.counter, receipt, "accept")
    await officer.log_in("shanghai", HOME.counter, f"/w/case/{receipt.case}/withdraw")
    await officer.page.fill("#reason", "王试")
    await troupe.act("shanghai", HOME.counter, receipt, "submit")
    await officer.click("form[action$='/withdraw'] button:not([type=button])")
    changes = officer.page.locator("main [role=alert] tbody tr")
    assert await changes.count() == 1
    assert HOME.counter in await changes.inner_text()
    assert await look(officer) == []
    await officer.picture(screenshots, "slower")
    await officer.click("main [role=alert] a.button")
    assert officer.page.url.endswith(f"/w/case/{receipt.case}")


@LANGUAGES
async def test_who_may_not_is_told_who_may(come: Come, troupe: Cast, screenshots: Path | None, language: str) -> None:
    officer = await come(language)
    await officer.log_in("shanghai", "D31005", "/ops")
    assert await officer.go("shanghai", "/w/intake") == 403
    assert {"zh": "窗口民警", "en": "counter officer"}[language] in await officer.page.inner_text("main")
    assert await look(officer) == []
    await officer.picture(screenshots, "forbidden")


@LANGUAGES
async def test_an_ended_session_says_that_what_was_typed_is_kept(
    come: Come, troupe: Cast, screenshots: Path | None, language: str
) -> None:
    officer = await come(language)
    await begin(officer, "shanghai", HOME.counter)
    kept = [cookie for cookie in await officer.context.cookies() if cookie.get("name") == "quanyu-lang"]
    await officer.context.clear_cookies()
    await officer.context.add_cookies(cast(Any, kept))
    await officer.page.fill(NAME, "王试")
    await officer.click(SEND)
    assert await officer.page.locator(f"main a.button[href^='{LOGIN}']").count() == 1
    assert await look(officer) == []
    await officer.picture(screenshots, "ended-session")


async def test_a_lost_node_is_told_in_the_language_of_the_page(
    come: Come, troupe: Cast, federation: Federation, screenshots: Path | None
) -> None:
    """The banner of a form in both languages; the greyed wall in English, its Chinese is in test_live.py."""
    officers, operator = [await come("zh"), await come("en")], await come("en")
    for officer in officers:
        await begin(officer, "anhui", "D34001")
    await operator.log_in("anhui", "D34005", "/ops?wall=1")
    process = federation.nodes["anhui"].process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        for officer in officers:
            await officer.page.fill(NAME, "王试")
            await officer.page.click(SEND)
        for officer in officers:
            await expect(officer.page.locator("#lost")).to_be_visible(timeout=TOLD_MS)
            assert await look(officer) == []
            await officer.picture(screenshots, "lost")
        await expect(operator.page.locator("body.stale .halted")).to_be_visible(timeout=STALE_MS)
        assert await look(operator) == []
        await operator.picture(screenshots, "stale")
    finally:
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0)
    for officer in officers:
        await expect(officer.page.locator("#lost")).to_be_hidden(timeout=TOLD_MS)
    await expect(operator.page.locator("body.stale")).to_have_count(0, timeout=BACK_MS)
    operator.complaints = [one for one in operator.complaints if "Failed to fetch" not in one]  # as laid out
