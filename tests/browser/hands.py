"""Somebody who has no mouse: what they press is counted, and where they are must be seen."""

from dataclasses import dataclass
from typing import Any

from tests.browser.look import Person

ON_THE_WAY = 12  # a field that is further from the last one is not the next one
FOCUS = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const outline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
  return {
    name: one === document.body ? '' : one.id || one.getAttribute('name') || one.textContent.trim(),
    value: one.value ?? '',
    ring: outline || style.boxShadow !== 'none',
    there: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}"""


@dataclass
class Hands:
    """`presses`: keys that are no data: to move, to choose, to send. What is typed into fields is not among them."""

    person: Person
    presses: int = 0

    async def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            await self.person.page.keyboard.press(key)
            self.presses += 1

    async def lead(self, key: str) -> None:
        """Press what leads to another page."""
        async with self.person.page.expect_navigation(wait_until="load"):
            await self.press(key)

    async def focus(self) -> Any:
        """Where the keyboard is. Wherever that is, it is seen."""
        found = await self.person.page.evaluate(FOCUS)
        assert found["name"], f"the focus is nowhere on {self.person.page.url}"
        assert found["ring"], f"the focus at {found['name']} is not marked"
        assert found["there"], f"the focus at {found['name']} is out of sight"
        return found

    async def to(self, field: str) -> None:
        """Onward by Tab to a field; it may be the one that has the focus already."""
        passed = []
        for _ in range(ON_THE_WAY):
            if (name := (await self.focus())["name"]) == field:
                return
            passed.append(name)
            await self.press("Tab")
        raise AssertionError(f"{field} is not among the next fields: {passed}")

    async def type(self, field: str, text: str) -> None:
        await self.to(field)
        await self.person.page.keyboard.type(text)
        assert (await self.focus())["value"] == text

    async def choose(self, field: str, value: str) -> None:
        """By the arrow, from the first choice on."""
        await self.to(field)
        choices: list[str] = await self.person.page.eval_on_selector(
            f'[id="{field}"]', "one => [...one.options].map(o => o.value)"
        )
        for _ in choices:
            if (await self.focus())["value"] == value:
                return
            await self.press("ArrowDown")
        raise AssertionError(f"{field} has no {value}: {choices}")

    async def choose_by_code(self, field: str, code: str, value: str) -> None:
        """By typing the code with which the choice begins."""
        await self.to(field)
        for sign in code:
            await self.press(sign)
        assert (await self.focus())["value"] == value
