from datetime import date
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.identifiers.apply_no import ApplyNo, mod_37_36, new_apply_no, parse_apply_no
from shared.identifiers.errors import IdentifierError

ON = date(2020, 11, 20)


@pytest.mark.parametrize(("text", "check"), [("A12425GABC1234002", "M"), ("B159D8FA01240000", "K")])
def test_published_check_characters(text: str, check: str) -> None:
    assert mod_37_36(text) == check  # GRid and ISAN: both use ISO 7064 MOD 37,36


def test_a_new_number_says_where_and_when() -> None:
    number = new_apply_no("310116", ON, Random(1))
    assert number.startswith("QY31011620201120")
    assert len(number) == 23
    assert parse_apply_no(number) == number
    assert parse_apply_no(f" {number.lower()} ") == number
    assert new_apply_no("310116", ON, Random(1)) == number
    assert new_apply_no("310116", ON) != new_apply_no("310116", ON)


def test_an_unknown_division_gets_no_number() -> None:
    with pytest.raises(IdentifierError) as caught:
        new_apply_no("330422", ON)
    assert caught.value.fault.rule == "unknown_division"


@pytest.mark.parametrize("text", ["", "QY", "QX310116202011201234560", "QY31011620201120123456", "QY310116202011201234560 0"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(IdentifierError) as caught:
        parse_apply_no(text)
    assert caught.value.fault.rule == "form"


@settings(max_examples=200, derandomize=True, database=None)
@given(st.integers(0, 2**32), st.integers(3, 21), st.integers(1, 9))
def test_every_single_mistyped_digit_is_caught(seed: int, at: int, shift: int) -> None:
    number = new_apply_no("340104", ON, Random(seed))
    wrong = number[:at] + str((int(number[at]) + shift) % 10) + number[at + 1 :]
    with pytest.raises(IdentifierError) as caught:
        parse_apply_no(wrong)
    assert caught.value.fault.rule == "check_character"
    assert caught.value.fault.values["actual"] == number[-1]


def test_the_pydantic_type() -> None:
    number = new_apply_no("310116", ON, Random(1))
    assert TypeAdapter(ApplyNo).validate_python(number.lower()) == number
    with pytest.raises(ValidationError):
        TypeAdapter(ApplyNo).validate_python(number[:-1])
