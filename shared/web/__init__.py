"""What every HTTP door of a node shares: texts in two languages, problem details, limits."""

from shared.web.assets import assets_router
from shared.web.forms import Form, PersonName, RowNumber, is_visible, number_of
from shared.web.handlers import install_problem_handlers
from shared.web.hints import Hints
from shared.web.limits import BODY_LIMIT_BYTES, BodyLimitMiddleware, UnexpectedErrorMiddleware, UnkeptMiddleware
from shared.web.pages import Pages, is_page, language_of, pages_of
from shared.web.problems import (
    PROBLEM_RESPONSES,
    BadRequest,
    BodyTooLarge,
    BodyTooSlow,
    Conflict,
    Forbidden,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    ProblemError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unexpected,
)
from shared.web.texts import Language, Terms, Texts, preferred_language

__all__ = [
    "BODY_LIMIT_BYTES",
    "PROBLEM_RESPONSES",
    "BadRequest",
    "BodyLimitMiddleware",
    "BodyTooLarge",
    "BodyTooSlow",
    "Conflict",
    "Forbidden",
    "Form",
    "Hints",
    "InvalidInput",
    "Language",
    "MethodNotAllowed",
    "NotFound",
    "Pages",
    "PersonName",
    "ProblemError",
    "RowNumber",
    "Terms",
    "Texts",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "Unexpected",
    "UnexpectedErrorMiddleware",
    "UnkeptMiddleware",
    "assets_router",
    "install_problem_handlers",
    "is_page",
    "is_visible",
    "language_of",
    "number_of",
    "pages_of",
    "preferred_language",
]
