"""Taking an application at the counter: a draft, or everything that is wrong with it, each with its rule and its source."""

import asyncio
from typing import Any

import pytest

from services.bureau.transfers.acts import destination
from tests.node.bureau import Bureau, faults
from tests.node.people import AT_FENGJING, HEFEI, LI, STRANGER, WANG, XINDAI, ZHAPU, ZHOU, ZHOU_SON, mover, person
from tests.node.transfers.cases import CASES, COUNTER, application, approved, at_destination, opened, talent
from tests.node.transfers.traces import assert_audited, stored_case

UNBORN = person("33048220201121001", "未来演示")  # born the day after the application
ADULT_SON = person("33048219900808003", "成年演示")


def changed(path: str, value: Any, form: dict[str, Any] | None = None) -> dict[str, Any]:
    """The application with one member at a dotted path replaced."""
    made = form or application(WANG, ZHOU_SON)
    *parents, last = path.split(".")
    target: Any = made
    for name in parents:
        target = target[int(name)] if name.isdigit() else target[name]
    target[last] = value
    return made


async def test_an_application_becomes_a_draft_and_nothing_leaves(shanghai: Bureau) -> None:
    answer = await shanghai.ask(COUNTER, "POST", CASES, application(WANG, ZHOU_SON))
    assert answer.status_code == 201
    case = answer.json()
    assert (case["side"], case["counterpart"], case["station_code"]) == ("destination", "zhejiang", "310116910000")
    assert case["apply_no"].startswith("QY31011620201120")
    assert [(one["place"], one["state"], one["label_zh"]) for one in case["members"]] == [
        (1, "DRAFT", "暂存"),
        (2, "DRAFT", "暂存"),
    ]
    assert await shanghai.states(case["case"]) == {1: "DRAFT", 2: "DRAFT"}
    assert await shanghai.sent() == []
    assert await shanghai.owed(case["case"]) == {}
    assert await shanghai.resident(WANG.citizen_id_no) is None
    await assert_audited(shanghai, "open", case["case"], by=COUNTER, members={}, peer="zhejiang")


async def test_the_date_on_the_paper_form_is_kept(shanghai: Bureau) -> None:
    dated = await shanghai.ask(COUNTER, "POST", CASES, application(applied_on="2020-11-18"))
    assert dated.json()["application"]["applied_on"] == "2020-11-18"
    undated = await shanghai.ask(COUNTER, "POST", CASES, application(ZHOU))
    assert undated.json()["application"]["applied_on"] == "2020-11-20"


async def test_the_query_code_is_shown_once_and_kept_only_as_an_index(shanghai: Bureau) -> None:
    answer = await shanghai.ask(COUNTER, "POST", CASES, application())
    code, case = answer.json()["query_code"], answer.json()["case"]
    assert len(code) == 10
    read = await shanghai.ask(COUNTER, "GET", f"{CASES}/{case}")
    assert code not in read.text
    index = (await stored_case(shanghai, case)).query_code_index
    assert len(index) == 16
    assert code.encode() not in index


async def test_a_wrong_check_digit_is_named_in_both_languages_with_its_standard(quiet_shanghai: Bureau) -> None:
    wrong = changed("applicant.citizen_id_no", "330482199003070288")
    answer = await quiet_shanghai.ask(COUNTER, "POST", CASES, wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "field": "applicant.citizen_id_no",
            "rule": "check_digit",
            "source": "GB 11643-1999",
            "zh": "校验码不符：末位应为 7，实为 8",
            "en": "check digit is 8, should be 7",
        }
    ]
    sentence = "applicant.citizen_id_no: 校验码不符：末位应为 7，实为 8（GB 11643-1999） / check digit is 8, should be 7"
    assert answer.json()["detail"] == sentence
    english = await quiet_shanghai.ask(COUNTER, "POST", CASES, wrong, Accept_Language="en")
    sentence = "applicant.citizen_id_no: check digit is 8, should be 7 / 校验码不符：末位应为 7，实为 8（GB 11643-1999）"
    assert english.json()["detail"] == sentence


