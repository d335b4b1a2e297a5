"""A node that is killed while an intake stands half-typed on an officer's page, and started again."""

import asyncio
import re

from playwright.async_api import expect

from services.harness.processes import Federation, NodeProcess
from tests.browser.cast import AGAIN, HOME, Cast
from tests.browser.conftest import Come
from tests.browser.look import look
from tests.browser.test_intake import NAME, begin, to_the_check

TOLD_MS, BACK_MS, SOON_MS = 5_000, 10_000, 10_000
FOCUS, LOST = "document.activeElement.id", "#lost"


async def start_again(node: NodeProcess) -> None:
    node.start()
    await asyncio.to_thread(node.wait_ready)


async def test_a_killed_node_costs_neither_text_nor_place_and_what_is_sent_counts_once(
    come: Come, troupe: Cast, federation: Federation
) -> None:
    mover, officer, node = await troupe.newcomer(AGAIN), await come("zh"), federation.nodes[HOME.bureau]
    address = await begin(officer, HOME.bureau, HOME.counter)
    page, lost = officer.page, officer.page.locator(LOST)
    await page.focus(NAME)
    await page.keyboard.type(AGAIN[:1])
    node.kill9()
    try:
        await page.keyboard.type(AGAIN[1:])
        await expect(lost).to_be_visible(timeout=TOLD_MS)
        assert (await page.input_value(NAME), await page.evaluate(FOCUS)) == (AGAIN, "applicant.name")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("[data-saved]")).to_contain_text("尚未暂存")
        await expect(lost).to_be_visible()
        assert await look(officer) == []
    finally:
        await start_again(node)
    await expect(lost).to_be_hidden(timeout=BACK_MS)
    await expect(page.locator("[data-saved]")).to_contain_text("✓", timeout=BACK_MS)
    assert (page.url, await page.input_value(NAME), await page.evaluate(FOCUS)) == (address, AGAIN, "applicant.name")
    await to_the_check(officer, mover.citizen_id_no)
    check = page.url
    assert check.endswith("/check")
    assert await page.locator(".errors li").all_inner_texts() == []
    node.kill9()
    try:
        await page.keyboard.press("Control+Enter")
        await expect(lost).to_be_visible(timeout=TOLD_MS)
        assert page.url == check
    finally:
        await start_again(node)
    await expect(lost).to_be_hidden(timeout=BACK_MS)
    await page.keyboard.press("Control+Enter")
    await page.keyboard.press("Control+Enter")
    await expect(page).to_have_url(re.compile("/done$"), timeout=SOON_MS)
    assert AGAIN in await page.inner_text("main")
    branch = await come("zh")
    await branch.log_in(HOME.bureau, HOME.office, "/w/queue/review")
    await expect(branch.page.locator("#rows tbody tr", has_text=AGAIN)).to_have_count(1)
