import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from shared.contract.questions import SEALED_TOTAL_MAX_CHARS, Problem, ProblemCode
from shared.contract.registry import QUESTIONS, ContentError, decode_answer

Sample = Callable[[str], dict[str, Any]]
ENVELOPE = "e30.e30.AAAA"
PROOF = {"envelope": ENVELOPE, "salt": "A" * 22, "content": "{}"}
GONE = {"place": 1, "state": "GONE"}


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


@pytest.mark.parametrize("name", [name for name, _ in QUESTIONS])
def test_paths_follow_from_capability_and_name(name: str) -> None:
    question = QUESTIONS[name, 1]
    assert question.path == f"/peer/v1/{question.capability}/{_kebab(name)}"
    assert question.answer.__name__ == f"{name}Answer"


@pytest.mark.parametrize(
    ("question", "body", "rule"),
    [
        ("PersonStatus", {"kind": "HERE", "epoch": 1}, None),
        ("PersonStatus", {"kind": "HERE"}, "epoch_unless_absent"),
        ("PersonStatus", {"kind": "ABSENT"}, None),
        ("PersonStatus", {"kind": "ABSENT", "epoch": 1}, "epoch_unless_absent"),
        ("PersonStatus", {"kind": "MOVED", "epoch": 1}, "case_on_the_way"),
        ("PersonStatus", {"kind": "IN_TRANSIT", "epoch": 1, "counterpart": "anhui"}, "case_on_the_way"),
        ("PersonStatus", {"kind": "ELSEWHERE"}, "enum"),
        ("PersonStatus", {"kind": "HERE", "epoch": 1, "proof": {**PROOF, "envelope": "none"}}, "string_pattern_mismatch"),
        ("PersonStatus", {"kind": "HERE", "epoch": 1, "proof": {**PROOF, "salt": "AAAA"}}, "string_pattern_mismatch"),
        ("PersonStatus", {"kind": "HERE", "epoch": 1, "proof": PROOF}, None),
        ("ResidentForTransfer", {"found": False}, None),
        ("ResidentForTransfer", {"found": True}, "found_with_resident"),
        ("TransferState", {}, None),
        ("TransferState", {"side": "origin"}, "side_with_states"),
        ("TransferState", {"states": [GONE]}, "side_with_states"),
        ("TransferState", {"side": "origin", "states": [GONE, GONE]}, "place_twice"),
        ("TransferState", {"side": "destination", "states": [{"place": 1, "state": "A_NEW_STATE"}], "sealed": [ENVELOPE]}, None),
        ("TransferState", {"side": "both", "states": [GONE]}, "literal_error"),
        ("TransferState", {"sealed": [ENVELOPE] * 11}, "too_long"),
        ("TransferState", {"sealed": [ENVELOPE + "A" * SEALED_TOTAL_MAX_CHARS]}, "sealed_too_long"),
    ],
)  # fmt: skip
def test_answers_fit_together(question: str, body: dict[str, Any], rule: str | None) -> None:
    kind = QUESTIONS[question, 1]
    raw = json.dumps({"name": kind.answer.__name__, "version": 1, "body": body}).encode()
    if rule is None:
        assert isinstance(decode_answer(raw, question=kind), kind.answer)
    else:
        with pytest.raises(ContentError) as caught:
            decode_answer(raw, question=kind)
        assert rule in {fault.rule for fault in caught.value.faults}


def test_a_household_lists_each_place_once(sample: Sample) -> None:
    content = sample("ResidentForTransferAnswer")
    content["body"]["resident"]["household"][1]["place_in_household"] = 1
    with pytest.raises(ContentError):
        decode_answer(json.dumps(content).encode(), question=QUESTIONS["ResidentForTransfer", 1])


@pytest.mark.parametrize("code", ProblemCode)
def test_every_problem_has_status_and_title(code: ProblemCode) -> None:
    problem = Problem.of(code, our_time=1_700_000_000)
    assert 400 <= problem.status < 600
    assert problem.title
    assert problem.code == code.value
    assert problem.our_time == 1_700_000_000
