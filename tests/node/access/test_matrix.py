"""Role x act x scope through HTTP, against what was written down by hand: 403 with an audit row, or the act's own answer."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.node.access.expected import OFFICERS, POSTS, ROUTES, Route
from tests.node.bureau import Bureau, faults
from tests.node.people import WANG, mover
from tests.node.transfers.cases import application, at_destination, at_origin, opened, permit_for, talent

NOT_DENIED = {200, 201, 404, 409, 422}
LETTER = "1"  # there is no such letter: who may look gets a 404
BODIES: dict[str, Any] = {
    "ask-supplement": {"missing": "结婚证原件"},
    "withdraw": {"reason": "演示"},
    "approve": {},
    "approve-talent": {"hrss_approval_no": "沪人社〔2021〕0042号"},
    "refuse": {"reason": "演示"},
    "void": {"reason_code": "WITHDRAWN"},
    "wait": {"reason": "演示"},
    "settle": {"signed": [1]},
    "request-reissue": {"reason": "演示"},
    "issue-query-code": {"identity_checked": True},
    "seal": {"applicant_confirms": True},
    "return": {"code": "R06"},
    "ask-cancel": {"reason": "演示"},
    "restore": {"reason": "演示"},
    "skip": {"reason": "演示"},
    "replay": {"letters": [1]},
}
# The state in which an act begins; where none is named the case is as fresh as its side lets it be.
BEGINS = {
    "supplemented": "SUPPLEMENT_REQUIRED",
    "ask-supplement": "ACCEPTED",
    "submit": "ACCEPTED",
    "approve": "UNDER_REVIEW",
    "refuse": "UNDER_REVIEW",
    "void": "APPROVED",
    "wait": "APPROVED",
    "ask-again": "APPROVED",
    "settle": "CERTIFIED",
    "request-reissue": "CERTIFIED",
    "ask-cancel": "SEALED",
    "reissue": "SEALED",
    "restore": "RESTORED",
}


@dataclass
class Ask:
    """A request that would be done if the post may."""

    bureau: Bureau
    path: str
    body: Any = None
    headers: tuple[tuple[str, str], ...] = ()


@pytest.fixture(scope="module")
async def asks(quiet_shanghai: Bureau, quiet_zhejiang: Bureau) -> dict[str, Ask]:
    """A ready request for each route: a case in the state where its act begins, a person, a hold."""
    made: dict[str, Ask] = {}
    for number, route in enumerate(ROUTES, start=1):
        made[route.name] = await _ready(route, number, quiet_shanghai, quiet_zhejiang)
    return made


async def _ready(route: Route, number: int, shanghai: Bureau, zhejiang: Bureau) -> Ask:
    act = route.path.rpartition("/")[2]
    bureau = zhejiang if route.about.startswith("O") else shanghai
    body = BODIES.get(act)
    path = route.path.replace("{letter}", LETTER)
    headers: tuple[tuple[str, str], ...] = ()
    if route.name == "POST /api/v1/transfers":
        body = application(mover(50))
    elif "{case}" in path:
        path = path.replace("{case}", await _case(route, act, number, bureau))
    elif route.about == "O person":
        headers, body, path = await _about_person(act, path, bureau)
    elif route.about == "O hold":
        hold = {"citizen_id_no": mover(51).citizen_id_no, "kind": "RECORD_LOCKED", "reason": "演示"}
        placed = await bureau.ask("D33002", "POST", "/api/v1/holds", hold)
        path = path.replace("{hold_id}", placed.json()["id"])
    return Ask(bureau, path, body, headers)


async def _case(route: Route, act: str, number: int, bureau: Bureau) -> str:
    if route.about == "D talent":
        bureau.on(2021, 3, 1)
        case = await opened(bureau, talent(mover(number)))
        for step in ("accept", "submit"):
            await bureau.done("D31001", case, step)
        return case
    if route.about == "D":
        return await at_destination(bureau, BEGINS.get(act, "DRAFT"), application(mover(number)))
    return await at_origin(bureau, BEGINS.get(act, "RECEIVED"), permit_for(mover(number)))


async def _about_person(act: str, path: str, bureau: Bureau) -> tuple[tuple[tuple[str, str], ...], Any, str]:
    number = WANG.citizen_id_no
    if act == "holds":
        return (), {"citizen_id_no": number, "kind": "RESTRICTED_PERSON", "reason": "演示"}, path
    case = await at_origin(bureau, "RECEIVED", permit_for())
    headers = (("Quanyu_Purpose", "household_transfer"), ("Quanyu_Case", case))
    return headers, None, f"{path}?citizen_id_no={number}"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_who_may_gets_his_answer_and_who_may_not_a_403_with_an_audit_row(asks: dict[str, Ask], route: Route) -> None:
    wanted = asks[route.name]
    side = "O" if route.about.startswith("O") else "D"
    statuses = []
    for post in sorted(POSTS, key=lambda post: post in route.allowed):  # first who may not: afterwards the case has moved on
        officer = OFFICERS[side][post]
        before = len(await wanted.bureau.audit(decision="denied"))
        changed = await wanted.bureau.fingerprint()
        answer = await wanted.bureau.ask(officer, route.method, wanted.path, wanted.body, **dict(wanted.headers))
        denied = (await wanted.bureau.audit(decision="denied"))[before:]
        if post in route.allowed:
            assert answer.status_code in NOT_DENIED, f"{post}: {answer.text}"
            assert denied == [], post
            statuses.append(answer.status_code)
            continue
        assert answer.status_code == 403, f"{post}: {answer.status_code} {answer.text}"
        assert answer.json()["code"] == "forbidden"
        (row,) = denied
        assert (row.actor, row.object_kind, row.object_id) == (officer, "request", wanted.path.partition("?")[0])
        assert (row.action, bool(row.reason)) == (route.action, True)
        assert row.reason not in answer.text  # logged, not shown
        assert await wanted.bureau.fingerprint() == changed, post
    assert route.path.startswith("/api/v1/operations") or route.action == "transfers.wait" or min(statuses) in (200, 201), (
        statuses
    )


async def test_a_person_who_may_read_for_one_case_may_not_for_no_case(quiet_zhejiang: Bureau) -> None:
    path = f"/api/v1/residents?citizen_id_no={WANG.citizen_id_no}"
    answer = await quiet_zhejiang.ask("D33001", "GET", path, Quanyu_Purpose="household_transfer")
    assert (answer.status_code, faults(answer)) == (400, [("Quanyu-Case", "missing")])
