"""Consequence of a hold: who verifies a permit of that person sees it beside the case, at once."""

import pytest

from services.bureau.consequences import Consequences
from services.bureau.population.acts import HoldPlaced
from shared.database import Session
from tests.node.bureau import Bureau
from tests.node.people import WANG, ZHOU, ZHOU_SON
from tests.node.transfers.cases import CASES, O_VERIFIER, at_origin, permit_for, received

HOLDS = "/api/v1/holds"


def hold(number: str, kind: str = "RESTRICTED_PERSON") -> dict[str, str]:
    return {"citizen_id_no": number, "kind": kind, "reason": "缓刑考验期内"}


async def notes(zhejiang: Bureau, case: str) -> list[tuple[str, str]]:
    read = await zhejiang.ask(O_VERIFIER, "GET", f"{CASES}/{case}")
    return [(note["kind"], note["text"]) for note in read.json()["notes"]]


async def test_a_hold_is_noted_on_the_case_that_is_being_verified(zhejiang: Bureau) -> None:
    case = await received(zhejiang, permit_for(ZHOU, ZHOU_SON))
    placed = await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold(ZHOU_SON.citizen_id_no))
    assert placed.status_code == 201
    assert await notes(zhejiang, case) == [("hold", "RESTRICTED_PERSON")]
    (row,) = await zhejiang.audit("transfers.hold placed")
    assert (row.actor, str(row.case_id)) == (O_VERIFIER, case)


async def test_every_permit_of_the_person_is_noted(zhejiang: Bureau) -> None:
    cases = [await received(zhejiang, permit_for()) for _ in range(2)]
    await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold(WANG.citizen_id_no))
    for case in cases:
        assert await notes(zhejiang, case) == [("hold", "RESTRICTED_PERSON")]


@pytest.mark.parametrize("state", ["RETURNED", "SEALED", "RESTORED"])
async def test_a_case_that_is_decided_gets_no_note(zhejiang: Bureau, state: str) -> None:
    case = await at_origin(zhejiang, state)
    await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold(WANG.citizen_id_no))
    assert await notes(zhejiang, case) == []


async def test_a_consequence_that_fails_undoes_the_hold(zhejiang: Bureau) -> None:
    async def fail(session: Session, fact: object) -> None:
        raise RuntimeError("演示")

    await received(zhejiang)
    await zhejiang.rewire(consequences=Consequences({HoldPlaced: [fail]}))
    answer = await zhejiang.ask(O_VERIFIER, "POST", HOLDS, hold(WANG.citizen_id_no))
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    assert "演示" not in answer.text
    assert await zhejiang.rows("SELECT * FROM hold") == []
    assert await zhejiang.audit("population.hold") == []
