"""The search box: what stands on paper leads to its case, in the officer's area only, and leaves a row."""

import pytest

from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.people import WANG
from tests.node.transfers.cases import COUNTER, OPERATOR, at_destination, at_origin, certified


async def test_every_number_of_a_case_leads_to_it(shanghai: Bureau, browse: Browse) -> None:
    case, _ = await certified(shanghai)
    row = await shanghai.one("SELECT * FROM transfer_case")
    browser = await browse(shanghai, COUNTER)
    for number in (row.apply_no, row.apply_no.lower(), f" {row.permit_no} ", row.migration_no, case, WANG.citizen_id_no):
        answer = await browser.send("/w/search", {"q": number})
        assert (answer.status_code, answer.headers.get("location")) == (303, f"/w/case/{case}"), number
    assert (await browser.get(f"/w/search?q={row.apply_no}")).status_code == 303
    kinds = [one.object_id for one in await shanghai.audit("transfers.read", object_kind="search")]
    assert kinds == ["number"] * 4 + ["case", "person", "number"]


async def test_the_origins_case_is_found_by_the_same_number(zhejiang: Bureau, browse: Browse) -> None:
    case = await at_origin(zhejiang, "RECEIVED")
    row = await zhejiang.one("SELECT * FROM transfer_case")
    browser = await browse(zhejiang, "D33002")
    assert (await browser.send("/w/search", {"q": row.apply_no})).headers["location"] == f"/w/case/{case}"


@pytest.mark.parametrize("wanted", ["", " ", "nothing", "x" * 65, "\x00", "330482199003070020", WANG.citizen_id_no])
async def test_what_is_not_there_says_what_can_be_searched_for(quiet_shanghai: Bureau, browse: Browse, wanted: str) -> None:
    browser = await browse(quiet_shanghai, COUNTER)
    answer = await browser.send("/w/search", {"q": wanted})
    assert (answer.status_code, "可以检索" in answer.text) == (200, True)
    assert not wanted.strip() or wanted == "nothing" or WANG.citizen_id_no not in answer.text
    assert "330482199003070020" not in answer.text  # mistyped, and a digit away from somebody's


async def test_a_person_is_found_in_an_open_case_of_the_area_only_and_never_by_an_address(
    shanghai: Bureau, browse: Browse
) -> None:
    case = await at_destination(shanghai, "DRAFT")
    own, near, operator = [await browse(shanghai, one) for one in (COUNTER, "D31011", OPERATOR)]
    found = await own.send("/w/search", {"q": WANG.citizen_id_no})
    assert found.status_code == 303
    for answer in (
        await near.send("/w/search", {"q": WANG.citizen_id_no}),
        await near.send("/w/search", {"q": case}),
        await operator.send("/w/search", {"q": WANG.citizen_id_no}),
        await own.get(f"/w/search?q={WANG.citizen_id_no}"),
    ):
        assert answer.status_code == 200
    await shanghai.done(COUNTER, case, "withdraw", {"reason": "演示"})
    assert (await own.send("/w/search", {"q": WANG.citizen_id_no})).status_code == 200


async def test_the_operator_finds_a_case_by_its_number_and_the_auditor_none(shanghai: Bureau, browse: Browse) -> None:
    await at_destination(shanghai, "DRAFT")
    row = await shanghai.one("SELECT * FROM transfer_case")
    assert (await (await browse(shanghai, OPERATOR)).send("/w/search", {"q": row.apply_no})).status_code == 303
    assert (await (await browse(shanghai, "D31006")).send("/w/search", {"q": row.apply_no})).status_code == 403
