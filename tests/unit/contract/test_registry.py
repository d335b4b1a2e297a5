import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from shared.contract import registry
from shared.contract.messages import PermitIssued, PermitReturned, TransferSettled
from shared.contract.questions import Asked, Asker, PersonStatus, PersonStatusAnswer, Problem, ProblemCode, TransferState
from shared.contract.registry import (
    CAPABILITIES,
    MESSAGES,
    QUESTIONS,
    SCHEMAS,
    ContentError,
    UnknownMessage,
    UnknownQuestion,
    decode,
    decode_answer,
    decode_question,
    encode,
    encode_answer,
    encode_question,
    schema_of,
    topic,
)

Sample = Callable[[str], dict[str, Any]]

OFFICER = "o7Rk2v9wYbQ1mXcT"


def _raw(content: Any) -> bytes:
    return json.dumps(content).encode()


def test_names_and_versions() -> None:
    assert sorted(MESSAGES) == sorted((model.__name__, model.wire_version) for model in MESSAGES.values())
    assert len(MESSAGES) == 10
    assert sorted(name for name, _ in QUESTIONS) == ["PersonStatus", "ResidentForTransfer", "TransferState"]
    assert CAPABILITIES == ("node", "transfers")
    assert {"node/1", "population/1", "transfers/1"} == SCHEMAS
    assert schema_of("transfers") == "transfers/1"


def test_topics_begin_with_the_recipient() -> None:
    assert topic("zhejiang", "transfers") == "zhejiang.transfers"
    assert topic("office", "node") == "office.node"


@pytest.mark.parametrize(
    ("recipient", "capability"), [("zhejiang", "population"), ("Zhe jiang", "transfers"), ("", "node"), ("a.b", "node")]
)
def test_no_other_topics(recipient: str, capability: str) -> None:
    with pytest.raises(ValueError, match="no topic"):
        topic(recipient, capability)


@pytest.mark.parametrize(
    ("name", "version"), [("PermitIssued", 2), ("Greeting", 1), ("PersonStatus", 1), ("permitissued", 1), ("PermitIssued", 0)]
)
def test_an_unknown_message_is_not_yet(name: str, version: int) -> None:
    with pytest.raises(UnknownMessage) as caught:
        decode(_raw({"name": name, "version": version, "body": {}}))
    assert (caught.value.name, caught.value.version) == (name, version)


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff\xfe", b"[]", b"null", b'"text"', b"{}", b'{"name":"PermitIssued"}', b'{"name":"PermitIssued","version":"1"}',
     b'{"name":"PermitIssued","version":true,"body":{}}', b'{"name":5,"version":1}', b'{"name":"PermitIssued","version":1}',
     b'{"name":"PermitIssued","version":1,"body":[]}', b'{"name":"PermitIssued","version":1,"body":NaN}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_content_is_refused(raw: bytes) -> None:
    with pytest.raises(ContentError):
        decode(raw)


def test_an_error_names_fields_and_rules_and_never_the_persons_data(sample: Sample) -> None:
    content = sample("PermitIssued")
    number = content["body"]["permit"]["members"][1]["citizen_id_no"]
    content["body"]["permit"]["members"][1]["citizen_id_no"] = wrong = number[:-1] + ("1" if number[-1] != "1" else "2")
    content["body"]["permit"]["issued_on"] = "王示例"
    with pytest.raises(ContentError) as caught:
        decode(_raw(content))
    assert {(fault.field, fault.rule) for fault in caught.value.faults} == {
        ("permit.members.1.citizen_id_no", "check_digit"),
        ("permit.issued_on", "date_parsing"),
    }
    text = repr(caught.value) + str(caught.value)
    assert "permit.members.1.citizen_id_no (check_digit)" in text
    assert wrong not in text
    assert "王示例" not in text
    assert caught.value.__suppress_context__


def test_a_models_own_error_does_not_show_the_input() -> None:
    with pytest.raises(ValidationError) as caught:
        PersonStatus(citizen_id_no="33048219880308998Y")
    assert "33048219880308998Y" not in str(caught.value)


def test_what_was_copied_without_checks_is_not_sent(sample: Sample) -> None:
    message = decode(_raw(sample("PermitReturned")))
    assert isinstance(message, PermitReturned)
    with pytest.raises(ContentError):
        encode(message.model_copy(update={"places": (1, 1)}))
    with pytest.raises(ContentError):
        encode(TransferSettled.model_construct(case=message.case, settled=(), signed_at=datetime.now(UTC), issue=1))


def test_types_are_exact_in_python_and_on_the_wire(sample: Sample) -> None:
    with pytest.raises(ValidationError):
        TransferState(case="01764f0e-5c00-7a11-8d2a-3f9b1c6a7e01")  # type: ignore[arg-type]  # that is what is tested
    content = sample("TransferSettled")
    content["body"]["issue"] = "1"
    with pytest.raises(ContentError):
        decode(_raw(content))


def test_a_question_comes_with_its_asker(sample: Sample) -> None:
    content = sample("PersonStatus")
    asked = decode_question(_raw(content), path=PersonStatus.path)
    assert isinstance(asked.question, PersonStatus)
    assert asked.asker.role == content["asker"]["role"]
    del content["asker"]
    with pytest.raises(ContentError):
        decode_question(_raw(content), path=PersonStatus.path)


def test_a_question_belongs_to_its_path(sample: Sample) -> None:
    with pytest.raises(ContentError):
        decode_question(_raw(sample("PersonStatus")), path=TransferState.path)
    with pytest.raises(UnknownQuestion):
        decode_question(_raw(sample("PersonStatus") | {"version": 2}), path=PersonStatus.path)


@pytest.mark.parametrize(
    ("officer", "role", "fits"),
    [
        (OFFICER, "station_officer", True),
        (None, "node", True),
        (None, "station_officer", False),
        (OFFICER, "node", False),
        ("short", "station_officer", False),
        (OFFICER, "Station Officer", False),
    ],
)
def test_officers_ask_under_a_pseudonym_and_nodes_without(officer: str | None, role: str, fits: bool) -> None:
    content = {"role": role, "purpose": "p"} | ({} if officer is None else {"officer": officer})
    if fits:
        assert Asker.model_validate_json(_raw(content)).officer == officer
    else:
        with pytest.raises(ValidationError):
            Asker.model_validate_json(_raw(content))


def test_an_answer_is_of_its_question_or_a_problem(sample: Sample) -> None:
    answer = decode_answer(_raw(sample("PersonStatusAnswer")), question=PersonStatus)
    assert isinstance(answer, PersonStatusAnswer)
    with pytest.raises(ContentError):
        decode_answer(_raw(sample("PersonStatusAnswer")), question=TransferState)
    with pytest.raises(ContentError):
        decode_answer(_raw(sample("PersonStatusAnswer") | {"version": 2}), question=PersonStatus)
    problem = decode_answer(encode_answer(Problem.of(ProblemCode.BUSY, retry_after=1)), question=TransferState)
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code, problem.retry_after) == (503, "busy", 1)


def test_a_question_makes_the_way_to_bytes_and_back() -> None:
    asked = Asked(PersonStatus(citizen_id_no="11010519491231002x"), Asker(role="node", purpose="owed answer"))
    back = decode_question(encode_question(asked), path=PersonStatus.path)
    assert back == asked
    assert isinstance(back.question, PersonStatus)
    assert back.question.citizen_id_no.endswith("X")


def test_the_registry_holds_every_message_of_its_module() -> None:
    assert registry.MESSAGES["PermitIssued", 1] is PermitIssued
    assert {model.__name__ for model in MESSAGES.values()} == {name for name, _ in MESSAGES}
