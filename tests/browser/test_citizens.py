"""Citizens at their pages, without any script, at a desk and on a telephone."""

import re
from pathlib import Path

import pytest

from services.bureau.access.citizens import TRIES
from shared.identifiers.query_code import new_query_code
from tests.browser.cast import MISSING, REFUSED, Cast
from tests.browser.conftest import NARROW, WIDE, Come
from tests.browser.look import Person, look

PLAIN = ("/c", "/c/help", "/c/a11y", "/c/privacy", "/c/track")
STATES = ("DRAFT", "ACCEPTED", "SUPPLEMENT_REQUIRED", "UNDER_REVIEW", "REFUSED", "APPROVED", "CERTIFIED", "HERE", "VOID")
SIZES = {"desk": WIDE, "telephone": NARROW}


async def prove(person: Person, number: str, code: str) -> None:
    await person.go("shanghai", "/c")
    await person.click("main a[href='/c/track']")
    await person.page.fill("#apply_no", number)
    await person.page.fill("#query_code", code)
    await person.enter()


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("size", list(SIZES))
async def test_every_page_is_open_to_everybody(come: Come, screenshots: Path | None, language: str, size: str) -> None:
    """Looked at with scripts on, because the software that looks is one; the pages have none."""
    citizen = await come(language, size=SIZES[size])
    for path in PLAIN:
        assert await citizen.go("shanghai", path) == 200
        assert await look(citizen) == [], path
        assert await citizen.page.evaluate("getComputedStyle(document.querySelector('main')).fontSize") == "16px"
        assert await citizen.page.locator("script").count() == 0
        await citizen.picture(screenshots, f"citizen{path.replace('/', '-')}")


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("size", list(SIZES))
async def test_a_case_in_every_state(come: Come, troupe: Cast, screenshots: Path | None, language: str, size: str) -> None:
    citizen = await come(language, size=SIZES[size])
    for state in STATES:
        receipt = troupe.receipts[state]
        await prove(citizen, receipt.apply_no, receipt.query_code)
        assert citizen.page.url.endswith(f"/c/track/{receipt.apply_no}"), state
        assert await look(citizen) == [], state
        await citizen.picture(screenshots, f"citizen-case-{state}")


async def test_everything_works_without_scripts(come: Come, troupe: Cast) -> None:
    citizen = await come("zh", scripts=False, size=NARROW)
    receipt = troupe.receipts["SUPPLEMENT_REQUIRED"]
    await prove(citizen, receipt.apply_no.lower(), f"{receipt.query_code[:5]} {receipt.query_code[5:]}")
    assert MISSING in await citizen.page.inner_text("main")
    assert receipt.query_code not in citizen.page.url
    await citizen.page.reload()
    assert MISSING in await citizen.page.inner_text("main")
    await citizen.click("a.language")
    assert "Something is missing" in await citizen.page.inner_text("main")
    await citizen.click("form[action='/c/leave'] button")
    await citizen.go("shanghai", f"/c/track/{receipt.apply_no}")
    assert citizen.page.url.endswith("/c/track?again=yes")


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_refusal_is_told_and_a_mistyped_number_is_named(
    come: Come, troupe: Cast, screenshots: Path | None, language: str
) -> None:
    citizen = await come(language)
    receipt = troupe.receipts["REFUSED"]
    await prove(citizen, receipt.apply_no[:-1], "ABC")
    assert await look(citizen) == []
    links = await citizen.page.locator(".errors a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert links == ["#apply_no", "#query_code"]
    assert await citizen.page.evaluate("document.activeElement.className") == "errors"
    assert await citizen.page.input_value("#apply_no") == receipt.apply_no[:-1]
    await citizen.picture(screenshots, "citizen-mistyped")
    await prove(citizen, receipt.apply_no, receipt.query_code)
    assert REFUSED in await citizen.page.inner_text("main")


@pytest.mark.parametrize("bureau_language", [("jiangsu", "zh"), ("anhui", "en")])
async def test_who_guesses_has_to_wait_and_is_told_until_when(
    come: Come, troupe: Cast, screenshots: Path | None, bureau_language: tuple[str, str]
) -> None:
    """At bureaus of their own: attempts count for an address, and all tests have the same one."""
    bureau, language = bureau_language
    citizen = await come(language, size=NARROW)
    number = troupe.receipts["HERE"].apply_no  # Shanghai's: here nobody knows it, which must not show
    for _ in range(TRIES + 1):
        await citizen.go(bureau, "/c/track")
        await citizen.page.fill("#apply_no", number)
        await citizen.page.fill("#query_code", new_query_code())
        await citizen.enter()
    until = await citizen.page.locator("main time").get_attribute("datetime")
    assert until is not None
    assert re.match(r"\d{4}-\d\d-\d\dT", until)
    assert await look(citizen) == []
    await citizen.picture(screenshots, "citizen-wait")
