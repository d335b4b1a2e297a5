"""Case numbers for citizens (业务编号, our own): QY, division, date of acceptance, six random digits, check character.

The check character (ISO 7064 MOD 37,36) catches a mistyped or swapped character before anybody searches for the case.
"""

import re
from datetime import date
from random import Random, SystemRandom
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from shared.identifiers.division import require_division
from shared.identifiers.errors import checked_by, refuse
from shared.identifiers.texts import N_

SOURCE = "ISO 7064 MOD 37,36"
APPLY_NO_PATTERN = r"^QY[1-9][0-9]{19}[0-9A-Z]$"
RANDOM_DIGITS = 6  # a district takes up to a thousand applications a day: whoever draws looks whether the number is free
_FORM = re.compile(APPLY_NO_PATTERN, re.ASCII)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MODULUS = 36


def mod_37_36(text: str) -> str:
    """The check character over digits and upper-case letters (ISO 7064 MOD 37,36)."""
    product = _MODULUS
    for character in text:
        total = (product + _ALPHABET.index(character)) % _MODULUS or _MODULUS
        product = total * 2 % (_MODULUS + 1)
    return _ALPHABET[(_MODULUS + 1 - product) % _MODULUS]


def new_apply_no(division_code: str, on: date, random: Random | None = None) -> str:
    """A new number for a case accepted in `division_code` on `on`; raises IdentifierError `unknown_division`.

    `random` is for tests and stories; without it the operating system's source is used."""
    drawn = (random or SystemRandom()).randrange(10**RANDOM_DIGITS)
    body = f"QY{require_division(division_code)}{on:%Y%m%d}{drawn:0{RANDOM_DIGITS}d}"
    return body + mod_37_36(body)


def parse_apply_no(text: str) -> str:
    """Return the number in upper case; raises IdentifierError `form` or `check_character`."""
    number = text.strip().upper()
    if _FORM.fullmatch(number) is None:
        raise refuse("form", source=SOURCE, message=N_("a case number is QY, twenty digits and a check character"))
    expected = mod_37_36(number[:-1])
    if number[-1] != expected:
        raise refuse(
            "check_character",
            source=SOURCE,
            message=N_("check character is {actual}, should be {expected}"),
            actual=number[-1],
            expected=expected,
        )
    return number


ApplyNo = Annotated[
    str,
    AfterValidator(lambda text: checked_by(parse_apply_no, text)),
    WithJsonSchema({"type": "string", "pattern": APPLY_NO_PATTERN, "description": "case number for the citizen"}),
]
