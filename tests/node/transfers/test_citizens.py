"""Citizens follow their case: number and code of the receipt, and nothing else, without a script."""

import gzip
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from services.bureau.access import citizens
from services.bureau.access.citizens import LONGEST_WAIT, PROVED_FOR, TRIES, TRIES_FORGOTTEN_AFTER, forget_citizens, wait_after
from shared.contract.codes import ReturnCode
from shared.contract.messages import PermitIssued
from shared.identifiers.apply_no import new_apply_no
from shared.identifiers.query_code import new_query_code
from shared.web.assets import asset
from tests.conftest import STORY_BEGINS
from tests.node.browser import Browser
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.people import WANG, ZHOU_SON
from tests.node.transfers.cases import (
    APPROVED_ON,
    CASES,
    COUNTER,
    OFFICE,
    SEALED_ON,
    SIGNED_ON,
    TO_REVIEW,
    application,
    certificate_for,
    closed,
    returned,
)

WEIGHT_LIMIT_BYTES = 40_000  # ui.md 13
PLAIN = ("/c", "/c/help", "/c/a11y", "/c/privacy", "/c/track")
COOKIE = "quanyu-shanghai-citizen"


async def receipt(bureau: Bureau, *members: Any) -> tuple[str, str, str]:
    """A new application; what its receipt says: case, number, code."""
    answer = await bureau.ask(COUNTER, "POST", CASES, application(WANG, *members))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    return told["case"], told["apply_no"], told["query_code"]


async def look(browser: Browser, number: str, code: str) -> Any:
    """Type what the receipt says."""
    await browser.get("/c/track")
    return await browser.send("/c/track", {"apply_no": number, "query_code": code}, follow=True)


async def through(bureau: Bureau, case: str, state: str) -> None:
    for officer, act, body in TO_REVIEW[state]:
        await bureau.done(officer, case, act, body)


async def permitted(bureau: Bureau, case: str) -> PermitIssued:
    await bureau.news()
    await through(bureau, case, "UNDER_REVIEW")
    bureau.on(APPROVED_ON.year, APPROVED_ON.month, APPROVED_ON.day)
    await bureau.done(OFFICE, case, "approve", {})
    return await bureau.said(PermitIssued, to="zhejiang")


def words(page: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text.partition("<main")[2]).split())


# ---- plain pages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("path", PLAIN)
async def test_a_page_has_no_script_and_little_weight(quiet_shanghai: Bureau, browse: Browse, path: str, lang: str) -> None:
    browser = await browse(quiet_shanghai)
    page = await browser.get(f"{path}?lang={lang}")
    assert page.status_code == 200
    assert "<script" not in page.text
    style = await browser.client.get(asset("app.css"), headers={"Accept-Encoding": "identity"})
    assert len(gzip.compress(page.content)) + len(gzip.compress(style.content)) <= WEIGHT_LIMIT_BYTES


# ---- the proof ------------------------------------------------------------------------------------------------------


async def test_number_and_code_open_the_case_and_a_reload_shows_it_again(shanghai: Bureau, browse: Browse) -> None:
    case, number, code = await receipt(shanghai)
    browser = await browse(shanghai)
    page = await look(browser, f" {number[:8].lower()} {number[8:]} ", f"{code[:5]}-{code[5:]}".lower())
    assert page.status_code == 200
    assert page.url.path == f"/c/track/{number}"
    assert code not in str(page.url)
    assert "<script" not in page.text
    assert number in page.text
    assert (await browser.get(f"/c/track/{number}")).status_code == 200
    [read, again] = await shanghai.audit("transfers.track", case_id=case)
    assert (read.actor_kind, read.actor, read.role, read.decision) == ("citizen", number, "citizen", "allowed")
    assert again.id > read.id
    [proved] = await shanghai.audit("transfers.track.prove")
    assert (proved.object_id, proved.decision) == (number, "allowed")


async def test_a_wrong_code_and_an_unknown_number_are_told_the_same_by_the_same_statements(
    shanghai: Bureau, browse: Browse
) -> None:
    _, number, code = await receipt(shanghai)
    unknown = new_apply_no("310116", STORY_BEGINS.date())
    sent: list[list[str]] = []
    engine = shanghai.wiring.database.engine.sync_engine

    def note(*told: Any) -> None:
        sent[-1].append(told[2])

    event.listen(engine, "before_cursor_execute", note)
    told = []
    for typed_number, typed_code in ((number, new_query_code()), (unknown, code)):
        browser = await browse(shanghai)
        sent.append([])
        page = await look(browser, typed_number, typed_code)
        told.append((page.status_code, page.text.replace(typed_number, "NUMBER").replace(typed_code, "CODE")))
    event.remove(engine, "before_cursor_execute", note)
    assert told[0] == told[1]
    assert told[0][0] == 422
    assert 'href="#apply_no"' in told[0][1]
    assert sent[0] == sent[1] != []
    wrong = await shanghai.audit("transfers.track.prove", decision="denied")
    assert [row.object_id for row in wrong] == [number, unknown]


