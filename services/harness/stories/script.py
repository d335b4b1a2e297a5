"""A story as data: its files read, checked against each other, and cast with the officers who act in it.

    <folder>/story.toml              title, steps with dates and officers, what each must lead to, who answers in the end
    <folder>/application.json        the application, as the API takes it; a further case "wuhu" has application-wuhu.json
    <folder>/residents-<bureau>.csv  who is registered there before the story begins, as `quanyu register import` takes it

A folder that is given instead has the same files for other people; story.toml may be missing, then the story's own counts.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from services.bureau.stations.rules import OwnPost
from services.bureau.transfers.rules.application import ApplicationForm
from services.bureau.transfers.states import State
from services.harness.stories.acts import Act
from shared.database import CHINA
from shared.identifiers.division import bureau_of_division
from shared.identifiers.errors import Fault, fault_of
from shared.identifiers.texts import N_

STORIES: Final = Path(__file__).parent
STORY_FILE: Final = "story.toml"
MAIN_CASE: Final = "main"
FILE_BYTES_MAX = 1024 * 1024  # the node takes 500 KiB of application
SOURCE: Final = "Quanyu story"

CaseName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Effect(Strict):
    """What must follow at a bureau, by message, without anybody doing anything there."""

    bureau: str
    state: State


class Refusal(Strict):
    """The act must be refused, and the answer must say all of this."""

    status: int = Field(ge=400, le=499)
    says: tuple[str, ...] = Field(min_length=1)


class Step(Strict):
    """One act of one officer. `state`: of all members of the case at this bureau, as the answer gives it."""

    at: AwareDatetime
    case: CaseName = MAIN_CASE
    bureau: str
    officer: str
    act: str
    body: dict[str, Any] = {}
    state: State | None = None
    effects: tuple[Effect, ...] = ()
    refused: Refusal | None = None


class Outcome(Strict):
    """The bureau whose register answers for everybody of a case when the story has ended."""

    case: CaseName = MAIN_CASE
    holder: str


class Story(Strict):
    title: str
    title_en: str
    outcomes: tuple[Outcome, ...] = Field(min_length=1)
    steps: tuple[Step, ...] = Field(min_length=1)

    @property
    def begins_on(self) -> date:
        """The first day, on which the residents of the files are registered already."""
        return self.steps[0].at.astimezone(CHINA).date()


@dataclass(frozen=True, slots=True)
class FileFault:
    """A fault, its file and its line from 1; 0 is the file as a whole."""

    file: str
    line: int
    fault: Fault


class ScriptRefused(Exception):
    """The files are no story that can be played: what is wrong, where."""

    def __init__(self, faults: Sequence[FileFault]) -> None:
        super().__init__("; ".join(f"{one.file}:{one.line} {one.fault.field} {one.fault.in_english()}" for one in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """One case of a story. `application` is sent as it stands in its file; `form` is how the node will read it."""

    name: str
    application: Mapping[str, Any]
    form: ApplicationForm
    destination: str
    origin: str

    @property
    def persons(self) -> list[str]:
        """Citizen id numbers of everybody who moves, by place."""
        return [self.form.applicant.citizen_id_no, *(one.citizen_id_no for one in self.form.members)]


@dataclass(frozen=True, slots=True)
class Part:
    """A step with who plays it."""

    number: int
    step: Step
    act: Act
    post: OwnPost
    station_name: str


@dataclass(frozen=True, slots=True)
class Script:
    """A story ready to be played. `residents`: the file to import, by bureau."""

    name: str
    story: Story
    parts: tuple[Part, ...]
    cases: Mapping[str, CaseFiles]
    residents: Mapping[str, Path]

    @property
    def persons(self) -> list[str]:
        return [number for case in self.cases.values() for number in case.persons]


def story_names() -> list[str]:
    """The stories that come with the program."""
    return sorted(file.parent.name for file in STORIES.glob(f"*/{STORY_FILE}"))


def application_file(case: str) -> str:
    return "application.json" if case == MAIN_CASE else f"application-{case}.json"


def residents_file(bureau: str) -> str:
    return f"residents-{bureau}.csv"


@dataclass
class Reader:
    """Reads the files of one story; what is wrong gathers in `faults`."""

    story_folder: Path
    folder: Path
    faults: list[FileFault] = field(default_factory=list)
    _texts: dict[str, str] = field(default_factory=dict)

    def story(self) -> Story | None:
        """story.toml, of the given folder or, when it has none, of the story itself."""
        where = self.folder if (self.folder / STORY_FILE).exists() else self.story_folder
        text = self._text(where / STORY_FILE)
        if text is None:
            return None
        try:
            return Story.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            message = N_("is not TOML: {error}")
            self.add(STORY_FILE, Fault("", "toml", "TOML 1.0", message, {"error": str(error)}), line=_line_in(str(error)))
        except ValidationError as error:
            for details in error.errors(include_url=False, include_input=False):
                self.add(STORY_FILE, fault_of(details))
        return None

    def application(self, case: str) -> tuple[dict[str, Any], ApplicationForm] | None:
        name = application_file(case)
        text = self._text(self.folder / name)
        if text is None:
            return None
        try:
            return from_json(text), ApplicationForm.model_validate_json(text)
        except ValueError as error:
            found = error.errors(include_url=False, include_input=False) if isinstance(error, ValidationError) else []
            for details in found:
                self.add(name, fault_of(details))
            if not found:
                fault = Fault("", "json_invalid", "RFC 8259", N_("is not JSON: {error}"), {"error": str(error)})
                self.add(name, fault, line=_line_in(str(error)))
        return None

    def add(self, file: str, fault: Fault, *, line: int | None = None) -> None:
        """Note a fault; without `line`, on the line on which its field (its step, in story.toml) stands."""
        if line is None:
            find = _line_of_step if file == STORY_FILE else line_of
            line = find(self._texts.get(file, ""), fault.field)
        self.faults.append(FileFault(file, line, fault))

    def _text(self, file: Path) -> str | None:
        try:
            with file.open("rb") as opened:
                raw = opened.read(FILE_BYTES_MAX + 1)
            if len(raw) > FILE_BYTES_MAX:
                message = N_("the file has more than {limit} bytes")
                self.add(file.name, Fault("", "too_large", SOURCE, message, {"limit": FILE_BYTES_MAX}))
                return None
            self._texts[file.name] = raw.decode()
            return self._texts[file.name]
        except UnicodeDecodeError:
            self.add(file.name, Fault("", "encoding", SOURCE, N_("the file is not UTF-8"), {}))
        except FileNotFoundError:
            self.add(file.name, Fault("", "missing_file", SOURCE, N_("the file is missing"), {}))
        except OSError as error:
            self.add(file.name, Fault("", "unreadable", SOURCE, N_("cannot be read: {error}"), {"error": str(error.strerror)}))
        return None


def case_files(reader: Reader, story: Story) -> dict[str, CaseFiles]:
    """The applications of all cases, each with its two bureaus; faults where one cannot be a transfer."""
    found: dict[str, CaseFiles] = {}
    for name in dict.fromkeys(step.case for step in story.steps):
        opening = next((step for step in story.steps if step.case == name), None)
        read = reader.application(name)
        if opening is None or read is None:
            continue
        origin = bureau_of_division(read[1].origin.division_code)
        if origin is None or origin == opening.bureau:
            message = N_("division {code} is not of another bureau of the federation: no transfer to {bureau}")
            values = {"code": read[1].origin.division_code, "bureau": opening.bureau}
            reader.add(application_file(name), Fault("origin.division_code", "origin", "GB/T 2260", message, values))
            continue
        found[name] = CaseFiles(name, *read, destination=opening.bureau, origin=origin)
    return found


def line_of(text: str, path: str) -> int:
    """The line of a JSON text on which the member of a dotted path stands; of what is missing, that of its parent; else 0."""
    at = -1
    for part in path.split("."):
        found = text.find(f'"{part}"', at + 1)
        if found >= 0:
            at = found
    return 0 if at < 0 else text.count("\n", 0, at) + 1


def _line_of_step(text: str, path: str) -> int:
    """The line on which the table `[[steps]]` or `[[outcomes]]` of a faulty field begins; 0 for the head of the file."""
    parts = path.split(".")
    if len(parts) < 2 or not parts[1].isdigit():
        return 0
    heads = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() == f"[[{parts[0]}]]"]
    return heads[int(parts[1])] if int(parts[1]) < len(heads) else 0


def _line_in(error: str) -> int:
    """tomllib and pydantic say "at line 3" in their errors."""
    found = re.search(r"at line (\d+)", error)
    return int(found.group(1)) if found else 0
