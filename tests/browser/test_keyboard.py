"""An intake without a mouse."""

import re

from playwright.async_api import expect

from tests.browser.cast import HOME, OLD, SPONSOR, Cast
from tests.browser.conftest import Come
from tests.browser.hands import Hands

KEYS_AT_MOST = 40  # that are no data (ui.md 14)
SOON_MS = 10_000
PHONE, OLD_ADDRESS, NEW_ADDRESS, HOUSEHOLD = "13000000007", "演示路1号", "吕巷镇演示路12号", "970000001"


async def test_a_transfer_is_taken_and_submitted_by_the_keyboard_alone(come: Come, troupe: Cast) -> None:
    """From the workbench to 提交审批, with the question to the origin on the way."""
    officer, person = await come("zh"), await troupe.newcomer()
    await officer.log_in("shanghai", HOME.counter, "/w")
    hands = Hands(officer)
    await hands.lead("n")
    await hands.lead("n")
    await hands.type("applicant.citizen_id_no", person.citizen_id_no)
    await hands.type("applicant.name", person.name)
    await hands.type("applicant.phone", PHONE)
    await hands.choose_by_code("applicant_page.bureau", "33", "zhejiang")
    await hands.press("Tab")  # at once: the stations come while the officer goes on
    await expect(officer.page.locator(f'option[value="{OLD.station}"]')).to_be_attached(timeout=SOON_MS)
    await hands.choose("origin.station_code", OLD.station)
    await hands.type("origin.address", OLD_ADDRESS)
    await hands.lead("Control+Enter")
    await hands.choose("reason_code", "SPOUSE")
    await hands.type("sponsor.name", SPONSOR.name)
    await hands.type("sponsor.citizen_id_no", SPONSOR.citizen_id_no)
    await hands.type("destination.household_no", HOUSEHOLD)
    await hands.type("destination.address", NEW_ADDRESS)
    await hands.choose_by_code("applicant.relation_to_head_code", "12", "12")
    await hands.to("notice_signed")
    await hands.press("Space")
    await hands.lead("Control+Enter")
    await hands.lead("Control+Enter")  # nobody comes along
    await hands.lead("F2")
    await expect(officer.page.locator("#origin")).to_contain_text(person.name)
    await hands.lead("Control+Enter")
    assert re.search(r"QY\d{20}[0-9A-Z]", await officer.page.inner_text("main"))
    assert hands.presses <= KEYS_AT_MOST, f"{hands.presses} keys that are no data"
