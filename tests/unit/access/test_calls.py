"""A request of an officer: known or refused, once or again, and never without its audit row."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.responses import Response

from services.bureau.access.callers import Post
from services.bureau.access.calls import KEY_LIMIT_CHARACTERS, Act, Call, Public, act, declared_action, public
from services.bureau.access.development import DevelopmentProvider
from services.bureau.access.rules import Facts
from shared.web import Conflict

LVXIANG = "310116520000"
SEALING = "transfers.open"
CASE = "01936e00-0000-7000-8000-000000000001"
Login = Callable[..., dict[str, str]]


class Opening(BaseModel):
    station_code: str = LVXIANG
    refuse: bool = False


class Opened(BaseModel):
    number: int
    name: str = "王某（演示）"


@pytest.fixture(autouse=True)
def routes(app: FastAPI) -> None:
    """Two routes of a slice: an act that can be refused late, and a read."""
    router = APIRouter(prefix="/cases")

    @router.post("", response_model=Opened)
    async def open_case(opening: Opening, call: Annotated[Call, Depends(act("transfers.open"))]) -> Response:
        async def unit(session: Any) -> Opened:
            call.decide(Facts(station_code=opening.station_code))
            session.state.effects.append(call.officer.badge_no)
            if opening.refuse:
                raise Conflict("the person is in a case already", code="in_case")
            return Opened(number=len(session.state.effects))

        return await call.once(unit, status=201)

    @router.get("/{case}")
    async def read_case(case: UUID, call: Annotated[Call, Depends(act("transfers.read"))]) -> dict[str, Any]:
        async def unit(session: Any) -> dict[str, Any]:
            grant = call.decide(Facts(station_code=LVXIANG, division_code="310116", bureau="shanghai"))
            return grant.filtered({"state": "DRAFT", "name": "王某（演示）", "purpose": grant.purpose})

        return await call.read(unit)

    app.include_router(router)


def test_officer_with_one_post_acts_in_it(client: TestClient, login: Login, wiring: Any) -> None:
    answer = client.post("/cases", json={}, headers=login("D31001"))
    assert (answer.status_code, answer.json()) == (201, {"number": 1, "name": "王某（演示）"})
    assert wiring.database.state.effects == ["D31001"]
    assert wiring.database.commits == ["transfers.open"]


def test_request_without_token_is_401_and_nothing_happens(client: TestClient, wiring: Any) -> None:
    answer = client.post("/cases", json={})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "missing"
    assert wiring.database.commits == []


def test_who_is_calling_is_asked_before_what_he_wants(client: TestClient) -> None:
    assert client.post("/cases", json={"refuse": "maybe"}).status_code == 401


def test_role_that_may_never_is_403_with_an_audit_row(client: TestClient, login: Login, wiring: Any) -> None:
    answer = client.post("/cases", json={}, headers=login("D31002"))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "counter officer" in answer.json()["detail"]
    [row] = wiring.database.state.audit
    assert (row["action"], row["decision"], row["object_id"]) == ("transfers.open", "denied", "/cases")
    assert "population_office" in row["reason"]
    assert row["reason"] not in answer.text
    assert wiring.database.state.effects == []


def test_denial_inside_the_unit_undoes_it_and_is_audited(client: TestClient, login: Login, wiring: Any) -> None:
    headers = login("D31001", idempotency_key="k1", quanyu_purpose="household_transfer", quanyu_case=CASE)
    answer = client.post("/cases", json={"station_code": "310117520000"}, headers=headers)
    assert answer.status_code == 403
    [row] = wiring.database.state.audit
    assert (row["decision"], row["purpose"], row["case_id"]) == ("denied", "household_transfer", UUID(CASE))
    assert wiring.database.state.answers == {}
    assert wiring.database.commits == ["access.denied"]


@pytest.mark.parametrize(("header", "status"), [({}, 400), ({"quanyu_purpose": "operations"}, 403)])
def test_slice_that_forgets_to_decide_is_still_closed_to_other_roles_and_purposes(
    app: FastAPI, client: TestClient, login: Login, header: dict[str, str], status: int
) -> None:
    @app.get("/careless")
    async def careless(call: Annotated[Call, Depends(act("population.read"))]) -> str:
        return "the register"

    assert client.get("/careless", headers=login("D31001", quanyu_purpose="supervision")).status_code == 200
    assert client.get("/careless", headers=login("D31001", **header)).status_code == status


def test_purpose_of_the_request_is_that_of_the_decision(client: TestClient, login: Login) -> None:
    answer = client.get(f"/cases/{CASE}", headers=login("D31002", quanyu_purpose="supervision"))
    assert answer.json()["purpose"] == "supervision"


def test_purpose_outside_the_rule_is_denied(client: TestClient, login: Login, wiring: Any) -> None:
    answer = client.post("/cases", json={}, headers=login("D31001", quanyu_purpose="operations"))
    assert answer.status_code == 403
    assert "operations" in wiring.database.state.audit[0]["reason"]


def test_act_that_needs_a_second_factor_says_so_to_a_login_without(
    app: FastAPI, client: TestClient, login: Login, wiring: Any, provider: DevelopmentProvider
) -> None:
    @app.post("/seals")
    async def seal(call: Annotated[Call, Depends(act("transfers.seal"))]) -> str:
        return "sealed"

    headers = login("D31003", quanyu_post=f"{LVXIANG}:verifier")
    assert client.post("/seals", headers=headers).status_code == 200
    token = provider.issue("D31003", name="", acr="password")["access_token"]
    answer = client.post("/seals", headers=headers | {"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "step_up_required")
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_user_authentication", acr_values="stepup"'
    [row] = wiring.database.state.audit
    assert (row["action"], row["decision"]) == ("transfers.seal", "denied")


def test_officer_without_a_post_today_is_denied(client: TestClient, login: Login, wiring: Any) -> None:
    answer = client.post("/cases", json={}, headers=login("D31009"))
    assert answer.status_code == 403
    assert wiring.database.state.audit[0]["reason"] == "the officer holds no post today"


def test_officer_with_several_posts_must_name_one(client: TestClient, login: Login, wiring: Any) -> None:
    answer = client.post("/cases", json={}, headers=login("D31003"))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "post_required")
    assert problem["posts"] == [f"{LVXIANG}:counter", f"{LVXIANG}:verifier"]
    assert problem["errors"][0]["field"] == "Quanyu-Post"
    named = client.post("/cases", json={}, headers=login("D31003", quanyu_post=f"{LVXIANG}:counter"))
    assert named.status_code == 201
    other = client.post("/cases", json={}, headers=login("D31003", quanyu_post=f"{LVXIANG}:verifier"))
    assert other.status_code == 403


@pytest.mark.parametrize("post", [f"{LVXIANG}:verifier", "310117520000:counter", "counter", ""])
def test_post_that_is_not_the_officers_is_denied(client: TestClient, login: Login, wiring: Any, post: str) -> None:
    answer = client.post("/cases", json={}, headers=login("D31001", quanyu_post=post))
    assert answer.status_code == 403
    assert wiring.database.state.audit[0]["reason"] == "the named post is not the officer's"


def test_post_that_ended_counts_no_more(client: TestClient, login: Login, posts: dict[str, list[Post]]) -> None:
    assert client.post("/cases", json={}, headers=login("D31001")).status_code == 201
    posts["D31001"] = []
    assert client.post("/cases", json={}, headers=login("D31001")).status_code == 403


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("quanyu-purpose", "curiosity", "unknown_purpose"),
        ("quanyu-case", "QY310116", "case_form"),
        ("idempotency-key", "", "key_form"),
        ("idempotency-key", "k" * (KEY_LIMIT_CHARACTERS + 1), "key_form"),
        ("idempotency-key", "a\tb", "key_form"),
    ],
)
def test_header_that_cannot_be_read_is_400(client: TestClient, login: Login, header: str, value: str, code: str) -> None:
    answer = client.post("/cases", json={}, headers=login("D31001") | {header: value})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["errors"][0]["field"].lower() == header


def test_act_sent_twice_has_one_effect_and_one_answer(client: TestClient, login: Login, wiring: Any) -> None:
    headers = login("D31001", idempotency_key="k1")
    first = client.post("/cases", json={}, headers=headers)
    second = client.post("/cases", json={}, headers=headers)
    assert wiring.database.state.effects == ["D31001"]
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"


def test_act_without_key_is_done_each_time(client: TestClient, login: Login) -> None:
    numbers = [client.post("/cases", json={}, headers=login("D31001")).json()["number"] for _ in range(2)]
    assert numbers == [1, 2]


@pytest.mark.parametrize("change", ["body", "query", "purpose", "post"])
def test_key_used_for_another_request_is_refused(client: TestClient, login: Login, wiring: Any, change: str) -> None:
    headers = login("D31003", idempotency_key="k1", quanyu_post=f"{LVXIANG}:counter")
    assert client.post("/cases", json={}, headers=headers).status_code == 201
    body: dict[str, Any] = {"refuse": False} if change == "body" else {}
    other = headers | ({"quanyu-purpose": "household_transfer"} if change == "purpose" else {})
    if change == "post":
        wiring.posts_of = _posts(Post("310117520000", "counter", "310117"))
        other = other | {"quanyu-post": "310117520000:counter"}
    answer = client.post("/cases?x=1" if change == "query" else "/cases", json=body, headers=other)
    assert (answer.status_code, answer.json()["code"]) == (422, "key_used_before")
    assert len(wiring.database.state.effects) == 1


def _posts(*posts: Post) -> Any:
    async def posts_of(badge_no: str, day: Any) -> list[Post]:
        return list(posts)

    return posts_of


def test_two_officers_may_use_the_same_key(client: TestClient, login: Login, wiring: Any) -> None:
    client.post("/cases", json={}, headers=login("D31001", idempotency_key="k1"))
    other = client.post("/cases", json={}, headers=login("D31003", idempotency_key="k1", quanyu_post=f"{LVXIANG}:counter"))
    assert other.json()["number"] == 2


def test_refused_act_leaves_nothing_and_its_key_free(client: TestClient, login: Login, wiring: Any) -> None:
    headers = login("D31001", idempotency_key="k1")
    refused = client.post("/cases", json={"refuse": True}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "in_case")
    assert wiring.database.state.effects == []
    assert wiring.database.state.answers == {}
    assert client.post("/cases", json={}, headers=headers).status_code == 201


def test_kept_answer_is_encrypted_data_not_plain_columns(client: TestClient, login: Login, wiring: Any) -> None:
    client.post("/cases", json={}, headers=login("D31001", idempotency_key="k1"))
    [kept] = wiring.database.state.answers.values()
    readable = {name: value for name, value in kept.items() if name != "answer"}
    assert "王某" not in str(readable)
    assert kept["answer"].body == '{"number":1,"name":"王某（演示）"}'


def test_read_is_one_transaction_in_the_officers_name(client: TestClient, login: Login, wiring: Any) -> None:
    answer = client.get(f"/cases/{CASE}", headers=login("D31001"))
    assert answer.json() == {"state": "DRAFT", "name": "王某（演示）", "purpose": "household_transfer"}
    assert wiring.database.commits == ["transfers.read"]


def test_operator_reads_the_case_without_the_person(client: TestClient, login: Login, posts: dict[str, list[Post]]) -> None:
    posts["D31005"] = [Post("310000000000", "operator", "310000")]
    assert client.get(f"/cases/{CASE}", headers=login("D31005")).json() == {"state": "DRAFT"}


def test_action_that_no_rule_knows_cannot_be_declared() -> None:
    with pytest.raises(KeyError, match=r"transfers\.delete"):
        act("transfers.delete")


def test_every_route_shows_what_it_declares(app: FastAPI) -> None:
    open_to_all = APIRouter(dependencies=[Depends(public("liveness tells nothing"))])

    @open_to_all.get("/health/live")
    async def live() -> str:
        return "ok"

    @app.get("/forgotten")
    async def forgotten() -> str:
        return "?"

    app.include_router(open_to_all)
    declared: dict[str | None, Any] = {}
    for route in iter_route_contexts(app.routes):
        if hasattr(route.original_route, "dependant"):
            found = declared_action(route.dependant)
            declared[route.path] = found.action if isinstance(found, Act) else found and found.reason
    assert declared == {
        "/cases": "transfers.open",
        "/cases/{case}": "transfers.read",
        "/health/live": "liveness tells nothing",
        "/forgotten": None,
    }


def test_login_and_headers_are_described_in_the_openapi_document(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/cases"]["post"]
    assert operation["security"] == [{"HTTPBearer": []}]
    named = {parameter["name"] for parameter in operation["parameters"]}
    assert named == {"quanyu-post", "quanyu-purpose", "quanyu-case", "idempotency-key"}


async def test_public_route_needs_no_caller() -> None:
    assert await Public("it proves itself")() is None  # type: ignore[func-returns-value]  # that it returns nothing is the point
