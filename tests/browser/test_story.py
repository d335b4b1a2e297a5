"""The story of Ms Wang, clicked: three officers at two bureaus, and the citizen who looks in after every step."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from services.bureau.access.citizens import TRACK_PATH
from services.harness.stories.script import STORIES
from tests.browser.cast import Cast
from tests.browser.conftest import NARROW, Come
from tests.browser.look import Person, look
from tests.browser.queues import queues_of, stands_in

APPLICATION: dict[str, Any] = json.loads((STORIES / "wang" / "application.json").read_text())
SOON_MS = 15_000


async def fill(person: Person, values: dict[str, str]) -> None:
    for name, value in values.items():
        field = person.page.locator(f'[id="{name}"]')
        if await field.evaluate("one => one.tagName") == "SELECT":
            await field.select_option(value)
        elif await field.get_attribute("type") == "checkbox":
            await field.check()
        else:
            await field.fill(value)


async def see(citizen: Person, number: str, text: str) -> None:
    """The citizen looks until the page says so: messages need a moment."""
    for _ in range(SOON_MS // 300):
        await citizen.go("shanghai", f"{TRACK_PATH}/{number}")
        if text in await citizen.page.inner_text("main"):
            return
        await citizen.page.wait_for_timeout(300)
    raise AssertionError(f"{text} is not on the citizen's page: {await citizen.page.inner_text('main')}")


async def take_the_case(counter: Person) -> None:
    """Intake, step by step, until the origin has said who that is."""
    form = APPLICATION
    await counter.click("form[action='/w/intake'] button")
    await fill(
        counter, {"applicant.citizen_id_no": form["applicant"]["citizen_id_no"], "applicant.name": form["applicant"]["name"]}
    )
    await counter.page.select_option('[id="applicant_page.bureau"]', "zhejiang")
    await counter.page.wait_for_selector(f'option[value="{form["origin"]["station_code"]}"]', state="attached")
    await fill(counter, {"origin.station_code": form["origin"]["station_code"], "origin.address": form["origin"]["address"]})
    await counter.click("main form[data-draft] button.primary")
    await fill(
        counter,
        {
            "reason_code": form["reason_code"],
            "sponsor.name": form["sponsor"]["name"],
            "sponsor.citizen_id_no": form["sponsor"]["citizen_id_no"],
            "destination.household_no": form["destination"]["household_no"],
            "destination.address": form["destination"]["address"],
            "applicant.relation_to_head_code": form["applicant"]["relation_to_head_code"],
            "notice_signed": "yes",
        },
    )
    await counter.click("main form[data-draft] button.primary")
    await counter.click("main form[data-draft] button.primary")  # nobody comes along
    assert counter.page.url.endswith("/check")
    await counter.click("button[value=look_up]")
    assert form["applicant"]["name"] in await counter.page.inner_text("#origin")


async def submit_the_case(counter: Person) -> tuple[str, str]:
    """提交审批; the number and the code of the receipt."""
    await counter.click("button[value=submit]")
    found = re.search(r"QY\d{20}[0-9A-Z]", await counter.page.inner_text("main"))
    assert found is not None
    return found.group(), await counter.page.inner_text(".code")


async def open_case(officer: Person, bureau: str, number: str) -> str:
    """By the search box; gives the path of the case."""
    await officer.go(bureau, "/w")
    await officer.page.fill("#q", number)
    await officer.enter()
    if "/w/case/" not in officer.page.url:
        await officer.click("main a[href^='/w/case/']")
    return officer.page.url.removeprefix(officer.webs[bureau])


async def act(officer: Person, bureau: str, path: str, form: str, *boxes: str) -> None:
    """Open the act's page, confirm with the second factor if asked, tick `boxes`, send."""
    await officer.go(bureau, path)
    if await officer.page.locator("a[href*='step_up=yes']").count():
        await officer.click("a[href*='step_up=yes']")
        await officer.click(f"button[value={OFFICER_OF[form]}]")
        await officer.go(bureau, path)
    for box in boxes:
        await officer.page.check(box)
    async with officer.page.expect_event("load", timeout=SOON_MS):
        await officer.page.click(f"form[action$='/{form}'] button.primary")


OFFICER_OF = {"approve": "D31003", "seal": "D33002", "settle": "D31001"}


# Everybody who has queues, at both bureaus: who can be in one browser without being the same officer is.
OTHERS = (("shanghai", "D31002"), ("shanghai", "D31004"), ("zhejiang", "D33001"), ("zhejiang", "D33003"))


@pytest.mark.parametrize("language", ["zh"])
async def test_the_whole_story_is_clicked(come: Come, troupe: Cast, screenshots: Path | None, language: str) -> None:
    """After each step the citizen is told of it, and the case stands in the queues in which it belongs, counted and listed."""
    counter, branch, verifier = await come(language), await come(language), await come(language)
    citizen = await come(language, size=NARROW, scripts=False)
    for officer in (counter, branch, verifier):
        officer.page.on("dialog", lambda dialog: dialog.accept())
    everybody = [(counter, "shanghai", "D31001"), (branch, "shanghai", "D31003"), (verifier, "zhejiang", "D33002")]
    await branch.log_in("shanghai", "D31003", "/w")
    await verifier.log_in("zhejiang", "D33002", "/w")
    for bureau, badge in OTHERS:
        other = await come(language)
        await other.log_in(bureau, badge, "/w")
        everybody.append((other, bureau, badge))
    await counter.log_in("shanghai", "D31001", "/w/intake")
    await take_the_case(counter)
    drafts = (await queues_of(*everybody[0]))["drafts"]
    number, code = await submit_the_case(counter)
    assert number in drafts
    assert await stands_in(number, everybody) == {("D31003", "review")}
    await counter.picture(screenshots, "story-receipt")
    await citizen.go("shanghai", TRACK_PATH)
    await citizen.page.fill("#apply_no", number)
    await citizen.page.fill("#query_code", code)
    await citizen.enter()
    assert "审批中" in await citizen.page.inner_text("main")
    case = await open_case(branch, "shanghai", number)
    await act(branch, "shanghai", f"{case}/decide", "approve")
    await see(citizen, number, "准予迁入，已推送")
    assert await stands_in(number, everybody) == {("D31001", "peer"), ("D33002", "verify")}
    await act(verifier, "zhejiang", f"{case}/review", "seal", "#applicant_confirms")
    await see(citizen, number, "已匹配，待落户")
    assert await stands_in(number, everybody) == {("D31001", "settle"), ("D33002", "transit")}
    await act(counter, "shanghai", f"{case}/settle", "settle", "input[name=member-1][value=signed]")
    assert await look(counter) == []
    await counter.picture(screenshots, "story-settled")
    await see(citizen, number, "已落户")
    assert await stands_in(number, everybody) == set()
