"""Every act that needs a sentence or nothing, done at its page: right, wrong, twice, and too late."""

from typing import Any

import pytest

from tests.node.browser import form_to
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.transfers.cases import COUNTER, O_VERIFIER, OFFICE, at_destination, at_origin, certified

# state, act, what is typed, state afterwards
AT_DESTINATION = [
    ("DRAFT", "accept", {}, "ACCEPTED"),
    ("ACCEPTED", "submit", {}, "UNDER_REVIEW"),
    ("ACCEPTED", "ask-supplement", {"missing": "结婚证原件"}, "SUPPLEMENT_REQUIRED"),
    ("SUPPLEMENT_REQUIRED", "supplemented", {}, "ACCEPTED"),
    ("UNDER_REVIEW", "withdraw", {"reason": "申请人撤回"}, "WITHDRAWN"),
    ("APPROVED", "void", {"reason_code": "WITHDRAWN", "reason_text": "不迁了"}, "VOID"),
    ("CERTIFIED", "request-reissue", {"reason": "遗失"}, "CERTIFIED"),
]
AT_ORIGIN = [
    ("SEALED", "ask-cancel", {"reason": "本人不迁了"}, "CANCELLING"),
    ("SEALED", "reissue", {}, "SEALED"),
    ("RESTORED", "restore", {"reason": "迁入地作废", "where": "old"}, "RESTORED"),
]


@pytest.mark.parametrize(("state", "act", "typed", "after"), AT_DESTINATION)
async def test_an_act_of_the_destination(
    shanghai: Bureau, browse: Browse, state: str, act: str, typed: dict[str, Any], after: str
) -> None:
    case = await at_destination(shanghai, state)
    browser = await browse(shanghai, COUNTER, step_up=True)
    await _do_it(shanghai, browser, case, act, typed, after)


@pytest.mark.parametrize(("state", "act", "typed", "after"), AT_ORIGIN)
async def test_an_act_of_the_origin(
    zhejiang: Bureau, browse: Browse, state: str, act: str, typed: dict[str, Any], after: str
) -> None:
    case = await at_origin(zhejiang, state)
    browser = await browse(zhejiang, O_VERIFIER, step_up=True)
    await _do_it(zhejiang, browser, case, act, typed, after)


