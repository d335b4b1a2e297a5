"""Citizen id numbers (公民身份号码, GB 11643-1999): division of first issue, birth date, serial (odd male), check digit."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, WithJsonSchema

from shared.identifiers.division import is_known_division
from shared.identifiers.errors import checked_by, refuse
from shared.identifiers.texts import N_

SOURCE = "GB 11643-1999"
CITIZEN_ID_PATTERN = r"^[0-9]{17}[0-9X]$"
_FORM = re.compile(CITIZEN_ID_PATTERN, re.ASCII)
_BODY = re.compile(r"^[0-9]{17}$", re.ASCII)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"  # by the weighted sum modulo 11

Sex = Literal["1", "2"]
"""GB/T 2261.1: 1 male, 2 female (the number knows no other)."""


EARLIEST_BIRTH = date(1900, 1, 1)  # numbers were first given in 1984; nobody older is alive


@dataclass(frozen=True, slots=True)
class CitizenIdNo:
    text: str
    """Eighteen characters, the check digit X in upper case."""
    division_code: str
    """Where the number was first issued: stays when the person moves or the county is abolished."""
    born_on: date
    sex: Sex
    known_division: bool
    """False: not in today's list of the federation (abolished county, or a province outside). A warning, never a refusal."""

    def __str__(self) -> str:
        return self.text


def check_digit(first17: str) -> str:
    """The eighteenth character for seventeen digits; raises IdentifierError `form`."""
    if _BODY.fullmatch(first17) is None:
        raise refuse("form", source=SOURCE, message=N_("a check digit is computed over seventeen digits"))
    total = sum(int(digit) * weight for digit, weight in zip(first17, _WEIGHTS, strict=True))
    return _CHECK_DIGITS[total % 11]


def parse_citizen_id_no(text: str, *, today: date | None = None) -> CitizenIdNo:
    """Read a number; a lower-case x is accepted. `today`, if given, is the last possible birth date.

    Raises IdentifierError `form`, `birth_date`, `check_digit` or `birth_date_in_future`."""
    number = text.upper()
    if _FORM.fullmatch(number) is None:
        raise refuse("form", source=SOURCE, message=N_("a citizen id number has 17 digits and a check digit (0-9 or X)"))
    born_on = _birth_date(number[6:14])
    expected = check_digit(number[:17])
    if number[17] != expected:
        raise refuse(
            "check_digit",
            source=SOURCE,
            message=N_("check digit is {actual}, should be {expected}"),
            actual=number[17],
            expected=expected,
        )
    if today is not None and born_on > today:
        message = N_("birth date {born_on} is in the future")
        raise refuse("birth_date_in_future", source=SOURCE, message=message, born_on=born_on.isoformat())
    sex: Sex = "1" if int(number[16]) % 2 else "2"
    return CitizenIdNo(number, number[:6], born_on, sex, is_known_division(number[:6]))


def _birth_date(digits: str) -> date:
    try:
        born_on = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        if born_on < EARLIEST_BIRTH:
            raise ValueError("nobody was born so long ago")
        return born_on
    except ValueError:
        raise refuse(
            "birth_date", source=SOURCE, message=N_("the birth date in the number, {digits}, does not exist"), digits=digits
        ) from None


CitizenIdNumber = Annotated[
    str,
    AfterValidator(lambda text: checked_by(parse_citizen_id_no, text)),
    WithJsonSchema({"type": "string", "pattern": CITIZEN_ID_PATTERN, "description": SOURCE}),
]
"""A number whose form, date and check digit hold; whether its birth date lies in the future is for who has a clock."""
