"""窗口受理: the applicant, the matter, who moves along, all answers once more, and the receipt.

What is typed is kept at the server at each change. The same pages work without script; with it, less has to be clicked.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import page, typed
from services.bureau.population.rules import RELATION_LABELS
from services.bureau.stations import acts as stations
from services.bureau.stations.rules import in_force, is_registration_station
from services.bureau.transfers import acts
from services.bureau.transfers.acts.intake import CODE_SHOWN, Draft
from services.bureau.transfers.acts.queues import name_of
from services.bureau.transfers.rules import intake
from services.bureau.transfers.rules.application import faults_of_person
from services.bureau.transfers.rules.intake import Step
from services.bureau.transfers.rules.places import narrowed
from services.bureau.transfers.rules.queues import DECISION_WORKING_DAYS, ORIGIN_WORKING_DAYS, Dates, deadline_of
from shared.database import Session
from shared.identifiers.bureau import province_of_bureau
from shared.identifiers.citizen_id import parse_citizen_id_no
from shared.identifiers.errors import Fault, IdentifierError
from shared.identifiers.texts import N_
from shared.web import Conflict, InvalidInput, number_of, pages_of

HOME = "/w/intake"
ANSWERS_CHANGED = N_("the answers were changed in another window: here they are as they stand now, look at them again")
NEXT: Mapping[str, Step] = {"applicant": "matter", "matter": "members", "members": "check"}
BACK: Mapping[str, str] = {"matter": "applicant", "members": "matter", "check": "members"}

router = APIRouter()
May = Annotated[Call, Depends(page("transfers.open"))]


@router.get(HOME)
async def start(request: Request, call: May) -> Response:
    """What can be taken here, and what the officer has begun."""
    drafts = await call.read(lambda session: acts.drafts_of(session, call.officer))
    return pages_of(request).render(request, "transfers/intake.html", drafts=drafts)


@router.post(HOME)
async def begin(call: May) -> Response:
    """新建受理."""
    draft = await call.read(lambda session: acts.begin_draft(session, call.officer))
    return RedirectResponse(f"{HOME}/transfer/{draft}/applicant", 303)


@router.post("/w/intake/number")
async def read_number(request: Request, call: May, of: str = "applicant.citizen_id_no") -> Response:
    """What an id number says about its person: for the page, while it is typed. In a body: an address would be logged."""
    number = (await typed(request)).get(of, "").strip().upper()
    return _part(request, "transfers/intake_number.html", number_says=_said_by(number), number=number)


@router.post("/w/intake/stations")
async def list_stations(request: Request, call: May) -> Response:
    """市, 区 and the stations of the chosen bureau, for the page."""
    answers = await typed(request)
    places = await call.read(lambda session: _places(session, answers))
    return _part(request, "transfers/intake_stations.html", **places, typed=answers)


@router.post("/w/intake/transfer/{draft}/autosave")
async def autosave(request: Request, draft: UUID, call: May) -> Response:
    """Keep what stands on the page, whatever is still wrong with it."""
    fields = await typed(request)

    async def unit(session: Session) -> None:
        found = await acts.load_draft(session, call.officer, draft)
        answers = await _with_division(session, intake.kept(found.answers, fields, fields.get("step", "")))
        await acts.keep_answers(session, call.officer, draft, answers)

    await call.read(unit)
    return Response(status_code=204)


@router.post("/w/intake/transfer/{draft}/discard")
async def discard(draft: UUID, call: May) -> Response:
    """放弃; a case that was opened for a look-up stays among the drafts of the station; what was submitted stays."""
    gone = await call.read(lambda session: acts.discard_draft(session, call.officer, draft))
    return RedirectResponse(HOME if gone else f"{HOME}/transfer/{draft}/done", 303)


@router.get("/w/intake/transfer/{draft}/done")
async def done(request: Request, draft: UUID, call: May) -> Response:
    """The receipt; the query code is on it for CODE_SHOWN."""

    async def unit(session: Session) -> dict[str, Any] | None:
        found = await acts.load_draft(session, call.officer, draft)
        if found.submitted_at is None or found.case is None:
            return None
        case, _, _ = await acts.read_case(session, call.officer, found.case)
        dates = Dates(session.node.business_now(), case.accepted_on, None, None)
        printable = session.node.machine_now() - found.submitted_at < CODE_SHOWN
        return {
            "case": case,
            "name": name_of(case.file),
            "code": found.body.query_code if printable else None,
            "decided_by": deadline_of("decision", dates),
            "decision_days": DECISION_WORKING_DAYS,
            "origin_days": ORIGIN_WORKING_DAYS,
            "at": case.file.accepted_at,
        }

    shown = await call.read(unit)
    if shown is None:
        return RedirectResponse(f"{HOME}/transfer/{draft}/check", 303)
    return pages_of(request).render(request, "transfers/intake_done.html", draft=draft, **shown)


@router.post("/w/intake/transfer/{draft}/reveal")
async def reveal(request: Request, draft: UUID, call: May) -> Response:
    """显示（留痕）: the check with whole id numbers, after the row in the audit log."""

    async def unit(session: Session) -> dict[str, Any]:
        await acts.reveal_draft(session, call.officer, draft)
        return await _step_of(session, call, draft, "check")

    shown = await call.read(unit)
    return _render(request, "check", shown | {"revealed": True})


@router.get("/w/intake/transfer/{draft}/{step}")
async def show(request: Request, draft: UUID, step: Step, call: May) -> Response:
    """One step, as far as it has been filled in."""

    async def unit(session: Session) -> dict[str, Any]:
        found = await acts.load_draft(session, call.officer, draft)
        return await _step(session, call, found, step)

    shown = await call.read(unit)
    if shown["draft"].submitted_at is not None:
        return RedirectResponse(f"{HOME}/transfer/{draft}/done", 303)
    return _render(request, step, shown)


@router.post("/w/intake/transfer/{draft}/{step}")
async def send(request: Request, draft: UUID, step: Step, call: May) -> Response:
    """Keep a step and go on, or say what is wrong with it; at the check: ask the origin, or submit."""
    fields = await typed(request)
    go = fields.get("go", "next")
    if step == "check":
        return await _check(request, draft, call, go, fields.get("seen", ""))

    async def unit(session: Session) -> tuple[dict[str, Any], list[Fault]]:
        found = await acts.load_draft(session, call.officer, draft)
        answers = await _with_division(session, intake.kept(found.answers, fields, step))
        if go == "add":
            answers = intake.with_member(answers)
        elif go.startswith("remove.") and (gone := number_of(go.removeprefix("remove."))) is not None:
            answers = intake.without_member(answers, gone)
        await acts.keep_answers(session, call.officer, draft, answers)
        faults = await _faults(session, call, step, answers, own=found.case) if go == "next" else []
        return await _step(session, call, await acts.load_draft(session, call.officer, draft), step), faults

    shown, faults = await call.read(unit)
    if faults:
        return _render(request, step, shown, status=422, faults=faults)
    if go == "back":
        return RedirectResponse(f"{HOME}/transfer/{draft}/{BACK.get(step, step)}" if step in BACK else HOME, 303)
    where = NEXT[step] if go == "next" else step
    return RedirectResponse(f"{HOME}/transfer/{draft}/{where}{'#last' if go == 'add' else ''}", 303)


async def _check(request: Request, draft: UUID, call: Call, go: str, seen: str) -> Response:
    """Ask the origin about the people, or submit: what the officer has seen, and nothing that came after."""

    async def unit(session: Session) -> str:
        found = await acts.load_draft(session, call.officer, draft, lock=True)
        if found.submitted_at is None and seen != intake.seen_as(found.answers):
            raise Conflict(faults=[Fault("", "changed", "", ANSWERS_CHANGED, {})])
        form, faults = intake.read(found.answers, division_code=call.officer.post.division_code)
        if form is None:
            raise InvalidInput(faults=faults)
        if go == "look_up":
            return str(await acts.open_draft(session, call.officer, draft, form))
        return str(await acts.submit_draft(session, call.officer, draft, form, call.wiring.rulebook))

    try:
        await call.once(unit)
    except (InvalidInput, Conflict) as refused:
        shown = await call.read(lambda session: _step_of(session, call, draft, "check"))
        return _render(request, "check", shown, status=refused.status, faults=refused.faults)
    if go != "look_up":
        return RedirectResponse(f"{HOME}/transfer/{draft}/done", 303)
    await _ask_origin(call, draft)
    return RedirectResponse(f"{HOME}/transfer/{draft}/check#origin", 303)


async def _ask_origin(call: Call, draft: UUID) -> None:
    """By a signed question, for which the open case is the purpose; what it says, or that it is silent, stands in the draft."""
    found = await call.read(lambda session: acts.load_draft(session, call.officer, draft))
    if found.case is None:
        return
    case_id = found.case
    case = await call.read(lambda session: acts.begin_look_up(session, call.officer, case_id))
    people = await call.wiring.enquiries.look_up(call.officer, case)
    await call.read(lambda session: acts.keep_looked_up(session, call.officer, draft, people))


async def _step_of(session: Session, call: Call, draft: UUID, step: Step) -> dict[str, Any]:
    return await _step(session, call, await acts.load_draft(session, call.officer, draft), step)


async def _step(session: Session, call: Call, draft: Draft, step: Step) -> dict[str, Any]:
    """What a step's page shows."""
    shown: dict[str, Any] = {"draft": draft, "answers": draft.answers, "people": intake.members_of(draft.answers)}
    if step == "applicant":
        shown |= await _places(session, draft.answers)
    if step == "check":
        form, faults = intake.read(draft.answers, division_code=call.officer.post.division_code)
        shown["faults"] = faults if form is None else await acts.judge(session, call.officer, form, own=draft.case)
        shown["station"] = await _station(session, draft.answers.get("origin.station_code", ""))
    return shown


