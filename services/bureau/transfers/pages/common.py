"""What the pages of a case share: the case as it is shown; a form's act done once, or shown again with what is wrong."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from fastapi import Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from services.bureau.access.calls import Call
from services.bureau.access.page_calls import typed
from services.bureau.access.rules import Denied, Grant
from services.bureau.access.seen import memory_of, seen_by
from services.bureau.transfers import acts
from services.bureau.transfers.acts.holding import Holder
from services.bureau.transfers.pages.words import WORDS
from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.errors import CaseChanged, NotInThisState
from services.bureau.transfers.rules.possible import CaseAct
from services.bureau.transfers.rules.progress import holder, progress
from services.bureau.transfers.rules.view import case_view
from services.bureau.transfers.states import LABELS, Side, State
from shared.database import Session
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.web import Conflict, Form, InvalidInput, number_of, pages_of
from shared.web.handlers import faults_of

F = TypeVar("F", bound=Form)
VERSION = "version"
PILLS: Mapping[State, tuple[str, str]] = {
    State.DRAFT: ("grey", ""),
    State.ACCEPTED: ("blue", ""),
    State.SUPPLEMENT_REQUIRED: ("amber", ""),
    State.UNDER_REVIEW: ("amber", ""),
    State.REFUSED: ("red", "✕"),
    State.WITHDRAWN: ("grey void", ""),
    State.APPROVED: ("blue", "↗"),
    State.CERTIFIED: ("amber", "✓"),
    State.SETTLING: ("waiting", "…"),
    State.HERE: ("green", "✓"),
    State.RECEIVED: ("amber", ""),
    State.RETURNED: ("red", "✕"),
    State.SEALED: ("blue", "↗"),
    State.CANCELLING: ("waiting", "…"),
    State.GONE: ("green", "✓"),
    State.RESTORED: ("grey", ""),
    State.VOID: ("grey void", ""),
}
NOTES: Mapping[str, str] = {
    "supplement": N_("Told once what is missing"),
    "wait": N_("Waits on after the permit's end"),
    "late": N_("Settled late"),
    "hold": N_("A hold was placed"),
    "without_answer": N_("Sealed without the destination's answer"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A case as one officer sees it on every page of it."""

    case: Case
    view: Mapping[str, Any]
    grant: Grant
    receipts: Sequence[Mapping[str, Any]]
    acts: Sequence[CaseAct]
    owed: Sequence[Any]
    now: datetime
    verifies: bool
    holders: Mapping[str, Holder]
    colleagues: Sequence[Mapping[str, Any]]
    """To whom this officer can hand the case over; empty for who cannot hold it."""
    takes: bool
    seen: str
    """What a page that follows by itself sends back, to be told only what has changed."""
    memory: str
    """And this, to be told once more without another row in the audit log what it shows already."""

    @property
    def slips(self) -> list[str]:
        """The slips that there are for the case as it stands; none for who sees no persons."""
        case, file = self.case, self.case.file
        if not self.grant.shows("application"):
            return []
        there = {
            "acceptance": case.side is Side.DESTINATION and case.accepted_on is not None,
            "permit": file.permit is not None,
            "certificate": file.certificate is not None,
            "interim": bool(case.in_state(State.SETTLING)),
            "completion": bool(case.in_state(State.HERE)),
        }
        return [name for name, is_there in there.items() if is_there]

    @property
    def due(self) -> Any:
        """The row whose deadline is shown."""
        return self.owed[0] if self.owed else None

    @property
    def doors(self) -> list[CaseAct]:
        """One button for each page or direct act."""
        return list({act.door: act for act in reversed(self.acts) if not act.aside}.values())[::-1]

    def can(self, name: str) -> bool:
        return any(act.name == name for act in self.acts)


async def look_at(session: Session, call: Call, case_id: UUID, memory: str = "") -> Shown:
    """The case; audited, unless `memory` says that a page of this officer shows just this already. Raises NoSuchCase, Denied."""
    case, receipts, grant = await acts.read_case(session, call.officer, case_id, seen=seen_by(call, memory))
    possible = await acts.acts_of(session, call.officer, case)
    view, now = grant.filtered(case_view(case)), session.node.business_now()
    takes = not case.has_ended and _may(session, call, "transfers.hold", case)
    return Shown(
        case=case,
        view=view,
        grant=grant,
        receipts=receipts,
        acts=possible,
        owed=await acts.owed_rows(session, case),
        now=now,
        verifies=case.side is Side.ORIGIN and _may(session, call, "transfers.verify", case),
        holders=await acts.holders_of(session, case),
        colleagues=await acts.colleagues_of(session, call.officer) if takes else (),
        takes=takes,
        seen=acts.seen_as(session, case),
        memory=memory_of(call, acts.case_as_seen(case)),
    )


