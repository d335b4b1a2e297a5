"""Police units (公安机关机构代码, GA/T 380-2012; GA/T 543.1 DE00060): 12 digits, 1-6 division, 7-8 unit, 9-12 sub-unit.

The annex that gives digits 7-12 their meaning is not public (assumption AS03): they are opaque here.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from shared.identifiers.division import bureau_of_division
from shared.identifiers.errors import checked_by, refuse
from shared.identifiers.texts import N_

SOURCE = "GA/T 380-2012"
UNIT_PATTERN = r"^[1-9][0-9]{11}$"
_FORM = re.compile(UNIT_PATTERN, re.ASCII)
_DIVISION_DIGITS = 6


def parse_unit_code(text: str) -> str:
    """Return the code if it has twelve digits; raises IdentifierError `form`."""
    if _FORM.fullmatch(text) is None:
        raise refuse("form", source=SOURCE, message=N_("a unit code has twelve digits"))
    return text


def division_of_unit(code: str) -> str:
    """The division code in the unit's first six digits."""
    return code[:_DIVISION_DIGITS]


def bureau_of_unit(code: str) -> str | None:
    """The bureau that the unit belongs to, or None outside the federation."""
    return bureau_of_division(code)


UnitCode = Annotated[
    str,
    AfterValidator(lambda text: checked_by(parse_unit_code, text)),
    WithJsonSchema({"type": "string", "pattern": UNIT_PATTERN, "description": "GA/T 380-2012"}),
]