async def _do_it(bureau: Bureau, browser: Any, case: str, act: str, typed: dict[str, Any], after: str) -> None:
    """At its page; then sent once more: done once. Then with a new key: too late."""
    path = f"/w/case/{case}/{act}"
    shown = await browser.get(path)
    assert shown.status_code == 200, shown.text
    form = form_to(shown, path).fields | typed
    answer = await browser.send(path, form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/w/case/{case}?done={act}"), answer.text
    assert set((await bureau.states(case)).values()) == {after}
    before = await bureau.fingerprint()
    again = await browser.send(path, form)
    assert again.status_code == 303
    late = await browser.send(path, form | {"once": "another-key"})
    assert late.status_code == 409
    assert "表单显示之后，案件已发生变化" in late.text
    assert await bureau.fingerprint() == before
    told = await browser.get(f"/w/case/{case}?done={act}")
    assert "已办理" in told.text


async def test_a_permit_that_has_ended_is_waited_on(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "APPROVED")
    shanghai.on(2021, 3, 1)
    browser = await browse(shanghai, COUNTER)
    await _do_it(shanghai, browser, case, "wait", {"reason": "等待"}, "APPROVED")
    assert "准迁证到期后继续等待" in (await browser.get(f"/w/case/{case}")).text


@pytest.mark.parametrize(
    ("state", "act", "typed", "kept"),
    [
        ("ACCEPTED", "ask-supplement", {"missing": ""}, ""),
        ("ACCEPTED", "withdraw", {"reason": "  "}, ""),
        ("APPROVED", "void", {"reason_code": "", "reason_text": "写好的说明"}, "写好的说明"),
        ("APPROVED", "void", {"reason_code": "RETURNED", "reason_text": "写好的说明"}, "写好的说明"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_stays(
    shanghai: Bureau, browse: Browse, state: str, act: str, typed: dict[str, Any], kept: str
) -> None:
    case = await at_destination(shanghai, state)
    browser = await browse(shanghai, COUNTER, step_up=True)
    path = f"/w/case/{case}/{act}"
    form = form_to(await browser.get(path), path).fields | typed
    answer = await browser.send(path, form)
    assert answer.status_code == 422, answer.text
    assert 'class="errors"' in answer.text
    assert f'href="#{next(iter(typed))}"' in answer.text
    assert kept in answer.text
    assert form_to(answer, path).fields["version"] == form["version"]
    assert set((await shanghai.states(case)).values()) == {state}


async def test_a_restoration_names_what_is_wrong(zhejiang: Bureau, browse: Browse) -> None:
    case = await at_origin(zhejiang, "RESTORED")
    browser = await browse(zhejiang, O_VERIFIER)
    path = f"/w/case/{case}/restore"
    form = form_to(await browser.get(path), path).fields | {"reason": "恢复", "where": "existing", "household_no": "999999999"}
    answer = await browser.send(path, form)
    assert answer.status_code == 422
    assert 'href="#household_no"' in answer.text
    assert "999999999" in answer.text
    not_needed = await browser.send(path, form | {"where": "new", "new_household_address": "演示路88号", "once": "k2"})
    assert not_needed.status_code == 409  # the old household is still there
    assert 'value="演示路88号"' in not_needed.text
    done = await browser.send(path, form | {"where": "old", "once": "k3"})
    assert done.status_code == 303, done.text


async def test_two_officers_at_once_the_second_is_told_what_changed(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    first, second = await browse(shanghai, COUNTER), await browse(shanghai, COUNTER)
    path = f"/w/case/{case}/withdraw"
    stale = form_to(await second.get(path), path).fields | {"reason": "申请人撤回"}
    other = f"/w/case/{case}/ask-supplement"
    await first.send(other, form_to(await first.get(other), other).fields | {"missing": "结婚证原件"})
    before = await shanghai.fingerprint()
    answer = await second.send(path, stale)
    assert answer.status_code == 409
    for told in (COUNTER, "一次性告知补正", "待补正", "未办理：撤回"):
        assert told in answer.text, told
    assert await shanghai.fingerprint() == before


async def test_a_form_without_the_version_that_was_seen_does_nothing(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "DRAFT")
    browser = await browse(shanghai, COUNTER)
    for typed in ({}, {"version": "x"}, {"version": "-1"}):
        assert (await browser.send(f"/w/case/{case}/accept", typed)).status_code == 409
    assert set((await shanghai.states(case)).values()) == {"DRAFT"}


async def test_what_is_not_the_roles_is_refused_and_says_whose_it_is(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    browser = await browse(shanghai, OFFICE)
    for answer in (await browser.get(f"/w/case/{case}/submit"), await browser.send(f"/w/case/{case}/submit", {"version": "2"})):
        assert answer.status_code == 403
        assert "窗口民警" in answer.text
    assert set((await shanghai.states(case)).values()) == {"ACCEPTED"}


async def test_an_act_that_cannot_be_done_now_leads_back_to_the_case(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "APPROVED")
    answer = await (await browse(shanghai, COUNTER)).get(f"/w/case/{case}/accept")
    assert answer.status_code == 409
    assert f'href="/w/case/{case}"' in answer.text


async def test_voiding_needs_the_second_factor(shanghai: Bureau, browse: Browse) -> None:
    case, _ = await certified(shanghai)
    browser = await browse(shanghai, COUNTER)
    path = f"/w/case/{case}/void"
    shown = await browser.get(path)
    assert "先进行二次认证" in shown.text
    assert "/login?next=%2Fw%2Fcase%2F" in shown.text
    refused = await browser.send(path, form_to(shown, path).fields | {"reason_code": "INVALID"})
    assert refused.status_code == 401
    assert "step_up=yes" in refused.text
    assert set((await shanghai.states(case)).values()) == {"CERTIFIED"}
    await browser.log_in(COUNTER, step_up=True)
    shown = await browser.get(path)
    assert "先进行二次认证" not in shown.text
    done = await browser.send(path, form_to(shown, path).fields | {"reason_code": "INVALID"})
    assert done.status_code == 303


async def test_asking_again_is_one_button(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "APPROVED")
    browser = await browse(shanghai, COUNTER)
    path = f"/w/case/{case}/ask-again"
    form = form_to(await browser.get(f"/w/case/{case}"), path).fields
    await shanghai.news()
    assert (await browser.send(path, form)).status_code == 303
    assert (await browser.send(path, form)).status_code == 303
    assert [type(one.message).__name__ for one in await shanghai.news()] == ["PermitIssued"]
