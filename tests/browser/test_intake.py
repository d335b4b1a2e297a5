"""An intake while it is typed: what is composed, left, sent to a node that is lost, or sent when the session has ended."""

import signal
from typing import Any, cast

from services.bureau.access.sessions import LOGIN
from services.harness.processes import Federation
from tests.browser.cast import OLD, SPONSOR, Cast
from tests.browser.conftest import Come
from tests.browser.look import Person, look
from tests.browser.test_story import fill

NAME = '[id="applicant.name"]'
SEND = "main form[data-draft] button.primary"
TOLD_MS, COMPOSED = 5_000, 229


async def begin(officer: Person, bureau: str, badge_no: str) -> str:
    """A new intake at its first step; the page's address."""
    await officer.log_in(bureau, badge_no, "/w/intake")
    await officer.click("form[action='/w/intake'] button")
    return officer.page.url


async def to_the_check(officer: Person, number: str) -> None:
    """From the first step, where the name stands already, over the others."""
    await fill(officer, {"applicant.citizen_id_no": number})
    await officer.page.select_option('[id="applicant_page.bureau"]', OLD.bureau)
    await officer.page.wait_for_selector(f'option[value="{OLD.station}"]', state="attached")
    await fill(officer, {"origin.station_code": OLD.station, "origin.address": "演示路1号"})
    await officer.click(SEND)
    sponsor = {"sponsor.name": SPONSOR.name, "sponsor.citizen_id_no": SPONSOR.citizen_id_no}
    home = {"destination.address": "演示路2号", "applicant.relation_to_head_code": "02", "notice_signed": "yes"}
    await fill(officer, {"reason_code": "SPOUSE", **sponsor, **home})
    await officer.click(SEND)
    await officer.click(SEND)


async def test_enter_that_chooses_a_word_does_not_send_the_intake(come: Come, troupe: Cast) -> None:
    officer = await come("zh")
    address = await begin(officer, "shanghai", "D31001")
    await officer.page.evaluate("document.addEventListener('submit', () => { document.body.dataset.sent = 'yes' }, true)")
    await officer.page.focus(NAME)
    debugger = await officer.context.new_cdp_session(officer.page)
    await debugger.send("Input.imeSetComposition", {"text": "wang", "selectionStart": 4, "selectionEnd": 4})
    key = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": COMPOSED}
    await debugger.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
    await debugger.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    await debugger.send("Input.insertText", {"text": "王"})
    assert await officer.page.input_value(NAME) == "王"
    assert await officer.page.evaluate("document.body.dataset.sent") is None
    assert officer.page.url == address


async def test_escape_leaves_the_field_then_the_page_and_loses_nothing(come: Come, troupe: Cast) -> None:
    officer = await come("zh")
    address = await begin(officer, "shanghai", "D31001")
    await officer.page.fill(NAME, "李志远")
    await officer.page.keyboard.press("Escape")
    assert await officer.page.input_value(NAME) == "李志远"
    assert officer.page.url == address
    async with officer.page.expect_event("load"):
        await officer.page.keyboard.press("Escape")
    assert officer.page.url.endswith("/w/intake")
    await officer.click(f"main a[href='{address.removeprefix(officer.webs['shanghai'])}']")
    assert await officer.page.input_value(NAME) == "李志远"


async def test_a_lost_node_is_told_and_costs_no_text(come: Come, troupe: Cast, federation: Federation) -> None:
    officer = await come("zh")
    await begin(officer, "anhui", "D34001")
    process = federation.nodes["anhui"].process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        await officer.page.fill(NAME, "李志远")
        await officer.page.click(SEND)
        await officer.page.wait_for_selector("#lost", state="visible", timeout=TOLD_MS)
        assert await officer.page.input_value(NAME) == "李志远"
        assert await look(officer) == []
    finally:
        process.send_signal(signal.SIGCONT)
    await officer.click(SEND)
    assert await officer.page.locator(".errors").count() == 1  # it has been sent, and read
    assert await officer.page.input_value(NAME) == "李志远"
    assert await look(officer) == []


async def test_an_ended_session_leads_through_the_login_back_to_what_was_typed(come: Come, troupe: Cast) -> None:
    officer = await come("zh")
    address = await begin(officer, "shanghai", "D31001")
    kept = [cookie for cookie in await officer.context.cookies() if cookie.get("name") == "quanyu-lang"]
    await officer.context.clear_cookies()
    await officer.context.add_cookies(cast(Any, kept))
    await officer.page.fill(NAME, "李志远")
    await officer.click(SEND)
    await officer.click(f"main a.button[href^='{LOGIN}']")
    await officer.click("button[value=D31001]")
    assert officer.page.url == address
    assert await officer.page.input_value(NAME) == "李志远"


async def test_a_date_that_is_half_typed_is_not_taken_for_none(come: Come, troupe: Cast) -> None:
    """The browser would send it as empty, which means today."""
    officer = await come("zh")
    await officer.log_in("shanghai", "D31001", "/w/intake")
    await officer.click("form[action='/w/intake'] button")
    matter = officer.page.url.replace("/applicant", "/matter")
    await officer.page.goto(matter)
    await officer.page.focus("#applied_on")
    await officer.page.keyboard.type("12")
    await officer.page.click(SEND)
    told = await officer.page.evaluate("document.activeElement.id + ' ' + document.activeElement.validationMessage")
    assert told == "applied_on 日期未填完整：需要年、月、日"
    assert officer.page.url == matter
    assert await officer.page.locator(".errors").count() == 0  # nothing has been sent
    await officer.page.fill("#applied_on", "2020-12-28")
    await officer.click(SEND)
    assert await officer.page.locator(".errors").count() == 1
    assert await officer.page.input_value("#applied_on") == "2020-12-28"
