"""One request of an officer at a browser: the session's cookie says who it is; everything behind is as for the API (`calls.py`).

    CallDep = Annotated[Call, Depends(page("transfers.seal"))]

A form carries its idempotency key in the field `once`. What changes something must come from a page of this node.
"""

from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlencode

from fastapi import Request
from starlette.datastructures import URL, FormData, UploadFile

from services.bureau.access.calls import Act, Call, DeniedRequest, NodeWiring, checked_key, deny, officer_of, request_hash
from services.bureau.access.login import Claims
from services.bureau.access.rules import ACTIONS, Denied
from services.bureau.access.sessions import LoginSession, NoPostChosen, find, token_of
from shared.identifiers.texts import N_
from shared.web import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD"})
ONCE = "once"

T = TypeVar("T")


class PageAct(Act):
    """As `Act`, for a browser; made by `page`."""

    def __init__(self, action: str, *, purpose: str | None) -> None:
        super().__init__(action)
        self._purpose = purpose

    async def __call__(self, request: Request) -> Call:  # type: ignore[override]  # a browser has no headers of ours
        wiring: NodeWiring = request.app.state.wiring
        require_own_page(request)
        found = await session_of(wiring, request)
        if not await _works_in_a_post(wiring, found):
            raise NoPostChosen
        claims = Claims(found.badge_no, found.name, stepped_up=found.stepped_up(wiring.node.machine_now()))
        officer = await officer_of(wiring, claims, found.post, for_action=self.action, path=request.url.path)
        request.state.officer = officer
        officer = replace(officer, purpose=self._purpose)
        sent = await _fields(request)  # the body itself is read up where a route declares its form's fields
        fingerprint = request_hash(request, officer.post, urlencode(sorted(sent)).encode())
        call = Call(
            action=self.action,
            officer=officer,
            case=None,
            idempotency_key=checked_key(dict(sent).get(ONCE)),
            request_hash=fingerprint,
            path=request.url.path,
            wiring=wiring,
        )
        try:
            grant = call.reach()
        except Denied as denied:
            await deny(wiring, denied, DeniedRequest(officer.actor, call.path, officer.purpose, None))
        return replace(call, officer=replace(officer, purpose=grant.purpose))


def page(action: str, *, purpose: str | None = None) -> PageAct:
    """Declare a page's action, and why persons are looked up on it. KeyError: no rule has the action."""
    if action not in ACTIONS:
        raise KeyError(f"no rule of access/rules.py allows {action!r} to anybody")
    return PageAct(action, purpose=purpose)


async def session_of(wiring: NodeWiring, request: Request) -> LoginSession:
    """Who is logged in at this browser. Raises NoSession."""
    token, person = token_of(request, wiring.node.bureau), "hx-request" not in request.headers
    return await wiring.database.run(lambda session: find(session, token, touch=person), name="access.session")


async def _works_in_a_post(wiring: NodeWiring, found: LoginSession) -> bool:
    """Whether he has chosen one that he holds today. Who holds none at all has nothing to choose: he is denied."""
    if found.post is None:
        return False
    posts = await wiring.posts_of(found.badge_no, wiring.node.business_today())
    return not posts or any(post.header == found.post for post in posts)


async def typed(request: Request) -> dict[str, str]:
    """The fields of the form that was sent, each once; {} where nothing was."""
    return dict(await _fields(request))


async def _fields(request: Request) -> list[tuple[str, str]]:
    """Every field; a line ends as it does in Python, not as browsers send it (CR LF)."""
    if request.method in SAFE_METHODS:
        return []
    form: FormData = await request.form()
    return [(name, value.replace("\r\n", "\n")) for name, value in form.multi_items() if not isinstance(value, UploadFile)]


def require_own_page(request: Request) -> None:
    """What changes something must come from a page of this node (Fetch Metadata; Origin where the browser lacks it).

    Raises Forbidden. Another port of this machine is the same site, and refused."""
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None and site in ("same-origin", "none"):
        return
    if site is None and URL(request.headers.get("origin", "")).netloc == request.url.netloc:
        return
    raise Forbidden(N_("this form was not sent from a page of this node"), code="foreign_page")
