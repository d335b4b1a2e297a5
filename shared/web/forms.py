"""The base of everything that an officer sends."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.contract.fields import contract_error
from shared.identifiers.texts import N_

ROW_NUMBER_MAX = 2**63 - 1  # PostgreSQL's bigint

RowNumber = Annotated[int, Field(ge=0, le=ROW_NUMBER_MAX)]
"""A number of a row, or of rows to pass over, in an address or a form."""


class Form(BaseModel):
    """Unknown members are refused, so that a typing error is not silently lost; errors never show the input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _printable(cls, value: Any) -> Any:
        """No control characters: PostgreSQL refuses NUL, and nobody can read or check the others on a form."""
        if isinstance(value, str) and any(ord(character) < ord(" ") and character not in "\n\t" for character in value):
            raise contract_error("control_character", N_("control characters are not possible here"))
        return value