async def _faults(session: Session, call: Call, step: str, answers: Mapping[str, str], *, own: UUID | None) -> list[Fault]:
    """What is wrong on a step's own page; the check looks at everything together."""
    _, faults = intake.read(answers, division_code=call.officer.post.division_code)
    found = intake.faults_on(step, faults)
    fields = {"applicant": ["applicant.citizen_id_no"]}.get(step, [])
    fields += [f"members.{number}.citizen_id_no" for number in intake.members_of(answers)] if step == "members" else []
    wrong = {one.field for one in found}
    numbers = {field: answers.get(field, "").upper() for field in fields if field not in wrong}
    people = await acts.known_people(session, list(numbers.values()), own=own)
    today = session.node.business_today()
    return found + [one for field, number in numbers.items() for one in faults_of_person(field, number, people, today)]


async def _places(session: Session, answers: Mapping[str, str]) -> dict[str, Any]:
    """The other bureaus, and of the chosen one 市, 区 and stations, as far as they are chosen."""
    others = [one.code for one in session.node.trust.current.peers_of(session.node.bureau)]
    chosen, today = answers.get("applicant_page.bureau", ""), session.node.business_today()
    listed = await stations.stations_of(session, chosen) if chosen in others else []
    here = [one for one in listed if is_registration_station(one.code) and in_force(one, today)]
    shown = narrowed(here, answers.get("applicant_page.prefecture", ""), answers.get("applicant_page.district", ""))
    codes = {one: province.digits for one in others if (province := province_of_bureau(one)) is not None}
    return {"others": others, "codes": codes, "chosen": chosen, "places": shown}


