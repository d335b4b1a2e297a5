"""Bad input gets problem details (RFC 9457) that name field, rule and source in two languages, and nothing of the input."""

import logging
from collections.abc import AsyncIterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from fastapi import FastAPI, Query
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field, model_validator
from starlette.exceptions import HTTPException

from shared.database import DatabaseDown, OutcomeUnknown
from shared.identifiers.citizen_id import CitizenIdNumber, parse_citizen_id_no
from shared.identifiers.errors import Fault, IdentifierError
from shared.telemetry import TraceMiddleware
from shared.web import (
    BODY_LIMIT_BYTES,
    PROBLEM_RESPONSES,
    BodyLimitMiddleware,
    Conflict,
    Forbidden,
    NotFound,
    ProblemError,
    UnexpectedErrorMiddleware,
    install_problem_handlers,
    problems,
)
from shared.web.handlers import FAULTS_SHOWN, MORE_TEXTS, faults_of

GOOD_ID, BAD_ID = "310116199001011239", "310116199001011238"


class Sex(StrEnum):
    MALE = "1"
    FEMALE = "2"


class Applicant(BaseModel, extra="forbid"):
    citizen_id_no: CitizenIdNumber
    name: str = Field(default="王某", max_length=3)
    sex: Sex = Sex.FEMALE
    moved_on: date | None = None
    share: float = Field(default=1, gt=0, lt=2)

    @model_validator(mode="after")
    def _with_a_plain_error(self) -> "Applicant":
        if self.name == "坏":
            raise ValueError(f"{self.citizen_id_no} is bad")
        if self.name == "旧":
            parse_citizen_id_no(BAD_ID)
        return self


class Application(BaseModel):
    applicant: Applicant
    members: list[Applicant] = []
    kind: Literal["KINSHIP", "TALENT"] = "KINSHIP"


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    install_problem_handlers(app)
    app.add_middleware(UnexpectedErrorMiddleware)
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(TraceMiddleware)

    @app.post("/applications")
    async def apply(application: Application) -> str:
        return application.applicant.citizen_id_no

    @app.get("/cases/{case}")
    async def read(case: UUID, page: Annotated[int, Query(ge=1)] = 1) -> int:
        return page

    return app


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


def apply(client: TestClient, **applicant: Any) -> dict[str, Any]:
    """The problem in the answer to this application; its status must be 422."""
    answer = client.post("/applications", json={"applicant": {"citizen_id_no": GOOD_ID, **applicant}})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    return problem


def test_wrong_check_digit_names_field_rule_and_standard_in_both_languages(client: TestClient) -> None:
    problem = apply(client, citizen_id_no=BAD_ID)
    assert problem["errors"] == [
        {
            "field": "applicant.citizen_id_no",
            "rule": "check_digit",
            "source": "GB 11643-1999",
            "zh": "校验码不符：末位应为 9，实为 8",
            "en": "check digit is 8, should be 9",
        }
    ]
    zh_and_en = "校验码不符：末位应为 9，实为 8（GB 11643-1999） / check digit is 8, should be 9"
    assert problem["detail"] == f"applicant.citizen_id_no: {zh_and_en}"


def test_problem_has_the_members_of_the_standard_and_the_trace(client: TestClient) -> None:
    answer = client.post("/applications", json={})
    problem = answer.json()
    assert problem.pop("errors")
    assert problem == {
        "type": "urn:quanyu:problem:invalid_input",
        "title": "the input is not valid",
        "title_zh": "填写的内容有误",
        "status": 422,
        "detail": "applicant: 此项必填（JSON Schema） / this field is required",
        "code": "invalid_input",
        "instance": answer.headers["traceparent"].split("-")[1],
    }


@pytest.mark.parametrize(
    ("applicant", "field", "rule"),
    [
        ({"citizen_id_no": None}, "applicant.citizen_id_no", "string_type"),
        ({"name": "一二三四"}, "applicant.name", "string_too_long"),
        ({"sex": "3"}, "applicant.sex", "enum"),
        ({"moved_on": "2020-02-30"}, "applicant.moved_on", "date_from_datetime_parsing"),
        ({"share": 0}, "applicant.share", "greater_than"),
        ({"share": 2}, "applicant.share", "less_than"),
        ({"nickname": "x"}, "applicant.nickname", "extra_forbidden"),
        ({"name": "坏"}, "applicant", "value_error"),
        ({"name": "旧"}, "applicant", "check_digit"),
    ],
)
def test_each_wrong_field_is_named_with_its_rule(client: TestClient, applicant: dict[str, Any], field: str, rule: str) -> None:
    [error] = apply(client, **applicant)["errors"]
    assert (error["field"], error["rule"]) == (field, rule)
    assert any("\u4e00" <= sign <= "\u9fff" for sign in error["zh"])
    assert error["en"].isascii()


def test_all_wrong_fields_are_named_at_once(client: TestClient) -> None:
    body = {"applicant": {"citizen_id_no": BAD_ID}, "members": [{"citizen_id_no": GOOD_ID}, {}], "kind": "OTHER"}
    problem = client.post("/applications", json=body).json()
    assert {error["field"] for error in problem["errors"]} == {"applicant.citizen_id_no", "members.1.citizen_id_no", "kind"}


def test_what_was_entered_is_never_repeated(client: TestClient) -> None:
    answers = [
        client.post("/applications", json={"applicant": {"citizen_id_no": BAD_ID, "name": "欧阳某某"}}),
        client.post("/applications", json={"applicant": {"citizen_id_no": GOOD_ID, "name": "坏"}}),
        client.post("/applications", content=f'{{"x": "{GOOD_ID}"', headers={"content-type": "application/json"}),
    ]
    assert all(answer.status_code == 422 for answer in answers)
    assert not any(secret in answer.text for answer in answers for secret in (BAD_ID, GOOD_ID, "欧阳"))


