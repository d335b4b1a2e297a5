import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from shared.contract.generate import contents, json_schemas
from shared.contract.messages import Message
from shared.contract.questions import PersonStatus, Question
from shared.contract.registry import (
    MESSAGES,
    QUESTIONS,
    decode,
    decode_answer,
    decode_question,
    encode,
    encode_answer,
    encode_question,
)

Sample = Callable[[str], dict[str, Any]]
NAMES = [model.__name__ for model in contents()]


def _through_the_models(content: dict[str, Any]) -> dict[str, Any]:
    """Read the content as its kind is read, and say it again."""
    raw, kind = json.dumps(content, ensure_ascii=False).encode(), (content["name"], content["version"])
    if kind in MESSAGES:
        again = encode(decode(raw))
    elif kind in QUESTIONS:
        again = encode_question(decode_question(raw, path=QUESTIONS[kind].path))
    else:
        asked = next((one for one in QUESTIONS.values() if one.answer.__name__ == content["name"]), PersonStatus)
        again = encode_answer(decode_answer(raw, question=asked))
    said: dict[str, Any] = json.loads(again)
    return said


def _with_additions(node: Any) -> Any:
    """Every object gets a member that no reader knows."""
    if isinstance(node, dict):
        return {name: _with_additions(value) for name, value in node.items()} | {"added_later": {"a": [1]}}
    return [_with_additions(value) for value in node] if isinstance(node, list) else node


def test_every_content_has_its_sample(sample_names: list[str]) -> None:
    assert sample_names == sorted(f"{model.__name__}.{model.wire_version}.json" for model in contents())


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_read_and_said_again_unchanged(name: str, sample: Sample) -> None:
    assert _through_the_models(sample(name)) == sample(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_ignores_what_a_later_version_adds(name: str, sample: Sample) -> None:
    assert _through_the_models(_with_additions(sample(name))) == sample(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_fits_its_schema_and_a_broken_one_does_not(name: str, sample: Sample) -> None:
    schema = json_schemas()[f"{name}.1.json"]
    check = jsonschema_rs.validator_for(schema, validate_formats=True)
    check.validate(sample(name))
    check.validate(_with_additions(sample(name)))
    for member in schema["required"]:
        assert not check.is_valid({key: value for key, value in sample(name).items() if key != member})
    assert not check.is_valid(sample(name) | {"name": "Other"})
    assert not check.is_valid(sample(name) | {"version": 2})


def test_null_and_absent_mean_the_same(sample: Sample) -> None:
    content = sample("PermitIssued")
    del content["body"]["previous_case"]
    with_null = sample("PermitIssued")
    with_null["body"]["previous_case"] = None
    assert _through_the_models(content) == _through_the_models(with_null) == content


def test_what_is_said_is_compact_and_in_utf8(sample: Sample) -> None:
    raw = encode(decode(json.dumps(sample("PermitReturned")).encode()))
    assert raw.startswith(b'{"name":"PermitReturned","version":1,"body":{"case":"')
    assert "另一迁入地".encode() in raw


@pytest.mark.parametrize("model", contents(), ids=lambda model: model.__name__)
def test_kinds_are_messages_questions_or_answers_of_the_registry(model: type) -> None:
    known = (*MESSAGES.values(), *QUESTIONS.values(), *(one.answer for one in QUESTIONS.values()))
    assert model in known or model.__name__ == "Problem"
    assert issubclass(model, Message) == (model in MESSAGES.values())
    assert issubclass(model, Question) == (model in QUESTIONS.values())
