"""Pages: templates of the slices in two languages, one layout, no script and no style but ours.

    return pages.render(request, "transfers/case.html", case=view)

A template says a text as `{{ _("registered here") }}`, with values as `{{ _("since {day}", day=day) }}`. Its language is that of
`?lang=`, which is remembered in a cookie, else of the cookie, else Chinese.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse
from uuid_utils.compat import uuid7

from shared.database import CHINA
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.web.assets import asset
from shared.web.forms import visible
from shared.web.problems import ProblemError
from shared.web.texts import Language, Texts

LANGUAGE_COOKIE = "quanyu-lang"
LANGUAGE_SECONDS = 365 * 24 * 60 * 60
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
KEPT_CHARACTERS = 3  # of each end of an id number that is shown masked

Chrome = Callable[[Request], Mapping[str, Any]]
"""What every page shows around its content (bureau, officer, clock): handed in by the node."""


def language_of(request: Request) -> Language:
    """`?lang=`, else the cookie, else Chinese; the browser's own wish is that of a machine in an office, and is ignored."""
    wanted = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    return "en" if wanted == "en" else "zh"


def is_page(request: Request) -> bool:
    """Whether somebody reads the answer in a browser, not a program; only of an application that has pages."""
    wanted = "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")
    return wanted and hasattr(request.app.state, "pages")


class Pages:
    """Renders templates. `folders`: name of a slice -> its folder of templates; `web` is the kit's own."""

    def __init__(self, folders: Mapping[str, Path], *, chrome: Chrome) -> None:
        self._chrome = chrome
        loaders = {name: FileSystemLoader(folder) for name, folder in folders.items()}
        loaders["web"] = FileSystemLoader(Path(__file__).with_name("templates"))
        self._environments: dict[Language, Environment] = {
            language: _environment(PrefixLoader(loaders), language) for language in ("zh", "en")
        }

    def render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """The page; `values` are the template's own, beside what every page has."""
        language = language_of(request)
        shown = {
            "request": request,
            "lang": language,
            "path": request.url.path,
            "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "other_language": _other_language(request, language),
            "once": str(uuid7()),  # the key of a form on this page: sent twice, it is done once
            "faults": (),
            "typed": {},
            **self._chrome(request),
            **values,
        }
        body = self._environments[language].get_template(template).render(shown)
        answer = HTMLResponse(body, status, headers=dict(HEADERS))
        if request.query_params.get("lang") in ("zh", "en"):
            secure = request.url.scheme == "https"
            answer.set_cookie(LANGUAGE_COOKIE, language, max_age=LANGUAGE_SECONDS, secure=secure, httponly=True, samesite="lax")
        return answer

    def problem(self, request: Request, problem: ProblemError, headers: Mapping[str, str] | None = None) -> HTMLResponse:
        """The page that says why a request was not answered."""
        answer = self.render(
            request, "web/problem.html", status=problem.status, problem=problem, told=problem.body(), faults=problem.faults
        )
        answer.headers.update({**problem.headers, **(headers or {})})
        return answer


def pages_of(request: Request) -> Pages:
    """What renders the pages of the application that answers this request."""
    pages: Pages = request.app.state.pages
    return pages


def _environment(loader: PrefixLoader, language: Language) -> Environment:
    environment = Environment(
        loader=loader,
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )

    def say(msgid: str, **values: Any) -> str:
        return Texts.zh(msgid, values) if language == "zh" else Texts.en(msgid, values)

    def say_fault(fault: Fault) -> str:
        return say(fault.message, **fault.values)

    environment.globals.update(_=say, say_fault=say_fault, asset=asset)
    environment.filters.update(
        moment=lambda at, form="minute": moment(at, language, form),
        masked=masked_number,
        remaining=lambda span: remaining(span, say),
        age=lambda span: age(span, say),
        bilingual=lambda entry: entry[language],
    )
    return environment


def _shown(value: Any) -> Any:
    """What is put into a page: no character that turns the direction of what follows, or hides."""
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return visible(value)


def _other_language(request: Request, language: Language) -> str:
    """The address of the same page in the other language."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "lang"]
    path = f"/{request.url.path.lstrip('/')}"  # "//name" would be another host
    return f"{path}?{urlencode([*query, ('lang', 'en' if language == 'zh' else 'zh')])}"


def moment(at: datetime, language: Language, form: Literal["minute", "second", "day"] = "minute") -> str:
    """A time of day in China, 24 hours; the day stands with it, in ops with seconds."""
    patterns = {
        "zh": {"minute": "y年M月d日 HH:mm", "second": "M月d日 HH:mm:ss", "day": "y年M月d日"},
        "en": {"minute": "d MMM y HH:mm", "second": "d MMM HH:mm:ss", "day": "d MMM y"},
    }
    locale = "zh_CN" if language == "zh" else "en_GB"
    return format_datetime(at.astimezone(CHINA), patterns[language][form], locale=locale)


def masked_number(number: str) -> str:
    """An id number of which only its ends are readable; the whole is shown on demand, and that is audited."""
    return f"{number[:6]}{'*' * 8}{number[-4:]}" if len(number) >= 18 else number[:KEPT_CHARACTERS] + "***"


def remaining(span: timedelta, say: Callable[..., str]) -> str:
    """How much time is left, in the two largest units; negative: how long it has been over."""
    minutes = int(abs(span).total_seconds()) // 60
    days, hours = divmod(minutes // 60, 24)
    if span < timedelta(0):
        if days:
            return say(N_("{days} d {hours} h overdue"), days=days, hours=hours)
        return say(N_("{hours} h {minutes} min overdue"), hours=hours, minutes=minutes % 60)
    if days:
        return say(N_("{days} d {hours} h left"), days=days, hours=hours)
    return say(N_("{hours} h {minutes} min left"), hours=hours, minutes=minutes % 60)


def age(span: timedelta, say: Callable[..., str]) -> str:
    """How long something has been waiting, in its largest units."""
    minutes = max(0, int(span.total_seconds()) // 60)
    days, hours = divmod(minutes // 60, 24)
    if days:
        return say(N_("{days} d {hours} h"), days=days, hours=hours)
    return say(N_("{hours} h {minutes} min"), hours=hours, minutes=minutes % 60)
