"""Every act against a case in every state of both sides: where it does not begin it is 409, and nothing at all has changed.

The table is written by hand from protocol.md 1 and 2, not derived from states.py.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.node.bureau import Bureau
from tests.node.people import mover
from tests.node.transfers.cases import application, at_destination, at_origin, permit_for, talent

DESTINATION = (
    *("DRAFT", "ACCEPTED", "SUPPLEMENT_REQUIRED", "UNDER_REVIEW", "REFUSED", "WITHDRAWN"),
    *("APPROVED", "CERTIFIED", "SETTLING", "HERE", "VOID"),
)
ORIGIN = ("RECEIVED", "RETURNED", "SEALED", "CANCELLING", "GONE", "RESTORED", "VOID")
NOT_ENDED = {"DRAFT", "ACCEPTED", "SUPPLEMENT_REQUIRED", "UNDER_REVIEW", "APPROVED", "CERTIFIED", "SETTLING"}


@dataclass(frozen=True)
class Act:
    """`begins`: the states, as "D:DRAFT" or "O:SEALED"; `role` as in posts.csv, at the station or region of the case."""

    path: str
    role: str
    begins: frozenset[str]
    body: Any = None


def act(path: str, role: str, *states: str, body: Any = None) -> Act:
    return Act(path, role, frozenset(states), body)


REASON = {"reason": "演示"}
ACTS = (
    act("accept", "counter", "D:DRAFT"),
    act("ask-supplement", "counter", "D:ACCEPTED", body={"missing": "结婚证原件"}),
    act("supplemented", "counter", "D:SUPPLEMENT_REQUIRED"),
    act("submit", "counter", "D:ACCEPTED"),
    act("withdraw", "counter", "D:DRAFT", "D:ACCEPTED", "D:SUPPLEMENT_REQUIRED", "D:UNDER_REVIEW", body=REASON),
    act("look-up", "counter", *(f"D:{state}" for state in NOT_ENDED)),
    act("approve", "office", "D:UNDER_REVIEW", body={}),
    act("refuse", "office", "D:UNDER_REVIEW", body=REASON),
    act("void", "counter", "D:APPROVED", "D:CERTIFIED", body={"reason_code": "WITHDRAWN"}),
    act("wait", "counter", "D:APPROVED", body=REASON),
    act("settle", "counter", "D:CERTIFIED", body={"signed": [1]}),
    act("request-reissue", "counter", "D:CERTIFIED", body=REASON),
    act("issue-query-code", "counter", *(f"D:{state}" for state in DESTINATION), body={"identity_checked": True}),
    act("ask-again", "counter", "D:APPROVED", "D:SETTLING", "O:SEALED", "O:CANCELLING"),
    act("seal", "verifier", "O:RECEIVED", body={"applicant_confirms": True}),
    act("return", "verifier", "O:RECEIVED", body={"code": "R06"}),
    act("ask-cancel", "verifier", "O:SEALED", body=REASON),
    act("reissue", "verifier", "O:SEALED"),
    act("restore", "verifier", "O:RESTORED", body=REASON),
)
OFFICERS = {
    "D": {"counter": "D31001", "verifier": "D31002", "office": "D31003"},
    "O": {"counter": "D33001", "verifier": "D33002", "office": "D33003"},
}


@pytest.fixture(scope="module")
async def cases(quiet_shanghai: Bureau, quiet_zhejiang: Bureau) -> dict[str, str]:
    """A case in each state: "D:DRAFT" -> its id."""
    made = {}
    for number, state in enumerate(DESTINATION):
        made[f"D:{state}"] = await at_destination(quiet_shanghai, state, application(mover(number)))
    for number, state in enumerate(ORIGIN, start=len(DESTINATION)):
        made[f"O:{state}"] = await at_origin(quiet_zhejiang, state, permit_for(mover(number)))
    return made


@pytest.mark.parametrize("tried", ACTS, ids=lambda tried: tried.path)
async def test_an_act_begins_in_its_states_only(
    quiet_shanghai: Bureau, quiet_zhejiang: Bureau, cases: dict[str, str], tried: Act
) -> None:
    for place in set(cases) - tried.begins:
        side, _, state = place.partition(":")
        bureau = quiet_shanghai if side == "D" else quiet_zhejiang
        before = await bureau.fingerprint()
        rows = len(await bureau.audit())
        answer = await bureau.act(OFFICERS[side][tried.role], cases[place], tried.path, tried.body)
        assert answer.status_code == 409, f"{place}: {answer.status_code} {answer.text}"
        assert answer.json()["code"] == "not_in_this_state", place
        assert state in answer.json()["states"], place
        assert await bureau.fingerprint() == before, place
        assert len(await bureau.audit()) == rows, place


async def test_every_state_of_both_sides_was_tried(cases: dict[str, str]) -> None:
    assert len(cases) == len(DESTINATION) + len(ORIGIN)
    assert set().union(*(one.begins for one in ACTS)) <= set(cases)


async def test_a_talent_is_approved_under_review_only(shanghai: Bureau) -> None:
    shanghai.on(2021, 3, 1)
    case = str((await shanghai.ask("D31001", "POST", "/api/v1/transfers", talent())).json()["case"])
    body = {"hrss_approval_no": "沪人社〔2021〕0042号"}
    for step in ("accept", "submit"):
        assert (await shanghai.act("D31004", case, "approve-talent", body)).status_code == 409
        await shanghai.done("D31001", case, step)
    assert (await shanghai.act("D31004", case, "approve-talent", body)).status_code == 200
    assert (await shanghai.act("D31004", case, "approve-talent", body)).status_code == 409


@pytest.mark.parametrize("place", ["D:UNDER_REVIEW", "D:APPROVED", "D:CERTIFIED", "O:RECEIVED"])
async def test_acts_of_high_risk_need_a_trust_list_that_is_renewed(shanghai: Bureau, zhejiang: Bureau, place: str) -> None:
    side, _, state = place.partition(":")
    bureau, make = (shanghai, at_destination) if side == "D" else (zhejiang, at_origin)
    case = await make(bureau, state)
    listed = bureau.wiring.node.trust.current
    ended = listed.model_copy(update={"next_update": listed.issued - listed.grace - 1})
    bureau.wiring.node.trust._current = ended  # type: ignore[attr-defined]
    tried = {"D:UNDER_REVIEW": "approve", "D:APPROVED": "void", "D:CERTIFIED": "settle", "O:RECEIVED": "seal"}[place]
    act = next(one for one in ACTS if one.path == tried)
    before = await bureau.fingerprint()
    answer = await bureau.act(OFFICERS[side][act.role], case, act.path, act.body)
    assert (answer.status_code, answer.json()["code"]) == (503, "trust_list_ended")
    assert await bureau.fingerprint() == before
