"""Administrative divisions (行政区划代码, GB/T 2260): six digits, province, city, county."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

from shared.identifiers.bureau import bureau_of_province, read_rows
from shared.identifiers.errors import checked_by, refuse
from shared.identifiers.texts import N_

SOURCE = "GB/T 2260"
DIVISION_PATTERN = r"^[1-9][0-9]{5}$"
_FORM = re.compile(DIVISION_PATTERN, re.ASCII)


@cache
def _names() -> Mapping[str, str]:
    return MappingProxyType(dict(read_rows("divisions.csv")))


def parse_division_code(text: str) -> str:
    """Return the code if it has the form of one (abolished and foreign divisions too); raises IdentifierError `form`."""
    if _FORM.fullmatch(text) is None:
        raise refuse("form", source=SOURCE, message=N_("a division code has six digits"))
    return text


def require_division(code: str) -> str:
    """Return the code if it is a division of the federation today; raises IdentifierError `form` or `unknown_division`."""
    if parse_division_code(code) not in _names():
        raise refuse("unknown_division", source=SOURCE, message=N_("division {code} is not known"), code=code)
    return code


def is_known_division(code: str) -> bool:
    return code in _names()


def division_name(code: str) -> str:
    """The division's own name (平湖市); raises IdentifierError `unknown_division`."""
    return _names()[require_division(code)]


def full_division_name(code: str) -> str:
    """The names from the province down (浙江省嘉兴市平湖市); raises IdentifierError `unknown_division`."""
    require_division(code)
    levels = dict.fromkeys((f"{code[:2]}0000", f"{code[:4]}00", code))
    return "".join(_names()[level] for level in levels if level in _names())  # a municipality has no city level


def divisions_of(province: str) -> tuple[str, ...]:
    """The county-level codes (what people are registered in) of a province, given by its two digits, in order."""
    return tuple(code for code in _names() if code.startswith(province) and not code.endswith("00"))


def bureau_of_division(code: str) -> str | None:
    """The bureau whose register covers this division, or None outside the federation."""
    return bureau_of_province(code[:2])


DivisionCode = Annotated[
    str,
    AfterValidator(lambda text: checked_by(require_division, text)),
    WithJsonSchema({"type": "string", "pattern": DIVISION_PATTERN, "description": "GB/T 2260, of the federation today"}),
]
"""What an officer may enter: a division that exists today in one of the bureaus."""

AnyDivisionCode = Annotated[str, StringConstraints(pattern=DIVISION_PATTERN)]
"""What a record may carry: also an abolished county, a province outside, or a bureau that joined after our list."""
