"""Structured logs, one JSON object a line, on stderr; personal data is taken out before a line is written.

Code logs ids, codes and counts; what slips in nevertheless is masked: id numbers and telephone numbers in any text, the values
of members that hold a person's data, and the inputs that pydantic repeats in its messages.
"""

import logging
import logging.config
import re
import sys
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from shared.telemetry import trace

MASKED_MEMBERS = frozenset(
    {
        *("address", "address_detail", "birth_date", "born_on", "citizen_id_no", "employer", "father_name", "former_names"),
        *("full_name", "mobile", "mother_name", "officer_name", "person", "personal", "phone", "query_code", "reason_text"),
        *("religion", "resident_name", "spouse_name", "applicant", "guardian", "household_address"),
        *("authorization", "access_token", "password", "token"),
    }
)
SAFE_MEMBERS = frozenset({"trace", "span", "timestamp", "level", "logger"})
MASKED = "[masked]"
TALKATIVE = frozenset({"aiokafka"})
SELDOM_SECONDS = 10.0
DEPTH_LIMIT = 6  # a log line nested deeper is a mistake, and might be endless
_PERSONAL = (
    (re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9])"), "[id-number]"),
    (re.compile(r"(?<![0-9A-Za-z])(?:\+?86[- ]?)?1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}(?![0-9A-Za-z])"), "[phone]"),
    (re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL), f"input_value={MASKED}"),
    (re.compile(r"\[parameters: .*?\](?=\n|$)", re.DOTALL), f"[parameters: {MASKED}]"),
    (re.compile(r"(?m)^DETAIL: .*$"), f"DETAIL: {MASKED}"),
)


def masked(value: Any, depth: int = 0) -> Any:
    """The same value without what looks like personal data."""
    if isinstance(value, bool | float | None):
        return value
    if isinstance(value, int):
        return value if masked(str(value)) == str(value) else MASKED
    if depth >= DEPTH_LIMIT:
        return MASKED
    if isinstance(value, Mapping):
        return {str(name): _masked_member(str(name), member, depth) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item, depth + 1) for item in value]
    text = value if isinstance(value, str) else str(value)
    for pattern, instead in _PERSONAL:
        text = pattern.sub(instead, text)
    return text


def _masked_member(name: str, value: Any, depth: int) -> Any:
    if name in MASKED_MEMBERS:
        return MASKED
    return value if name in SAFE_MEMBERS else masked(value, depth + 1)


def _without_personal_data(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Last but one of the processors: after the traceback has become text."""
    kept = {name: event.pop(name) for name in ("_record", "_from_structlog") if name in event}
    return {name: _masked_member(name, value, 0) for name, value in event.items()} | kept


def _with_trace(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    current = trace.current()
    if current is not trace.NO_TRACE:
        event["trace"], event["span"] = current.trace_id, current.span_id
    return event


class _Seldom(logging.Filter):
    """One line of a kind in SELDOM_SECONDS from a library that, while a broker is away, says so thirty times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._told_at: dict[tuple[str, str], float] = {}  # by logger and message template: the library has a few dozen

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in TALKATIVE:
            return True
        kind, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._told_at.get(kind, float("-inf")) < SELDOM_SECONDS:
            return False
        self._told_at[kind] = now
        return True


def configure_logs(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send every log of this process (ours, uvicorn's, aiokafka's) as JSON lines to `stream` (stderr).

    Called once, by what starts the process; never by an import."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_trace,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.processors.format_exc_info,  # plain text: no local variables, which hold what nobody should log
            _without_personal_data,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    if level != "debug":
        handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    _quieten(level)


def _quieten(level: str) -> None:
    """Libraries that speak of every request or record say only what is wrong; uvicorn's own handlers go."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    for name in ("uvicorn.access", "httpx2", "httpcore", "aiokafka", "asyncio", "sqlalchemy", "alembic"):
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    if level == "debug":  # at DEBUG it shows each row of each result, which are persons; at INFO statements without values
        logging.getLogger("sqlalchemy").setLevel(logging.INFO)


@contextmanager
def logging_as(bureau: str) -> Iterator[None]:
    """Mark all lines logged inside with the bureau: one process may hold four nodes."""
    with structlog.contextvars.bound_contextvars(bureau=bureau):
        yield
