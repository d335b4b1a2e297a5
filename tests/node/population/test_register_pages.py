"""The booklet and the member's page: for an open case of the own area only, masked until asked for, each look a row."""

from typing import Any

import pytest
from uuid_utils.compat import uuid7

from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.people import ZHOU, ZHOU_WIFE
from tests.node.transfers.cases import O_OFFICE, O_VERIFIER, at_origin, permit_for

MASKED = f"{ZHOU.citizen_id_no[:6]}********{ZHOU.citizen_id_no[-4:]}"


async def places(bureau: Bureau) -> tuple[str, Any]:
    """An open case of the Zhous, and the row of their head."""
    case = await at_origin(bureau, "RECEIVED", permit_for(ZHOU))
    return case, await bureau.resident(ZHOU.citizen_id_no)


async def test_the_booklet_lists_the_household_with_masked_numbers(zhejiang: Bureau, browse: Browse) -> None:
    case, head = await places(zhejiang)
    browser = await browse(zhejiang, O_VERIFIER)
    page = await browser.get(f"/w/household/{head.household_id}?case={case}")
    assert page.status_code == 200
    assert all(text in page.text for text in (ZHOU.name, ZHOU_WIFE.name, MASKED, "000000002", "户主"))
    assert ZHOU.citizen_id_no not in page.text
    rows = await zhejiang.audit("population.read", decision="allowed")
    assert [(row.object_kind, str(row.case_id), row.purpose) for row in rows] == [("household", case, "household_transfer")]
    assert "citizen_id_no" not in rows[0].fields
    shown = await browser.send(f"/w/household/{head.household_id}/reveal", {"case": case})
    assert ZHOU.citizen_id_no in shown.text
    assert "citizen_id_no" in (await zhejiang.audit("population.read", decision="allowed"))[-1].fields


async def test_the_members_page_shows_the_register_form_without_what_nobody_needs(zhejiang: Bureau, browse: Browse) -> None:
    case, head = await places(zhejiang)
    browser = await browse(zhejiang, O_VERIFIER)
    page = await browser.get(f"/w/resident/{head.id}?case={case}")
    assert (page.status_code, MASKED in page.text, ZHOU.citizen_id_no in page.text) == (200, True, False)
    assert "演示信仰" not in page.text  # religion
    assert ZHOU.citizen_id_no in (await browser.send(f"/w/resident/{head.id}/reveal", {"case": case})).text


@pytest.mark.parametrize("named", ["none", "unknown", "ended"])
async def test_without_an_open_case_nothing_is_shown(zhejiang: Bureau, browse: Browse, named: str) -> None:
    case, head = await places(zhejiang)
    browser = await browse(zhejiang, O_VERIFIER)
    query = {"none": "", "unknown": f"?case={uuid7()}", "ended": f"?case={case}"}[named]
    if named == "ended":
        await zhejiang.done(O_VERIFIER, case, "return", {"code": "R06", "reason_text": "演示"})
    for path in (f"/w/household/{head.household_id}", f"/w/resident/{head.id}"):
        answer = await browser.get(f"{path}{query}")
        assert answer.status_code in (400, 403)
        assert ZHOU.name not in answer.text
    assert await zhejiang.audit("population.read", decision="allowed") == []


async def test_only_officers_of_the_area_look(zhejiang: Bureau, browse: Browse) -> None:
    case, head = await places(zhejiang)
    path = f"/w/household/{head.household_id}?case={case}"
    for officer, status in ((O_OFFICE, 200), ("D33012", 403), ("D33019", 403), ("D33005", 403), ("D33004", 403)):
        assert (await (await browse(zhejiang, officer)).get(path)).status_code == status, officer
    unknown = await (await browse(zhejiang, O_VERIFIER)).get(f"/w/resident/{uuid7()}?case={case}")
    assert unknown.status_code == 404
