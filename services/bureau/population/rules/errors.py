"""What the register refuses: problems with the one fault that explains them.

ProblemError (shared.web)
 ├─ NotFound       NotInRegister      nobody, or no household, of that id or number is here
 └─ Conflict
     ├─ RowRefused                    the row is not in the state that the change needs
     ├─ HouseholdRefused              the household cannot take this: dissolved, has a head, number taken
     └─ HoldRefused                   held already, or lifted already
"""

from typing import ClassVar

from shared.identifiers.errors import Fault
from shared.web import Conflict, NotFound, ProblemError

REGULATIONS = "户口登记条例"
PROTOCOL = "Quanyu transfer protocol"


class RegisterRefused(ProblemError):
    """The register refuses the change; nothing is done."""

    source: ClassVar[str] = REGULATIONS

    def __init__(self, rule: str, message: str, *, field: str = "", **values: str | int) -> None:
        self.fault = Fault(field=field, rule=rule, source=self.source, message=message, values=values)
        super().__init__(message, values=values, code=rule, faults=[self.fault])


class NotInRegister(RegisterRefused, NotFound):
    """Nobody, or no household, of that id or number is in this register."""


class RowRefused(RegisterRefused, Conflict):
    """The row is not in the state that the change needs."""

    source: ClassVar[str] = PROTOCOL


class HouseholdRefused(RegisterRefused, Conflict):
    """The household cannot take this change."""


class HoldRefused(RegisterRefused, Conflict):
    """The hold is placed, or lifted, already."""
