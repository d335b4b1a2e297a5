"""When Chromium has painted something of a page that it has never seen, from a node that runs as a process on loopback."""

import asyncio
import shutil
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from services.harness.stack import StackError
from shared.identifiers.texts import N_

LOADS = 7
LISTENS_SECONDS, POLL_SECONDS = 60.0, 0.1
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-proxy-server")
PAINTED = """new Promise(done => new PerformanceObserver((list, watch) => {
    for (const one of list.getEntries()) if (one.name === "first-contentful-paint") { watch.disconnect(); done(one.startTime) }
}).observe({type: "paint", buffered: true}))"""


def can_paint() -> bool:
    """Whether there is a browser, and what drives it."""
    try:
        import playwright.async_api  # noqa: F401  # of the development's packages
    except ImportError:
        return False
    return shutil.which("chromium") is not None


async def painted(origin: str, officer: str, paths: Sequence[str]) -> dict[str, list[float]]:
    """Milliseconds until the first contentful paint of each path, LOADS times by an empty browser that is logged in."""
    from playwright.async_api import async_playwright  # of the development's packages

    await _until_it_listens(origin)
    found: dict[str, list[float]] = {path: [] for path in paths}
    async with async_playwright() as driver:
        chromium = await driver.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        try:
            look: Any = {"locale": "zh-CN", "timezone_id": "Asia/Shanghai", "viewport": {"width": 1440, "height": 900}}
            first = await chromium.new_context(**look)
            page = await first.new_page()
            await page.goto(f"{origin}/login?next=/me")
            await page.click(f"button[value={officer}]")
            await page.wait_for_url(f"{origin}/me")
            logged_in = await first.storage_state()
            await first.close()
            for _ in range(LOADS):
                for path in paths:
                    empty = await chromium.new_context(storage_state=logged_in, **look)
                    page = await empty.new_page()
                    await page.goto(f"{origin}{path}")
                    found[path].append(float(await page.evaluate(PAINTED)))
                    await empty.close()
        finally:
            await chromium.close()
    return found


async def _until_it_listens(origin: str) -> None:
    where, ends_at = urlsplit(origin), time.monotonic() + LISTENS_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection(where.hostname, where.port)
        except OSError:
            if time.monotonic() > ends_at:
                raise StackError(N_("nothing listens at {address}"), address=origin) from None
            await asyncio.sleep(POLL_SECONDS)
        else:
            return writer.close()
