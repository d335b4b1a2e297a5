"""What the transfer refuses, with the faults to show. Status and words belong to the class (shared/web/problems.py).

ProblemError
 ├─ NoSuchCase          404   no case of this id is known here
 ├─ NotInThisState      409   the case is not where this act begins
 ├─ SealRefused         409   the register does not allow the move-out: the findings say why (R01-R10)
 ├─ CounterpartSilent   409   the other bureau did not answer, and the officer has not said to go on without it
 ├─ ApplicationRefused  422   what was entered cannot be accepted: each fault names field, rule and source
 └─ RuleClosed          422   the transfer is not open between these places on this date
"""

from collections.abc import Iterable

from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.web import Conflict, InvalidInput, NotFound

PROTOCOL = "Quanyu transfer protocol"
REGULATIONS = "户口登记条例"
NOTICE_1994 = "《公安部关于启用新的户口迁移证、户口准迁证的通知》（1994-07-11）"


class NoSuchCase(NotFound):
    """No case of this id is known here."""

    code = "no_such_case"

    def __init__(self, case: object) -> None:
        super().__init__(N_("no case {case} is known at this bureau"), values={"case": str(case)})


class NotInThisState(Conflict):
    """The case is not where this act begins."""

    code = "not_in_this_state"

    def __init__(self, act: str, states: Iterable[str]) -> None:
        listed = ", ".join(sorted(set(states)))
        super().__init__(N_("the act '{act}' does not begin in the state {states}"), values={"act": act, "states": listed})


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
