"""The ring of browsers: Chromium at four nodes that run as processes, as officers and citizens see them."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import Browser, async_playwright

from services.harness.processes import Federation
from tests.rings import missing_browser

pytest.register_assert_rewrite(
    "tests.browser.cast", "tests.browser.hands", "tests.browser.look"
)  # they assert for the tests: show what differs

from tests.browser.cast import CLOCK, Cast, cast_of  # noqa: E402
from tests.browser.look import Person  # noqa: E402

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--font-render-hinting=none")
WIDE, NARROW = (1440, 900), (390, 844)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """With CI=true a machine without Chromium is a failure; elsewhere it is reported, with what to install."""
    reason = missing_browser()
    if reason is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="session")
async def federation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Federation]:
    """Four nodes on the embedded stack."""
    made = Federation(tmp_path_factory.mktemp("federation"))
    try:
        await asyncio.to_thread(_start, made)
        yield made
    finally:
        await asyncio.to_thread(_stop, made)


def _start(federation: Federation) -> None:
    federation.start_servers()
    federation.set_business_clock(CLOCK)
    federation.start_nodes()
    federation.wait_ready()


def _stop(federation: Federation) -> None:
    for node in federation.nodes.values():
        if node.process is not None and node.ended is None:
            node.process.send_signal(signal.SIGCONT)  # a frozen one would not hear that it shall end
    federation.stop()


@pytest.fixture(scope="session")
async def troupe(federation: Federation) -> AsyncIterator[Cast]:
    """People in the registers, and a case in every state."""
    async with cast_of(federation) as made:
        yield made


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        yield browser
        await browser.close()


Come = Callable[..., Awaitable[Person]]


@pytest.fixture
async def come(chromium: Browser, federation: Federation) -> AsyncIterator[Come]:
    """Somebody at a browser of their own: `await come("zh")`, `await come("en", size=NARROW, scripts=False)`.

    Whatever the test looks at: nothing may break the content policy, raise an error, or be fetched from elsewhere."""
    people: list[Person] = []
    webs = {bureau: node.web for bureau, node in federation.nodes.items()}

    async def one(language: str = "zh", *, size: tuple[int, int] = WIDE, scripts: bool = True) -> Person:
        context = await chromium.new_context(
            locale="zh-CN" if language == "zh" else "en-GB",
            timezone_id="Asia/Shanghai",
            viewport=cast(Any, {"width": size[0], "height": size[1]}),
            java_script_enabled=scripts,
        )
        people.append(await Person.at(context, webs, language))
        return people[-1]

    yield one
    for person in people:
        await person.context.close()
    complaints = [complaint for person in people for complaint in person.complaints]
    assert complaints == []


@pytest.fixture(scope="session")
def screenshots() -> Path | None:
    """Where pictures of the pages go, when SCREENSHOTS names a folder."""
    named = os.environ.get("SCREENSHOTS")
    if not named:
        return None
    folder = Path(named)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
