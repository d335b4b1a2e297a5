"""What the page with which the demo opens shows: who plays, who works where, what to do; a file in the run folder.

The nodes read it (`services/bureau/console/pages/start.py`) and know no story themselves."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.bureau.access.callers import Role
from services.bureau.console.pages.start import DEMO_FILE, Demo, Desk, Followed, House, Player, Scene, Told
from services.bureau.stations.rules import OwnPost
from services.harness.network import BUREAUS
from services.harness.processes import Federation
from services.harness.registers import posts_of, stations_of
from services.harness.stories.player import Row
from services.harness.stories.script import MAIN_CASE, Script
from services.harness.stories.telling import StoryTeller
from shared.database import CHINA
from shared.identifiers.texts import N_
from shared.identifiers.unit_code import division_of_unit
from shared.web.texts import Language, Texts

ROLES = (Role.COUNTER, Role.VERIFIER, Role.POPULATION_OFFICE, Role.HRSS, Role.OPERATOR, Role.AUDITOR)


class Showing:
    """The file of one demo; written anew when there is more to show."""

    def __init__(self, federation: Federation, script: Script, *, by_hand: bool) -> None:
        self._file = federation.folder / DEMO_FILE
        self._script = script
        story, files = script.story, script.cases[MAIN_CASE]
        stations = {files.destination: _station(script, files.destination), files.origin: files.form.origin.station_code}
        self.demo = Demo(
            title=Told(zh=story.title, en=story.title_en),
            by_hand=by_hand,
            people=tuple(_people(script)),
            form=tuple(_form(script)),
            houses=tuple(
                House(bureau=bureau, web=federation.nodes[bureau].web, officers=tuple(_desks(bureau, stations.get(bureau))))
                for bureau in BUREAUS
            ),
            scenes=tuple(_scenes(script)),
        )

    def write(self, followed: Followed | None = None) -> None:
        if followed is not None:
            self.demo = self.demo.model_copy(update={"followed": followed})
        fresh = self._file.with_suffix(".new")
        fresh.write_text(self.demo.model_dump_json(indent=1))
        fresh.replace(self._file)

    def opened(self, view: Mapping[str, Any]) -> None:
        """The answer of the act that has opened the case."""
        files = self._script.cases[MAIN_CASE]
        told = {name: str(view[name]) for name in ("case", "apply_no", "query_code")}
        self.write(Followed(**told, destination=files.destination, origin=files.origin))


class ShowingTeller(StoryTeller):
    """A teller that also tells the page which case there is to follow."""

    def __init__(self, language: Language, showing: Showing) -> None:
        super().__init__(language)
        self._showing = showing

    def follows(self, row: Row, view: Mapping[str, Any]) -> None:
        super().follows(row, view)
        if "query_code" in view:
            self._showing.opened(view)


def _told(msgid: str) -> Told:
    return Told(zh=Texts.zh(msgid), en=Texts.en(msgid))


def _people(script: Script) -> Iterator[Player]:
    form = script.cases[MAIN_CASE].form
    yield Player(name=form.applicant.name, citizen_id_no=form.applicant.citizen_id_no, told=_told(N_("moves, and applies")))
    for one in form.members:
        yield Player(name=one.name, citizen_id_no=one.citizen_id_no, told=_told(N_("moves along")))
    if form.sponsor is not None:
        told = _told(N_("is registered at the new home, and is joined"))
        yield Player(name=form.sponsor.name, citizen_id_no=form.sponsor.citizen_id_no, told=told)


def _form(script: Script) -> Iterator[tuple[Told, str]]:
    """What one types at the counter, beside the people."""
    form = script.cases[MAIN_CASE].form
    yield _told(N_("old home")), f"{form.origin.division_code} {form.origin.address}"
    yield _told(N_("its station")), form.origin.station_code
    yield _told(N_("new home")), f"{form.destination.division_code} {form.destination.address}"
    if form.destination.household_no:
        yield _told(N_("household number there")), form.destination.household_no
    yield _told(N_("category and reason")), f"{form.category} {form.reason_code}"
    yield _told(N_("relation to the head there (GB/T 4761)")), form.applicant.relation_to_head_code


def _scenes(script: Script) -> Iterator[Scene]:
    for part in script.parts:
        yield Scene(
            day=part.step.at.astimezone(CHINA).date(),
            bureau=part.step.bureau,
            badge_no=part.post.badge_no,
            name=part.post.name,
            told=_told(part.act.told),
        )


def _station(script: Script, bureau: str) -> str:
    return next(part.post.station_code for part in script.parts if part.step.bureau == bureau and part.act.name == "open")


def _desks(bureau: str, station: str | None) -> Iterator[Desk]:
    names = {one.code: one.name for one in stations_of(bureau)}
    for post in a_post_of_each_role(bureau, station):
        yield Desk(badge_no=post.badge_no, name=post.name, post=names.get(post.station_code, post.station_code), role=post.role)


def a_post_of_each_role(bureau: str, station: str | None) -> Iterator[OwnPost]:
    """One officer a role: of this station, else of its division, else of the bureau."""
    posts = posts_of(bureau)
    for role in ROLES:
        mine = [post for post in posts if post.role == role]
        near = [post for post in mine if post.station_code == station]
        near += [post for post in mine if station and division_of_unit(post.station_code) == division_of_unit(station)]
        yield (near or mine)[0]