def test_path_and_query_are_fields_too(client: TestClient) -> None:
    problem = client.get("/cases/1?page=0").json()
    assert [(error["field"], error["rule"]) for error in problem["errors"]] == [
        ("case", "uuid_parsing"),
        ("page", "greater_than_equal"),
    ]


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe\xfd", b"[1, 2", b'{"a": 1e999999}'])
def test_body_that_is_no_json_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/applications", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json()["title_zh"]


def test_deeply_nested_body_is_refused(client: TestClient) -> None:
    body = b"[" * 100_000 + b"]" * 100_000
    answer = client.post("/applications", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}


def test_no_more_faults_are_told_than_somebody_reads(client: TestClient) -> None:
    body = {"applicant": {"citizen_id_no": GOOD_ID}, "members": [{}] * 1000}
    assert len(client.post("/applications", json=body).json()["errors"]) == FAULTS_SHOWN


def test_unknown_kind_of_error_falls_back_to_its_english_text() -> None:
    [fault] = faults_of([{"type": "brand_new", "loc": ("body", "x"), "msg": "must {glow}", "ctx": {}}])
    assert (fault.field, fault.rule, fault.in_english()) == ("x", "brand_new", "must {glow}")


def test_language_that_is_wanted_comes_first(client: TestClient) -> None:
    problem = client.get("/nowhere", headers={"accept-language": "en"}).json()
    assert problem["detail"] == "there is no such thing / 没有找到"
    assert client.get("/nowhere").json()["detail"] == "没有找到 / there is no such thing"


def test_unknown_path_and_method_are_problems(client: TestClient) -> None:
    assert client.get("/nowhere").json()["code"] == "not_found"
    wrong_method = client.delete("/applications")
    assert (wrong_method.status_code, wrong_method.json()["code"]) == (405, "method_not_allowed")
    assert wrong_method.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DatabaseDown("transfers.seal: OSError"), 503, "database_down"),
        (OutcomeUnknown("transfers.seal"), 503, "outcome_unknown"),
        (NotFound(), 404, "not_found"),
        (Conflict("{who} is in a case", values={"who": "x"}, code="in_case"), 409, "in_case"),
        (Forbidden(), 403, "forbidden"),
        (IdentifierError(Fault("", "form", "GB/T 2260", "a division code has six digits", {})), 422, "invalid_input"),
        (HTTPException(400, "There was an error parsing the body"), 400, "bad_request"),
        (HTTPException(418), 400, "bad_request"),
        (HTTPException(502), 500, "unexpected"),
        (RuntimeError("secret 310116199001011239"), 500, "unexpected"),
    ],
)
def test_exception_becomes_its_problem(app: FastAPI, client: TestClient, error: Exception, status: int, code: str) -> None:
    @app.get("/broken")
    async def broken() -> None:
        raise error

    answer = client.get("/broken")
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_more_members_are_for_programs(app: FastAPI, client: TestClient) -> None:
    @app.get("/conflict")
    async def conflict() -> None:
        raise Conflict("{bureau} has it", values={"bureau": "zhejiang"}, more={"bureau": "zhejiang", "since": date(2020, 11, 20)})

    problem = client.get("/conflict").json()
    assert (problem["bureau"], problem["since"]) == ("zhejiang", "2020-11-20")
    assert "zhejiang has it" in problem["detail"]


def test_unexpected_error_is_logged_with_its_path(app: FastAPI, client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("what happened")

    assert client.get("/broken").status_code == 500
    assert "what happened" in "".join(capsys.readouterr())
    assert logging.getLogger().handlers is not None


def test_answer_that_breaks_half_way_is_cut_off_not_ended(app: FastAPI, client: TestClient) -> None:
    from starlette.responses import StreamingResponse

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"half"
            raise RuntimeError("gone")

        return StreamingResponse(chunks())

    with pytest.raises(RuntimeError, match="gone"):
        client.get("/stream")


def test_refusals_are_described_in_the_openapi_document(client: TestClient) -> None:
    described = FastAPI(responses=PROBLEM_RESPONSES)

    @described.post("/x")
    async def apply(application: Application) -> str:
        return application.kind

    responses = described.openapi()["paths"]["/x"]["post"]["responses"]
    assert set(responses) == {"200", "4XX", "5XX"}
    schema = responses["4XX"]["content"]["application/problem+json"]["schema"]
    assert set(client.get("/nowhere").json()) == set(schema["required"]) == set(schema["properties"])


def test_tree_of_problems_is_drawn_in_the_module(client: TestClient) -> None:
    kinds = [kind for kind in vars(problems).values() if isinstance(kind, type) and issubclass(kind, ProblemError)]
    drawn = problems.__doc__ or ""
    for kind in set(kinds) - {ProblemError}:
        [line] = [line for line in drawn.splitlines() if f"─ {kind.__name__} " in line]
        assert str(kind.status) in line.split()
        assert kind.__doc__


def test_texts_for_pydantic_errors_do_not_shadow_those_of_identifiers() -> None:
    from shared.identifiers import errors

    assert set(MORE_TEXTS) & set(errors._SCHEMA_TEXTS) == set()


def test_body_of_the_limit_is_read(client: TestClient) -> None:
    body = b"[" + b" " * (BODY_LIMIT_BYTES - 2) + b"]"
    answer = client.post("/applications", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
