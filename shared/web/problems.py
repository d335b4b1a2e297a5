"""What the caller is told when a request is not answered: RFC 9457 problem details, in Chinese and English.

ProblemError                    the request cannot be answered
 ├─ BadRequest          400     the request cannot be read as one
 ├─ Unauthorized        401     who is calling is not known
 ├─ Forbidden           403     the caller may not
 ├─ NotFound            404     there is no such thing
 ├─ MethodNotAllowed    405     not with this method
 ├─ BodyTooSlow         408     the body did not arrive in time
 ├─ Conflict            409     what is there speaks against it
 ├─ BodyTooLarge        413     the body is larger than a node reads
 ├─ InvalidInput        422     fields are wrong; each with its rule and the rule's source
 ├─ TooManyRequests     429     wait; Retry-After says how long
 ├─ Unexpected          500     our fault; the log knows more, by the trace id
 └─ Unavailable         503     not now: ask again after the seconds of Retry-After

The status belongs to the class. A slice raises one of these, with its own `code` and text where the class's is too general.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.telemetry import trace
from shared.web.texts import NO_VALUES, Language, Texts, Values

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:quanyu:problem:"
RETRY_AFTER_SECONDS = 2  # a database restarts, and a lease passes on, in about that time

_TEXT = {"type": "string"}
_FAULT = {"type": "object", "properties": dict.fromkeys(("field", "rule", "source", "zh", "en"), _TEXT)}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "title_zh", "status", "detail", "code", "errors", "instance"],
    "properties": {
        **dict.fromkeys(("type", "title", "title_zh", "detail", "code", "instance"), _TEXT),
        "status": {"type": "integer"},
        "errors": {"type": "array", "items": _FAULT},
    },
}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Problem details (RFC 9457): refused", "content": {MEDIA_TYPE: {"schema": _PROBLEM}}},
    "5XX": {"description": "Problem details (RFC 9457): not possible now", "content": {MEDIA_TYPE: {"schema": _PROBLEM}}},
}
"""For `FastAPI(responses=...)`: how the OpenAPI document describes every refusal."""


def fault_body(fault: Fault) -> dict[str, str]:
    """Say what is wrong with one field, in both languages: `source` is the law or standard that says so."""
    return {
        "field": fault.field,
        "rule": fault.rule,
        "source": fault.source,
        "zh": Texts.zh(fault.message, fault.values),
        "en": Texts.en(fault.message, fault.values),
    }


class ProblemError(Exception):
    """The request cannot be answered."""

    status: ClassVar[int] = 500
    code: str = "problem"
    title: ClassVar[str] = N_("the request cannot be answered")
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        detail: str = "",
        *,
        values: Values = NO_VALUES,
        code: str | None = None,
        faults: Sequence[Fault] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """`detail`: a msgid, filled with `values`; `more`: further members of the body, for programs."""
        super().__init__(Texts.en(detail, values) if detail else self.title)
        self.detail = detail
        self.values = values
        self.code = code or self.code
        self.faults = tuple(faults)
        self.more = dict(more or {})

    def body(self, *, language: Language = "zh") -> dict[str, Any]:
        """The members of the problem; `language` comes first in `detail`."""
        return {
            "type": TYPE_PREFIX + self.code,
            "title": Texts.en(self.title),
            "title_zh": Texts.zh(self.title),
            "status": self.status,
            "detail": self._detail(language),
            "code": self.code,
            "errors": [fault_body(fault) for fault in self.faults],
            "instance": trace.current().trace_id,
            **self.more,
        }

    def _detail(self, language: Language) -> str:
        if self.detail:
            return Texts.both(self.detail, self.values, first=language)
        if not self.faults:
            return Texts.both(self.title, first=language)
        fault = self.faults[0]
        told = Texts.both(fault.message, fault.values, first=language, source=fault.source)
        return f"{fault.field}: {told}" if fault.field else told

    def page_instead(self, request: Request) -> str | None:
        """The address where somebody at a browser can put it right, instead of a page that says it; None: the page."""
        return None

    def response(self, *, language: Language = "zh", headers: Mapping[str, str] | None = None) -> Response:
        body = to_json(self.body(language=language))
        return Response(body, self.status, headers={**self.headers, **(headers or {})}, media_type=MEDIA_TYPE)


class BadRequest(ProblemError):
    """The request cannot be read as one."""

    status = 400
    code = "bad_request"
    title = N_("the request cannot be read")


class Unauthorized(ProblemError):
    """Who is calling is not known."""

    status = 401
    code = "unauthorized"
    title = N_("log in first")
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class Forbidden(ProblemError):
    """The caller may not."""

    status = 403
    code = "forbidden"
    title = N_("this is not allowed")


class NotFound(ProblemError):
    """There is no such thing."""

    status = 404
    code = "not_found"
    title = N_("there is no such thing")


class MethodNotAllowed(ProblemError):
    """Not with this method."""

    status = 405
    code = "method_not_allowed"
    title = N_("this address does not know the method")


class BodyTooSlow(ProblemError):
    """The body did not arrive in time."""

    status = 408
    code = "body_too_slow"
    title = N_("the body did not arrive in time")
    headers: ClassVar[Mapping[str, str]] = {"Connection": "close"}


class Conflict(ProblemError):
    """What is there speaks against it."""

    status = 409
    code = "conflict"
    title = N_("this does not fit what is there")


class BodyTooLarge(ProblemError):
    """The body is larger than a node reads."""

    status = 413
    code = "body_too_large"
    title = N_("the body is too large")
    headers: ClassVar[Mapping[str, str]] = {"Connection": "close"}


class InvalidInput(ProblemError):
    """Fields are wrong; each fault names the field, the rule and the rule's source."""

    status = 422
    code = "invalid_input"
    title = N_("the input is not valid")


class TooManyRequests(ProblemError):
    """Wait; Retry-After says how long."""

    status = 429
    code = "too_many_requests"
    title = N_("too many attempts: wait before the next one")


class Unexpected(ProblemError):
    """Our fault; the log knows more, by the trace id."""

    status = 500
    code = "unexpected"
    title = N_("something went wrong on our side")


class Unavailable(ProblemError):
    """Not now: ask again after the seconds of Retry-After."""

    status = 503
    code = "unavailable"
    title = N_("this is not possible for the moment; please try again")
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": str(RETRY_AFTER_SECONDS)}
