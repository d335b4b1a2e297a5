"""案卷: who may open it, what it shows, and the buttons that the rules and the protocol's table give."""

import re
from uuid import UUID

import pytest

from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.people import WANG
from tests.node.transfers.cases import (
    AUDITOR,
    COUNTER,
    HRSS,
    O_COUNTER,
    O_VERIFIER,
    OFFICE,
    OPERATOR,
    VERIFIER,
    at_destination,
    at_origin,
)


def doors(text: str, case: str) -> set[str]:
    """Where the action bar leads."""
    bar = text.partition('class="actions casebar"')[2]
    return set(re.findall(rf'(?:href|action)="/w/case/{case}/([a-z-]+)"', bar))


@pytest.mark.parametrize("officer", [COUNTER, VERIFIER, OFFICE, HRSS])
async def test_a_case_shows_head_way_and_people(shanghai: Bureau, browse: Browse, officer: str) -> None:
    case = await at_destination(shanghai, "APPROVED")
    answer = await (await browse(shanghai, officer)).get(f"/w/case/{case}")
    assert answer.status_code == 200, answer.text
    for told in ("准予迁入，已推送", "迁出核验", WANG.name, "现由 浙江", "人员"):
        assert told in answer.text, told
    assert WANG.citizen_id_no not in answer.text
    assert "330482********" in answer.text


async def test_it_speaks_english_on_demand(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "APPROVED")
    answer = await (await browse(shanghai, COUNTER)).get(f"/w/case/{case}?lang=en")
    assert "Now with Zhejiang" in answer.text
    assert "Move-in approved, permit sent" in answer.text


async def test_an_operator_sees_no_person(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "APPROVED")
    answer = await (await browse(shanghai, OPERATOR)).get(f"/w/case/{case}")
    assert answer.status_code == 200, answer.text
    assert WANG.name not in answer.text
    assert "330482********" not in answer.text
    assert doors(answer.text, case) == {"ask-again"}
    refused = await (await browse(shanghai, OPERATOR)).send(f"/w/case/{case}/reveal")
    assert refused.status_code == 403
    assert WANG.citizen_id_no not in refused.text


@pytest.mark.parametrize(("officer", "told"), [(AUDITOR, "窗口民警"), ("D31011", "窗口民警"), ("D31023", "人口办")])
async def test_who_has_nothing_to_do_with_it_is_told_which_roles_may(
    shanghai: Bureau, browse: Browse, officer: str, told: str
) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    answer = await (await browse(shanghai, officer)).get(f"/w/case/{case}")
    assert answer.status_code == 403
    assert told in answer.text
    assert WANG.name not in answer.text


