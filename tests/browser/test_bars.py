"""The bar with what can be done stays at the lower edge, and hides nothing that has the focus (WCAG 2.4.11)."""

import pytest

from tests.browser.cast import Cast
from tests.browser.conftest import Come
from tests.browser.test_intake import begin

SIZES = [(1440, 900), (1280, 720), (1280, 480)]
# Each control in its turn, as Tab comes by; what lies over its middle must be itself.
COVERED = """() => {
  const found = [];
  const controls = 'a[href], button, input:not([type=hidden]), select, textarea';
  for (const one of document.querySelector('main').querySelectorAll(controls)) {
    if (one.closest('.actions') || one.closest('.visually-hidden') || one.disabled) continue;
    one.focus();
    const box = one.getBoundingClientRect();
    const over = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    if (box.width && !(over && (over === one || one.contains(over)))) found.push(one.id || one.name || one.textContent.trim());
  }
  return found;
}"""


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_what_has_the_focus_is_not_under_the_bar(come: Come, troupe: Cast, width: int, height: int) -> None:
    officer = await come("zh")
    await officer.page.set_viewport_size({"width": width, "height": height})
    address = await begin(officer, "shanghai", "D31001")
    for step in ("applicant", "matter", "check"):
        await officer.page.goto(address.replace("/applicant", f"/{step}"))
        assert await officer.page.locator(".actions").count() == 1
        assert await officer.page.evaluate(COVERED) == [], step
