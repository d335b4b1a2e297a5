import pytest
from pydantic import TypeAdapter, ValidationError

from shared.identifiers.errors import IdentifierError, fault_of
from shared.identifiers.unit_code import UnitCode, bureau_of_unit, division_of_unit, parse_unit_code


def test_a_unit_tells_its_division_and_bureau() -> None:
    assert parse_unit_code("330482540000") == "330482540000"
    assert division_of_unit("330482540000") == "330482"
    assert bureau_of_unit("330482540000") == "zhejiang"
    assert bureau_of_unit("350404740000") is None  # the standard's example, Fujian


@pytest.mark.parametrize("text", ["", "33048254000", "3304825400000", "33048254000X", "030482540000", "33048254000０"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(IdentifierError) as caught:
        parse_unit_code(text)
    assert (caught.value.fault.rule, caught.value.fault.source) == ("form", "GA/T 380-2012")


def test_the_pydantic_type() -> None:
    assert TypeAdapter(UnitCode).validate_python("310116510000") == "310116510000"
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(UnitCode).validate_python("310116")
    assert fault_of(caught.value.errors()[0]).in_english() == "a unit code has twelve digits"
