"""窗口受理 on pages: step by step, kept at the server, submitted once; the origin is asked for the open case."""

import re
from datetime import timedelta
from typing import Any

import pytest

from services.bureau.stations import acts as stations
from services.bureau.transfers import acts
from shared.contract.messages import DirectoryPublished
from tests.node.browser import Browser, form_to
from tests.node.bureau import Bureau
from tests.node.conftest import VERSION, Browse
from tests.node.people import LI, WANG, ZHAPU, person
from tests.node.transfers.cases import COUNTER, application, opened
from tests.unit.transfers.listed import stations as listed_stations

APPLICANT = {
    "applicant.citizen_id_no": WANG.citizen_id_no,
    "applicant.name": WANG.name,
    "applicant.phone": "13000000000",
    "applicant_page.bureau": "zhejiang",
    "origin.station_code": ZHAPU,
    "origin.address": "演示路1号",
}
MATTER = {
    "reason_code": "SPOUSE",
    "sponsor.name": LI.name,
    "sponsor.citizen_id_no": LI.citizen_id_no,
    "destination.household_no": "000000001",
    "destination.address": "吕巷镇演示路2号",
    "applicant.relation_to_head_code": "12",
    "notice_signed": "yes",
}
CHILD = person("33048220150505008", "王小演示")
MEMBER = {
    "members.0.citizen_id_no": CHILD.citizen_id_no,
    "members.0.name": CHILD.name,
    "members.0.relation_to_applicant_code": "20",
    "members.0.relation_to_head_code": "20",
}


async def begun(browser: Browser) -> str:
    answer = await browser.send("/w/intake")
    assert answer.status_code == 303
    return answer.headers["location"].removesuffix("/applicant")


async def filled(browser: Browser, *, members: dict[str, str] | None = None) -> str:
    """An intake up to its check."""
    where = await begun(browser)
    for step, form, after in (("applicant", APPLICANT, "matter"), ("matter", MATTER, "members"), ("members", members, "check")):
        answer = await browser.send(f"{where}/{step}", {**(form or {}), "go": "next"})
        assert (answer.status_code, answer.headers.get("location")) == (303, f"{where}/{after}"), answer.text
    return where


async def at_check(browser: Browser, where: str, go: str, **form: str) -> Any:
    """Press a button of the check, as it is shown now."""
    shown = await browser.get(f"{where}/check")
    found = form_to(shown, f"{where}/check", last=True).fields if shown.status_code == 200 else {}
    return await browser.send(f"{where}/check", {**found, "go": go, **form})


async def cases(bureau: Bureau) -> list[Any]:
    return await bureau.rows("SELECT * FROM transfer_case ORDER BY created_at")


