"""Every link of every role, in both languages: no page that fails, none that is not there, no word of the other language."""

import re
from collections import Counter, deque
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.bureau.access.callers import Role
from tests.browser.cast import Cast
from tests.browser.conftest import Come
from tests.browser.look import Person, look

OFFICERS = {
    Role.COUNTER: "D31001",
    Role.VERIFIER: "D31002",
    Role.POPULATION_OFFICE: "D31003",
    Role.HRSS: "D31004",
    Role.OPERATOR: "D31005",
    Role.AUDITOR: "D31006",
}
OF_ONE_KIND = 2  # pages of the same form: a second one, in case the first is the odd one out
PAGES_AT_MOST = 80
NOT_FOLLOWED = ("/static/", "/events", "/logout", "/dev/", "/openapi.json", "/login?")
LINKS = "() => [...document.querySelectorAll('a[href]:not([download])')].map(one => [one.getAttribute('href'), one.href])"
OK, SERVER_ERROR = 200, 500


def kind(path: str) -> str:
    """Pages that differ only in ids and in what is asked of them are of one kind."""
    address = urlsplit(path)
    place = re.sub(r"/(?=[^/]*\d)[^/]+", "/-", address.path)
    return place + "".join(sorted(re.findall(r"[?&](\w+=)", f"?{address.query}")))


async def walk(person: Person, bureau: str, starts: list[str], screenshots: Path | None, name: str) -> list[str]:
    """Follow every link from `starts`; everything that is wrong on the way."""
    web, wrong = person.webs[bureau], []
    waiting, seen, of_kind = deque((start, "the start") for start in starts), set(starts), Counter[str]()
    while waiting and sum(of_kind.values()) < PAGES_AT_MOST:
        path, came_from = waiting.popleft()
        of_kind[kind(path)] += 1
        if of_kind[kind(path)] > OF_ONE_KIND:
            continue
        status = await person.go(bureau, path)
        if status != OK:
            wrong.append(f"{path}, linked from {came_from}: {status}")
        wrong += [f"{path}: {one}" for one in await look(person)]
        if of_kind[kind(path)] == 1:
            await person.picture(screenshots, f"{name}{re.sub('[^a-z0-9]+', '-', kind(path))}")
        for target, address in await person.page.evaluate(LINKS):
            if target.startswith("#") or not address.startswith(web):
                continue
            onward = address.removeprefix(web).partition("#")[0] or "/"
            if "lang=" in onward or onward.startswith(NOT_FOLLOWED) or onward in seen:
                continue
            seen.add(onward)
            waiting.append((onward, path))
    return wrong


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("role", list(OFFICERS))
async def test_an_officer_finds_every_page_in_order(
    come: Come, troupe: Cast, screenshots: Path | None, role: Role, language: str
) -> None:
    officer = await come(language)
    await officer.log_in("shanghai", OFFICERS[role])
    assert await walk(officer, "shanghai", ["/me"], screenshots, role.value) == []


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_verifier_at_the_old_home_finds_every_page_in_order(
    come: Come, troupe: Cast, screenshots: Path | None, language: str
) -> None:
    officer = await come(language)
    await officer.log_in("zhejiang", "D33002")
    assert await walk(officer, "zhejiang", ["/me"], screenshots, "origin") == []


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_who_is_not_logged_in_finds_every_page_in_order(come: Come, screenshots: Path | None, language: str) -> None:
    stranger = await come(language)
    assert await walk(stranger, "shanghai", ["/", "/c"], screenshots, "stranger") == []


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/static/nothing.css", 404)])
async def test_a_problem_is_a_page_too(come: Come, screenshots: Path | None, path: str, status: int, language: str) -> None:
    officer = await come(language)
    await officer.log_in("shanghai", OFFICERS[Role.COUNTER])
    assert await officer.go("shanghai", path) == status
    assert await look(officer) == []
    await officer.picture(screenshots, f"problem{path.replace('/', '-')}")


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_login_and_the_choice_of_a_post(come: Come, screenshots: Path | None, language: str) -> None:
    officer = await come(language)
    await officer.go("shanghai", "/me")
    assert await look(officer) == []
    await officer.picture(screenshots, "login")
    await officer.click("button[value=D31007]")
    assert await look(officer) == []
    await officer.picture(screenshots, "post")
    await officer.click(".cards button")
    assert officer.page.url.endswith("/me")