ORIGIN_HERE = {"division_code": "310117", "address": "演示路1号", "station_code": "310117910000"}
WRONG = [
    # what is entered, the fault's field and rule, what its source must name
    (changed("applicant.citizen_id_no", "33048219900230002X"), "applicant.citizen_id_no", "birth_date", "GB 11643"),
    (changed("applicant.citizen_id_no", "33048"), "applicant.citizen_id_no", "form", "GB 11643"),
    (changed("applicant.citizen_id_no", UNBORN.citizen_id_no), "applicant.citizen_id_no", "future", "GB 11643"),
    (changed("applicant.name", ""), "applicant.name", "string_too_short", "JSON Schema"),
    (changed("applicant.name", None), "applicant.name", "string_type", "JSON Schema"),
    (changed("applicant.phone", "call me"), "applicant.phone", "string_pattern_mismatch", "JSON Schema"),
    (changed("applicant.surprise", 1), "applicant.surprise", "extra_forbidden", "JSON Schema"),
    (changed("members.0.citizen_id_no", WANG.citizen_id_no), "members.0.citizen_id_no", "twice", "户口登记条例"),
    (changed("members.0.citizen_id_no", LI.citizen_id_no), "members.0.citizen_id_no", "registered_here", "Art. 6"),
    (changed("members", [application(WANG, ZHOU_SON)["members"][0]] * 50), "members", "too_long", "JSON Schema"),
    (changed("origin.division_code", "330499"), "origin.division_code", "unknown_division", "GB/T 2260"),
    (changed("origin.division_code", "110101"), "origin.division_code", "unknown_division", "GB/T 2260"),
    (changed("origin", ORIGIN_HERE), "origin.division_code", "same_bureau", "长三角"),
    (changed("origin.station_code", "330482990000"), "origin.station_code", "unknown_station", "GA/T 380"),
    (changed("origin.station_code", "3304"), "origin.station_code", "form", "GA/T 380"),
    (changed("origin.station_code", "320583910000"), "origin.station_code", "other_province", "GA/T 380"),
    (changed("origin.station_code", "330482000000"), "origin.station_code", "not_a_station", "GA/T 380"),
    (changed("destination.division_code", "310117"), "destination.division_code", "other_station", "户口登记条例"),
    (changed("destination.division_code", "310199"), "destination.division_code", "unknown_division", "GB/T 2260"),
    (changed("destination.household_no", "999999999"), "destination.household_no", "unknown_household", "户口登记条例"),
    (changed("applicant.relation_to_head_code", "02"), "applicant.relation_to_head_code", "second_head", "户口登记条例"),
    (changed("applied_on", "2020-11-21"), "applied_on", "future", "长三角"),
    (changed("applied_on", "2020-02-30"), "applied_on", "date_from_datetime_parsing", "JSON Schema"),
    (changed("notice_signed", False), "notice_signed", "notice", "长三角"),
    (changed("sponsor", None), "sponsor", "missing", "长三角"),
    (changed("sponsor.citizen_id_no", STRANGER.citizen_id_no), "sponsor.citizen_id_no", "not_registered_here", "户口登记条例"),
    (changed("category", "TOURISM"), "category", "literal_error", "JSON Schema"),
    (changed("reason_code", "TALENT_INTRODUCED"), "reason_code", "reason_of_category", "Quanyu"),
    (changed("origin.division_code", "330481"), "origin.division_code", "other_division", "户口登记条例"),
    (changed("applicant.relation_to_head_code", "01"), "applicant.relation_to_head_code", "code", "GB/T 4761"),
    (changed("members.0.relation_to_applicant_code", "ZZ"), "members.0.relation_to_applicant_code", "code", "GB/T 4761"),
    (changed("applicant.name", "   "), "applicant.name", "string_too_short", "JSON Schema"),
    (changed("applicant.name", "王\u200b演示"), "applicant.name", "control_character", "Quanyu"),
    (changed("applicant.name", "\u202e王演示"), "applicant.name", "control_character", "Quanyu"),
    (changed("applicant.name", "王\n演示"), "applicant.name", "one_line", "Quanyu"),
    (changed("applicant.citizen_id_no", "330482000103070289"), "applicant.citizen_id_no", "birth_date", "GB 11643"),
    (changed("applied_on", "2019-11-19"), "applied_on", "too_old", "长三角"),
    (changed("notice_signed", "yes"), "notice_signed", "bool_type", "JSON Schema"),
    (changed("sponsor.name", "别演示"), "sponsor.name", "differs", "户口登记条例"),
    (application(ADULT_SON, reason_code="CHILD_TO_PARENT"), "applicant.citizen_id_no", "minor", "长三角"),
    ({}, "category", "missing", "JSON Schema"),
    ([], "", "model_attributes_type", "JSON Schema"),
]


