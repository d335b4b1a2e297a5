"""The development login: an OIDC provider mounted in the node, for machines on which there are no persons to protect.

NotDevelopment       refuses to exist outside of the development environment

It asks for no password and no second factor: whoever reaches the port may be any officer who holds a post. Endpoints below the
mount point: `/.well-known/openid-configuration`, `/jwks`, `/authorize` (a page: choose whom to be; code flow with PKCE) and
`POST /token` (a code; or the grant for programs, with officer, and acr_values if the token shall say another login than with a
second factor).
"""

import hashlib
import hmac
import json
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import Depends, FastAPI, Query, Request
from fastapi import Form as FormField
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response
from uuid_utils.compat import uuid7

from services.bureau.access.calls import ROLE_NAMES, public
from services.bureau.access.login import ALGORITHM, STEP_UP
from shared.database import Clock
from shared.identifiers.texts import N_
from shared.web import Forbidden, Pages

GRANT_TYPE = "urn:quanyu:grant:development"
TOKEN_SECONDS = 10 * 60 * 60  # a working day: the absolute limit of a login session
KEY_FILE = "development-login.json"
KEY_FILE_MODE = 0o600

CODE_GRANT = "authorization_code"
CODE_SECONDS = 60
PASSWORD = "password"  # noqa: S105  # the `acr` of a login without a second factor
LOOPBACK_NAMES = ("127.0.0.1", "localhost")

PostsOfToday = Callable[[], Awaitable[Sequence[Any]]]
"""The posts held today, each with badge_no, officer_name, station_name and role."""
OfficerName = Callable[[str], Awaitable[str | None]]
"""Badge number -> name of an officer who holds a post today, or None."""


class NotDevelopment(Exception):
    """The development login refuses to start outside of the development environment."""


class Asked(BaseModel, frozen=True):
    """What a client asks at `/authorize` (RFC 6749, 4.1.1; RFC 7636; OpenID Connect Core 1.0, 3.1.2.1)."""

    response_type: Literal["code"]
    client_id: Annotated[str, Field(max_length=64)]
    redirect_uri: Annotated[str, Field(max_length=512)]
    state: Annotated[str, Field(max_length=512)]
    nonce: Annotated[str, Field(max_length=512)] = ""
    code_challenge: Annotated[str, Field(min_length=43, max_length=128)]
    code_challenge_method: Literal["S256"]
    acr_values: Literal["", "password", "stepup"] = ""

    @property
    def acr(self) -> str:
        """How the login that follows is said to have been."""
        return self.acr_values or PASSWORD


@dataclass(frozen=True, slots=True, kw_only=True)
class DevelopmentLogin:
    """Where the provider lives: `issuer` is its address (with the mount point), `folder` keeps its key over restarts."""

    environment: str
    issuer: str
    audience: str
    folder: Path


class DevelopmentProvider:
    """Issues access tokens (RFC 9068) for officers; made for one node, or for `quanyu token` beside it."""

    def __init__(self, login: DevelopmentLogin, *, clock: Clock) -> None:
        if login.environment != "development":
            raise NotDevelopment(f"the development login refuses to start: environment is {login.environment!r}")
        self.login = login
        self._clock = clock
        self._key = _load_or_make_key(login.folder)
        self._codes: dict[str, tuple[str, Asked, float]] = {}  # of this process: a login lasts seconds

    def issue(self, badge_no: str, *, name: str, acr: str = STEP_UP) -> dict[str, str | int]:
        """A token response (RFC 6749, 5.1): access_token, token_type, expires_in (seconds). `acr`: as what login it passes."""
        now = int(self._clock.now().timestamp())
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": self._key.kid}
        claims = {
            "iss": self.login.issuer,
            "aud": self.login.audience,
            "sub": badge_no,
            "client_id": "quanyu-development",
            "name": name,
            "acr": acr,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "jti": str(uuid7()),
        }
        token = jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}

    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517)."""
        return {"keys": [self._key.as_dict(private=False) | {"use": "sig", "alg": ALGORITHM}]}

    def id_token(self, badge_no: str, *, name: str, asked: "Asked") -> str:
        """Who has logged in (OpenID Connect Core 1.0, 2), for the client that asked."""
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": self.login.issuer,
            "aud": asked.client_id,
            "sub": badge_no,
            "name": name,
            "acr": asked.acr,
            "nonce": asked.nonce,
            "iat": now,
            "exp": now + CODE_SECONDS,
        }
        return jwt.encode({"alg": ALGORITHM, "kid": self._key.kid}, claims, self._key, algorithms=[ALGORITHM])

    def new_code(self, badge_no: str, asked: "Asked") -> str:
        """A code that can be exchanged once, for CODE_SECONDS."""
        now, code = self._clock.now().timestamp(), secrets.token_urlsafe(32)
        self._codes = {one: kept for one, kept in self._codes.items() if now < kept[2]}
        self._codes[code] = (badge_no, asked, now + CODE_SECONDS)
        return code

    def redeem(self, code: str, *, redirect_uri: str, verifier: str) -> "tuple[str, Asked] | None":
        """Who it was given to, and what was asked; None when it is unknown, used, over, or another's (PKCE, RFC 7636)."""
        badge_no, asked, ends_at = self._codes.pop(code, ("", None, 0.0))
        if asked is None or self._clock.now().timestamp() >= ends_at or asked.redirect_uri != redirect_uri:
            return None
        return (badge_no, asked) if hmac.compare_digest(asked.code_challenge, s256(verifier)) else None

    async def jwks_source(self) -> dict[str, Any]:
        """The same as a source for TokenVerifier, without a detour over the network."""
        return self.jwks()

    def configuration(self) -> dict[str, Any]:
        """Discovery document (OpenID Connect Discovery 1.0)."""
        issuer = self.login.issuer
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks",
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "grant_types_supported": [CODE_GRANT, GRANT_TYPE],
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "acr_values_supported": [PASSWORD, STEP_UP],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }


