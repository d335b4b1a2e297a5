"""Log lines are JSON, say where they belong, and tell nothing about persons."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from shared.telemetry import configure_logs, logging_as, trace_from
from shared.telemetry.logs import DEPTH_LIMIT, MASKED, masked

ID_NUMBER = "310116199001011239"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What has been logged since the beginning of the test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logs(stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ID_NUMBER, "[id-number]"),
        ("31011619900101123X is here", "[id-number] is here"),
        ("31011619900101123x", "[id-number]"),
        ("身份证310116199001011239号", "身份证[id-number]号"),
        ("310116199099991239", "[id-number]"),  # a mistyped one is a person's all the same
        ("13812345678", "[phone]"),
        ("电话138-1234-5678。", "电话[phone]。"),
        ("+86 13812345678", "[phone]"),
        ("/residents/310116199001011239/holds", "/residents/[id-number]/holds"),
    ],
)
def test_number_of_a_person_is_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "019e1234-5678-7123-8123-138123456789",
        "QY3101162020112000000110",
        "310116520000",
        "2026-11-24T08:13:17.384879Z",
        "1795507197384",
        "00-0bf3f488c25f5b9142b17d4da2b39851-99669d3b05fd51fe-00",
        "transfers.seal",
    ],
)
def test_number_of_a_case_a_station_or_a_time_stays(text: str) -> None:
    assert masked(text) == text


def test_masking_reaches_into_what_is_nested() -> None:
    event = {"rows": [{"id": ID_NUMBER}, (ID_NUMBER, 1)], "phone": "any", "n": 13812345678, "ok": True, "ms": 1.5, "no": None}
    assert masked(event) == {
        "rows": [{"id": "[id-number]"}, ["[id-number]", 1]],
        "phone": MASKED,
        "n": MASKED,
        "ok": True,
        "ms": 1.5,
        "no": None,
    }


def test_what_is_nested_too_deeply_is_not_followed() -> None:
    nested: Any = ID_NUMBER
    for _ in range(DEPTH_LIMIT + 1):
        nested = [nested]
    assert ID_NUMBER not in json.dumps(masked(nested))
    assert MASKED in json.dumps(masked(nested))


def test_line_says_bureau_trace_level_and_logger(lines: Lines) -> None:
    with logging_as("shanghai"), trace_from("00-0bf3f488c25f5b9142b17d4da2b39851-99669d3b05fd51fe-00") as trace:
        structlog.get_logger("quanyu.test").warning("message sent", case="c1", count=3)
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "message sent",
        "case": "c1",
        "count": 3,
        "bureau": "shanghai",
        "level": "warning",
        "logger": "quanyu.test",
        "trace": "0bf3f488c25f5b9142b17d4da2b39851",
        "span": trace.span_id,
    }


def test_line_outside_of_any_trace_names_none(lines: Lines) -> None:
    structlog.get_logger("quanyu.test").info("started")
    assert "trace" not in lines()[0]
    assert "bureau" not in lines()[0]


def test_libraries_log_through_the_same_mask(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").error("bad request for %s", ID_NUMBER)
    [line] = lines()
    assert (line["event"], line["logger"]) == ("bad request for [id-number]", "uvicorn.error")


def test_traceback_has_no_local_variables_and_no_inputs(lines: Lines) -> None:
    name_of_somebody = "欧阳某某"
    try:
        raise ValueError(f"1 validation error [type=date, input_value='{name_of_somebody}', input_type=str] {ID_NUMBER}")
    except ValueError:
        structlog.get_logger("quanyu.test").exception("import failed")
    [line] = lines()
    assert "Traceback" in line["exception"]
    assert ID_NUMBER not in line["exception"]
    assert "欧阳某某', input_type" not in line["exception"]


@pytest.mark.parametrize(
    "text",
    [
        "[SQL: INSERT INTO x VALUES ($1)]\n[parameters: ('欧阳某某', 'a] b')]\n(Background on this error)",
        "duplicate key\nDETAIL:  Key (name)=(欧阳某某) already exists.\n",
    ],
)
def test_values_in_database_errors_are_masked(text: str) -> None:
    assert "欧阳某某" not in masked(text)
    assert MASKED in masked(text)


def test_level_is_kept(lines: Lines) -> None:
    structlog.get_logger("quanyu.test").debug("detail")
    logging.getLogger("httpx2").info("GET https://…")
    assert lines() == []


def test_a_library_that_repeats_itself_is_heard_once_and_we_every_time(lines: Lines) -> None:
    for node in range(30):
        logging.getLogger("aiokafka.consumer").error("Unable connect to node with id %s", node)
        logging.getLogger("services.bureau.worker").warning("loop_failed")
    logging.getLogger("aiokafka.consumer").error("Failed fetch messages")
    events = [line["event"] for line in lines()]
    assert events.count("Unable connect to node with id 0") == 1
    assert events.count("Failed fetch messages") == 1
    assert events.count("loop_failed") == 30
    assert len(events) == 32
