"""Logging in at a browser: the code flow, the choice of a post, step-up, logging out, two bureaus side by side."""

from datetime import timedelta
from typing import Any

import httpx2 as httpx
import pytest

from services.bureau.access.sessions import ABSOLUTE, IDLE, STEPPED_UP_FOR
from services.bureau.app import build_web
from tests.node.browser import Browser
from tests.node.bureau import Bureau
from tests.node.conftest import Browse, Open

COOKIE_LIMIT_BYTES = 4096  # RFC 6265, 6.1: what every browser keeps


async def test_who_is_not_logged_in_is_led_to_the_login_and_back(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(quiet_shanghai)
    answer = await browser.get("/me?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fme%3Fx%3D1")
    after = await browser.log_in("D31001", next="/me?x=1")
    assert (after.status_code, after.url.path, after.url.query) == (200, "/me", b"x=1")
    assert "D31001" in after.text


async def test_login_leaves_an_audit_row(quiet_shanghai: Bureau, browse: Browse) -> None:
    before = len(await quiet_shanghai.audit("access.log_in"))
    await browse(quiet_shanghai, "D31001")
    rows = (await quiet_shanghai.audit("access.log_in"))[before:]
    assert [(row.actor, row.object_id) for row in rows] == [("D31001", "D31001")]


async def test_who_holds_no_post_is_refused(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(quiet_shanghai)
    answer = await browser.log_in("D33002")  # an officer of another bureau
    assert (answer.status_code, "quanyu-shanghai" in browser.client.cookies) == (403, False)


async def test_who_holds_several_posts_chooses_one(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(quiet_shanghai)
    choosing = await browser.log_in("D31007", next="/me")
    assert choosing.url.path == "/login/post"
    posts = await quiet_shanghai.wiring.posts_of("D31007", quiet_shanghai.wiring.node.business_today())
    assert len(posts) == 2
    assert all(post.header in choosing.text for post in posts)
    after = await browser.send("/login/post", {"post": posts[1].header, "next": "/me"}, follow=True)
    assert (after.status_code, after.url.path) == (200, "/me")
    assert (await browser.send("/login/post", {"post": "310116000000:population_office"})).status_code == 403


async def test_whose_post_has_ended_chooses_another_and_who_holds_none_is_refused(open_bureau: Open, browse: Browse) -> None:
    shanghai = await open_bureau("shanghai")
    browser = await browse(shanghai, "D31001", step_up=True)
    post = (await shanghai.one("SELECT post FROM login_session")).post
    ended = "UPDATE login_session SET post = :post, badge_no = :badge RETURNING post"
    await shanghai.rows(ended, post="310116000000:population_office", badge="D31001")
    answer = await browser.get("/w")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login/post?next=%2Fw")
    assert (await browser.send("/w/intake")).headers["location"].startswith("/login/post?")
    assert await shanghai.rows("SELECT * FROM intake_draft") == []
    assert (await browser.send("/login/post", {"post": post, "next": "/w"}, follow=True)).url.path == "/w"
    assert not await _stepped_up(shanghai, browser)
    await shanghai.rows(ended, post=post, badge="D33002")
    assert (await browser.get("/w")).status_code == 403


async def test_a_session_that_was_idle_or_old_is_over(open_bureau: Open, browse: Browse) -> None:
    shanghai = await open_bureau("shanghai")
    browser = await browse(shanghai, "D31001")
    shanghai.machine.offset = IDLE + timedelta(seconds=1)
    assert (await browser.get("/me")).status_code == 303
    shanghai.machine.offset = timedelta()
    busy = await browse(shanghai, "D31001")
    for minutes in range(10, int(ABSOLUTE.total_seconds() // 60), 10):
        shanghai.machine.offset = timedelta(minutes=minutes)
        assert (await busy.get("/me")).status_code == 200, minutes
    shanghai.machine.offset = ABSOLUTE + timedelta(seconds=1)
    assert (await busy.get("/me")).status_code == 303


async def test_a_page_that_follows_by_itself_keeps_nobody_logged_in(open_bureau: Open, browse: Browse) -> None:
    shanghai = await open_bureau("shanghai")
    browser = await browse(shanghai, "D31001")
    for minutes in (5, 10, 14):
        shanghai.machine.offset = timedelta(minutes=minutes)
        assert (await browser.get("/me", hx_request="true")).status_code == 200
    shanghai.machine.offset = IDLE + timedelta(seconds=1)
    assert (await browser.get("/me")).status_code == 303


async def test_step_up_is_fresh_for_minutes_only(open_bureau: Open, browse: Browse) -> None:
    shanghai = await open_bureau("shanghai")
    browser = await browse(shanghai, "D31001")
    old = browser.client.cookies["quanyu-shanghai"]
    await browser.log_in("D31001", step_up=True)
    assert browser.client.cookies["quanyu-shanghai"] != old  # a new token: who had the old one gains nothing
    assert await _stepped_up(shanghai, browser)
    shanghai.machine.offset = STEPPED_UP_FOR
    assert not await _stepped_up(shanghai, browser)


async def test_another_post_needs_its_own_step_up(open_bureau: Open, browse: Browse) -> None:
    shanghai = await open_bureau("shanghai")
    browser = await browse(shanghai, "D31001")
    await browser.log_in("D31001", step_up=True)
    assert await _stepped_up(shanghai, browser)
    old = browser.client.cookies["quanyu-shanghai"]
    await browser.send("/login/post", {"post": "310116910000:counter"})
    assert browser.client.cookies["quanyu-shanghai"] != old
    assert not await _stepped_up(shanghai, browser)


async def test_step_up_of_another_officer_begins_his_own_session(open_bureau: Open, browse: Browse) -> None:
    shanghai = await open_bureau("shanghai")
    browser = await browse(shanghai, "D31001")
    old = browser.client.cookies["quanyu-shanghai"]
    after = await browser.log_in("D31002", step_up=True)
    assert "D31002" in after.text
    assert "D31001" not in after.text
    browser.client.cookies.set("quanyu-shanghai", old, domain="127.0.0.1", path="/")
    assert [row.badge_no for row in await shanghai.rows("SELECT badge_no FROM login_session")] == ["D31002"]


async def test_logging_out_ends_this_bureaus_session_only(quiet_shanghai: Bureau, quiet_zhejiang: Bureau, browse: Browse) -> None:
    """One browser, two nodes: cookies ignore ports."""
    here = await browse(quiet_shanghai, "D31001")
    there = await browse(quiet_zhejiang, "D33001")
    for one, other in ((here, there), (there, here)):
        for cookie in other.client.cookies.jar:
            if cookie.name.startswith("quanyu-") and not cookie.name.endswith("-login"):
                one.client.cookies.set(cookie.name, cookie.value or "", domain=cookie.domain, path=cookie.path)
    assert "D31001" in (await here.get("/me")).text
    assert "D33001" in (await there.get("/me")).text
    assert (await here.send("/logout")).status_code == 303
    assert (await here.get("/me")).status_code == 303
    assert (await there.get("/me")).status_code == 200


@pytest.mark.parametrize("where", ["//elsewhere.invalid/", "/\\elsewhere.invalid", "http://elsewhere.invalid/", "", "/me\n"])
async def test_login_leads_to_no_other_host(quiet_shanghai: Bureau, browse: Browse, where: str) -> None:
    browser = await browse(quiet_shanghai)
    after = await browser.log_in("D31001", next=where)
    assert (after.status_code, after.url.path, str(after.url).startswith(browser.origin)) == (200, "/w", True)


async def test_a_form_of_another_site_is_refused(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(quiet_shanghai, "D31001")
    for site in ("cross-site", "same-site"):
        assert (await browser.send("/logout", site=site)).status_code == 403
    assert (await browser.get("/me")).status_code == 200


async def test_a_page_with_a_long_address_is_not_come_back_to(quiet_shanghai: Bureau, browse: Browse) -> None:
    """It goes to the provider and back in a cookie: browsers drop one of more than 4 KiB, and no login would succeed."""
    browser = await browse(quiet_shanghai)
    answer = await browser.client.get("/login", params={"next": f"/me?x={'y' * 5000}"})
    assert max(len(one) for one in answer.headers.get_list("set-cookie")) < COOKIE_LIMIT_BYTES
    after = await browser.log_in("D31001", next=f"/me?x={'y' * 5000}")
    assert (after.status_code, after.url.path) == (200, "/w")


async def test_a_proof_of_login_that_does_not_count_is_no_login(open_bureau: Open, browse: Browse) -> None:
    shanghai = await open_bureau("shanghai")
    browser = await browse(shanghai)
    shanghai.machine.offset = -timedelta(minutes=10)  # what the provider issues has ended by the clock of who reads it
    answer = await browser.log_in("D31001")
    assert (answer.status_code, "quanyu-shanghai" in browser.client.cookies) == (401, False)


async def test_an_answer_of_the_provider_counts_once_and_in_its_own_browser(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser, other = await browse(quiet_shanghai), await browse(quiet_shanghai)
    choosing = await browser.get("/login", follow=True)
    sent = await browser.send(str(choosing.url), {"officer": "D31001"})
    callback = sent.headers["location"]
    await other.get("/login", follow=True)
    for stranger in (other, await browse(quiet_shanghai)):
        assert (await stranger.get(callback)).status_code == 401
        assert "quanyu-shanghai" not in stranger.client.cookies
    assert (await browser.get(callback)).status_code == 303
    assert (await browser.get(callback)).status_code == 401
    browser.client.cookies.clear()
    assert (await browser.get(callback)).status_code == 401


@pytest.mark.parametrize("query", ["", "?code=1", "?state=1", "?code=1&state=None", "?error=access_denied", "?state=%00&code=1"])
async def test_a_callback_that_nobody_began_is_no_login(quiet_shanghai: Bureau, browse: Browse, query: str) -> None:
    browser = await browse(quiet_shanghai)
    await browser.get("/login")
    assert (await browser.get(f"/login/callback{query}")).status_code == 401


async def test_cookies_are_bound_to_their_host_where_there_is_tls(quiet_shanghai: Bureau) -> None:
    """The scheme as a trusted proxy says it."""
    app = build_web(quiet_shanghai.wiring)

    async def behind_tls(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"scheme": "https"}, receive, send)

    transport = httpx.ASGITransport(behind_tls)
    async with httpx.AsyncClient(transport=transport, base_url="https://node.invalid") as web:
        begun = await web.get("/login")
    [cookie] = begun.headers.get_list("set-cookie")
    assert cookie.startswith("__Host-quanyu-shanghai-login=")
    assert {"path=/", "secure", "httponly", "samesite=lax"} <= {part.strip().lower() for part in cookie.split(";")[1:]}
    assert "domain" not in cookie.lower()


async def test_no_link_of_a_page_leads_to_a_host_that_its_address_named(quiet_shanghai: Bureau) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_web(quiet_shanghai.wiring))) as web:
        for path in ("//elsewhere.invalid/x", "///elsewhere.invalid", "//elsewhere.invalid"):
            request = web.build_request("GET", "http://node.invalid", headers={"Accept": "text/html"})
            request.url = httpx.URL(f"http://node.invalid{path}")
            page = await web.send(request)
            assert (page.status_code, 'href="//' in page.text) == (404, False)
            assert "/elsewhere.invalid" in page.text  # the same address in the other language


async def _stepped_up(bureau: Bureau, browser: Browser) -> bool:
    from hashlib import sha256

    token = browser.client.cookies["quanyu-shanghai"]
    row = await bureau.one("SELECT * FROM login_session WHERE token_hash = :hash", hash=sha256(token.encode()).digest())
    at = row.stepped_up_at
    return at is not None and bureau.machine.now() - at < STEPPED_UP_FOR