def build_development_provider(
    provider: DevelopmentProvider, *, officer_name: OfficerName, posts: PostsOfToday, pages: Pages
) -> FastAPI:
    """The application to mount under the path of the issuer."""
    everybody = [Depends(public("the development login: there is nobody to protect"))]
    app = FastAPI(title="Quanyu development login", docs_url=None, redoc_url=None, dependencies=everybody)
    app.state.pages = pages

    @app.get("/.well-known/openid-configuration")
    async def configuration() -> dict[str, Any]:
        return provider.configuration()

    @app.get("/jwks")
    async def jwks() -> dict[str, Any]:
        return provider.jwks()

    @app.get("/authorize")
    async def choose(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        """Who shall it be?"""
        _require_own(provider, asked)
        return pages.render(request, "access/development.html", asked=asked, posts=await posts(), people=ROLE_NAMES)

    @app.post("/authorize")
    async def chosen(asked: Annotated[Asked, Query()], officer: Annotated[str, FormField(max_length=32)]) -> Response:
        """Back to the node, with a code."""
        _require_own(provider, asked)
        if await _name_of(officer_name, officer) is None:
            raise Forbidden(N_("no officer with this badge number holds a post today"))
        answer = urlencode({"code": provider.new_code(officer, asked), "state": asked.state})
        return RedirectResponse(f"{asked.redirect_uri}?{answer}", 303)

    @app.post("/token")
    async def token(request: Request) -> JSONResponse:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
        if form.get("grant_type") == CODE_GRANT:
            return await _exchange(provider, officer_name, form)
        if form.get("grant_type") != GRANT_TYPE:
            return _oauth_error("unsupported_grant_type", f"grant_type must be {CODE_GRANT} or {GRANT_TYPE}")
        badge_no = form.get("officer", "")
        name = await _name_of(officer_name, badge_no)
        if name is None:
            return _oauth_error("invalid_grant", "no officer with this badge number holds a post today")
        issued = provider.issue(badge_no, name=name, acr=form.get("acr_values", STEP_UP))
        return JSONResponse(issued, headers={"Cache-Control": "no-store"})

    return app


async def _exchange(provider: DevelopmentProvider, officer_name: OfficerName, form: Mapping[str, str]) -> JSONResponse:
    """RFC 6749, 4.1.3, with PKCE."""
    verifier, where = form.get("code_verifier", ""), form.get("redirect_uri", "")
    redeemed = provider.redeem(form.get("code", ""), redirect_uri=where, verifier=verifier)
    if redeemed is None:
        return _oauth_error("invalid_grant", "the code is unknown, was used, is over, or belongs to another client")
    badge_no, asked = redeemed
    name = await _name_of(officer_name, badge_no) or ""
    issued = provider.issue(badge_no, name=name, acr=asked.acr)
    issued["id_token"] = provider.id_token(badge_no, name=name, asked=asked)
    return JSONResponse(issued, headers={"Cache-Control": "no-store"})


async def _name_of(officer_name: OfficerName, badge_no: str) -> str | None:
    return await officer_name(badge_no) if badge_no.isprintable() else None  # PostgreSQL knows no NUL


def _require_own(provider: DevelopmentProvider, asked: Asked) -> None:
    """A code goes only to the node in which this provider is mounted."""
    own, wanted = urlsplit(provider.login.issuer), urlsplit(asked.redirect_uri)
    if wanted.scheme != own.scheme or wanted.port != own.port or wanted.hostname not in (own.hostname, *LOOPBACK_NAMES):
        raise Forbidden(N_("this provider serves only its own node"))


def s256(verifier: str) -> str:
    """The challenge of a verifier (RFC 7636, 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _oauth_error(code: str, description: str) -> JSONResponse:
    """RFC 6749, 5.2."""
    return JSONResponse({"error": code, "error_description": description}, status_code=400)


def _load_or_make_key(folder: Path) -> ECKey:
    """One key for all processes of the run folder: the first to link its file into place has made it."""
    path = folder / KEY_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        key = ECKey.generate_key("P-256", {"kid": f"development-{secrets.token_hex(4)}", "use": "sig"}, private=True)
        draft = folder / f".{KEY_FILE}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, KEY_FILE_MODE), "w") as file:
            json.dump(key.as_dict(private=True), file)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: its key counts
        finally:
            draft.unlink()
    try:
        return ECKey.import_key(json.loads(path.read_text()))
    except (JoseError, ValueError) as error:
        raise ValueError(f"{path} holds no key; delete it, and a new one is made") from error
