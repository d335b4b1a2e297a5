"""What every page shows around its content: whose node it is, who is logged in, where one can go, which day it is here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request

from services.bureau.access.callers import Officer, Role
from services.bureau.access.calls import ROLE_NAMES, NodeWiring
from services.bureau.access.rules import RULES
from services.bureau.access.sessions import came_from, login_address
from shared.identifiers.bureau import province_of_bureau, short_name
from shared.identifiers.texts import N_
from shared.web import language_of


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to go, for officers of these roles; `label` is a msgid."""

    href: str
    label: str
    roles: frozenset[str]
    alone: bool = False
    """Pages below it have entries of their own."""

    def is_here(self, path: str) -> bool:
        return path == self.href or (
            not self.alone and path.startswith(f"{self.href}/") and not (self.href == "/w" and path.startswith("/w/intake"))
        )


COUNTER = frozenset({Role.COUNTER})
SEARCHING = frozenset(role for rule in RULES if rule.action == "transfers.read" for role in rule.roles)
AT_WORK = frozenset({Role.COUNTER, Role.VERIFIER, Role.POPULATION_OFFICE, Role.HRSS})
OPERATOR, AUDITOR = frozenset({Role.OPERATOR}), frozenset({Role.AUDITOR})
ENTRIES = (
    Entry("/w", N_("Workbench"), AT_WORK),
    Entry("/w/intake", N_("Intake"), COUNTER),
    Entry("/ops", N_("Node"), OPERATOR, alone=True),
    Entry("/ops/peers", N_("Peers"), OPERATOR),
    Entry("/ops/maintenance", N_("Maintenance"), OPERATOR),
    Entry("/ops/outbox", N_("Outbox"), OPERATOR),
    Entry("/ops/inbox", N_("Inbox"), OPERATOR),
    Entry("/ops/owed", N_("Answers owed"), OPERATOR),
    Entry("/ops/dlq", N_("Dead letters"), OPERATOR),
    Entry("/ops/timers", N_("Timers"), OPERATOR),
    Entry("/ops/about", N_("About"), OPERATOR),
    Entry("/ops/audit", N_("Audit log"), AUDITOR),
)
HOME_OF = {Role.OPERATOR: "/ops", Role.AUDITOR: "/ops/audit"}


class ChromeWiring(NodeWiring, Protocol):
    """What a page needs of the node's wiring."""

    @property
    def unit_names(self) -> Mapping[str, str]: ...
    @property
    def development(self) -> object | None: ...


class Chrome:
    """Gives `Pages` what is around a page of one node."""

    def __init__(self, wiring: ChromeWiring) -> None:
        self._wiring = wiring

    def __call__(self, request: Request) -> Mapping[str, Any]:
        wiring, language = self._wiring, language_of(request)
        officer: Officer | None = getattr(request.state, "officer", None)
        members = {one.code: one.name for one in wiring.node.trust.current.bureaus}
        return {
            "bureau": wiring.node.bureau,
            "bureau_names": {
                code: name_of(code, name) if language == "zh" else code.capitalize() for code, name in members.items()
            },
            "bureau_badges": {code: short_name(code) for code in members},
            "officer": None if officer is None else _shown(officer, wiring),
            "navigation": [entry for entry in ENTRIES if officer is not None and officer.role in entry.roles],
            "home": "/" if officer is None else home_of(officer.role),
            "business_date": _business_date(wiring),
            "development": wiring.development is not None,
            "path_back": came_from(request),
            "login_again": login_address(request),
            "step_up": login_address(request, step_up=True),
        }


def name_of(bureau: str, listed: str) -> str:
    """As the trust list calls it; a list that only repeats the code leaves it to the province."""
    province = province_of_bureau(bureau)
    return province.name if listed == bureau and province is not None else listed


def home_of(role: str) -> str:
    """The page on which an officer of this role begins."""
    return HOME_OF.get(Role(role), "/w")


def _shown(officer: Officer, wiring: ChromeWiring) -> dict[str, Any]:
    return {
        "badge_no": officer.badge_no,
        "name": officer.name,
        "role": officer.role,
        "role_name": ROLE_NAMES[officer.role],
        "post_name": wiring.unit_names.get(officer.post.station_code, officer.post.station_code),
        "stepped_up": officer.stepped_up,
        "searches": officer.role in SEARCHING,
    }


def _business_date(wiring: ChromeWiring) -> str | None:
    """The day here, where somebody has set the business clock; None where it is the real one."""
    today = wiring.node.business_today()
    real = wiring.node.machine_now().astimezone(wiring.node.business_now().tzinfo).date()
    return None if today == real else today.isoformat()