async def test_who_is_not_logged_in_comes_back_after_the_login(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    answer = await (await browse(shanghai)).get(f"/w/case/{case}")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=%2Fw%2Fcase%2F")


async def test_an_unknown_case_is_not_found(shanghai: Bureau, browse: Browse) -> None:
    answer = await (await browse(shanghai, COUNTER)).get("/w/case/019405f0-6b1c-7c3e-8f43-1d5a3b0c9e11")
    assert answer.status_code == 404


# Written by hand from the protocol and the duties of the posts: what each may do now.
@pytest.mark.parametrize(
    ("state", "officer", "expected"),
    [
        ("DRAFT", COUNTER, {"accept", "look-up", "withdraw"}),
        ("DRAFT", OFFICE, {"look-up"}),
        ("ACCEPTED", COUNTER, {"submit", "ask-supplement", "look-up", "withdraw"}),
        ("SUPPLEMENT_REQUIRED", COUNTER, {"supplemented", "look-up", "withdraw"}),
        ("UNDER_REVIEW", COUNTER, {"look-up", "withdraw"}),
        ("UNDER_REVIEW", OFFICE, {"decide", "look-up"}),
        ("UNDER_REVIEW", VERIFIER, set()),
        ("APPROVED", COUNTER, {"void", "look-up", "ask-again"}),
        ("APPROVED", OFFICE, {"void", "look-up"}),
        ("CERTIFIED", COUNTER, {"settle", "request-reissue", "look-up", "void"}),
        ("SETTLING", COUNTER, {"look-up", "ask-again"}),
        ("HERE", COUNTER, set()),
        ("REFUSED", OFFICE, set()),
        ("VOID", COUNTER, set()),
    ],
)
async def test_the_bar_has_exactly_what_can_be_done_now(
    shanghai: Bureau, browse: Browse, state: str, officer: str, expected: set[str]
) -> None:
    case = await at_destination(shanghai, state)
    answer = await (await browse(shanghai, officer)).get(f"/w/case/{case}")
    assert answer.status_code == 200, answer.text
    assert doors(answer.text, case) == expected


@pytest.mark.parametrize(
    ("state", "officer", "expected"),
    [
        ("RECEIVED", O_VERIFIER, {"review"}),
        ("RECEIVED", O_COUNTER, set()),
        ("RETURNED", O_VERIFIER, set()),
        ("SEALED", O_VERIFIER, {"ask-cancel", "reissue", "ask-again"}),
        ("CANCELLING", O_VERIFIER, {"ask-again"}),
        ("GONE", O_VERIFIER, set()),
        ("RESTORED", O_VERIFIER, {"restore"}),
        ("VOID", O_VERIFIER, set()),
    ],
)
async def test_the_bar_at_the_origin(zhejiang: Bureau, browse: Browse, state: str, officer: str, expected: set[str]) -> None:
    case = await at_origin(zhejiang, state)
    answer = await (await browse(zhejiang, officer)).get(f"/w/case/{case}")
    assert answer.status_code == 200, answer.text
    assert doors(answer.text, case) == expected


async def test_whole_numbers_are_shown_after_a_row_in_the_audit_log(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    browser = await browse(shanghai, COUNTER)
    answer = await browser.send(f"/w/case/{case}/reveal")
    assert answer.status_code == 200
    assert WANG.citizen_id_no in answer.text
    (row,) = await shanghai.audit("transfers.reveal")
    assert (row.actor, str(row.case_id), list(row.fields)) == (COUNTER, case, ["citizen_id_no"])


async def test_a_page_that_follows_by_itself_is_told_only_what_has_changed(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    browser = await browse(shanghai, COUNTER)
    page = await browser.get(f"/w/case/{case}")
    (seen,) = re.findall(r'name="seen" value="([0-9.]+)"', page.text)
    reads = len(await shanghai.audit("transfers.read"))
    same = await browser.get(f"/w/case/{case}?seen={seen}", HX_Request="true")
    assert (same.status_code, same.text) == (204, "")
    assert len(await shanghai.audit("transfers.read")) == reads
    by_hand = await browser.get(f"/w/case/{case}?seen={seen}")
    assert by_hand.status_code == 200
    await shanghai.done(COUNTER, case, "submit")
    news = await browser.get(f"/w/case/{case}?seen={seen}", HX_Request="true")
    assert news.status_code == 200
    assert "审批中" in news.text
    assert len(await shanghai.audit("transfers.read")) == reads + 2
    other = await (await browse(shanghai, "D31011")).get(f"/w/case/{case}?seen={seen}", HX_Request="true")
    assert other.status_code == 403


async def test_of_a_long_audit_the_newest_rows_are_shown_and_the_way_to_all(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "DRAFT")
    auditor, path = await browse(shanghai, AUDITOR), f"/w/case/{case}/audit"
    assert "只显示最近" not in (await auditor.get(path)).text
    await shanghai.rows(
        "INSERT INTO audit (at, business_at, actor_kind, actor, role, station, action, decision, reason, object_kind, object_id,"
        " purpose, case_id, fields, peer) SELECT at, business_at, actor_kind, actor, role, station, action, decision, reason,"
        " object_kind, object_id, purpose, case_id, fields, peer FROM audit, generate_series(1, 200) WHERE case_id = :case"
        " RETURNING id",
        case=UUID(case),
    )
    shown = await auditor.get(path)
    assert "只显示最近 200 条记录。" in shown.text
    assert f'href="/ops/audit?case={case}"' in shown.text
    assert (await auditor.get(f"/ops/audit?case={case}")).status_code == 200


async def test_the_audit_of_a_case_is_the_auditors(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    answer = await (await browse(shanghai, AUDITOR)).get(f"/w/case/{case}/audit")
    assert answer.status_code == 200
    assert "transfers.accept" in answer.text
    assert WANG.name not in answer.text
    assert (await shanghai.audit("audit.read"))[-1].actor == AUDITOR
    assert (await (await browse(shanghai, COUNTER)).get(f"/w/case/{case}/audit")).status_code == 403
