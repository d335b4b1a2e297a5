"""Maintenance is announced by the operator, kept as it was typed where it is wrong, and shown to everybody whom it concerns."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.contract.messages import MaintenanceAnnounced
from shared.database import CHINA
from tests.node.browser import Browser, form_to
from tests.node.bureau import Bureau

OPERATOR, AUDITOR, COUNTER = "D33005", "D33006", "D33001"
PAGE = "/ops/maintenance"
WHY = "更换机房电源（演示）"


@pytest.fixture
async def browser(zhejiang: Bureau) -> AsyncIterator[Browser]:
    opened = Browser(zhejiang)
    yield opened
    await opened.close()


def window(bureau: Bureau, *, begins: float, lasts: float = 2.0) -> dict[str, str]:
    """The form's times: hours from now, and hours."""
    start = bureau.machine.now().astimezone(CHINA) + timedelta(hours=begins)
    return {"starts_at": f"{start:%Y-%m-%dT%H:%M}", "ends_at": f"{start + timedelta(hours=lasts):%Y-%m-%dT%H:%M}", "text": WHY}


async def announced(browser: Browser, bureau: Bureau, *, begins: float) -> list[MaintenanceAnnounced]:
    form = form_to(await browser.get(PAGE), PAGE)
    assert (await browser.send(PAGE, form.fields | window(bureau, begins=begins))).status_code == 303
    return await told(bureau)


async def told(bureau: Bureau) -> list[MaintenanceAnnounced]:
    return [one.message for one in await bureau.news() if isinstance(one.message, MaintenanceAnnounced)]


async def test_only_operators_see_and_announce(browser: Browser, zhejiang: Bureau) -> None:
    assert (await browser.get(PAGE)).headers["location"].startswith("/login")
    for other in (COUNTER, AUDITOR):
        await browser.log_in(other)
        assert (await browser.get(PAGE)).status_code == 403
        for path in (PAGE, f"{PAGE}/withdraw"):
            assert (await browser.send(path, {"seen": "0"} | window(zhejiang, begins=1))).status_code == 403
    assert await told(zhejiang) == []
    await browser.log_in(OPERATOR)
    for language in ("zh", "en"):
        assert (await browser.get(f"{PAGE}?lang={language}")).status_code == 200


async def test_every_peer_is_told_once_however_often_the_form_is_sent(browser: Browser, zhejiang: Bureau) -> None:
    await browser.log_in(OPERATOR)
    form = form_to(await browser.get(PAGE), PAGE)
    sent = form.fields | window(zhejiang, begins=1)
    for _ in range(2):
        assert (await browser.send(PAGE, sent)).status_code == 303
    news = [one for one in await zhejiang.news() if isinstance(one.message, MaintenanceAnnounced)]
    assert sorted(one.to for one in news) == ["anhui", "jiangsu", "shanghai"]
    assert {(one.message.bureau, one.message.text, one.key) for one in news} == {("zhejiang", WHY, "zhejiang")}
    (row,) = await zhejiang.audit("stations.maintenance_announced")
    assert (row.actor_kind, row.actor, row.object_id) == ("officer", OPERATOR, "zhejiang")


async def test_it_is_taken_back_with_a_higher_version_and_shown_no_more(browser: Browser, zhejiang: Bureau) -> None:
    await browser.log_in(OPERATOR)
    (first, *_) = await announced(browser, zhejiang, begins=1)
    shown = await browser.get(PAGE)
    assert WHY in shown.text
    form = form_to(shown, f"{PAGE}/withdraw")
    assert (await browser.send(f"{PAGE}/withdraw", form.fields)).status_code == 303
    messages = await told(zhejiang)
    assert len(messages) == 3
    assert {one.version > first.version and one.withdrawn_at is not None for one in messages} == {True}
    assert WHY not in (await browser.get(PAGE)).text
    assert len(await zhejiang.audit("stations.maintenance_withdrawn")) == 1


async def test_an_announcement_that_was_not_seen_is_not_replaced(browser: Browser, zhejiang: Bureau) -> None:
    await browser.log_in(OPERATOR)
    old = form_to(await browser.get(PAGE), PAGE)
    assert len(await announced(browser, zhejiang, begins=1)) == 3
    for path in (PAGE, f"{PAGE}/withdraw"):
        for seen in (old.fields["seen"], "x", ""):
            late = {"seen": seen} | window(zhejiang, begins=5)
            assert (await browser.send(path, late)).status_code == 409
    assert await told(zhejiang) == []


WRONG = [
    ({"starts_at": ""}, "starts_at"),
    ({"ends_at": "tomorrow"}, "ends_at"),
    ({"starts_at": "9999-12-31T23:59"}, "ends_at"),
    ({"starts_at": "0001-01-01T00:00"}, "ends_at"),
    ({"ends_at": "2001-01-01T10:00"}, "ends_at"),
    ({"starts_at": "2001-01-01T10:00", "ends_at": "2001-01-01T11:00"}, "ends_at"),
    ({"text": "  "}, "text"),
    ({"text": "长" * 201}, "text"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
async def test_what_cannot_be_is_shown_again_with_what_was_typed(
    browser: Browser, zhejiang: Bureau, wrong: dict[str, str], field: str
) -> None:
    await browser.log_in(OPERATOR)
    sent = form_to(await browser.get(PAGE), PAGE).fields | window(zhejiang, begins=1) | wrong
    refused = await browser.send(PAGE, sent)
    assert refused.status_code == 422
    assert f'href="#{field}"' in refused.text
    for typed in (sent["starts_at"], sent["ends_at"], sent["text"]):
        assert f'value="{typed}"' in refused.text
    assert await told(zhejiang) == []
    assert await zhejiang.rows("SELECT * FROM maintenance") == []


@pytest.mark.parametrize(("begins", "said"), [(-0.5, "维护中"), (3, "计划维护"), (-5, None)])
async def test_a_peers_maintenance_is_shown_on_every_page_that_shows_the_peer(
    browser: Browser, zhejiang: Bureau, begins: float, said: str | None
) -> None:
    now = zhejiang.machine.now()
    start = now + timedelta(hours=begins)
    message = MaintenanceAnnounced(
        bureau="shanghai", version=7, announced_at=now, starts_at=start, ends_at=start + timedelta(hours=2), text=WHY
    )
    await zhejiang.told(message, by="shanghai")
    await browser.log_in(OPERATOR)
    pages = [await browser.get(path) for path in ("/ops", "/ops?wall=1", "/ops/peers", PAGE)]
    await browser.log_in(COUNTER)
    pages.append(await browser.get("/w"))
    for page in pages:
        assert page.status_code == 200
        assert (WHY in page.text) == (said is not None)
        assert said is None or said in page.text


@pytest.mark.parametrize("begins", [-0.5, 3])
async def test_our_own_maintenance_is_shown_here_too(browser: Browser, zhejiang: Bureau, begins: float) -> None:
    await browser.log_in(OPERATOR)
    await announced(browser, zhejiang, begins=begins)
    pages = [await browser.get(path) for path in ("/ops", "/ops?wall=1", "/ops/peers", PAGE)]
    await browser.log_in(COUNTER)
    pages.append(await browser.get("/w"))
    assert [WHY in page.text for page in pages] == [True] * len(pages)
