"""From files to a script: every step gets its officer, and what the files say of people and places must fit together."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from services.bureau.access.callers import Officer, Post
from services.bureau.access.rules import HOUSEHOLD_TRANSFER, Denied, Facts, decide
from services.bureau.stations.rules import OwnPost, follow
from services.harness.network import BUREAUS
from services.harness.registers import check_file, posts_of, stations_of
from services.harness.stories.acts import ACTS, Act
from services.harness.stories.script import (
    SOURCE,
    STORIES,
    STORY_FILE,
    CaseFiles,
    Part,
    Reader,
    Script,
    ScriptRefused,
    Step,
    Story,
    application_file,
    case_files,
    residents_file,
)
from shared.contract.records import Station
from shared.database import CHINA
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.identifiers.unit_code import division_of_unit

NAMED_OFFICERS = 5  # so many of those who could do it are named


def read_script(name: str, folder: Path | None = None) -> Script:
    """The story `name`, with the files of `folder` instead of its own. Raises ScriptRefused with everything that is wrong."""
    reader = Reader(STORIES / name, folder or STORIES / name)
    story = reader.story()
    if story is None:
        raise ScriptRefused(reader.faults)
    cases = case_files(reader, story)
    residents = _residents(reader, story, cases)
    parts = tuple(_parts(reader, story, cases))
    for fault in _wrong_story(story, cases):
        reader.add(STORY_FILE, fault)
    _compare_people(reader, cases, residents)
    if reader.faults:
        raise ScriptRefused(reader.faults)
    return Script(name, story, parts, cases, residents)


# ---- officers -----------------------------------------------------------------------------------------------------------


def _parts(reader: Reader, story: Story, cases: Mapping[str, CaseFiles]) -> Iterator[Part]:
    """Each step with its officer's post; a fault where the officer named may not do it."""
    offices: dict[str, str] = {}  # case -> the station that takes the application
    for number, step in enumerate(story.steps, 1):
        act, case = ACTS.get(step.act), cases.get(step.case)
        if act is None or case is None or step.bureau not in BUREAUS:
            continue  # told elsewhere
        stations = stations_of(step.bureau)
        day = step.at.astimezone(CHINA).date()
        wanted = (
            offices.get(step.case) if act.at == "destination" else _open_station(stations, case.form.origin.station_code, day)
        )
        fitting = [post for post in posts_of(step.bureau) if _may(post, act, wanted, step.bureau, day)]
        post = next((post for post in fitting if post.badge_no == step.officer), None)
        if post is None:
            others = ", ".join(list(dict.fromkeys(one.badge_no for one in fitting))[:NAMED_OFFICERS]) or "-"
            message = N_("officer {officer} may not do this here ({station}); these may: {others}")
            values = {"officer": step.officer, "station": wanted or step.bureau, "others": others}
            reader.add(STORY_FILE, Fault(f"steps.{number - 1}.officer", "officer", SOURCE, message, values))
            continue
        if act.name == "open":
            offices[step.case] = post.station_code
        name = next((one.name for one in stations if one.code == post.station_code), post.station_code)
        yield Part(number, step, act, post, name)


def _open_station(stations: Sequence[Station], code: str, day: date) -> str | None:
    found = follow({one.code: one for one in stations}, code, day)
    return None if isinstance(found, Fault) else found.code


def _may(post: OwnPost, act: Act, station: str | None, bureau: str, day: date) -> bool:
    """Whether this post lets its holder do the act to a case of `station` on `day`; None: any station, the case begins there."""
    if not (post.valid_from <= day and (post.valid_until is None or day <= post.valid_until)):
        return False
    code = station or post.station_code
    held = Post(post.station_code, post.role, division_of_unit(post.station_code), post.name)
    officer = Officer(post.badge_no, bureau, post.name, held, stepped_up=True)  # the development login says so
    facts = Facts(station_code=code, division_code=division_of_unit(code), bureau=bureau, purpose=HOUSEHOLD_TRANSFER)
    try:
        decide(officer, act.action, facts, day)
    except Denied:
        return False
    return True


# ---- what must fit together ---------------------------------------------------------------------------------------------


def _wrong_story(story: Story, cases: Mapping[str, CaseFiles]) -> Iterator[Fault]:
    opened: set[str] = set()
    before = story.steps[0].at
    for number, step in enumerate(story.steps):
        for rule, field, message, values in _wrong_step(step, cases.get(step.case), opened=step.case in opened):
            yield Fault(f"steps.{number}.{field}", rule, SOURCE, message, values)
        if step.at < before:
            yield Fault(f"steps.{number}.at", "order", SOURCE, N_("lies before the step before it"), {})
        before = step.at
        opened.add(step.case)
    for number, outcome in enumerate(story.outcomes):
        if outcome.case not in opened or outcome.holder not in BUREAUS:
            message = N_("names a case or a bureau that the story does not have")
            yield Fault(f"outcomes.{number}", "outcome", SOURCE, message, {})


