"""Who may do what: one table as data, one pure decision over it, and what no rule allows is denied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from services.bureau.access.callers import CITIZEN, OFFICER_ROLES, Caller, Citizen, Officer, Peer, Role

HOUSEHOLD_TRANSFER = "household_transfer"
SUPERVISION = "supervision"
OPERATIONS = "operations"
PURPOSES = frozenset({HOUSEHOLD_TRANSFER, SUPERVISION, OPERATIONS})

ALL_FIELDS = frozenset({"*"})
FIELDS_WITHOUT_PERSONS = frozenset(
    {
        *("case", "previous_case", "apply_no", "side", "counterpart", "category", "station_code", "version"),
        *("members", "place", "state", "states", "label_zh", "label_en", "epoch", "since", "void_reason"),
        *("permit_no", "permit_valid_until", "migration_no", "issue", "certificate_valid_until", "reissue_asked"),
        *("accepted_on", "signed_at", "closed_at", "items", "next"),
    }
)
"""What an operator sees of a case: where it stands and who owes what, never whose it is."""
FIELDS_FOR_CITIZENS = frozenset({"apply_no", "way", "holder", "until", "bring", "members", "name_masked", "state"})


class Scope(StrEnum):
    STATION = "station"
    """The object belongs to the caller's own station, or to a closed one that it succeeds."""
    REGION = "region"
    """The object's division is the caller's own."""
    BUREAU = "bureau"
    """The object belongs to the caller's bureau."""
    FEDERATION = "federation"
    """Any object."""
    PROVED = "proved"
    """The case whose number and query code the citizen has shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of the table; `decide` says what each member means."""

    action: str
    roles: frozenset[str]
    scope: Scope
    purposes: frozenset[str]
    implied: str | None
    fields: frozenset[str] = ALL_FIELDS
    open_case: bool = False
    step_up: bool = False
    callers: type[Officer] | type[Peer] | type[Citizen] = Officer
    valid: tuple[date | None, date | None] = (None, None)
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the slice has loaded about the object; a fact that is not known allows nothing."""

    station_code: str | None = None
    division_code: str | None = None
    bureau: str | None = None
    apply_no: str | None = None
    purpose: str | None = None
    case_open: bool | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """A decision in favour: by which rule, for which purpose. Its fields go into the audit row."""

    rule: Rule
    purpose: str

    @property
    def fields(self) -> frozenset[str]:
        return self.rule.fields

    @property
    def scope(self) -> Scope:
        return self.rule.scope

    def shows(self, field: str) -> bool:
        return self.fields == ALL_FIELDS or field in self.fields

    def filtered(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The answer with the allowed members only, at every depth."""
        return {name: self._filtered(value) for name, value in answer.items() if self.shows(name)}

    def _filtered(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.filtered(value)
        if isinstance(value, list | tuple):
            return [self._filtered(item) for item in value]
        return value


class Denied(Exception):
    """No rule allows it. `reason` is for the log and the audit row; `roles` (who may) is what the caller is told."""

    def __init__(self, reason: str, *, action: str, roles: Iterable[str] = ()) -> None:
        super().__init__(f"{action}: {reason}")
        self.reason = reason
        self.action = action
        self.roles = tuple(sorted(set(roles)))


# Legal bases
PROCEDURE = "长三角区域跨省户口网上迁移工作流程"
REGISTRATION = "户口登记条例 (1958) Art. 14"
PERSONAL_DATA = "个人信息保护法 (2021) Art. 6, 34"
NODE_DUTY = "网络安全法 (2017); GB/T 22239-2019"
_TRANSFER = frozenset({HOUSEHOLD_TRANSFER})
_REGISTER = frozenset({HOUSEHOLD_TRANSFER, SUPERVISION})


def _rules(actions: str, roles: Iterable[str], scope: Scope, alike: Mapping[str, Any], **other: Any) -> tuple[Rule, ...]:
    """One rule for each of `actions` (separated by spaces); `alike` is one of the kinds below, `other` what differs from it."""
    return tuple(Rule(action=action, roles=frozenset(roles), scope=scope, **{**alike, **other}) for action in actions.split())


# Acts on a case: the case itself is the purpose.
CASE = {"purposes": _TRANSFER, "implied": HOUSEHOLD_TRANSFER, "basis": PROCEDURE}
# Reading a person in the register: the purpose must be said and the case must be open (minimum necessity).
PERSON = {"purposes": _REGISTER, "implied": None, "open_case": True, "basis": PERSONAL_DATA}
# What concerns the bureau's node as a whole.
NODE = {"purposes": frozenset({OPERATIONS}), "implied": OPERATIONS, "basis": NODE_DUTY}
HOLD = {"purposes": _REGISTER, "implied": SUPERVISION, "basis": REGISTRATION}
# Questions about a person; the asking bureau has checked its case, which it names.
PEER = {"purposes": _TRANSFER, "implied": None, "open_case": True, "callers": Peer, "basis": PROCEDURE}

RULES: tuple[Rule, ...] = (
    # At the destination
    *_rules(
        "transfers.open transfers.accept transfers.ask_supplement transfers.supplemented transfers.submit transfers.withdraw",
        {Role.COUNTER},
        Scope.STATION,
        CASE,
    ),
    *_rules(
        "transfers.look_up_origin transfers.request_reissue transfers.wait transfers.ask_again transfers.issue_query_code",
        {Role.COUNTER},
        Scope.STATION,
        CASE,
    ),
    *_rules("transfers.settle transfers.void", {Role.COUNTER}, Scope.STATION, CASE, step_up=True),
    *_rules("transfers.approve transfers.look_up_origin", {Role.POPULATION_OFFICE}, Scope.REGION, CASE),
    *_rules("transfers.void", {Role.POPULATION_OFFICE}, Scope.REGION, CASE, step_up=True),
    *_rules("transfers.approve_talent transfers.refuse", {Role.POPULATION_OFFICE, Role.HRSS}, Scope.REGION, CASE),
    # At the origin
    *_rules("transfers.seal transfers.reissue", {Role.VERIFIER}, Scope.STATION, CASE, step_up=True),
    *_rules(
        "transfers.verify transfers.return transfers.ask_cancel transfers.restore transfers.ask_again",
        {Role.VERIFIER},
        Scope.STATION,
        CASE,
    ),
    # At both
    *_rules("transfers.read", {Role.COUNTER, Role.VERIFIER}, Scope.STATION, CASE),
    *_rules("transfers.read", {Role.POPULATION_OFFICE, Role.HRSS}, Scope.REGION, CASE, purposes=_REGISTER),
    *_rules("transfers.read", {Role.OPERATOR}, Scope.BUREAU, NODE, fields=FIELDS_WITHOUT_PERSONS),
    *_rules("transfers.ask_again", {Role.OPERATOR}, Scope.BUREAU, NODE),
    *_rules("transfers.hold", {Role.COUNTER, Role.VERIFIER}, Scope.STATION, CASE),
    *_rules("transfers.hold", {Role.POPULATION_OFFICE, Role.HRSS}, Scope.REGION, CASE),
    # Citizens
    *_rules("transfers.track", {CITIZEN}, Scope.PROVED, CASE, callers=Citizen, fields=FIELDS_FOR_CITIZENS),
    # The register
    *_rules("population.read", {Role.COUNTER, Role.VERIFIER}, Scope.STATION, PERSON),
    *_rules("population.read", {Role.POPULATION_OFFICE}, Scope.REGION, PERSON),
    *_rules("population.hold population.lift_hold", {Role.VERIFIER}, Scope.STATION, HOLD),
    # Pages that are nobody's data
    *_rules("access.me", OFFICER_ROLES, Scope.BUREAU, NODE, purposes=PURPOSES),
    *_rules("console.work", {Role.COUNTER, Role.VERIFIER, Role.POPULATION_OFFICE, Role.HRSS}, Scope.STATION, CASE),
    # The node
    *_rules("stations.read", OFFICER_ROLES, Scope.FEDERATION, NODE, purposes=PURPOSES, basis=PROCEDURE),
    *_rules("owed.read", OFFICER_ROLES - {Role.AUDITOR}, Scope.BUREAU, NODE, purposes=PURPOSES),
    *_rules("operations.read operations.replay operations.skip operations.announce", {Role.OPERATOR}, Scope.BUREAU, NODE),
    *_rules("audit.read", {Role.AUDITOR}, Scope.BUREAU, NODE, purposes=frozenset({SUPERVISION}), implied=SUPERVISION),
    # Peers
    *_rules(
        "transfers.question.person_status transfers.question.resident_for_transfer",
        {Role.COUNTER, Role.POPULATION_OFFICE, Role.VERIFIER},
        Scope.FEDERATION,
        PEER,
    ),
    *_rules(
        "transfers.question.transfer_state",
        Role,
        Scope.FEDERATION,
        CASE,
        purposes=frozenset({HOUSEHOLD_TRANSFER, OPERATIONS}),
        callers=Peer,
    ),
)
ACTIONS = frozenset(rule.action for rule in RULES)


class NoPurpose(Denied):
    """The caller has not said why, and the rule assumes nothing."""


class NotSteppedUp(Denied):
    """The rule needs a login with a second factor, and the caller's was without."""


class NoOpenCase(Denied):
    """The rule needs an open case, and the one that is named (if any) is none."""


def decide(caller: Caller, action: str, facts: Facts, day: date) -> Grant:
    """The rule that lets `caller` do `action` to the object described by `facts` on the business day `day`.

    The purpose is that of the facts, else the caller's; a peer's purpose and case are those it signed. Raises Denied.
    """
    return _within_scope(caller, _rule_and_purpose(caller, action, facts.purpose, day), facts)


def reach(caller: Caller, action: str, day: date, *, purpose: str | None = None) -> Grant:
    """What a list may show, and what a caller may try at all: the rule before any object is known.

    The row filter follows `Grant.scope`: own station, own division, own bureau, all. Raises Denied.
    """
    return _rule_and_purpose(caller, action, purpose, day)


def _rule_and_purpose(caller: Caller, action: str, purpose: str | None, day: date) -> Grant:
    rules = [rule for rule in RULES if rule.action == action and isinstance(caller, rule.callers)]
    roles = {role for rule in rules for role in rule.roles}
    own = [rule for rule in rules if caller.role in rule.roles]
    if not own:
        raise Denied(f"role {caller.role} may not", action=action, roles=roles)
    rule = next((rule for rule in own if _is_valid(rule, day)), None)
    if rule is None:
        raise Denied(f"no rule is in force on {day}", action=action, roles=roles)
    signed = isinstance(caller, Peer)
    granted = (None if signed else purpose) or caller.purpose or rule.implied
    if granted is None:
        raise NoPurpose("no purpose is named", action=action, roles=roles)
    if granted not in rule.purposes:
        raise Denied(f"not for the purpose {granted}", action=action, roles=roles)
    if rule.step_up and not (isinstance(caller, Officer) and caller.stepped_up):
        raise NotSteppedUp("the login was without a second factor", action=action, roles=roles)
    return Grant(rule, granted)


def _is_valid(rule: Rule, day: date) -> bool:
    first, last = rule.valid
    return (first is None or first <= day) and (last is None or day <= last)


def _within_scope(caller: Caller, grant: Grant, facts: Facts) -> Grant:
    rule = grant.rule
    if not _reaches(caller, rule.scope, facts):
        raise Denied(f"the object is outside the caller's {rule.scope}", action=rule.action, roles=rule.roles)
    if rule.open_case and not _has_open_case(caller, facts):
        raise NoOpenCase("no open case is named", action=rule.action, roles=rule.roles)
    return grant


def _reaches(caller: Caller, scope: Scope, facts: Facts) -> bool:
    if scope is Scope.FEDERATION:
        return True
    if isinstance(caller, Citizen):
        return scope is Scope.PROVED and facts.apply_no == caller.apply_no
    if isinstance(caller, Peer):
        return False
    if scope is Scope.BUREAU:
        return facts.bureau == caller.bureau
    if scope is Scope.REGION:
        return facts.division_code == caller.post.division_code
    return facts.station_code == caller.post.station_code or facts.station_code in caller.post.predecessors


def area(officer: Officer, scope: Scope) -> list[str]:
    """What `scope` means to a list of rows, as SQL LIKE patterns of the unit codes that it may show."""
    post = officer.post
    if scope is Scope.STATION:
        return [post.station_code, *sorted(post.predecessors)]
    return [f"{post.division_code}%" if scope is Scope.REGION else "%"]


def _has_open_case(caller: Caller, facts: Facts) -> bool:
    """A peer's case lies in its own database: it vouches for it by its signature."""
    return caller.case is not None if isinstance(caller, Peer) else facts.case_open is True
