"""Login sessions: rows at the server, a random token in a cookie that is named after the bureau.

NoSession 401     nobody is logged in, or no longer
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from sqlalchemy import bindparam, delete, insert, select, update
from starlette.datastructures import URL
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.bureau.access.login import Claims
from services.bureau.access.tables import login_session
from shared.database import Session
from shared.identifiers.texts import N_
from shared.web import Unauthorized

IDLE = timedelta(minutes=15)
ABSOLUTE = timedelta(hours=10)
STEPPED_UP_FOR = timedelta(minutes=5)  # as long as the token of a step-up lives
TOUCHED_EVERY = timedelta(minutes=1)  # a row is not written for every look at a page
TOKEN_BYTES = 32
TRANSACTION_SECONDS = 600  # from the click to the provider's answer
LOGIN, CHOOSE_POST = "/login", "/login/post"

FIND = select(login_session).where(login_session.c.token_hash == bindparam("hash"))
BEGIN = insert(login_session)
TOUCH = update(login_session).where(login_session.c.token_hash == bindparam("hash")).values(used_at=bindparam("now"))
END = delete(login_session).where(login_session.c.token_hash == bindparam("hash"))
FORGET = delete(login_session).where(
    (login_session.c.used_at < bindparam("idle_since")) | (login_session.c.began_at < bindparam("began_before"))
)


class NoSession(Unauthorized):
    """Nobody is logged in at this browser, or no longer."""

    code = "no_session"
    title = N_("you are not logged in, or no longer: log in again")

    def page_instead(self, request: Request) -> str | None:
        return login_address(request) if request.method == "GET" else None


class NoPostChosen(NoSession):
    """Logged in, and in none of several posts yet."""

    code = "no_post_chosen"
    title = N_("choose the post in which you work now")

    def page_instead(self, request: Request) -> str | None:
        return f"{CHOOSE_POST}?{urlencode({'next': came_from(request)})}"


def came_from(request: Request) -> str:
    """The page to come back to: this one, or for a form that was sent, the page with the form."""
    here = request.url if request.method == "GET" else URL(request.headers.get("referer", "/"))
    return f"/{here.path.lstrip('/')}{'?' + here.query if here.query else ''}"  # "//name" would be another host


def login_address(request: Request, *, step_up: bool = False) -> str:
    """Where to log in, coming back to this page."""
    return f"{LOGIN}?{urlencode({'next': came_from(request), **({'step_up': 'yes'} if step_up else {})})}"


class LoginTransaction:
    """The signed cookie between the click and the provider's answer: state, nonce, verifier, and where to come back to.

    As the session's own cookie it is bound to its host where there is TLS."""

    def __init__(self, app: ASGIApp, *, bureau: str, secret_key: str) -> None:
        self._by_security = {
            secure: SessionMiddleware(
                app,
                secret_key,
                session_cookie=cookie_name(f"{bureau}-login", secure=secure),
                max_age=TRANSACTION_SECONDS,
                path="/" if secure else LOGIN,  # what is named __Host- must be for all paths
                https_only=secure,
            )
            for secure in (False, True)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._by_security[scope.get("scheme") == "https"](scope, receive, send)


@dataclass(frozen=True, slots=True)
class LoginSession:
    """Who is logged in. `post`: station:role, None while none is chosen."""

    token: str
    badge_no: str
    name: str
    post: str | None
    began_at: datetime
    stepped_up_at: datetime | None

    def stepped_up(self, now: datetime) -> bool:
        return self.stepped_up_at is not None and now - self.stepped_up_at < STEPPED_UP_FOR


def cookie_name(bureau: str, *, secure: bool) -> str:
    """Cookies ignore ports: the bureau's name keeps two nodes in one browser apart."""
    return f"__Host-quanyu-{bureau}" if secure else f"quanyu-{bureau}"


def set_cookie(response: Response, request: Request, bureau: str, token: str) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(cookie_name(bureau, secure=secure), token, secure=secure, httponly=True, samesite="lax", path="/")


def drop_cookie(response: Response, request: Request, bureau: str) -> None:
    secure = request.url.scheme == "https"
    response.delete_cookie(cookie_name(bureau, secure=secure), secure=secure, httponly=True, samesite="lax", path="/")


def token_of(request: Request, bureau: str) -> str | None:
    return request.cookies.get(cookie_name(bureau, secure=request.url.scheme == "https"))


async def begin(session: Session, claims: Claims, *, post: str | None) -> str:
    """A new session of who has just logged in; gives its token, which nobody but the browser keeps."""
    return await _begin(session, claims.badge_no, claims.name, post, stepped_up=claims.stepped_up, began_at=None)


async def change_post(session: Session, old: LoginSession, post: str) -> str:
    """The session goes on under a new token, in another post; its absolute end stays, its step-up ends."""
    await end(session, old.token)
    return await _begin(session, old.badge_no, old.name, post, stepped_up=False, began_at=old.began_at)


async def step_up(session: Session, old: LoginSession, claims: Claims) -> str:
    """The session goes on under a new token, stepped up if the login was. Raises NoSession when somebody else logged in."""
    if claims.badge_no != old.badge_no:
        raise NoSession
    await end(session, old.token)
    return await _begin(session, old.badge_no, old.name, old.post, stepped_up=claims.stepped_up, began_at=old.began_at)


async def _begin(
    session: Session, badge_no: str, name: str, post: str | None, *, stepped_up: bool, began_at: datetime | None
) -> str:
    token, now = secrets.token_urlsafe(TOKEN_BYTES), session.node.machine_now()
    await session.execute(
        BEGIN,
        {
            "token_hash": hash_of(token),
            "badge_no": badge_no,
            "name": name,
            "post": post,
            "began_at": began_at or now,
            "used_at": now,
            "stepped_up_at": now if stepped_up else None,
        },
    )
    return token


async def find(session: Session, token: str | None, *, touch: bool = True) -> LoginSession:
    """The session of a cookie's token; `touch`: a person uses it now, not a page that follows by itself. Raises NoSession."""
    if not token:
        raise NoSession
    row = (await session.execute(FIND, {"hash": hash_of(token)})).one_or_none()
    now = session.node.machine_now()
    if row is None or now - row.used_at > IDLE or now - row.began_at > ABSOLUTE:
        raise NoSession
    if touch and now - row.used_at > TOUCHED_EVERY:
        await session.execute(TOUCH, {"hash": row.token_hash, "now": now})
    return LoginSession(token, row.badge_no, row.name, row.post, row.began_at, row.stepped_up_at)


async def end(session: Session, token: str) -> None:
    await session.execute(END, {"hash": hash_of(token)})


async def forget_sessions(session: Session) -> None:
    """Delete the sessions that have ended; the sweeper calls it."""
    now = session.node.machine_now()
    await session.execute(FORGET, {"idle_since": now - IDLE, "began_before": now - ABSOLUTE})


def hash_of(token: str) -> bytes:
    """What is kept of a cookie's token."""
    return hashlib.sha256(token.encode()).digest()