@pytest.mark.parametrize(("form", "field", "rule", "source"), WRONG, ids=[f"{one[1] or 'body'}-{one[2]}" for one in WRONG])
async def test_what_is_wrong_is_named_by_field_rule_and_source(
    quiet_shanghai: Bureau, form: Any, field: str, rule: str, source: str
) -> None:
    before = await quiet_shanghai.fingerprint()
    answer = await quiet_shanghai.ask(COUNTER, "POST", CASES, form)
    assert answer.status_code == 422, answer.text
    assert (field, rule) in faults(answer)
    named = next(fault for fault in answer.json()["errors"] if (fault["field"], fault["rule"]) == (field, rule))
    assert source in named["source"]
    assert await quiet_shanghai.fingerprint() == before


async def test_a_new_household_gets_one_head(quiet_shanghai: Bureau) -> None:
    home = {"division_code": "310116", "address": "吕巷镇演示路9号"}
    form = changed("applicant.relation_to_head_code", "02", application(WANG, ZHOU_SON, ADULT_SON, destination=home))
    for member in form["members"]:
        del member["relation_to_head_code"]  # what is left out is assumed to be the head
    answer = await quiet_shanghai.ask(COUNTER, "POST", CASES, form)
    assert faults(answer) == [
        ("members.0.relation_to_head_code", "second_head"),
        ("members.1.relation_to_head_code", "second_head"),
    ]


async def test_everything_that_is_wrong_is_told_at_once(quiet_shanghai: Bureau) -> None:
    form = changed("destination.division_code", "310117", changed("notice_signed", False))
    answer = await quiet_shanghai.ask(COUNTER, "POST", CASES, form)
    assert set(faults(answer)) == {("notice_signed", "notice"), ("destination.division_code", "other_station")}


async def test_a_person_already_in_a_case_here_is_refused_with_the_bureau_and_the_day(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "UNDER_REVIEW")
    number = (await stored_case(shanghai, case)).apply_no
    shanghai.on(2020, 12, 3)
    before = await shanghai.fingerprint()
    answer = await shanghai.ask(COUNTER, "POST", CASES, application(ZHOU, WANG))
    assert answer.status_code == 422
    assert faults(answer) == [("members.0.citizen_id_no", "open_case")]
    fault = answer.json()["errors"][0]
    assert fault["en"] == f"this person is in case {number} with zhejiang since 2020-11-20: end that one first"
    assert all(part in fault["zh"] for part in (number, "zhejiang", "2020-11-20"))
    assert await shanghai.fingerprint() == before


async def test_a_number_that_is_drawn_twice_is_drawn_anew(shanghai: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["QY310116202011200000018", "QY310116202011200000018", "QY310116202011200000027"])
    monkeypatch.setattr(destination, "new_apply_no", lambda division, day: next(drawn))
    first = await shanghai.ask(COUNTER, "POST", CASES, application(mover(1)))
    second = await shanghai.ask(COUNTER, "POST", CASES, application(mover(2)))
    numbers = [answer.json()["apply_no"] for answer in (first, second)]
    assert numbers == ["QY310116202011200000018", "QY310116202011200000027"]


async def test_two_counters_that_open_for_one_person_at_once_make_one_case(shanghai: Bureau) -> None:
    forms = [application(), application(ZHOU, WANG), talent()]
    answers = await asyncio.gather(*(shanghai.ask(COUNTER, "POST", CASES, form) for form in forms))
    assert sorted(answer.status_code for answer in answers) == [201, 422, 422]
    refused = [answer for answer in answers if answer.status_code == 422]
    assert all(rule == "open_case" for answer in refused for _, rule in faults(answer))
    assert len(await shanghai.rows("SELECT * FROM transfer_case")) == 1


