"""Two bureaus in one browser, and a node that is lost."""

import re
import signal
import time

import pytest

from services.harness.processes import Federation
from tests.browser.cast import Cast
from tests.browser.conftest import Come
from tests.browser.look import Person

FOUND_MS = 10_000
KEPT = "() => Object.keys(sessionStorage).filter((key) => key.startsWith('draft:')).length"
SCANNED_EVERY_S = 0.005  # a scanner's keys, by the clock that the browser puts on them, however busy this machine is


async def scan(person: Person, number: str) -> None:
    """As a scanner types, and ends with Enter."""
    debugger = await person.context.new_cdp_session(person.page)
    at = time.time()
    for sign in [*number, "\r"]:
        at += SCANNED_EVERY_S
        key = "Enter" if sign == "\r" else sign
        await debugger.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "text": sign, "timestamp": at})
        await debugger.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": key, "timestamp": at})


async def test_two_bureaus_in_one_browser_know_nothing_of_each_other(come: Come, troupe: Cast, federation: Federation) -> None:
    officer = await come("zh")
    await officer.log_in("shanghai", "D31001")
    await officer.log_in("zhejiang", "D33002")
    await officer.go("shanghai", "/me")
    assert "D31001" in await officer.page.inner_text("main")
    await officer.go("zhejiang", "/me")
    assert "D33002" in await officer.page.inner_text("main")
    await officer.go("shanghai", "/me")
    await officer.click("form[action='/logout'] button")
    await officer.go("shanghai", "/me")
    assert "/dev/authorize" in officer.page.url
    await officer.go("zhejiang", "/me")
    assert "D33002" in await officer.page.inner_text("main")


async def test_the_session_of_one_bureau_opens_nothing_at_another(come: Come, troupe: Cast) -> None:
    officer = await come("zh")
    await officer.log_in("shanghai", "D31001")
    await officer.go("jiangsu", "/me")
    assert "/dev/authorize" in officer.page.url


async def test_the_citizen_and_the_officer_in_one_browser_are_two(come: Come, troupe: Cast) -> None:
    browser = await come("zh")
    receipt = troupe.receipts["CERTIFIED"]
    await browser.go("shanghai", "/c/track")
    await browser.page.fill("#apply_no", receipt.apply_no)
    await browser.page.fill("#query_code", receipt.query_code)
    await browser.enter()
    await browser.go("shanghai", "/me")
    assert "/dev/authorize" in browser.page.url
    await browser.click("button[value=D31001]")
    await browser.click("form[action='/logout'] button")
    await browser.go("shanghai", f"/c/track/{receipt.apply_no}")
    assert "待落户" in await browser.page.inner_text("main")


@pytest.mark.parametrize("leaves", [True, False])
async def test_what_an_officer_has_typed_is_not_left_to_the_next_one(come: Come, troupe: Cast, leaves: bool) -> None:
    """In the same window, with or without logging out; who comes back himself finds it again."""
    officer = await come("zh")
    await officer.log_in("shanghai", "D31001", f"/w/case/{troupe.receipts['ACCEPTED'].case}/withdraw")
    await officer.page.fill("#reason", "演示的理由")
    await officer.page.reload()
    assert await officer.page.input_value("#reason") == "演示的理由"
    if leaves:
        await officer.go("shanghai", "/me")
        await officer.click("form[action='/logout'] button")
    else:
        await officer.context.clear_cookies()  # as when the session has ended
        await officer.go("shanghai", "/me")
        assert await officer.page.evaluate(KEPT) == 1
        await officer.log_in("shanghai", "D31003")
    assert await officer.page.evaluate(KEPT) == 0


async def test_a_number_that_is_scanned_is_searched_and_one_that_is_typed_stays_text(come: Come, troupe: Cast) -> None:
    officer = await come("zh")
    await officer.log_in("shanghai", "D31001", "/w")
    number = troupe.receipts["ACCEPTED"].apply_no
    await scan(officer, number)
    await officer.page.wait_for_url(re.compile(rf"/w/case/|/w/search\?q={number}"), timeout=FOUND_MS)
    await officer.go("shanghai", "/w")
    await officer.page.focus("#q")
    await officer.page.keyboard.type("QY3101", delay=60)
    assert await officer.page.input_value("#q") == "QY3101"
    assert officer.page.url.endswith("/w")


async def test_enter_that_chooses_a_word_sends_nothing(come: Come, troupe: Cast) -> None:
    """An input method composes; its Enter belongs to it."""
    officer = await come("zh")
    await officer.log_in("shanghai", "D31001", "/w")
    await officer.page.focus("#q")
    debugger = await officer.context.new_cdp_session(officer.page)
    await debugger.send("Input.imeSetComposition", {"text": "wang", "selectionStart": 4, "selectionEnd": 4})
    key = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
    await debugger.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
    await debugger.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    await debugger.send("Input.insertText", {"text": "王"})
    assert officer.page.url.endswith("/w")
    assert await officer.page.input_value("#q") == "王"


async def test_the_page_of_a_node_that_is_frozen_goes_on_when_it_is_back(
    come: Come, troupe: Cast, federation: Federation
) -> None:
    officer = await come("zh")
    await officer.log_in("anhui", "D34001", "/w")
    process = federation.nodes["anhui"].process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        await officer.page.wait_for_timeout(1_000)
    finally:
        process.send_signal(signal.SIGCONT)
    assert await officer.go("anhui", "/w") == 200
