from random import Random

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.identifiers.errors import IdentifierError
from shared.identifiers.query_code import QueryCode, new_query_code, parse_query_code


def test_codes_have_ten_characters_that_cannot_be_confused() -> None:
    codes = {new_query_code(Random(seed)) for seed in range(500)}
    assert len(codes) == 500
    assert all(len(code) == 10 and not set(code) & set("ILOU") and parse_query_code(code) == code for code in codes)
    assert new_query_code() != new_query_code()


def test_what_people_read_is_understood() -> None:
    assert parse_query_code("o1il-abcd ef") == "0111ABCDEF"


@pytest.mark.parametrize("text", ["", "ABCDEFGHJ", "ABCDEFGHJKM", "ABCDEFGHJU", "ABCDEFGH!K"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(IdentifierError):
        parse_query_code(text)
    with pytest.raises(ValidationError):
        TypeAdapter(QueryCode).validate_python(text)
