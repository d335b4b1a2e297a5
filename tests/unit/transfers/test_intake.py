"""From the answers of an intake's pages to the application of the API."""

from services.bureau.transfers.rules import intake
from services.bureau.transfers.rules.application import REASONS
from shared.contract.fields import MEMBERS_MAX

ANSWERS = {
    "applicant.citizen_id_no": "330482199003070027",
    "applicant.name": "王演示",
    "applicant.phone": "",
    "applicant.relation_to_head_code": "12",
    "applicant_page.bureau": "zhejiang",
    "origin.division_code": "330482",
    "origin.station_code": "330482910000",
    "origin.address": "演示路1号",
    "reason_code": "SPOUSE",
    "sponsor.name": "李演示",
    "sponsor.citizen_id_no": "310116198801010015",
    "destination.address": "演示路2号",
    "destination.household_no": "",
    "notice_signed": "yes",
}


def test_answers_make_the_document_of_the_api_without_what_is_empty() -> None:
    made = intake.document(ANSWERS, division_code="310116")
    assert made["category"] == "KINSHIP"
    assert made["applicant"] == {"citizen_id_no": "330482199003070027", "name": "王演示", "relation_to_head_code": "12"}
    assert made["destination"] == {"division_code": "310116", "address": "演示路2号"}
    assert (made["members"], made["notice_signed"]) == ([], True)


def test_a_talent_has_no_sponsor_whatever_was_typed_before() -> None:
    made = intake.document(ANSWERS | {"reason_code": "TALENT_INTRODUCED"}, division_code="310116")
    assert (made["category"], "sponsor" in made) == ("TALENT", False)


def test_every_reason_has_its_category_and_its_words() -> None:
    assert {reason for reasons in REASONS.values() for reason in reasons} == set(intake.REASON_LABELS)
    assert all(intake.category_of(reason) in REASONS for reason in intake.REASON_LABELS)
    assert intake.category_of("") is None


def test_nothing_typed_is_wrong_in_every_needed_field_and_each_stands_on_a_page() -> None:
    form, faults = intake.read({}, division_code="310116")
    fields = {one.field for one in faults}
    assert form is None
    assert {"applicant.citizen_id_no", "applicant.name", "origin.station_code", "origin.address", "reason_code"} <= fields
    by_step = [one for step in intake.FIELDS for one in intake.faults_on(step, faults)]
    assert {one.field for one in by_step} == fields - {"category", "origin.division_code"}  # which nobody types
    assert len({one.field for one in by_step}) == len(by_step)
    assert all(intake.label_of(one.field)[0] for one in by_step)


def test_a_step_replaces_its_own_answers_only_and_takes_no_strange_names() -> None:
    typed = {"applicant.name": " 王 ", "origin.address": "", "reason_code": "CHILD_TO_PARENT", "__class__": "x", "once": "1"}
    kept = intake.kept(ANSWERS, typed, "applicant")
    assert (kept["applicant.name"], kept["origin.address"], kept["reason_code"]) == ("王", "", "SPOUSE")
    assert kept["applicant.relation_to_head_code"] == "12"  # stands on the page of the matter
    assert "applicant.citizen_id_no" not in kept
    assert set(kept) <= set(ANSWERS)
    assert intake.kept(ANSWERS, {"applicant.name": "x"}, "nowhere") == ANSWERS


def test_what_is_typed_has_limits() -> None:
    kept = intake.kept({}, {f"members.{number}.name": "x" * 10_000 for number in range(1000)}, "members")
    assert len(kept) <= intake.ANSWERS_MAX
    assert all(len(value) <= intake.ANSWER_CHARACTERS for value in kept.values())


def test_members_are_numbered_anew_when_one_goes() -> None:
    answers = {"members.0.name": "甲", "members.1.name": "乙", "members.2.name": "丙", "applicant.name": "王"}
    assert intake.without_member(answers, 1) == {"applicant.name": "王", "members.0.name": "甲", "members.1.name": "丙"}
    assert intake.members_of(intake.with_member(answers)) == [0, 1, 2, 3]
    full = answers
    for _ in range(2 * MEMBERS_MAX):
        full = intake.with_member(full)
    assert len(intake.members_of(full)) == MEMBERS_MAX - 1
