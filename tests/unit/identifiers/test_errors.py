import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from shared.identifiers import errors
from shared.identifiers.errors import SCHEMA_SOURCE, Fault, IdentifierError, fault_of, refuse

PLACE = re.compile(r"\{(\w+)\}")


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=2, max_length=3, pattern="^[a-z]*$")] = "ab"
    number: Annotated[int, Field(ge=1, le=5)] = 1
    share: float = 0.5
    yes: bool = True
    day: date = date(2020, 1, 1)
    at: AwareDatetime | None = None
    case: UUID | None = None
    kind: Literal["A", "B"] = "A"
    rows: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]
    inner: "Form | None" = None


@pytest.mark.parametrize(
    ("given", "field", "rule"),
    [
        ({"text": "a"}, "text", "string_too_short"),
        ({"text": "abcd"}, "text", "string_too_long"),
        ({"text": "AB"}, "text", "string_pattern_mismatch"),
        ({"text": 5}, "text", "string_type"),
        ({"number": 0}, "number", "greater_than_equal"),
        ({"number": 6}, "number", "less_than_equal"),
        ({"number": "x"}, "number", "int_parsing"),
        ({"number": 1.5}, "number", "int_from_float"),
        ({"share": "x"}, "share", "float_parsing"),
        ({"yes": "perhaps"}, "yes", "bool_parsing"),
        ({"day": "2020-02-30"}, "day", "date_from_datetime_parsing"),
        ({"at": "2020-01-01T00:00:00"}, "at", "timezone_aware"),
        ({"at": "soon"}, "at", "datetime_from_date_parsing"),
        ({"case": "x"}, "case", "uuid_parsing"),
        ({"kind": "C"}, "kind", "literal_error"),
        ({"rows": []}, "rows", "too_short"),
        ({"rows": [1, 2, 3]}, "rows", "too_long"),
        ({"rows": [1, "x"]}, "rows.1", "int_parsing"),
        ({"rows": 5}, "rows", "list_type"),
        ({"other": 1}, "other", "extra_forbidden"),
        ({"inner": {"text": "a"}}, "inner.text", "string_too_short"),
        ({"inner": 5}, "inner", "model_type"),
    ],
)
def test_pydantics_own_errors_become_faults_with_our_texts(given: dict[str, object], field: str, rule: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Form.model_validate(given)
    fault = fault_of(caught.value.errors()[0])
    assert (fault.field, fault.rule, fault.source) == (field, rule, SCHEMA_SOURCE)
    assert fault.message == errors._SCHEMA_TEXTS[rule]
    assert set(PLACE.findall(fault.message)) <= set(fault.values)
    assert "{" not in fault.in_english()


def test_the_leading_part_of_a_requests_path_can_be_left_out() -> None:
    details = {"type": "missing", "loc": ("body", "applicant", "name"), "msg": "Field required", "input": {}}
    assert fault_of(details, skip=1).field == "applicant.name"
    assert fault_of(details, skip=1).in_english() == "this field is required"


def test_an_error_that_has_no_text_of_ours_keeps_its_own() -> None:
    fault = fault_of({"type": "some_new_kind", "loc": ("a",), "msg": "not {good}", "ctx": {"limit": 5, "what": object}})
    assert fault.in_english() == "not {good}"
    assert fault.values["limit"] == 5


def test_a_fault_gets_its_place_from_who_knows_it() -> None:
    fault = Fault("name", "r", "s", "m", {})
    assert fault.at("members.2").field == "members.2.name"
    assert fault.at("").field == "name"


def test_a_parsers_error_reads_as_english() -> None:
    error = refuse("rule", source="law", message="{a} is not {b}", a=1, b="two")
    assert isinstance(error, IdentifierError)
    assert str(error) == "1 is not two"
    assert error.fault == Fault("", "rule", "law", "{a} is not {b}", {"a": 1, "b": "two"})


def test_the_kit_imports_nothing_of_ours() -> None:
    folder = Path(errors.__file__).parent
    for file in folder.glob("*.py"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(("from shared", "import shared", "from services", "import services")):
                assert line.startswith("from shared.identifiers"), f"{file.name}: {line}"
