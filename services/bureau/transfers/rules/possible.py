"""What can be done with a case as it stands: read from the protocol's table; who may is read from `access/rules.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.rules.tracking import is_followed
from services.bureau.transfers.states import TRANSFER, On, Side, State
from shared.contract.fields import ISSUE_MAX
from shared.identifiers.texts import N_

Begins = Callable[[Case, date], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAct:
    """One act: the end of its address, its action in the rules, and whether the case stands where it begins.

    `page`: where its form is, when it has no page of its own; `direct`: nothing to fill in, a button does it;
    `leads`: the next step of the way; `aside`: offered beside the slips, not among what can be done with the case."""

    name: str
    action: str
    label: str
    begins: Begins
    page: str = ""
    direct: bool = False
    leads: bool = False
    aside: bool = False

    @property
    def door(self) -> str:
        return self.page or self.name


def _some(side: Side, on: On) -> Begins:
    return lambda case, today: case.side is side and any((m.state, on) in TRANSFER.of(side) for m in case.in_order())


def _all(side: Side, on: On) -> Begins:
    """A household moves as one case: at the origin the act is for all members or none."""
    return lambda case, today: case.side is side and all((m.state, on) in TRANSFER.of(side) for m in case.in_order())


def _approves(talent: bool) -> Begins:
    under_review = _some(Side.DESTINATION, On.APPROVE)
    return lambda case, today: under_review(case, today) and (case.category == "TALENT") is talent


def _permit_has_ended(case: Case, today: date) -> bool:
    until = case.permit_valid_until
    return case.side is Side.DESTINATION and bool(case.in_state(State.APPROVED)) and until is not None and today > until


def _can_be_looked_up(case: Case, today: date) -> bool:
    return case.side is Side.DESTINATION and case.file.application is not None and not case.has_ended


def _can_be_issued_again(case: Case, today: date) -> bool:
    return case.side is Side.ORIGIN and bool(case.in_state(State.SEALED)) and case.issue < ISSUE_MAX


def _awaits(case: Case, today: date) -> bool:
    asked = case.side is Side.DESTINATION and case.reissue_asked and bool(case.in_state(State.CERTIFIED))
    return asked or any(TRANSFER.awaits(case.side, member.state) is not None for member in case.in_order())


D, O = Side.DESTINATION, Side.ORIGIN  # noqa: E741  # as in the protocol's diagrams
CASE_ACTS: Final = (
    CaseAct(name="accept", leads=True, action="transfers.accept", label=N_("Accept"), begins=_some(D, On.ACCEPT), direct=True),
    CaseAct(
        name="submit",
        leads=True,
        action="transfers.submit",
        label=N_("Submit for approval"),
        begins=_some(D, On.SUBMIT),
        direct=True,
    ),
    CaseAct(
        name="supplemented",
        leads=True,
        action="transfers.supplemented",
        label=N_("Supplement received"),
        begins=_some(D, On.SUPPLEMENTED),
        direct=True,
    ),
    CaseAct(name="approve", leads=True, action="transfers.approve", label=N_("Decide"), begins=_approves(False), page="decide"),
    CaseAct(
        name="approve-talent",
        leads=True,
        action="transfers.approve_talent",
        label=N_("Decide"),
        begins=_approves(True),
        page="decide",
    ),
    CaseAct(name="refuse", leads=True, action="transfers.refuse", label=N_("Decide"), begins=_some(D, On.REFUSE), page="decide"),
    CaseAct(name="settle", leads=True, action="transfers.settle", label=N_("Settle"), begins=_some(D, On.SIGN)),
    CaseAct(name="seal", leads=True, action="transfers.seal", label=N_("Verify"), begins=_all(O, On.CERTIFY), page="review"),
    CaseAct(name="return", leads=True, action="transfers.return", label=N_("Verify"), begins=_all(O, On.RETURN), page="review"),
    CaseAct(
        name="restore",
        leads=True,
        action="transfers.restore",
        label=N_("Enter the restoration"),
        begins=lambda case, today: case.side is O and bool(case.in_state(State.RESTORED)),
    ),
    CaseAct(
        name="ask-supplement",
        action="transfers.ask_supplement",
        label=N_("Tell once what is missing"),
        begins=_some(D, On.ASK_SUPPLEMENT),
    ),
    CaseAct(name="look-up", action="transfers.look_up_origin", label=N_("Ask the origin's register"), begins=_can_be_looked_up),
    CaseAct(name="reissue", action="transfers.reissue", label=N_("Issue again"), begins=_can_be_issued_again),
    CaseAct(
        name="request-reissue",
        action="transfers.request_reissue",
        label=N_("Ask for a reissue"),
        begins=lambda case, today: case.side is D and bool(case.in_state(State.CERTIFIED)),
    ),
    CaseAct(name="ask-cancel", action="transfers.ask_cancel", label=N_("Ask to cancel"), begins=_all(O, On.ASK_CANCEL)),
    CaseAct(name="wait", action="transfers.wait", label=N_("Wait on"), begins=_permit_has_ended),
    CaseAct(name="withdraw", action="transfers.withdraw", label=N_("Withdraw"), begins=_some(D, On.WITHDRAW)),
    CaseAct(name="void", action="transfers.void", label=N_("Void the case"), begins=_some(D, On.VOID)),
    CaseAct(
        name="issue-query-code",
        action="transfers.issue_query_code",
        label=N_("Issue a new query code"),
        begins=is_followed,
        aside=True,
    ),
    CaseAct(name="ask-again", action="transfers.ask_again", label=N_("Ask again now"), begins=_awaits, direct=True),
)
BY_NAME: Final = MappingProxyType({act.name: act for act in CASE_ACTS})


def possible(case: Case, today: date) -> list[CaseAct]:
    return [act for act in CASE_ACTS if act.begins(case, today)]