async def test_what_cannot_be_a_number_or_code_is_named_and_counts_as_no_attempt(shanghai: Bureau, browse: Browse) -> None:
    _, number, code = await receipt(shanghai)
    browser = await browse(shanghai)
    for _ in range(TRIES + 1):
        page = await look(browser, "QY31", "<b>")
        assert page.status_code == 422
        assert 'value="QY31"' in page.text
        assert 'value="&lt;b&gt;"' in page.text
        assert {'href="#apply_no"', 'href="#query_code"'} <= set(re.findall(r'href="#\w+"', page.text))
    assert (await look(browser, number, code)).status_code == 200


async def test_who_has_proved_one_case_sees_no_other(shanghai: Bureau, browse: Browse) -> None:
    _, number, code = await receipt(shanghai)
    browser = await browse(shanghai)
    await look(browser, number, code)
    other = new_apply_no("310116", STORY_BEGINS.date())
    answer = await browser.get(f"/c/track/{other}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/c/track")


async def test_the_proof_ends_after_a_quarter_of_an_hour_and_when_the_citizen_says_so(shanghai: Bureau, browse: Browse) -> None:
    _, number, code = await receipt(shanghai)
    browser = await browse(shanghai)
    await look(browser, number, code)
    shanghai.machine.offset += PROVED_FOR + timedelta(seconds=1)
    answer = await browser.get(f"/c/track/{number}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/c/track?again=yes")
    await look(browser, number, code)
    token = browser.client.cookies[COOKIE]
    assert (await browser.send("/c/leave")).status_code == 303
    assert COOKIE not in browser.client.cookies
    browser.client.cookies.set(COOKIE, token)
    assert (await browser.get(f"/c/track/{number}")).status_code == 303


