"""The files of stories: those that come with the program are right, and whatever is wrong with others is told with its place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.harness.stories.casting import read_script
from services.harness.stories.player import Row, StoryFailed
from services.harness.stories.script import STORIES, FileFault, ScriptRefused, line_of, story_names
from services.harness.stories.telling import last_line
from tests.unit.harness.conftest import Quanyu

Edit = Callable[[str], str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the story's files, to be edited."""
    return shutil.copytree(STORIES / "wang", tmp_path / "wang")


def replaced(old: str, new: str) -> Edit:
    return lambda text: text.replace(old, new, 1)


def faults_of(folder: Path) -> list[FileFault]:
    with pytest.raises(ScriptRefused) as refused:
        read_script("wang", folder)
    return list(refused.value.faults)


def test_the_three_stories_are_there() -> None:
    assert story_names() == ["hefei-only", "talent", "wang"]


@pytest.mark.parametrize("name", story_names())
def test_story_of_the_program_can_be_played(name: str) -> None:
    script = read_script(name)
    assert [part.number for part in script.parts] == list(range(1, len(script.story.steps) + 1))


def test_wang_happens_at_the_dates_of_the_article() -> None:
    steps = {part.step.act: part.step for part in read_script("wang").parts}
    assert [steps[act].at.date().isoformat() for act in ("open", "approve", "seal", "settle")] == [
        "2020-11-20",
        "2020-12-28",
        "2020-12-29",
        "2021-01-01",
    ]


def test_folder_where_a_file_should_be_is_a_fault_of_that_file(folder: Path) -> None:
    (folder / "residents-zhejiang.csv").unlink()
    (folder / "residents-zhejiang.csv").mkdir()
    assert ("residents-zhejiang.csv", "unreadable") in [(one.file, one.fault.rule) for one in faults_of(folder)]


def test_copy_without_story_file_is_played_at_the_storys_own_dates(folder: Path) -> None:
    (folder / "story.toml").unlink()
    assert read_script("wang", folder).story == read_script("wang").story


# file, edit, and what must be told: file, line (0: the file as a whole), field, rule
WRONG_FILES = [
    ("application.json", replaced('": "KINSHIP"', '" "KINSHIP"'), ("application.json", 2, "", "json_invalid")),
    ("application.json", replaced("330482198405129726", "330482198405129725"),
     ("application.json", 7, "applicant.citizen_id_no", "check_digit")),
    ("application.json", replaced('"notice_signed": true', '"notice_signed": true, "colour": 1'),
     ("application.json", 26, "colour", "extra_forbidden")),
    ("application.json", replaced('"division_code": "330482"', '"division_code": "310116"'),  # no transfer across provinces
     ("application.json", 13, "origin.division_code", "origin")),
    ("application.json", replaced("王雨晴", "王晴"), ("application.json", 7, "applicant.citizen_id_no", "name_differs")),
    ("application.json", replaced("310116198209269736", "310116195611039740"),  # the husband's mother is no husband
     ("application.json", 24, "sponsor.citizen_id_no", "name_differs")),
    ("application.json", replaced('"970000001"', '"970000009"'),
     ("application.json", 20, "destination.household_no", "unknown_household")),
    ("residents-zhejiang.csv", replaced(",30,330482198405129726", ",30,330482198405129725"),
     ("residents-zhejiang.csv", 4, "citizen_id_no", "check_digit")),
    ("residents-shanghai.csv", replaced(",52,", ",5,"), ("residents-shanghai.csv", 3, "relation_code", "unknown_code")),
    ("story.toml", replaced("title =", "title = ="), ("story.toml", 2, "", "toml")),
    ("story.toml", replaced('state = "DRAFT"', 'state = "ROUGH"'), ("story.toml", 9, "steps.0.state", "enum")),
    ("story.toml", replaced('act = "settle"', 'act = "settel"'), ("story.toml", 59, "steps.7.act", "act")),
    ("story.toml", replaced('officer = "D33002"', 'officer = "D33001"'),  # a counter officer may not verify
     ("story.toml", 44, "steps.5.officer", "officer")),
    ("story.toml", replaced("2021-01-01T", "2019-01-01T"), ("story.toml", 59, "steps.7.at", "order")),
    ("story.toml", replaced('holder = "shanghai"', 'holder = "paris"'), ("story.toml", 6, "outcomes.0", "outcome")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "edit", "told"), WRONG_FILES, ids=[f"{told[0]} {told[2]} {told[3]}" for _, _, told in WRONG_FILES]
)
def test_what_is_wrong_is_told_with_file_line_field_and_rule(
    file: str, edit: Edit, told: tuple[str, int, str, str], folder: Path
) -> None:
    before = (folder / file).read_text()
    (folder / file).write_text(edit(before))
    assert (folder / file).read_text() != before
    assert told in [(one.file, one.line, one.fault.field, one.fault.rule) for one in faults_of(folder)]