async def test_a_case_is_taken_and_submitted(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    where = await filled(browser, members=MEMBER)
    check = await browser.get(f"{where}/check")
    assert 'class="errors"' not in check.text
    assert "<td>今天</td>" in check.text  # the date on the paper form, which was left empty
    assert all(text in check.text for text in (WANG.name, CHILD.name, LI.name, "吕巷镇演示路2号"))
    form = form_to(check, f"{where}/check", last=True).fields | {"go": "submit"}
    for _ in range(2):  # sent twice, done once
        answer = await browser.send(f"{where}/check", form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{where}/done")
    (case,) = await cases(shanghai)
    assert await shanghai.states(case.case_id) == {1: "UNDER_REVIEW", 2: "UNDER_REVIEW"}
    done = await browser.get(f"{where}/done")
    assert case.apply_no in done.text
    assert re.search(r'class="code">[0-9A-Z-]+<', done.text)
    assert (await at_check(browser, where, "submit", once="2")).status_code == 404


async def test_the_check_masks_id_numbers_and_shows_them_with_a_trace(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    where = await filled(browser, members=MEMBER)
    numbers = [one.citizen_id_no for one in (WANG, LI, CHILD)]
    check = await browser.get(f"{where}/check")
    assert [number in check.text for number in numbers] == [False] * 3
    assert [f"{number[:6]}********{number[-4:]}" in check.text for number in numbers] == [True] * 3
    assert await shanghai.audit("transfers.reveal") == []
    shown = await browser.send(form_to(check, f"{where}/reveal").action)
    assert (shown.status_code, [number in shown.text for number in numbers]) == (200, [True] * 3)
    (row,) = await shanghai.audit("transfers.reveal")
    assert (row.actor, row.object_kind, f"/w/intake/transfer/{row.object_id}") == (COUNTER, "intake", where)
    assert WANG.citizen_id_no not in (await browser.get(f"{where}/check")).text
    colleague = await browse(shanghai, "D31011")
    assert (await colleague.send(f"{where}/reveal")).status_code == 404
    assert len(await shanghai.audit("transfers.reveal")) == 1


async def test_the_query_code_is_on_the_receipt_for_a_while_only(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    where = await filled(browser)
    await at_check(browser, where, "submit")
    assert 'class="code"' in (await browser.get(f"{where}/done")).text
    shanghai.machine.offset = timedelta(minutes=10)
    assert 'class="code"' in (await browser.get(f"{where}/done")).text
    shanghai.machine.offset = timedelta(minutes=16)
    page = await browser.get(f"{where}/done")
    assert (page.status_code, 'class="code"' in page.text) == (200, False)


@pytest.mark.parametrize(
    ("step", "form", "field"),
    [
        ("applicant", {"applicant.citizen_id_no": "330482199003070020"}, "applicant.citizen_id_no"),
        ("applicant", {"applicant.citizen_id_no": ""}, "applicant.citizen_id_no"),
        ("applicant", {"applicant.citizen_id_no": LI.citizen_id_no}, "applicant.citizen_id_no"),  # registered here already
        ("applicant", {"applicant.name": ""}, "applicant.name"),
        ("applicant", {"origin.station_code": ""}, "origin.station_code"),
        ("applicant", {"origin.address": ""}, "origin.address"),
        ("matter", {"reason_code": ""}, "reason_code"),
        ("matter", {"sponsor.name": ""}, "sponsor.name"),
        ("matter", {"applied_on": "2020-13-01"}, "applied_on"),
        ("members", {**MEMBER, "members.0.name": ""}, "members.0.name"),
        ("members", {**MEMBER, "members.0.citizen_id_no": LI.citizen_id_no}, "members.0.citizen_id_no"),
    ],
)
async def test_bad_input_is_named_linked_and_kept(
    quiet_shanghai: Bureau, browse: Browse, step: str, form: dict[str, str], field: str
) -> None:
    browser = await browse(quiet_shanghai, COUNTER)
    where = await begun(browser)
    typed = {**{"applicant": APPLICANT, "matter": MATTER, "members": {}}[step], **form}
    answer = await browser.send(f"{where}/{step}", {**typed, "go": "next"})
    assert answer.status_code == 422
    assert f'<a href="#{field}">' in answer.text
    assert f'id="{field}"' in answer.text
    shown = form_to(answer, f"{where}/{step}").fields
    assert {name: shown.get(name, "") for name in typed if name != "notice_signed"} == {
        name: value for name, value in typed.items() if name != "notice_signed"
    }


async def test_what_only_the_whole_tells_is_said_at_the_check_with_a_way_to_its_field(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    where = await begun(browser)
    await browser.send(f"{where}/applicant", APPLICANT)
    await browser.send(f"{where}/matter", {**MATTER, "destination.household_no": "999999999"})
    check = await browser.get(f"{where}/check")
    assert f'href="{where}/matter#destination.household_no"' in check.text
    answer = await at_check(browser, where, "submit")
    assert (answer.status_code, await cases(shanghai)) == (422, [])


async def test_the_date_of_the_paper_form_is_said_back_as_it_was_understood(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    where = await begun(browser)
    answer = await browser.send(f"{where}/matter", {**MATTER, "applied_on": "28.12.2020", "go": "next"})
    assert (answer.status_code, "应为日期，格式为 YYYY-MM-DD" in answer.text) == (422, True)
    await browser.send(f"{where}/matter", {**MATTER, "applied_on": "2020-11-19", "go": "next"})
    assert "<td>2020-11-19</td>" in (await browser.get(f"{where}/check")).text


async def test_a_person_with_an_open_case_is_found_at_once(shanghai: Bureau, browse: Browse) -> None:
    await opened(shanghai, application(WANG))
    browser = await browse(shanghai, COUNTER)
    answer = await browser.send(f"{await begun(browser)}/applicant", APPLICANT)
    assert answer.status_code == 422
    (case,) = await cases(shanghai)
    assert case.apply_no in answer.text


async def test_what_is_typed_is_kept_at_the_server_encrypted_and_for_its_officer(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    where = await begun(browser)
    half = {"step": "applicant", "applicant.name": "王演·示", "applicant.citizen_id_no": "3304", "nonsense": "x", "once": "1"}
    assert (await browser.send(f"{where}/autosave", half)).status_code == 204
    other = await browse(shanghai, COUNTER)  # the session ended; another browser, the same officer
    shown = form_to(await other.get(f"{where}/applicant"), f"{where}/applicant").fields
    assert (shown["applicant.name"], shown["applicant.citizen_id_no"]) == ("王演·示", "3304")
    assert "王演·示" in (await other.get("/w/intake")).text
    (row,) = await shanghai.rows("SELECT * FROM intake_draft")
    assert "王演".encode() not in bytes(row.body)
    colleague = await browse(shanghai, "D31007", post="310116910000:counter")
    for stranger in (colleague, await browse(shanghai, "D31011")):
        assert (await stranger.get(f"{where}/applicant")).status_code == 404
    assert (await browser.send(f"{where}/discard")).status_code == 303
    assert (await browser.get(f"{where}/applicant")).status_code == 404


async def test_members_come_and_go(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(quiet_shanghai, COUNTER)
    where = await begun(browser)
    await browser.send(f"{where}/members", {"go": "add"})
    await browser.send(f"{where}/members", {**MEMBER, "go": "add"})
    shown = form_to(await browser.get(f"{where}/members"), f"{where}/members").fields
    assert (shown["members.0.name"], shown["members.1.name"]) == (CHILD.name, "")
    await browser.send(f"{where}/members", {**MEMBER, "members.1.name": "乙", "go": "remove.0"})
    shown = form_to(await browser.get(f"{where}/members"), f"{where}/members").fields
    assert (shown["members.0.name"], "members.1.name" in shown) == ("乙", False)


async def test_a_number_is_read_while_it_is_typed(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(quiet_shanghai, COUNTER)
    said = await browser.send("/w/intake/number?of=a", {"a": WANG.citizen_id_no}, hx_request="true")
    assert "1990-03-07" in said.text
    assert "<html" not in said.text
    assert "fault" in (await browser.send("/w/intake/number?of=a", {"a": "330482199003070020"})).text
    assert (await browser.send("/w/intake/number?of=a", {"a": ""})).text.strip() == ""


async def test_the_stations_are_those_that_the_other_bureau_publishes(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(quiet_shanghai, COUNTER)
    listed = await browser.send("/w/intake/stations", {"applicant_page.bureau": "zhejiang"}, hx_request="true")
    assert f'value="{ZHAPU}"' in listed.text
    assert "000000" not in listed.text
    assert "<option value=" in (await browser.send("/w/intake/stations", {"applicant_page.bureau": "nowhere"})).text


async def test_among_many_stations_the_way_leads_over_city_and_district(shanghai: Bureau, browse: Browse) -> None:
    """As a real province publishes them; the same with a button where no script runs."""
    listed = [*listed_stations("330482", 60), *listed_stations("330421", 5), *listed_stations("330127", 30)]
    published = DirectoryPublished(
        bureau="zhejiang", version=VERSION + 1, published_at=shanghai.machine.now(), stations=tuple(listed)
    )
    await shanghai.wiring.database.run(lambda session: stations.take_published(session, published), name="test")
    browser = await browse(shanghai, COUNTER)
    where = await begun(browser)
    typed = {"applicant.name": WANG.name, "applicant_page.bureau": "zhejiang", "go": "stay"}
    for chosen, stations_shown in (
        ({}, 0),
        ({"applicant_page.prefecture": "330100"}, 30),
        ({"applicant_page.prefecture": "330400"}, 0),
        ({"applicant_page.prefecture": "330400", "applicant_page.district": "330482"}, 60),
    ):
        typed |= chosen
        part = await browser.send("/w/intake/stations", typed, hx_request="true")
        assert len(re.findall(r'<option value="\d{12}"', part.text)) == stations_shown, chosen
        answer = await browser.send(f"{where}/applicant", typed)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{where}/applicant")
        page = await browser.get(f"{where}/applicant")
        assert len(re.findall(r'<option value="\d{12}"', page.text)) == stations_shown, chosen
        kept = form_to(page, f"{where}/applicant").fields
        assert {name: kept.get(name) for name in typed if name != "go"} == {n: v for n, v in typed.items() if n != "go"}
    last = {**typed, **APPLICANT, "origin.station_code": listed[59].code, "go": "next"}
    assert (await browser.send(f"{where}/applicant", last)).headers["location"] == f"{where}/matter"
    back = form_to(await browser.get(f"{where}/applicant"), f"{where}/applicant").fields
    assert back["origin.station_code"] == listed[59].code
    assert listed[59].name in (await browser.get(f"{where}/check")).text


@pytest.mark.parametrize(("down", "shown"), [(False, "未在该地登记"), (True, "对端暂无应答")])
async def test_the_origin_is_asked_for_the_open_case_and_its_answer_is_advice(
    shanghai: Bureau, browse: Browse, down: bool, shown: str
) -> None:
    shanghai.peers.down = {"zhejiang"} if down else set()
    browser = await browse(shanghai, COUNTER)
    where = await filled(browser)
    answer = await at_check(browser, where, "look_up", once="1")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{where}/check#origin")
    (case,) = await cases(shanghai)
    assert await shanghai.states(case.case_id) == {1: "DRAFT"}
    page = await browser.get(f"{where}/check")
    assert ("notice amber" in page.text, shown in page.text, 'class="errors"' in page.text) == (True, True, False)
    (row,) = await shanghai.audit("transfers.look_up_origin", decision="allowed")
    assert row.case_id == case.case_id
    await at_check(browser, where, "submit", once="2")
    assert [one.case_id for one in await cases(shanghai)] == [case.case_id]
    assert await shanghai.states(case.case_id) == {1: "UNDER_REVIEW"}


async def test_answers_that_changed_after_the_look_up_make_a_new_case_under_the_same_number(
    shanghai: Bureau, browse: Browse
) -> None:
    browser = await browse(shanghai, COUNTER)
    where = await filled(browser)
    await at_check(browser, where, "look_up", once="1")
    await browser.send(f"{where}/matter", {**MATTER, "destination.address": "吕巷镇演示路3号", "go": "next"})
    await at_check(browser, where, "submit", once="2")
    before, after = await cases(shanghai)
    assert (await shanghai.states(before.case_id), await shanghai.states(after.case_id)) == (
        {1: "WITHDRAWN"},
        {1: "UNDER_REVIEW"},
    )
    assert (after.apply_no, after.previous_case) == (before.apply_no, before.case_id)


async def test_who_is_not_at_the_counter_takes_nothing(quiet_shanghai: Bureau, browse: Browse) -> None:
    for officer in ("D31002", "D31003", "D31005"):
        browser = await browse(quiet_shanghai, officer)
        assert (await browser.get("/w/intake")).status_code == 403
        assert (await browser.send("/w/intake")).status_code == 403


async def test_what_nobody_goes_on_with_and_what_is_done_is_swept(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    await begun(browser)
    done = await filled(browser)
    await at_check(browser, done, "submit")

    async def left() -> int:
        await shanghai.wiring.database.run(acts.forget_drafts, name="sweep")
        return len(await shanghai.rows("SELECT id FROM intake_draft"))

    assert await left() == 2
    shanghai.machine.offset = timedelta(minutes=16)
    assert await left() == 1
    shanghai.machine.offset = timedelta(days=30, minutes=1)
    assert await left() == 0


async def test_only_what_was_seen_at_the_check_is_submitted(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    where = await filled(browser)
    shown = form_to(await browser.get(f"{where}/check"), f"{where}/check", last=True).fields
    other_window = {**MATTER, "step": "matter", "destination.address": "吕巷镇演示路3号"}
    assert (await browser.send(f"{where}/autosave", other_window)).status_code == 204
    for stale in (shown, shown | {"seen": ""}):
        answer = await browser.send(f"{where}/check", stale | {"go": "submit"})
        assert (answer.status_code, "吕巷镇演示路3号" in answer.text, 'class="errors"' in answer.text) == (409, True, True)
    assert await cases(shanghai) == []
    assert (await browser.send(f"{where}/check", form_to(answer, f"{where}/check", last=True).fields)).status_code == 303
    (case,) = await cases(shanghai)
    assert await shanghai.states(case.case_id) == {1: "UNDER_REVIEW"}


async def test_what_was_submitted_is_not_discarded_from_another_window(shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(shanghai, COUNTER)
    where = await filled(browser)
    await at_check(browser, where, "submit")
    answer = await browser.send(f"{where}/discard")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{where}/done")
    assert (await browser.get(f"{where}/done")).status_code == 200
    again = await begun(browser)
    assert (await browser.send(f"{again}/discard")).headers["location"] == "/w/intake"
    assert (await browser.get(f"{again}/applicant")).status_code == 404