def _wrong_step(step: Step, case: CaseFiles | None, *, opened: bool) -> Iterator[tuple[str, str, str, Mapping[str, str]]]:
    act = ACTS.get(step.act)
    for bureau in (step.bureau, *(effect.bureau for effect in step.effects)):
        if bureau not in BUREAUS:
            yield (
                "bureau",
                "bureau",
                N_("bureau {bureau} is none of {bureaus}"),
                {"bureau": bureau, "bureaus": ", ".join(BUREAUS)},
            )
    if act is None:
        yield "act", "act", N_("act {act} is none of {acts}"), {"act": step.act, "acts": ", ".join(ACTS)}
        return
    if (act.name == "open") == opened:
        yield "open", "act", N_("each case begins with one step 'open'"), {}
    if case is not None and step.bureau in BUREAUS:
        expected = case.destination if act.at == "destination" else case.origin
        if step.bureau != expected:
            yield "side", "bureau", N_("{act} is done at {expected}"), {"act": act.name, "expected": expected}


def _residents(reader: Reader, story: Story, cases: Mapping[str, CaseFiles]) -> dict[str, Path]:
    """The files to import that can be read, each valid by itself on the story's first day."""
    needed = {bureau for case in cases.values() for bureau in (case.origin, case.destination)}
    needed |= {step.bureau for step in story.steps}
    found = {}
    for bureau in [one for one in BUREAUS if one in needed or (reader.folder / residents_file(one)).exists()]:
        name = residents_file(bureau)
        try:
            report = check_file(bureau, reader.folder / name, today=story.begins_on)
        except FileNotFoundError:
            reader.add(name, Fault("", "missing_file", SOURCE, N_("the file is missing"), {}))
        except OSError as error:
            reader.add(name, Fault("", "unreadable", SOURCE, N_("cannot be read: {error}"), {"error": str(error.strerror)}))
        else:
            found[bureau] = reader.folder / name
            for one in report.faults:
                reader.add(name, one.fault, line=one.line)
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    """What a line of a residents file says that an application refers to."""

    name: str
    station: str
    household: str


def _compare_people(reader: Reader, cases: Mapping[str, CaseFiles], residents: Mapping[str, Path]) -> None:
    """People and households that an application names must be in the registers, or the story cannot be played."""
    rows = {bureau: _rows(file) for bureau, file in residents.items()}
    for case in cases.values():
        for fault in _wrong_references(case, rows):
            reader.add(application_file(case.name), fault)


def _rows(file: Path) -> dict[str, _Row]:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as opened:
        return {
            (line.get("citizen_id_no") or "").strip().upper(): _Row(
                *((line.get(column) or "").strip() for column in ("name", "station_code", "household_no"))
            )
            for line in csv.DictReader(opened)
        }


def _wrong_references(case: CaseFiles, rows: Mapping[str, Mapping[str, _Row]]) -> Iterator[Fault]:
    form, there, here = case.form, rows.get(case.origin, {}), rows.get(case.destination, {})
    people = [("applicant", form.applicant), *((f"members.{i}", one) for i, one in enumerate(form.members))]
    for field, person in people:
        yield from _wrong_person(f"{field}.citizen_id_no", person.citizen_id_no, person.name, residents_file(case.origin), there)
        row = there.get(person.citizen_id_no)
        if row is not None and row.station != form.origin.station_code:
            message = N_("is {actual}, but {file} has the person at station {expected}")
            values = {"actual": form.origin.station_code, "file": residents_file(case.origin), "expected": row.station}
            yield Fault("origin.station_code", "station_differs", SOURCE, message, values)
    if form.sponsor is not None:
        sponsor, file = form.sponsor, residents_file(case.destination)
        yield from _wrong_person("sponsor.citizen_id_no", sponsor.citizen_id_no, sponsor.name, file, here)
    number = form.destination.household_no
    if number is not None and number not in {row.household for row in here.values()}:
        message = N_("household {number} is not in {file}")
        values = {"number": number, "file": residents_file(case.destination)}
        yield Fault("destination.household_no", "unknown_household", SOURCE, message, values)


def _wrong_person(field: str, number: str, name: str, file: str, rows: Mapping[str, _Row]) -> Iterator[Fault]:
    row = rows.get(number)
    if row is None:
        yield Fault(field, "not_in_residents", SOURCE, N_("this person is not in {file}"), {"file": file})
    elif row.name != name:
        message = N_("this person is {expected} in {file}, not {actual}")
        yield Fault(field, "name_differs", SOURCE, message, {"expected": row.name, "file": file, "actual": name})
