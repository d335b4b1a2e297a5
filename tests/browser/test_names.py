"""Names with a separator and with characters outside the first plane, from the counter to the paper and to the other bureau."""

import pytest
from playwright.async_api import expect

from shared.contract.fields import NAME_MAX_CHARS
from tests.browser.cast import HOME, OLD, RARE, Cast
from tests.browser.conftest import Come
from tests.browser.look import Person, look
from tests.browser.test_intake import NAME, SEND, begin, to_the_check
from tests.browser.test_story import fill
from tests.real.people import Person as Resident

SOON_MS = 10_000
# The signs of a text for which this machine draws nothing, or what it draws for a sign that no font has.
BOXES = """text => {
  const draw = sign => {
    const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
    pen.font = '32px ' + getComputedStyle(document.querySelector('.slip')).fontFamily;
    pen.fillText(sign, 2, 34);
    return pen.getImageData(0, 0, 60, 60).data.join();
  };
  const none = [draw(' '), draw('\\u{10FF00}')];
  return [...text].filter(sign => none.includes(draw(sign)));
}"""
MANY = 50  # characters that every field for a name takes at least (ui.md 14)


async def take(officer: Person, mover: Resident) -> str:
    """An intake of `mover`, looked up and submitted; the number of the case."""
    await begin(officer, "shanghai", HOME.counter)
    await fill(officer, {"applicant.name": mover.name})
    await to_the_check(officer, mover.citizen_id_no)
    await officer.click("button[value=look_up]")
    told = officer.page.locator("#origin")
    await expect(told).to_contain_text(mover.name)
    await expect(told).not_to_contain_text("姓名与户籍不符")
    await officer.click("button[value=submit]")
    await expect(officer.page.locator("main")).to_contain_text(mover.name)
    return (await officer.page.inner_text("main .facts dd.mono >> nth=0")).strip()


async def test_a_rare_name_is_the_same_on_every_page_at_both_bureaus_and_on_paper(come: Come, troupe: Cast) -> None:
    mover, counter = await troupe.newcomer(RARE), await come("zh")
    number = await take(counter, mover)
    await counter.page.fill("#q", mover.citizen_id_no)
    await counter.enter()
    await expect(counter.page.locator("#case-title")).to_contain_text(number)
    await expect(counter.page.locator("main")).to_contain_text(RARE)
    case = counter.page.url.rpartition("/")[2]
    await troupe.officers.act("shanghai", HOME.office, f"/api/v1/transfers/{case}/approve", {})
    verifier = await come("en")
    await verifier.log_in("zhejiang", OLD.verifier, "/w/queue/verify")
    await expect(verifier.page.locator("#rows tbody tr", has_text=RARE)).to_have_count(1, timeout=SOON_MS)
    await verifier.page.fill("#q", mover.citizen_id_no)
    await verifier.enter()
    await expect(verifier.page.locator("main")).to_contain_text(RARE)
    assert await look(verifier) == []
    await verifier.go("zhejiang", f"/w/case/{case}/review")
    assert (await verifier.page.inner_text("main")).count(RARE) >= 2  # the permit says it, and the register
    for officer, bureau, slip in ((counter, "shanghai", "acceptance"), (verifier, "zhejiang", "permit")):
        await officer.go(bureau, f"/w/case/{case}/slip/{slip}")
        await expect(officer.page.locator("article.slip")).to_contain_text(RARE)
        assert await officer.page.evaluate(BOXES, RARE) == []


@pytest.mark.parametrize("characters", [MANY, NAME_MAX_CHARS])
async def test_a_long_name_is_taken_by_its_characters_not_by_its_units(come: Come, troupe: Cast, characters: int) -> None:
    """Half of them need two units of UTF-16 each."""
    officer, name = await come("zh"), ("𠅤·" * characters)[:characters]
    await begin(officer, "shanghai", HOME.counter)
    await officer.page.focus(NAME)
    await officer.page.keyboard.insert_text(name)
    await officer.click(SEND)
    assert await officer.page.input_value(NAME) == name
    assert "#applicant.name" not in await wrong(officer)
    await discard(officer)


async def test_a_longer_name_is_refused_with_its_limit_and_kept(come: Come, troupe: Cast) -> None:
    officer, name = await come("zh"), "𠅤" * (NAME_MAX_CHARS + 1)
    await begin(officer, "shanghai", HOME.counter)
    await officer.page.focus(NAME)
    await officer.page.keyboard.insert_text(name)
    await officer.click(SEND)
    assert "#applicant.name" in await wrong(officer)
    assert str(NAME_MAX_CHARS) in await officer.page.inner_text('[id="applicant.name-fault"]')
    assert await officer.page.input_value(NAME) == name
    await discard(officer)


async def discard(officer: Person) -> None:
    """Nobody else shall find it."""
    officer.page.on("dialog", lambda dialog: dialog.accept())
    await officer.click("form[action$='/discard'] button")


async def wrong(officer: Person) -> list[str | None]:
    """The fields that the error summary leads to."""
    return [await one.get_attribute("href") for one in await officer.page.locator(".errors a").all()]
