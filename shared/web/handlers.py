"""From exceptions to problems: translated once, here, at the edge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from shared.database import DatabaseDown, OutcomeUnknown
from shared.identifiers.errors import Fault, IdentifierError, fault_of
from shared.identifiers.texts import N_
from shared.web.pages import is_page, pages_of
from shared.web.problems import (
    BadRequest,
    BodyTooLarge,
    Conflict,
    Forbidden,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    ProblemError,
    Unauthorized,
    Unavailable,
    Unexpected,
)
from shared.web.texts import preferred_language

JSON_SOURCE = "RFC 8259"
HTTP_SOURCE = "RFC 9110"
JSON_TYPES = ("application/json", "+json")
FAULTS_SHOWN = 100  # a body of 500 KiB can be wrong in thousands of places; nobody reads more

# Kinds of pydantic errors that a JSON body or a query can cause and `identifiers.errors` has no words for.
MORE_TEXTS: Mapping[str, str] = {
    "greater_than": N_("must be more than {gt}"),
    "less_than": N_("must be less than {lt}"),
    "multiple_of": N_("must be a multiple of {multiple_of}"),
    "finite_number": N_("must be a finite number"),
    "int_parsing_size": N_("the number has too many digits"),
    "none_required": N_("must be empty (null)"),
    "string_unicode": N_("is not valid UTF-8"),
    "string_ascii": N_("only letters, digits and signs of ASCII are possible here"),
    "datetime_object_invalid": N_("must be a time with its offset, as in 2020-12-28T10:15:00+08:00"),
    "timezone_naive": N_("must be a time without offset"),
    "date_past": N_("must be a date in the past"),
    "date_future": N_("must be a date in the future"),
    "time_parsing": N_("must be a time of day, HH:MM"),
    "time_type": N_("must be a time of day, HH:MM"),
    "time_delta_parsing": N_("must be a duration (ISO 8601)"),
    "time_delta_type": N_("must be a duration (ISO 8601)"),
    "uuid_version": N_("must be a UUID of version {expected_version}"),
    "decimal_type": N_("must be a number"),
    "decimal_parsing": N_("must be a number"),
    "decimal_max_digits": N_("the number has too many digits"),
    "decimal_max_places": N_("the number has too many digits after the point"),
    "decimal_whole_digits": N_("the number has too many digits before the point"),
    "bytes_type": N_("must be a text"),
    "set_type": N_("must be a list"),
    "frozen_set_type": N_("must be a list"),
    "union_tag_not_found": N_("the field {discriminator}, which says the kind, is missing"),
    "union_tag_invalid": N_("the kind {tag} is not one of {expected_tags}"),
    "recursion_loop": N_("is nested too deeply"),
    "json_type": N_("must be a text"),
    "assertion_error": N_("is not valid here"),
    "value_error": N_("is not valid here"),
}


def faults_of(errors: Sequence[Any]) -> list[Fault]:
    """Turn pydantic's error details, whose `loc` starts with where the value was, into faults; inputs are never repeated."""
    return [_fault(details) for details in errors[:FAULTS_SHOWN]]


def _fault(details: Mapping[str, Any]) -> Fault:
    context = details.get("ctx") or {}
    cause = context.get("error")
    skipped = 2 if details["type"] == "json_invalid" else 1  # FastAPI adds the position to "body"
    if isinstance(cause, IdentifierError):
        return cause.fault.at(".".join(str(part) for part in details["loc"][1:]))
    fault = fault_of(details, skip=skipped)
    if fault.rule == "json_invalid":
        return replace(
            fault, message=N_("is not JSON: broken at character {position}"), values={"position": int(details["loc"][-1])}
        )
    if "msgid" in context or fault.rule not in MORE_TEXTS:
        return fault
    return replace(fault, message=MORE_TEXTS[fault.rule])


def _of_validation(error: RequestValidationError) -> ProblemError:
    return InvalidInput(faults=faults_of(error.errors()))


def _of_identifier(error: IdentifierError) -> ProblemError:
    return InvalidInput(faults=[error.fault])


def _of_database(error: DatabaseDown) -> ProblemError:
    return Unavailable(code="database_down")


def _of_unknown_outcome(error: OutcomeUnknown) -> ProblemError:
    detail = N_("it is not known whether this was done; send it again with the same Idempotency-Key, which decides")
    return Unavailable(detail, code="outcome_unknown")


_BY_STATUS: Mapping[int, type[ProblemError]] = {
    kind.status: kind
    for kind in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        Conflict,
        BodyTooLarge,
        InvalidInput,
        Unavailable,
    )
}


def _of_http(error: HTTPException) -> ProblemError:
    """What Starlette and FastAPI raise by themselves (404, 405, 400); their English detail is not shown."""
    if error.status_code == BadRequest.status:
        message = N_("the body is no JSON in UTF-8 that can be read: too deep, a number too long, or broken")
        return BadRequest(faults=[Fault("", "body", JSON_SOURCE, message, {})])
    if error.status_code == MethodNotAllowed.status:
        message = N_("this address knows only {methods}")
        known = (error.headers or {}).get("Allow", "")
        return MethodNotAllowed(faults=[Fault("", "method", HTTP_SOURCE, message, {"methods": known})])
    fallback = Unexpected if error.status_code >= 500 else BadRequest
    return _BY_STATUS.get(error.status_code, fallback)()


def _of_content_type(request: Request, error: RequestValidationError) -> ProblemError | None:
    """A body that was not taken for JSON because its header does not say so."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.endswith(JSON_TYPES) or all(details["loc"] != ("body",) for details in error.errors()):
        return None
    message = N_("must be application/json")
    return InvalidInput(faults=[Fault("Content-Type", "content_type", HTTP_SOURCE, message, {})])


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every exception of this application with a problem; what is unexpected is UnexpectedErrorMiddleware's."""
    table: dict[type[Exception], Callable[[Any], ProblemError]] = {
        ProblemError: lambda error: error,
        RequestValidationError: _of_validation,
        IdentifierError: _of_identifier,
        DatabaseDown: _of_database,
        OutcomeUnknown: _of_unknown_outcome,
        HTTPException: _of_http,
    }
    for kind, problem_of in table.items():
        app.add_exception_handler(kind, _handler(problem_of))


def _page(request: Request, problem: ProblemError, headers: Mapping[str, str] | None) -> Response:
    """For somebody at a browser: where it can be put right, or the page that says it."""
    where = problem.page_instead(request)
    if where is None:
        return pages_of(request).problem(request, problem, headers)
    if "hx-request" in request.headers:  # a part that follows by itself: the whole page goes
        return Response(status_code=204, headers={"HX-Redirect": where})
    return RedirectResponse(where, 303)


def _handler(problem_of: Callable[[Any], ProblemError]) -> Callable[[Request, Exception], Response]:
    def handle(request: Request, error: Exception) -> Response:
        if is_page(request):
            return _page(request, problem_of(error), getattr(error, "headers", None))
        language = preferred_language(request.headers.get("accept-language"))
        if isinstance(error, RequestValidationError) and (wrong := _of_content_type(request, error)) is not None:
            return wrong.response(language=language)
        return problem_of(error).response(language=language, headers=getattr(error, "headers", None))

    return handle
