"""换发查询码: a new code at the counter, in place of every code that the number had; by program and at its page."""

import re
from datetime import timedelta
from typing import Any

import pytest

from shared.identifiers.query_code import QUERY_CODE_PATTERN
from tests.node.browser import Browser, form_to
from tests.node.bureau import Bureau, faults
from tests.node.conftest import Browse
from tests.node.people import WANG
from tests.node.transfers.cases import CASES, COUNTER, OFFICE, application, at_destination, received
from tests.node.transfers.test_intake_pages import at_check, begun, filled

CHECKED = {"identity_checked": True}
LOST = "issue-query-code"


async def receipt(bureau: Bureau) -> tuple[str, str, str]:
    """Case, number and code of a new application."""
    told = (await bureau.ask(COUNTER, "POST", CASES, application())).json()
    return told["case"], told["apply_no"], told["query_code"]


async def opens(browser: Browser, number: str, code: str) -> bool:
    """Whether number and code let a citizen see the case."""
    answer = await browser.send("/c/track", {"apply_no": number, "query_code": code})
    assert answer.status_code in (303, 422)
    return answer.status_code == 303


def code_on(page: Any) -> str:
    (code,) = re.findall(r'class="code">([0-9A-Z]+)<', page.text)
    return str(code)


async def test_the_new_code_opens_the_case_and_the_old_one_stops_at_once(shanghai: Bureau, browse: Browse) -> None:
    case, number, old = await receipt(shanghai)
    finder = await browse(shanghai)  # who has found the receipt is looking at the case
    assert await opens(finder, number, old)
    assert (await finder.get(f"/c/track/{number}")).status_code == 200
    answer = await shanghai.act(COUNTER, case, LOST, CHECKED)
    assert answer.status_code == 200, answer.text
    new = answer.json()["query_code"]
    assert re.fullmatch(QUERY_CODE_PATTERN, new)
    assert new != old
    assert (await finder.get(f"/c/track/{number}")).status_code == 303  # to the proof
    assert not await opens(finder, number, old)
    citizen = await browse(shanghai)
    assert await opens(citizen, number, new)
    assert (await citizen.get(f"/c/track/{number}")).status_code == 200
    (row,) = await shanghai.audit("transfers.issue query code")
    assert (row.actor, str(row.case_id), row.decision) == (COUNTER, case, "allowed")
    assert new not in str(row)
    assert await shanghai.news() == []


async def test_sent_again_it_is_done_once(shanghai: Bureau) -> None:
    case, _, _ = await receipt(shanghai)
    answers = [
        await shanghai.ask(COUNTER, "POST", f"{CASES}/{case}/{LOST}", CHECKED, Idempotency_Key=key) for key in ("1", "1", "2")
    ]
    codes = [answer.json()["query_code"] for answer in answers]
    assert codes[0] == codes[1] != codes[2]
    assert len(await shanghai.audit("transfers.issue query code")) == 2


async def test_a_code_of_the_number_from_an_earlier_application_ends_too(shanghai: Bureau, browse: Browse) -> None:
    case, number, first = await receipt(shanghai)
    await shanghai.done(COUNTER, case, "withdraw", {"reason": "申请人撤回"})
    told = (await shanghai.ask(COUNTER, "POST", f"{CASES}?previous_case={case}", application())).json()
    assert told["apply_no"] == number
    citizen = await browse(shanghai)
    assert await opens(citizen, number, first)
    new = (await shanghai.act(COUNTER, told["case"], LOST, CHECKED)).json()["query_code"]
    assert [await opens(citizen, number, code) for code in (first, told["query_code"], new)] == [False, False, True]


async def test_nobody_gets_it_whose_identity_was_not_checked(shanghai: Bureau) -> None:
    case, _, _ = await receipt(shanghai)
    before = await shanghai.fingerprint()
    answer = await shanghai.act(COUNTER, case, LOST, {"identity_checked": False})
    assert (answer.status_code, faults(answer)) == (422, [("identity_checked", "not_checked")])
    assert await shanghai.fingerprint() == before


@pytest.mark.parametrize(("days", "status"), [(60, 200), (61, 409)])
async def test_an_ended_case_has_a_code_for_sixty_days(shanghai: Bureau, days: int, status: int) -> None:
    case = await at_destination(shanghai, "REFUSED")
    ended = shanghai.clock.now().date() + timedelta(days=days)
    shanghai.on(ended.year, ended.month, ended.day)
    assert (await shanghai.act(COUNTER, case, LOST, CHECKED)).status_code == status