async def test_a_person_whose_case_has_ended_may_apply_again(shanghai: Bureau) -> None:
    await at_destination(shanghai, "WITHDRAWN")
    await opened(shanghai)


async def test_a_resident_of_this_register_does_not_move_here(quiet_shanghai: Bureau) -> None:
    answer = await quiet_shanghai.ask(COUNTER, "POST", CASES, talent(AT_FENGJING))
    assert faults(answer) == [("applicant.citizen_id_no", "registered_here")]


async def test_a_closed_origin_station_leads_to_its_successor(open_bureau: Any) -> None:
    zhejiang = await open_bureau("zhejiang")
    origin = {"division_code": "310116", "address": "吕巷镇演示路3号", "station_code": "310116930000"}  # closed 2019-12-31
    home = {"division_code": "330482", "address": "乍浦镇演示路9号"}
    form = talent(LI, origin=origin, destination=home)
    answer = await zhejiang.ask("D33001", "POST", CASES, form)
    assert answer.status_code == 201, answer.text
    assert answer.json()["application"]["origin"]["station_code"] == "310116910000"


async def test_without_the_origins_directory_nothing_is_opened(shanghai: Bureau) -> None:
    await shanghai.rows("DELETE FROM station WHERE bureau = 'zhejiang' RETURNING code")
    answer = await shanghai.ask(COUNTER, "POST", CASES, application())
    assert faults(answer) == [("origin.station_code", "no_directory")]


# ---- a corrected application under the old number -----------------------------------------------------------------------


async def test_a_corrected_case_keeps_the_number_and_names_the_old_case(shanghai: Bureau) -> None:
    old = await at_destination(shanghai, "VOID")
    answer = await shanghai.ask(COUNTER, "POST", f"{CASES}?previous_case={old}", application())
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert new["previous_case"] == old
    assert new["case"] != old
    assert new["apply_no"] == (await stored_case(shanghai, old)).apply_no


async def test_a_running_case_is_nobodys_previous_case(shanghai: Bureau) -> None:
    running, _ = await approved(shanghai)
    answer = await shanghai.ask(COUNTER, "POST", f"{CASES}?previous_case={running}", application(ZHOU))
    assert answer.status_code == 422
    assert ("previous_case", "previous_case") in faults(answer)


async def test_another_citizens_number_is_not_taken_over(shanghai: Bureau) -> None:
    old = await at_destination(shanghai, "VOID")
    answer = await shanghai.ask(COUNTER, "POST", f"{CASES}?previous_case={old}", application(ZHOU))
    assert answer.status_code == 422
    assert ("previous_case", "previous_case") in faults(answer)


async def test_another_stations_case_is_nobodys_previous_case(shanghai: Bureau) -> None:
    old = await at_destination(shanghai, "VOID")
    form = application(sponsor={"name": AT_FENGJING.name, "citizen_id_no": AT_FENGJING.citizen_id_no})
    answer = await shanghai.ask("D31011", "POST", f"{CASES}?previous_case={old}", form)
    assert answer.status_code == 403
    assert [row.actor for row in await shanghai.audit(decision="denied")] == ["D31011"]


async def test_an_unknown_previous_case_is_not_found(quiet_shanghai: Bureau) -> None:
    path = f"{CASES}?previous_case=01936e00-0000-7000-8000-000000000001"
    answer = await quiet_shanghai.ask(COUNTER, "POST", path, application(ZHOU))
    assert answer.status_code == 404


async def test_stations_of_the_region_are_told_apart(quiet_shanghai: Bureau) -> None:
    home = {"division_code": "310116", "address": "吕巷镇演示路9号"}
    form = application(
        HEFEI, destination=home, origin={"division_code": "330482", "address": "演示路1号", "station_code": XINDAI}
    )
    answer = await quiet_shanghai.ask("D31013", "POST", CASES, form)  # a counter of another district
    assert faults(answer) == [("destination.division_code", "other_station")]
    assert ZHAPU not in answer.text