def test_everything_that_is_wrong_is_told_at_once(folder: Path) -> None:
    for file in ("application.json", "residents-shanghai.csv"):
        (folder / file).unlink()
    told = {(one.file, one.fault.rule) for one in faults_of(folder)}
    assert told == {("application.json", "missing_file"), ("residents-shanghai.csv", "missing_file")}


def test_officer_who_may_not_is_answered_with_those_who_may(folder: Path) -> None:
    story = folder / "story.toml"
    story.write_text(story.read_text().replace('officer = "D33002"', 'officer = "D31001"'))
    (first, *_) = faults_of(folder)
    assert first.fault.values["others"] == "D33002"


def test_application_of_another_station_needs_its_officers_and_its_residents(folder: Path) -> None:
    application = folder / "application.json"
    application.write_text(application.read_text().replace("330482910000", "330482920000"))
    told = {(one.fault.field, one.fault.rule) for one in faults_of(folder)}
    assert told == {("steps.5.officer", "officer"), ("steps.6.officer", "officer"), ("origin.station_code", "station_differs")}


def test_wrong_files_end_the_command_with_2_before_anything_is_started(quanyu: Quanyu, folder: Path) -> None:
    application = folder / "application.json"
    application.write_text(application.read_text().replace("330482198405129726", "330482198405129725"))
    ran = quanyu("story", "wang", "--input", folder)
    assert (ran.code, ran.out) == (2, "")
    assert "application.json:7: applicant.citizen_id_no: check digit is 5, should be 6" in ran.err
    assert "[GB 11643-1999]" in ran.err


def test_wrong_files_are_told_to_programs_too(quanyu: Quanyu, folder: Path) -> None:
    (folder / "application.json").unlink()
    ran = quanyu("story", "wang", "--input", folder, "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["ok"], told["steps"], told["gauge"]) == (2, False, [], None)
    assert "application.json" in told["error"]


def test_last_line_has_exactly_the_members_that_programs_expect() -> None:
    row = Row(bureau="shanghai", act="approve", state="APPROVED", message="PermitIssued", ms=12)
    told: dict[str, Any] = json.loads(last_line("wang", [row], None, None))
    assert told == {
        "story": "wang",
        "ok": True,
        "steps": [{"bureau": "shanghai", "act": "approve", "state": "APPROVED", "message": "PermitIssued", "ms": 12}],
        "gauge": None,
    }


def test_last_line_of_a_story_that_failed_says_why() -> None:
    told = json.loads(last_line("wang", [], None, StoryFailed("{bureau} has no directory of {origin}", bureau="x", origin="y")))
    assert (told["ok"], "x has no directory of y" in told["error"]) == (False, True)


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("a", 2),
        ("b.a", 4),  # the inner one
        ("b.missing", 3),  # of what is missing, the parent
        ("missing", 0),
        ("", 0),
    ],
)
def test_line_of_a_member_is_found_in_the_text(field: str, line: int) -> None:
    assert line_of('{\n "a": 1,\n "b": {\n  "a": 2}}', field) == line