def _may(session: Session, call: Call, action: str, case: Case) -> bool:
    try:
        acts.may(session, call.officer, action, case)
    except Denied:
        return False
    return True


def render(request: Request, call: Call, shown: Shown, template: str, *, status: int = 200, **values: Any) -> Response:
    case, bureau = shown.case, call.wiring.node.bureau
    here = case.side is Side.DESTINATION
    given = {
        **WORDS,
        "shown": shown,
        "case": shown.view,
        "file": case.file if shown.grant.shows("application") else None,
        "bureaus": (bureau, case.counterpart) if here else (case.counterpart, bureau),
        "pills": PILLS,
        "note_kinds": NOTES,
        "way": progress(case, bureau=bureau, due=None if shown.due is None else shown.due.due_at),
        "holder": holder(case, bureau=bureau),
        "revealed": False,
        "tab": "",
        "people_there": None,
        "done": None,
    }
    return pages_of(request).render(request, f"transfers/{template}", status=status, **{**given, **values})


def filled(kind: type[F], given: Mapping[str, Any]) -> F:
    """The form from what was typed; what was left empty was not said. Raises InvalidInput with every fault."""
    said = {name: given[name] for name in kind.model_fields if given.get(name) not in (None, "")}
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        found = [
            {**details, "loc": ("form", *details["loc"])} for details in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidInput(faults=faults_of(found)) from None


def about(call: Call, case: UUID) -> Call:
    """The call, for the audit row of a denial too, about this case."""
    return replace(call, case=case)


Again = Callable[[Sequence[Fault], Mapping[str, str], int], Awaitable[Response]]
"""(faults, what was typed, status) -> the page with the form, once more."""
Then = Callable[[Mapping[str, Any]], Awaitable[Response]]
"""(what the act gave) -> the page that shows it; the same when the form is sent again."""


async def do_act(
    request: Request,
    call: Call,
    case_id: UUID,
    act: CaseAct,
    run: Callable[[Session], Awaitable[Any]],
    *,
    again: Again,
    then: Then | None = None,
) -> Response:
    """Do what a form says, once, if the case still is as its form has shown it; then to the case, or `then`.

    Wrong fields: the form again, with all that was typed. A case that has changed: what changed, and nothing is done."""
    fields = await typed(request)
    seen = number_of(fields.get(VERSION, "")) or 0

    async def unit(session: Session) -> dict[str, Any]:
        await acts.require_unchanged(session, call.officer, act.action, case_id, seen)
        given = await run(session)
        return {"case": case_id} if then is None else given

    try:
        answer = await call.once(unit)
    except (CaseChanged, NotInThisState) as faster:
        return await changed(request, call, case_id, act, faster, seen=seen)
    except (InvalidInput, Conflict) as wrong:  # a register that speaks against it is something to correct, too
        if not wrong.faults:
            raise
        return await again(wrong.faults, fields, wrong.status)
    if then is not None:
        return await then(json.loads(bytes(answer.body)))
    return RedirectResponse(f"/w/case/{case_id}{'/settle' if act.name == 'settle' else ''}?done={act.name}", 303)


async def changed(
    request: Request, call: Call, case_id: UUID, act: CaseAct, problem: CaseChanged | NotInThisState, *, seen: int = 0
) -> Response:
    """409: how the case stands now, and who did what since the form was shown."""

    async def unit(session: Session) -> tuple[Shown, Sequence[Any]]:
        shown = await look_at(session, call, case_id)
        return shown, await acts.changes_since(session, case_id, seen) if seen else ()

    shown, changes = await call.read(unit)
    return render(
        request, call, shown, "changed.html", status=problem.status, problem=problem, act=act, changes=changes, states_of=_states
    )


def _states(change: Any, side: Side) -> list[str]:
    """The labels of the states that a change has brought."""
    from_change = [State(member["state"]) for member in (change.change or {}).get("members", ())]
    return list(dict.fromkeys(LABELS[side, state] for state in from_change))