async def test_a_form_from_elsewhere_is_refused(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(quiet_shanghai)
    for path in ("/c/track", "/c/leave"):
        assert (await browser.send(path, {}, site="cross-site")).status_code == 403


# ---- too many -------------------------------------------------------------------------------------------------------


def test_the_wait_begins_at_the_fifth_wrong_proof_and_doubles_up_to_an_hour() -> None:
    minutes = [wait_after(failures) // timedelta(minutes=1) for failures in range(1, 14)]
    assert minutes == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert wait_after(10**6) == LONGEST_WAIT


async def test_after_five_wrong_codes_even_the_right_one_has_to_wait(shanghai: Bureau, browse: Browse) -> None:
    _, number, code = await receipt(shanghai)
    browser = await browse(shanghai)
    for _ in range(TRIES):
        assert (await look(browser, number, new_query_code())).status_code == 422
    page = await look(browser, number, code)
    assert (page.status_code, int(page.headers["retry-after"]) <= 60) == (429, True)
    assert "<time" in page.text
    assert COOKIE not in browser.client.cookies
    shanghai.machine.offset += timedelta(seconds=61)
    assert (await look(browser, number, new_query_code())).status_code == 422
    shanghai.machine.offset += timedelta(seconds=61)  # now two minutes
    assert (await look(browser, number, code)).status_code == 429
    shanghai.machine.offset += timedelta(seconds=61)
    assert (await look(browser, number, code)).status_code == 200


async def test_attempts_count_by_number_from_anywhere_and_by_address_for_any_number(
    shanghai: Bureau, browse: Browse, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, number, code = await receipt(shanghai)
    browser = await browse(shanghai)
    address = ["192.0.2.1"]
    monkeypatch.setattr(citizens, "_network", lambda request: address[0])
    for place in range(TRIES):
        address[0] = f"192.0.2.{place}"
        assert (await look(browser, number, new_query_code())).status_code == 422
    address[0] = "192.0.2.99"
    assert (await look(browser, number, code)).status_code == 429
    address[0] = "198.51.100.7"
    for _ in range(TRIES):
        unknown = new_apply_no("310116", STORY_BEGINS.date())
        assert (await look(browser, unknown, new_query_code())).status_code == 422
    assert (await look(browser, new_apply_no("310116", STORY_BEGINS.date()), code)).status_code == 429


async def test_a_right_proof_forgets_the_wrong_ones_of_its_number(shanghai: Bureau, browse: Browse) -> None:
    _, number, code = await receipt(shanghai)
    browser = await browse(shanghai)
    for _ in range(TRIES - 1):
        await look(browser, number, new_query_code())
    assert (await look(browser, number, code)).status_code == 200
    [left] = await shanghai.rows("SELECT failures FROM citizen_try")
    assert left.failures == TRIES - 1  # of the address


async def test_what_no_longer_counts_is_swept(shanghai: Bureau, browse: Browse) -> None:
    _, number, code = await receipt(shanghai)
    browser = await browse(shanghai)
    await look(browser, number, new_query_code())
    await look(browser, number, code)
    await shanghai.wiring.database.run(forget_citizens, name="test")
    counts = "SELECT (SELECT count(*) FROM citizen_try), (SELECT count(*) FROM citizen_session)"
    assert tuple(await shanghai.one(counts)) == (1, 1)
    shanghai.machine.offset += TRIES_FORGOTTEN_AFTER + timedelta(seconds=1)
    await shanghai.wiring.database.run(forget_citizens, name="test")
    assert tuple(await shanghai.one(counts)) == (0, 0)


# ---- the way --------------------------------------------------------------------------------------------------------


async def test_the_page_tells_the_whole_way_with_offices_days_and_who_holds_it(shanghai: Bureau, browse: Browse) -> None:
    case, number, code = await receipt(shanghai, ZHOU_SON)
    browser = await browse(shanghai)
    told = words(await look(browser, number, code))
    assert "暂存" in told
    assert "迁入地派出所" in told
    assert "没有确定的日期" in told
    assert WANG.name not in told
    assert WANG.citizen_id_no not in browser.page.text  # type: ignore[union-attr]  # the page has just been shown
    assert f"{WANG.name[0]}＊" in told
    permit = await permitted(shanghai, case)
    told = words(await browser.get(f"/c/track/{number}"))
    assert "准予迁入，已推送" in told
    assert APPROVED_ON.isoformat() in told
    assert "2020年12月29日" in told  # one working day for the origin
    assert "上海市公安局金山分局" in told
    shanghai.on(SEALED_ON.year, SEALED_ON.month, SEALED_ON.day)
    certificate = certificate_for(permit)
    await shanghai.told(certificate, by="zhejiang")
    told = words(await browser.get(f"/c/track/{number}"))
    assert "已匹配，待落户" in told
    assert "您本人" in told
    assert "居民户口簿" in told
    assert f"请在 {certificate.certificate.valid_until.isoformat()} 前签字" in told
    shanghai.on(SIGNED_ON.year, SIGNED_ON.month, SIGNED_ON.day)
    await shanghai.done(COUNTER, case, "settle", {"signed": [1, 2]})
    told = words(await browser.get(f"/c/track/{number}"))
    assert "落户确认中" in told
    assert "通常几分钟" in told
    await shanghai.told(closed(case, shanghai, places=[1, 2]), by="zhejiang")
    told = words(await browser.get(f"/c/track/{number}?lang=zh"))
    assert "已落户" in told
    assert "预计时间" not in told
    english = words(await browser.get(f"/c/track/{number}?lang=en"))
    assert "You are registered at the new home." in english


async def test_what_is_missing_and_why_it_was_refused_are_told_in_the_offices_words(shanghai: Bureau, browse: Browse) -> None:
    case, number, code = await receipt(shanghai)
    await through(shanghai, case, "SUPPLEMENT_REQUIRED")
    browser = await browse(shanghai)
    assert "结婚证原件" in words(await look(browser, number, code))
    await shanghai.done(COUNTER, case, "supplemented")
    assert "结婚证原件" not in words(await browser.get(f"/c/track/{number}"))
    await shanghai.done(COUNTER, case, "submit")
    await shanghai.done(OFFICE, case, "refuse", {"reason": "未满婚龄<年限>"})
    told = words(await browser.get(f"/c/track/{number}"))
    assert "不予批准" in told
    assert "未满婚龄&lt;年限&gt;" in told


async def test_a_return_is_told_with_its_reason_and_a_day_that_is_over_as_over(shanghai: Bureau, browse: Browse) -> None:
    case, number, code = await receipt(shanghai)
    await permitted(shanghai, case)
    shanghai.on(2021, 1, 4)
    browser = await browse(shanghai)
    told = words(await look(browser, number, code))
    assert "已逾期" in told
    await shanghai.told(returned(case, code=ReturnCode.R02), by="zhejiang")
    told = words(await browser.get(f"/c/track/{number}"))
    assert "姓名" in told
    assert "已终止" in told
