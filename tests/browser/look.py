"""Somebody at a browser, what their browser complains of, and what must be true of every page that they see."""

import gzip
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request

from services.harness.network import SERVICES
from shared.web.texts import _chinese

AXE = Path(__file__).with_name("vendor") / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
KINDS = ("csv", "json", "toml")
BUDGET_BYTES, CITIZENS_BUDGET_BYTES = 60_000, 40_000
LOADED = "() => performance.getEntriesByType('resource').filter(one => one.name.includes('/static/'))"
LOADED += ".reduce((sum, one) => sum + one.encodedBodySize, 0)"
REPORT_VIOLATIONS = (
    "document.addEventListener('securitypolicyviolation', e => console.error('content policy: ' + e.violatedDirective + ' '"
    " + e.blockedURI))"
)
# Text as people read it, and as their helpers say it; with the languages that a piece declares for itself.
TEXTS = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement, text = node.textContent.trim();
    if (text && parent && !parent.closest('script,style,[lang]:not(html)')) found.push(text);
  }
  for (const element of document.querySelectorAll('[aria-label],[title],[placeholder],[alt],[data-confirm]'))
    if (!element.closest('[lang]:not(html)'))
      for (const name of ['aria-label', 'title', 'placeholder', 'alt', 'data-confirm'])
        if (element.getAttribute(name)) found.push(element.getAttribute(name).trim());
  found.push(document.title);
  return found;
}"""
HAN = re.compile(rb"[\\u3400-\\u9fff\\U00020000-\\U0002ffff]+".decode("unicode_escape"))
RECORD_NUMBER = re.compile(r"[沪苏浙皖]准?迁(?=[第0-9])")  # permits and certificates
ENGLISH_WORDS = re.compile(r"\b[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}\b")


@dataclass
class Person:
    """One browser with its cookies; `page` is the page in front."""

    context: BrowserContext
    webs: dict[str, str]
    language: str
    page: Page
    complaints: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    @classmethod
    async def at(cls, context: BrowserContext, webs: dict[str, str], language: str) -> "Person":
        await context.add_init_script(REPORT_VIOLATIONS)
        for web in webs.values():
            await context.add_cookies([{"name": "quanyu-lang", "value": language, "url": web}])
        person = cls(context, webs, language, await context.new_page())
        person.watch(person.page)
        return person

    def watch(self, page: Page) -> None:
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        """Errors of our pages. That an address answered 4xx or that a node is away is the test's own affair."""
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"{message.location.get('url')}: {message.text}")

    def _asked(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https") and f"{address.scheme}://{address.netloc}" not in self.webs.values():
            self.complaints.append(f"asked elsewhere: {request.url}")

    async def go(self, bureau: str, path: str) -> int:
        """Open a page; its status."""
        answer = await self.page.goto(self.webs[bureau] + path, wait_until="load")
        assert answer is not None
        return answer.status

    async def click(self, selector: str) -> None:
        """Click what leads to another page. Its load is waited for: htmx names the page in front anew,
        which passes for a navigation."""
        async with self.page.expect_event("load"):
            await self.page.click(selector)

    async def enter(self) -> None:
        """Send the form by the keyboard."""
        async with self.page.expect_event("load"):
            await self.page.keyboard.press("Enter")

    async def log_in(self, bureau: str, officer: str, path: str = "/me") -> None:
        """The code flow, as an officer clicks it."""
        await self.go(bureau, path)
        await self.click(f"button[value={officer}]")

    async def picture(self, folder: Path | None, name: str) -> None:
        if folder is not None:
            width = (self.page.viewport_size or {"width": 0})["width"]
            await self.page.screenshot(path=folder / f"{name}-{self.language}-{width}.png", full_page=True)


async def look(person: Person) -> list[str]:
    """What is wrong with the page in front: for helpers' software, in its width, in its words."""
    page = person.page
    return [*await barriers(page), *await overflow(page), *await foreign_words(person), *await heaviness(page)]


async def barriers(page: Page) -> list[str]:
    """What axe finds. Evaluated by the debugger: our content policy lets no page load another script."""
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", list(RULES)
    )
    return [
        f"axe {one['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


async def overflow(page: Page) -> list[str]:
    wide, there = await page.evaluate("() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    return [f"{wide} px wide in {there}"] if wide > there else []


async def heaviness(page: Page) -> list[str]:
    """A page with all that it loads, packed, over its budget (ui.md 13)."""
    html = len(gzip.compress((await page.content()).encode()))
    loaded = int(await page.evaluate(LOADED))
    budget = CITIZENS_BUDGET_BYTES if urlsplit(page.url).path.startswith("/c/") else BUDGET_BYTES
    return [f"weighs {html} B and {loaded} B of files"] if html + loaded > budget else []


async def foreign_words(person: Person) -> list[str]:
    """Words of the other language: on English pages Han that is nobody's name or address, on Chinese ones English sentences."""
    texts: list[str] = await person.page.evaluate(TEXTS)
    if person.language == "en":
        return [
            f"not English: {text!r}" for text in texts for run in HAN.findall(RECORD_NUMBER.sub("", text)) if not is_data(run)
        ]
    untranslated = {msgid for msgid, zh in _chinese().items() if msgid != zh and HAN.search(zh)}
    return [f"not Chinese: {text!r}" for text in texts if text in untranslated or ENGLISH_WORDS.search(text)]


def is_data(run: str) -> bool:
    """Names, and addresses that begin with the divisions they lie in."""
    rest = run
    while rest not in data():
        division = next((name for name in divisions() if rest.startswith(name)), None)
        if division is None:
            return False
        rest = rest.removeprefix(division)
    return True


@cache
def divisions() -> list[str]:
    """Names of provinces, cities and counties, the longest first."""
    files = [SERVICES.parent / "shared" / "identifiers" / f"{name}.csv" for name in ("divisions", "provinces")]
    names = {name for file in files for name in HAN.findall(file.read_text()) if len(name) > 1}
    return sorted(names, key=len, reverse=True)


@cache
def data() -> str:
    """Everything that is Han and not ours to translate: names of bureaus, units, officers, people, addresses, what tests type."""
    files = [
        *SERVICES.glob("*/*.csv"),
        *SERVICES.glob("*/bureau.toml"),
        *(file for kind in KINDS for file in (SERVICES / "harness" / "stories").glob(f"*/*.{kind}")),
    ]
    divisions = SERVICES.parent / "shared" / "identifiers"
    files += [divisions / "divisions.csv", divisions / "provinces.csv", Path(__file__).with_name("cast.py")]
    files += [SERVICES.parent / "tests" / "real" / "people.py"]
    return "\n".join(file.read_text() for file in files)
