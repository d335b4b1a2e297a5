"""Logging in at a browser: OIDC code flow with PKCE at the bureau's own provider, the choice of a post, step-up, logging out."""

from collections.abc import Mapping
from typing import Annotated, Any, Protocol

import httpx2 as httpx
import structlog
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.starlette_client import OAuth
from fastapi import APIRouter, Depends, Request
from fastapi import Form as FormField
from joserfc.errors import JoseError
from starlette.responses import RedirectResponse, Response

from services.bureau.access import sessions
from services.bureau.access.callers import Post
from services.bureau.access.calls import ROLE_NAMES, Call, NodeWiring, officer_of, public
from services.bureau.access.login import STEP_UP, Claims
from services.bureau.access.page_calls import page, require_own_page, session_of
from services.bureau.access.sessions import CHOOSE_POST, LOGIN, NoSession, token_of
from shared.audit import AuditEntry, write_audit
from shared.database import Actor, Session
from shared.identifiers.texts import N_
from shared.web import Unauthorized, Unavailable, pages_of

CLIENT_ID = "quanyu"
CALLBACK = "/login/callback"
PROVIDER_SECONDS = 5.0  # somebody stands at the counter
NEXT, HOME = "next", "/home"
PATH_CHARACTERS = 2048  # a cookie carries it to the provider and back, and browsers drop one of more than 4 KiB

router = APIRouter(include_in_schema=False)
everybody = [Depends(public("who logs in is not known yet"))]
logger = structlog.get_logger(__name__)


class LoginWiring(NodeWiring, Protocol):
    """What logging in needs of `app.state.wiring`."""

    @property
    def unit_names(self) -> Mapping[str, str]: ...


def login_client(issuer: str, transport: httpx.AsyncBaseTransport | None) -> Any:
    """The OIDC client of this node, for `app.state.login`; `transport`: how to reach a provider in the same process."""
    client = OAuth()
    client.register(
        "quanyu",
        client_id=CLIENT_ID,
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile",
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "none",
            "timeout": PROVIDER_SECONDS,
            "trust_env": False,
            **({} if transport is None else {"transport": transport}),
        },
    )
    return client.quanyu


class LoginFailed(Unauthorized):
    """The provider did not say who it is: cancelled, too late, or another window's answer."""

    code = "login_failed"
    title = N_("the login did not succeed: begin again")


@router.get(LOGIN, dependencies=everybody)
async def log_in(request: Request, next: str = HOME, step_up: str = "") -> Response:  # the query's name
    """To the provider; `step_up`: with a second factor."""
    request.session[NEXT] = own_path(next)
    more = {"acr_values": STEP_UP, "max_age": "0"} if step_up else {}
    back = f"{str(request.base_url).rstrip('/')}{CALLBACK}"
    try:
        answer: Response = await request.app.state.login.authorize_redirect(request, back, **more)
    except (httpx.HTTPError, OSError) as error:
        raise _provider_down(error) from error
    return answer


@router.get(CALLBACK, dependencies=everybody)
async def come_back(request: Request) -> Response:
    """From the provider, with a code: a session begins, or goes on stepped up."""
    wiring: LoginWiring = request.app.state.wiring
    try:
        told = await request.app.state.login.authorize_access_token(request)
    except (OAuthError, JoseError, ValueError) as error:  # ValueError: what came is no JSON, or names no key of the provider
        logger.info("login_failed", error=getattr(error, "error", type(error).__name__))
        raise LoginFailed from None
    except (httpx.HTTPError, OSError) as error:
        raise _provider_down(error) from error
    claims = await wiring.tokens.verify(f"Bearer {told.get('access_token', '')}")
    where = own_path(request.session.pop(NEXT, HOME))
    posts = await wiring.posts_of(claims.badge_no, wiring.node.business_today())
    if not posts:
        await officer_of(wiring, claims, None, for_action="access.log_in", path=request.url.path)  # denies, and says so
    token = await _session_for(wiring, request, claims, posts[0] if len(posts) == 1 else None)
    answer = RedirectResponse(where, 303)
    sessions.set_cookie(answer, request, wiring.node.bureau, token)
    return answer


async def _session_for(wiring: LoginWiring, request: Request, claims: Claims, only: Post | None) -> str:
    old_token = token_of(request, wiring.node.bureau)

    async def unit(session: Session) -> str:
        await write_audit(session, AuditEntry(action="access.log_in", object_kind="officer", object_id=claims.badge_no))
        try:
            old = await sessions.find(session, old_token)
            return await sessions.step_up(session, old, claims)
        except NoSession:  # none, one that is over, or another officer's, which ends
            if old_token:
                await sessions.end(session, old_token)
            return await sessions.begin(session, claims, post=None if only is None else only.header)

    return await wiring.database.run(unit, name="access.log_in", actor=Actor("officer", claims.badge_no))


@router.get(CHOOSE_POST, dependencies=everybody)
async def choose_post(request: Request, next: str = HOME) -> Response:  # the query's name
    """The posts that the officer holds today."""
    wiring: LoginWiring = request.app.state.wiring
    found = await session_of(wiring, request)
    posts = await wiring.posts_of(found.badge_no, wiring.node.business_today())
    return pages_of(request).render(
        request, "access/post.html", posts=posts, next=own_path(next), unit_names=wiring.unit_names, role_names=ROLE_NAMES
    )


@router.post(CHOOSE_POST, dependencies=everybody)
async def take_post(
    request: Request,
    post: Annotated[str, FormField(max_length=64)],
    next: Annotated[str, FormField(max_length=PATH_CHARACTERS)] = HOME,
) -> Response:
    """Work in this post from now on."""
    wiring: LoginWiring = request.app.state.wiring
    require_own_page(request)
    found = await session_of(wiring, request)
    claims = Claims(found.badge_no, found.name, stepped_up=False)
    officer = await officer_of(wiring, claims, post, for_action="access.take_post", path=request.url.path)

    async def unit(session: Session) -> str:
        await write_audit(session, AuditEntry(action="access.take_post", object_kind="post", object_id=post))
        return await sessions.change_post(session, found, post)

    token = await wiring.database.run(unit, name="access.take_post", actor=officer.actor)
    answer = RedirectResponse(own_path(next), 303)
    sessions.set_cookie(answer, request, wiring.node.bureau, token)
    return answer


@router.post("/logout", dependencies=everybody)
async def log_out(request: Request) -> Response:
    """This bureau's session ends; another bureau's in the same browser stays."""
    wiring: LoginWiring = request.app.state.wiring
    require_own_page(request)
    token = token_of(request, wiring.node.bureau)
    if token:
        await wiring.database.run(lambda session: sessions.end(session, token), name="access.log_out")
    answer = RedirectResponse("/", 303)
    sessions.drop_cookie(answer, request, wiring.node.bureau)
    return answer


@router.get("/me")
async def me(request: Request, call: Annotated[Call, Depends(page("access.me"))]) -> Response:
    """Post, language, keys, logging out."""
    return pages_of(request).render(request, "access/me.html")


def own_path(where: Any) -> str:
    """A path of this node, never an address elsewhere."""
    text = str(where)
    if len(text) > PATH_CHARACTERS:
        return HOME
    return text if text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() else HOME


def _provider_down(error: Exception) -> Unavailable:
    logger.warning("login_provider_down", error=type(error).__name__)
    return Unavailable(N_("the login provider does not answer"), code="login_provider_down")
