"""The development login: an OIDC provider mounted in the node, for machines on which there are no persons to protect.

NotDevelopment       refuses to exist outside of the development environment

It asks for no password and no second factor: whoever reaches the port may be any officer who holds a post. Endpoints below the
mount point: `/.well-known/openid-configuration`, `/jwks`, and `POST /token` (form: grant_type, officer, acr_values if the token
shall say another login than one with a second factor).
"""

import json
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from starlette.responses import JSONResponse
from uuid_utils.compat import uuid7

from services.bureau.access.calls import public
from services.bureau.access.login import ALGORITHM, STEP_UP
from shared.database import Clock

GRANT_TYPE = "urn:quanyu:grant:development"
TOKEN_SECONDS = 10 * 60 * 60  # a working day: the absolute limit of a login session
KEY_FILE = "development-login.json"
KEY_FILE_MODE = 0o600

OfficerName = Callable[[str], Awaitable[str | None]]
"""Badge number -> name of an officer who holds a post today, or None."""


class NotDevelopment(Exception):
    """The development login refuses to start outside of the development environment."""


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

    async def jwks_source(self) -> dict[str, Any]:
        """The same as a source for TokenVerifier, without a detour over the network."""
        return self.jwks()

    def configuration(self) -> dict[str, Any]:
        """Discovery document (OpenID Connect Discovery 1.0); there is no authorization endpoint yet."""
        issuer = self.login.issuer
        return {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks",
            "token_endpoint": f"{issuer}/token",
            "grant_types_supported": [GRANT_TYPE],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }


def build_development_provider(provider: DevelopmentProvider, *, officer_name: OfficerName) -> FastAPI:
    """The application to mount under the path of the issuer."""
    everybody = [Depends(public("the development login: there is nobody to protect"))]
    app = FastAPI(title="Quanyu development login", docs_url=None, redoc_url=None, dependencies=everybody)

    @app.get("/.well-known/openid-configuration")
    async def configuration() -> dict[str, Any]:
        return provider.configuration()

    @app.get("/jwks")
    async def jwks() -> dict[str, Any]:
        return provider.jwks()

    @app.post("/token")
    async def token(request: Request) -> JSONResponse:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
        if form.get("grant_type") != GRANT_TYPE:
            return _oauth_error("unsupported_grant_type", f"grant_type must be {GRANT_TYPE}")
        badge_no = form.get("officer", "")
        name = await officer_name(badge_no) if badge_no.isprintable() else None  # PostgreSQL knows no NUL
        if name is None:
            return _oauth_error("invalid_grant", "no officer with this badge number holds a post today")
        issued = provider.issue(badge_no, name=name, acr=form.get("acr_values", STEP_UP))
        return JSONResponse(issued, headers={"Cache-Control": "no-store"})

    return app


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
