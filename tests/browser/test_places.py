"""Where somebody is and what they have typed, when they change the language or sit at another screen."""

from typing import Any, cast

import pytest

from tests.browser.cast import HOME, OLD, Cast
from tests.browser.conftest import NARROW, Come
from tests.browser.look import Person, overflow
from tests.browser.test_citizens import PLAIN, prove
from tests.browser.test_intake import begin

SCREENS = ((1280, 720), (1440, 900), (1920, 1080))
TYPED = {'[id="applicant.name"]': "李志远", '[id="applicant.citizen_id_no"]': "31011619", '[id="origin.address"]': "演示路1号"}
SCROLLED = """() => [...document.querySelectorAll('main .scroll')]
  .filter(one => one.scrollWidth > one.clientWidth).map(one => one.scrollWidth + ' in ' + one.clientWidth)"""


async def switch(person: Person, language: str) -> None:
    await person.click("a.language")
    assert await person.page.evaluate("document.documentElement.lang") == language


def place(address: str) -> str:
    """Without what chooses the language."""
    return (
        address.partition("#")[0].replace("?lang=en", "").replace("?lang=zh", "").replace("&lang=en", "").replace("&lang=zh", "")
    )


async def test_a_switch_of_language_keeps_the_intake_and_its_step(come: Come, troupe: Cast) -> None:
    officer = await come("zh")
    address = await begin(officer, "shanghai", HOME.counter)
    for field, text in TYPED.items():
        await officer.page.fill(field, text)
    await officer.page.select_option('[id="applicant_page.bureau"]', "zhejiang")
    await officer.page.wait_for_selector(f'option[value="{OLD.station}"]', state="attached")
    await officer.page.select_option('[id="origin.station_code"]', OLD.station)
    for language in ("en", "zh-CN"):
        await switch(officer, language)
        assert place(officer.page.url) == address
        for field, text in TYPED.items():
            assert await officer.page.input_value(field) == text
        assert await officer.page.input_value('[id="applicant_page.bureau"]') == "zhejiang"
        assert await officer.page.input_value('[id="origin.station_code"]') == OLD.station


@pytest.mark.parametrize(
    ("bureau", "badge", "state", "page", "field"),
    [
        ("shanghai", HOME.counter, "ACCEPTED", "ask-supplement", "#missing"),
        ("shanghai", HOME.office, "UNDER_REVIEW", "decide", "#reason"),
        ("zhejiang", OLD.verifier, "APPROVED", "review", "#reason_text"),
    ],
)
async def test_a_switch_of_language_keeps_what_is_typed_into_an_act(
    come: Come, troupe: Cast, bureau: str, badge: str, state: str, page: str, field: str
) -> None:
    officer = await come("zh")
    address = f"/w/case/{troupe.receipts[state].case}/{page}"
    await officer.log_in(bureau, badge, address)
    await officer.page.fill(field, "演示：缺结婚证")
    await switch(officer, "en")
    assert place(officer.page.url) == officer.webs[bureau] + address
    assert await officer.page.input_value(field) == "演示：缺结婚证"


async def test_a_switch_of_language_keeps_the_page_of_a_list(come: Come, troupe: Cast) -> None:
    officer = await come("zh")
    await officer.log_in("shanghai", HOME.counter, "/w/queue/settle?after=25")
    await switch(officer, "en")
    assert place(officer.page.url) == f"{officer.webs['shanghai']}/w/queue/settle?after=25"


async def too_wide(person: Person, bureau: str, paths: list[str]) -> list[str]:
    """The pages that a screen of each size does not hold without scrolling sideways."""
    found = []
    for path in paths:
        assert await person.go(bureau, path) == 200, path
        for width, height in SCREENS:
            await person.page.set_viewport_size(cast(Any, {"width": width, "height": height}))
            found += [f"{path} at {width}: {one}" for one in await overflow(person.page)]
            found += [f"{path} at {width}: a table of {one} px" for one in await person.page.evaluate(SCROLLED)]
    return found


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_officers_main_pages_fit_each_screen(come: Come, troupe: Cast, language: str) -> None:
    case = {state: f"/w/case/{receipt.case}" for state, receipt in troupe.receipts.items()}
    officer = await come(language)
    step = (await begin(officer, "shanghai", HOME.counter)).removeprefix(officer.webs["shanghai"]).removesuffix("applicant")
    steps = [f"{step}{name}" for name in ("applicant", "matter", "members", "check")]
    at_work = ["/w", "/w/queue/settle", "/w/queue/drafts", "/w/intake", *steps]
    counter = [case["DRAFT"], case["HERE"], f"{case['APPROVED']}/trace", f"{case['CERTIFIED']}/settle"]
    assert await too_wide(officer, "shanghai", [*at_work, *counter, f"{case['CERTIFIED']}/slip/certificate"]) == []
    pages = {
        ("shanghai", HOME.office): ["/w/queue/review", f"{case['UNDER_REVIEW']}/decide"],
        ("zhejiang", OLD.verifier): ["/w/queue/verify", f"{case['APPROVED']}/review", f"{case['APPROVED']}/compare"],
        ("shanghai", "D31005"): [
            "/ops",
            "/ops/peers",
            "/ops/owed",
            "/ops/outbox",
            "/ops/timers",
            f"/ops/cases{case['HERE'][7:]}",
        ],
    }
    for (bureau, badge), paths in pages.items():
        other = await come(language)
        await other.log_in(bureau, badge)
        assert await too_wide(other, bureau, paths) == []
    wall = other
    await wall.go("shanghai", "/ops?wall=1")  # made for 1920 x 1080 alone (ui.md 9)
    assert await overflow(wall.page) == []


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_citizens_pages_fit_a_telephone(come: Come, troupe: Cast, language: str) -> None:
    citizen = await come(language, size=NARROW, scripts=False)
    for path in PLAIN:
        await citizen.go("shanghai", path)
        assert await overflow(citizen.page) == [], path
    receipt = troupe.receipts["HERE"]
    await prove(citizen, receipt.apply_no, receipt.query_code)
    assert await overflow(citizen.page) == []