async def _with_division(session: Session, answers: dict[str, str]) -> dict[str, str]:
    """The division is that in which the chosen station registers."""
    station = await _station(session, answers.get("origin.station_code", ""))
    rest = {name: value for name, value in answers.items() if name != "origin.division_code"}
    return rest if station is None else {**rest, "origin.division_code": station.division_code}


async def _station(session: Session, code: str) -> Any:
    for bureau in session.node.trust.current.bureaus:
        for one in await stations.stations_of(session, bureau.code) if code else ():
            if one.code == code:
                return one
    return None


def _said_by(number: str) -> Any:
    """The number read, or the fault; None while nothing is there."""
    if not number:
        return None
    try:
        return parse_citizen_id_no(number)
    except IdentifierError as error:
        return error.fault


def _render(
    request: Request, step: Step, shown: Mapping[str, Any], *, status: int = 200, faults: Sequence[Fault] = ()
) -> Response:
    answers = dict(shown["answers"])
    values = {
        "revealed": False,
        **shown,
        "typed": answers,
        "faults": intake.placed(faults or shown.get("faults", ())),
        "label_of": intake.label_of,
        "step": step,
        "steps": intake.STEPS,
        "back": BACK.get(step),
        "reasons": intake.REASON_LABELS,
        "relations": RELATION_LABELS,
        "step_of": intake.step_of,
        "seen": intake.seen_as(answers),
        "said_by": lambda field: _said_by(answers.get(field, "").upper()),
    }
    return pages_of(request).render(request, f"transfers/intake_{step}.html", status=status, **values)


def _part(request: Request, template: str, **values: Any) -> Response:
    return pages_of(request).render(request, template, **values)
