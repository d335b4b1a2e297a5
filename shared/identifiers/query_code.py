"""Query codes (查询码): the secret on the receipt that, with the case number, lets a citizen follow a case.

Ten characters of Crockford's base32, 50 bits: not guessable through a rate-limited page, and readable over the telephone.
"""

import re
from random import Random, SystemRandom
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from shared.identifiers.errors import checked_by, refuse
from shared.identifiers.texts import N_

SOURCE = "Crockford base32"
QUERY_CODE_CHARS = 10
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # without I, L, O, U
QUERY_CODE_PATTERN = rf"^[{_ALPHABET}]{{{QUERY_CODE_CHARS}}}$"
_FORM = re.compile(QUERY_CODE_PATTERN, re.ASCII)
_AS_READ = str.maketrans("ILO", "110", " -")


def new_query_code(random: Random | None = None) -> str:
    """A new code. `random` is for tests and stories; without it the operating system's source is used."""
    return "".join((random or SystemRandom()).choices(_ALPHABET, k=QUERY_CODE_CHARS))


def parse_query_code(text: str) -> str:
    """Return the code as issued: upper case, I and L read as 1, O as 0, spaces and hyphens dropped; raises `form`."""
    code = text.upper().translate(_AS_READ)
    if _FORM.fullmatch(code) is None:
        raise refuse("form", source=SOURCE, message=N_("a query code has ten letters and digits"))
    return code


QueryCode = Annotated[
    str,
    AfterValidator(lambda text: checked_by(parse_query_code, text)),
    WithJsonSchema({"type": "string", "pattern": QUERY_CODE_PATTERN}),
]
