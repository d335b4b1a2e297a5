"""The base of everything that an officer sends."""

from typing import Annotated, Any
from unicodedata import category

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from shared.contract.fields import Name, contract_error
from shared.identifiers.texts import N_

ROW_NUMBER_MAX = 2**63 - 1  # PostgreSQL's bigint

# Unicode categories: controls, directions and joiners, surrogates, separators. Private and unassigned ones stay: rare characters
# of names may be newer than our tables.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

DIGITS_MAX = 18  # of a number in a form: below ROW_NUMBER_MAX, whatever the digits

UNSEEN = "\ufffd"

RowNumber = Annotated[int, Field(ge=0, le=ROW_NUMBER_MAX)]
"""A number of a row, or of rows to pass over, in an address or a form."""


def is_visible(text: str) -> bool:
    """Whether everything in it can be seen; PostgreSQL refuses NUL besides."""
    return not any(category(one) in INVISIBLE and one not in "\n\t" for one in text)


def visible(text: str) -> str:
    """The same with a mark for what cannot be seen: a peer's text may hold what no form of ours takes."""
    return "".join(UNSEEN if category(one) in INVISIBLE and one not in "\r\n\t" else one for one in text)


def number_of(text: str) -> int | None:
    """A number as a form sends it (a version, a row, a place); None where it is none that any row has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None


class Form(BaseModel):
    """Unknown members are refused, so that a typing error is not silently lost; errors never show the input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _printable(cls, value: Any) -> Any:
        """Nothing that is not seen: nobody can check invisible characters on a form."""
        if isinstance(value, str) and not is_visible(value):
            raise contract_error("control_character", N_("control characters are not possible here"))
        return value


def _one_line(name: str) -> str:
    if len(name.splitlines()) > 1 or "\t" in name:
        raise contract_error("one_line", N_("a name has one line"))
    return name


PersonName = Annotated[Name, AfterValidator(_one_line)]
"""A person's name as an officer enters it."""