async def test_a_case_without_an_end_has_one_however_old_it_is(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "APPROVED")
    shanghai.on(2021, 12, 1)
    assert (await shanghai.act(COUNTER, case, LOST, CHECKED)).status_code == 200


async def test_the_origin_has_no_codes(zhejiang: Bureau, browse: Browse) -> None:
    case = await received(zhejiang)
    assert (await zhejiang.act("D33001", case, LOST, CHECKED)).status_code == 409
    browser = await browse(zhejiang, "D33001")
    assert LOST not in (await browser.get(f"/w/case/{case}")).text
    assert (await browser.get(f"/w/case/{case}/{LOST}")).status_code == 409


# ---- at the page ----------------------------------------------------------------------------------------------------


async def test_at_the_page_the_slip_shows_it_and_nothing_else_ever_does(shanghai: Bureau, browse: Browse) -> None:
    case, number, old = await receipt(shanghai)
    browser, path = await browse(shanghai, COUNTER), f"/w/case/{case}/{LOST}"
    assert f'href="{path}"' in (await browser.get(f"/w/case/{case}")).text
    shown = await browser.get(path)
    form = form_to(shown, path).fields
    assert "identity_checked" not in form  # nobody has checked it before he says so
    slip = await browser.send(path, form | {"identity_checked": "yes"})
    assert slip.status_code == 200
    code = code_on(slip)
    assert number in slip.text
    assert WANG.citizen_id_no not in slip.text
    citizen = await browse(shanghai)
    assert (await opens(citizen, number, old), await opens(citizen, number, code)) == (False, True)
    again = await browser.send(path, form | {"identity_checked": "yes"})  # the printer jams, the page is loaded again
    assert code_on(again) == code
    assert len(await shanghai.audit("transfers.issue query code")) == 1
    for where in (f"/w/case/{case}", f"/w/case/{case}/slip/acceptance", f"/w/case/{case}/trace", path):
        assert code not in (await browser.get(where)).text
    assert (await browser.get(f"/w/case/{case}/slip/query-code")).status_code == 404
    other = form_to(await browser.get(path), path).fields | {"identity_checked": "yes"}
    assert code_on(await browser.send(path, other)) != code
    late = await browser.send(path, form | {"identity_checked": "yes"})
    assert (late.status_code, "已换发新的查询码" in late.text, code in late.text) == (409, True, False)


async def test_the_page_says_what_is_missing_and_what_has_changed(shanghai: Bureau, browse: Browse) -> None:
    case, _, _ = await receipt(shanghai)
    browser, path = await browse(shanghai, COUNTER), f"/w/case/{case}/{LOST}"
    form = form_to(await browser.get(path), path).fields
    refused = await browser.send(path, form)
    assert (refused.status_code, 'href="#identity_checked"' in refused.text) == (422, True)
    await shanghai.done(COUNTER, case, "accept")
    stale = await browser.send(path, form | {"identity_checked": "yes"})
    assert (stale.status_code, "表单显示之后，案件已发生变化" in stale.text) == (409, True)
    assert await shanghai.audit("transfers.issue query code") == []


async def test_who_may_not_sees_no_way_to_it(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "UNDER_REVIEW")
    browser = await browse(shanghai, OFFICE)
    assert LOST not in (await browser.get(f"/w/case/{case}")).text
    assert (await browser.get(f"/w/case/{case}/{LOST}")).status_code == 403
    assert (await browser.send(f"/w/case/{case}/{LOST}", {"identity_checked": "yes"})).status_code == 403
    assert (await (await browse(shanghai)).get(f"/w/case/{case}/{LOST}")).headers["location"].startswith("/login?")


async def test_the_slips_that_cannot_repeat_the_code_lead_to_a_new_one(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    where = await filled(browser)
    await at_check(browser, where, "submit")
    receipt_page = await browser.get(f"{where}/done")
    printed = code_on(receipt_page).replace("-", "")
    (row,) = await shanghai.rows("SELECT case_id, apply_no FROM transfer_case")
    path = f"/w/case/{row.case_id}/{LOST}"
    assert path not in receipt_page.text
    assert f'href="{path}"' in (await browser.get(f"/w/case/{row.case_id}/slip/acceptance")).text
    slip = await browser.send(path, form_to(await browser.get(path), path).fields | {"identity_checked": "yes"})
    receipt_page = await browser.get(f"{where}/done")  # within its fifteen minutes, and it shows no code that opens nothing
    assert printed not in receipt_page.text
    assert f'href="{path}"' in receipt_page.text
    assert await opens(await browse(shanghai), row.apply_no, code_on(slip))
    assert await begun(browser)
