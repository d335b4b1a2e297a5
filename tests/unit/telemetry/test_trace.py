"""One trace joins what one act causes, through HTTP and bus."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from shared.telemetry import TraceMiddleware, current_traceparent, trace_from
from shared.telemetry.trace import NO_TRACE, current, parse

GIVEN = "00-0bf3f488c25f5b9142b17d4da2b39851-99669d3b05fd51fe-01"


def test_traceparent_is_read_and_written_alike() -> None:
    assert str(parse(GIVEN)) == GIVEN


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "x",
        GIVEN.upper(),
        GIVEN[:-1],
        GIVEN + "-more",  # version 00 has four parts
        "ff" + GIVEN[2:],
        "00-" + "0" * 32 + "-99669d3b05fd51fe-01",
        "00-0bf3f488c25f5b9142b17d4da2b39851-" + "0" * 16 + "-01",
    ],
)
def test_header_that_is_not_valid_starts_a_new_trace(header: str | None) -> None:
    assert parse(header) is None
    with trace_from(header) as trace:
        assert parse(str(trace)) == trace
    assert current() is NO_TRACE


def test_header_of_a_later_version_is_understood() -> None:
    assert parse("01" + GIVEN[2:] + "-more") == parse(GIVEN)


def test_step_continues_the_trace_under_its_own_id() -> None:
    with trace_from(GIVEN) as step:
        assert (step.trace_id, step.flags) == ("0bf3f488c25f5b9142b17d4da2b39851", "01")
        assert step.span_id != "99669d3b05fd51fe"
        sent = parse(current_traceparent())
        assert sent is not None
        assert sent.trace_id == step.trace_id
        assert sent.span_id != step.span_id
        with trace_from(None) as other:
            assert other.trace_id != step.trace_id
        assert current() == step


def test_message_outside_of_any_trace_gets_one() -> None:
    assert parse(current_traceparent()) is not None
    assert current() is NO_TRACE


def test_answer_names_the_trace_of_its_request() -> None:
    app = FastAPI()
    app.add_middleware(TraceMiddleware)

    @app.get("/trace")
    async def trace() -> str:
        return current().trace_id

    client = TestClient(app)
    continued = client.get("/trace", headers={"traceparent": GIVEN})
    assert continued.json() == "0bf3f488c25f5b9142b17d4da2b39851"
    assert continued.headers["traceparent"].split("-")[1] == continued.json()
    assert client.get("/trace").json() != continued.json()
