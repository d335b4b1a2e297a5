"""What the transfer refuses, with the faults to show. Status and words belong to the class (shared/web/problems.py).

ProblemError
 ├─ NoSuchCase          404   no case of this id is known here
 ├─ NotInThisState      409   the case is not where this act begins
 ├─ CaseChanged         409   somebody or something was faster than the officer who sends a form
 ├─ SealRefused         409   the register does not allow the move-out: the findings say why (R01-R10)
 ├─ CounterpartSilent   409   the other bureau did not answer, and the officer has not said to go on without it
 ├─ ApplicationRefused  422   what was entered cannot be accepted: each fault names field, rule and source
 └─ RuleClosed          422   the transfer is not open between these places on this date
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from services.bureau.transfers.rules.case import Case
from services.bureau.transfers.states import LABELS, On
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.web import Conflict, InvalidInput, NotFound, Terms

PROTOCOL = "Quanyu transfer protocol"
REGULATIONS = "户口登记条例"
PERSONAL_INFORMATION = "个人信息保护法 (2021) Art. 34"
NOTICE_1994 = "《公安部关于启用新的户口迁移证、户口准迁证的通知》（1994-07-11）"

ACTS: Final[Mapping[On, str]] = MappingProxyType(
    {
        On.ACCEPT: N_("accept the application"),
        On.ASK_SUPPLEMENT: N_("ask for a supplement"),
        On.SUPPLEMENTED: N_("take the supplement"),
        On.SUBMIT: N_("submit for approval"),
        On.APPROVE: N_("approve"),
        On.REFUSE: N_("not approve"),
        On.WITHDRAW: N_("withdraw the application"),
        On.VOID: N_("void"),
        On.SIGN: N_("settle"),
        On.CERTIFY: N_("cancel on move-out"),
        On.RETURN: N_("return the permit"),
        On.ASK_CANCEL: N_("ask the destination to void"),
    }
)
"""What officers do, as people call it."""


class NoSuchCase(NotFound):
    """No case of this id is known here."""

    code = "no_such_case"

    def __init__(self, case: object) -> None:
        super().__init__(N_("no case {case} is known at this bureau"), values={"case": str(case)})


class NotInThisState(Conflict):
    """The case is not where this act begins."""

    code = "not_in_this_state"

    def __init__(self, act: str, case: Case) -> None:
        """`act`: what was to be done, as people call it (a gettext msgid)."""
        labels = {LABELS[case.side, member.state] for member in case.members.values()}
        states = sorted({member.state.value for member in case.members.values()})
        values = {"act": Terms((act,)), "states": Terms(tuple(sorted(labels)))}
        super().__init__(
            N_("this cannot be done now: {act}; the case stands at: {states}"), values=values, more={"states": states}
        )


class CaseChanged(Conflict):
    """The case is no longer as it was when the form was shown."""

    code = "case_changed"

    def __init__(self, version: int) -> None:
        """`version`: of the case that the officer saw."""
        super().__init__(N_("the case has changed since this form was shown"))
        self.version = version


class SealRefused(Conflict):
    """The register does not allow the move-out."""

    code = "findings"

    def __init__(self, faults: Iterable[Fault]) -> None:
        super().__init__(faults=list(faults))


class CounterpartSilent(Conflict):
    """The other bureau did not answer, and the officer has not said to go on without it."""

    code = "counterpart_silent"

    def __init__(self, bureau: str, since: str) -> None:
        message = N_("{bureau} has not answered since {since}: try again, or seal without its answer (without_answer)")
        super().__init__(message, values={"bureau": bureau, "since": since})


class ApplicationRefused(InvalidInput):
    """What was entered cannot be accepted."""

    code = "application_refused"

    def __init__(self, *faults: Fault) -> None:
        super().__init__(faults=list(faults))


class RuleClosed(InvalidInput):
    """The transfer is not open between these places on this date."""

    code = "rule_closed"

    def __init__(self, closed: Fault) -> None:
        super().__init__(faults=[closed])


def fault(field: str, rule: str, source: str, message: str, **values: str | int) -> Fault:
    return Fault(field=field, rule=rule, source=source, message=message, values=values)
