"""What is wrong with an input: one value for parsers, forms, imports and the wire.

IdentifierError (ValueError)      raised by the parsers of this package
  └─ .fault                       field, rule, source, message, values

A parser knows no field names, so its fault has field "". Whoever knows the place says `fault.at("applicant.citizen_id_no")`.
pydantic carries a fault as a PydanticCustomError (`as_pydantic`); `fault_of` gets it back out of the error's details.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import PydanticCustomError

from shared.identifiers.texts import N_

SCHEMA_SOURCE = "JSON Schema"
"""Source of a fault that no law knows: a missing member, a text too long, a date that is none."""

_SCHEMA_TEXTS: Mapping[str, str] = {
    "missing": N_("this field is required"),
    "string_type": N_("must be a text"),
    "string_too_short": N_("needs at least {min_length} characters"),
    "string_too_long": N_("has more than {max_length} characters"),
    "string_pattern_mismatch": N_("does not have the form {pattern}"),
    "int_type": N_("must be a whole number"),
    "int_parsing": N_("must be a whole number"),
    "int_from_float": N_("must be a whole number"),
    "float_type": N_("must be a number"),
    "float_parsing": N_("must be a number"),
    "bool_type": N_("must be true or false"),
    "bool_parsing": N_("must be true or false"),
    "greater_than_equal": N_("must be at least {ge}"),
    "less_than_equal": N_("must be at most {le}"),
    "date_type": N_("must be a date, YYYY-MM-DD"),
    "date_parsing": N_("must be a date, YYYY-MM-DD"),
    "date_from_datetime_parsing": N_("must be a date, YYYY-MM-DD"),
    "date_from_datetime_inexact": N_("must be a date, YYYY-MM-DD"),
    "datetime_type": N_("must be a time with its offset, as in 2020-12-28T10:15:00+08:00"),
    "datetime_parsing": N_("must be a time with its offset, as in 2020-12-28T10:15:00+08:00"),
    "datetime_from_date_parsing": N_("must be a time with its offset, as in 2020-12-28T10:15:00+08:00"),
    "timezone_aware": N_("must be a time with its offset, as in 2020-12-28T10:15:00+08:00"),
    "uuid_type": N_("must be a UUID"),
    "uuid_parsing": N_("must be a UUID"),
    "enum": N_("must be one of {expected}"),
    "literal_error": N_("must be one of {expected}"),
    "too_short": N_("needs at least {min_length} entries"),
    "too_long": N_("has more than {max_length} entries"),
    "extra_forbidden": N_("this field is not known"),
    "json_invalid": N_("is not JSON"),
    "model_type": N_("must be an object"),
    "model_attributes_type": N_("must be an object"),
    "dict_type": N_("must be an object"),
    "list_type": N_("must be a list"),
    "tuple_type": N_("must be a list"),
}
_NOT_VALUES = frozenset({"source", "msgid"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input. `message` is English with {named} places, and the key of its translations."""

    field: str
    """Dotted path, for example "applicant.citizen_id_no" or "members.2.name"; "" is the input as a whole."""
    rule: str
    """Short stable code for programs: "check_digit", "unknown_division"."""
    source: str
    """Law or standard: "GB 11643-1999"."""
    message: str
    values: Mapping[str, str | int]

    def at(self, field: str) -> "Fault":
        """Return the same fault with its place: `field` in front of the path it has."""
        return replace(self, field=".".join(part for part in (field, self.field) if part))

    def in_english(self) -> str:
        return self.message.format_map(dict(self.values))


class IdentifierError(ValueError):
    """An identifier breaks a rule of its standard."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.in_english())
        self.fault = fault


def refuse(rule: str, *, source: str, message: str, **values: str | int) -> IdentifierError:
    """Build the error that a parser raises; its field is still unknown."""
    return IdentifierError(Fault(field="", rule=rule, source=source, message=message, values=values))


def as_pydantic(error: IdentifierError) -> PydanticCustomError:
    """Carry a fault through pydantic: type = rule, ctx = the values, the source and the untranslated message."""
    fault = error.fault
    return PydanticCustomError(fault.rule, fault.message, {**fault.values, "source": fault.source, "msgid": fault.message})


def checked_by(parse: Callable[[str], object], text: str) -> str:
    """Run a parser inside a pydantic validator; the parsed thing's own text (normalised) goes on.

    Raises PydanticCustomError where the parser refuses."""
    try:
        return str(parse(text))
    except IdentifierError as error:
        raise as_pydantic(error) from None


def fault_of(details: Mapping[str, Any], *, skip: int = 0) -> Fault:
    """Turn one entry of `ValidationError.errors()` (or FastAPI's RequestValidationError) into a fault.

    `skip`: how many leading parts of `loc` are no field ("body" in FastAPI)."""
    context: Mapping[str, Any] = details.get("ctx", {})
    rule = str(details["type"])
    values = {name: value if isinstance(value, int) else str(value) for name, value in context.items() if name not in _NOT_VALUES}
    if "expected" in values:  # pydantic's list of what is possible: "'A', 'B' or 'C'"
        values["expected"] = str(values["expected"]).replace("' or '", "', '").replace("'", "")
    message = context.get("msgid") or _SCHEMA_TEXTS.get(rule)
    if message is None:  # a kind of error that pydantic adds later: its own English text, braces made harmless
        message = str(details["msg"]).replace("{", "{{").replace("}", "}}")
    return Fault(
        field=".".join(str(part) for part in details["loc"][skip:]),
        rule=rule,
        source=str(context.get("source", SCHEMA_SOURCE)),
        message=str(message),
        values=values,
    )
