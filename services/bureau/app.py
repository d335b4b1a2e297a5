"""The only wiring for HTTP: the web door (officers, operations) and the peer door (questions of other bureaus).

Both are built from one `Wiring`; building connects to nothing.
"""

from pathlib import Path as FilePath
from typing import Annotated, Any

import httpx2 as httpx
from fastapi import APIRouter, Depends, FastAPI, Path, Request, Response

from services.bureau.access import pages as access_pages
from services.bureau.access.calls import public
from services.bureau.access.development import build_development_provider
from services.bureau.access.sessions import LoginTransaction
from services.bureau.console import api as console_api
from services.bureau.console import pages as console_pages
from services.bureau.console.pages.chrome import Chrome
from services.bureau.population import api as population_api
from services.bureau.population import pages as population_pages
from services.bureau.stations import acts as stations
from services.bureau.stations import api as stations_api
from services.bureau.transfers import api as transfers_api
from services.bureau.transfers import pages as transfers_pages
from services.bureau.wiring import Wiring
from shared.contract.fields import VERSION_MAX
from shared.contract.registry import QUESTIONS
from shared.envelope import NoKey
from shared.identifiers.texts import N_
from shared.peers import PeerReply
from shared.telemetry import MetricsMiddleware, TraceMiddleware
from shared.web import (
    BODY_LIMIT_BYTES,
    PROBLEM_RESPONSES,
    BodyLimitMiddleware,
    NotFound,
    Pages,
    Unavailable,
    UnexpectedErrorMiddleware,
    UnkeptMiddleware,
    assets_router,
    install_problem_handlers,
    preferred_language,
)

PEER_BODY_LIMIT_BYTES = 1024 * 1024  # check 1 of an envelope: nothing larger is read
DESCRIPTION = "A bureau's node for its officers. Bearer token, and Quanyu-Post where an officer holds several posts."
HERE = FilePath(__file__).parent
PAGE_FOLDERS = {name: HERE / name / "templates" for name in ("access", "console", "population", "transfers")}
TRUST_LIST_MEDIA_TYPE = "application/jose+json"


def build_web(wiring: Wiring) -> FastAPI:
    """Officers' API, operations, health, metrics, the public trust list and, in development, the login."""
    # No /docs: its page would load scripts from a server outside, and a node's network is closed. The document is /openapi.json.
    app = FastAPI(
        title=f"Quanyu {wiring.profile.name_en}",
        description=DESCRIPTION,
        version="1",
        responses=PROBLEM_RESPONSES,
        docs_url=None,
        redoc_url=None,
    )
    app.state.wiring = wiring
    app.state.pages = Pages(PAGE_FOLDERS, chrome=Chrome(wiring))
    for router in (transfers_api.router, population_api.router, stations_api.router, console_api.router):
        app.include_router(router)
    app.include_router(assets_router(), dependencies=[Depends(public("style and script tell nothing about anybody"))])
    for router in (access_pages.router, console_pages.router, population_pages.router, transfers_pages.router):
        app.include_router(router)
    _serve_trust_lists(app, wiring)
    _log_in_with(app, wiring)
    _guard(app, wiring, limit_bytes=BODY_LIMIT_BYTES)
    return app


def _log_in_with(app: FastAPI, wiring: Wiring) -> None:
    """The login provider: the bureau's own, or in development one that is mounted here."""
    transport = None
    if wiring.development is not None:
        provider = build_development_provider(
            wiring.development, officer_name=_officer_name(wiring), posts=_posts_today(wiring), pages=app.state.pages
        )
        install_problem_handlers(provider)  # a mounted application has none of ours: a database that is down is no bug there
        provider.state.wiring = wiring
        app.mount("/dev", provider)
        transport = httpx.ASGITransport(app)
    app.state.login = access_pages.login_client(wiring.issuer, transport)
    app.add_middleware(LoginTransaction, bureau=wiring.settings.bureau, secret_key=wiring.login_secret)


def build_peer_door(wiring: Wiring) -> FastAPI:
    """Questions of other bureaus; the envelope authenticates, TLS only transports."""
    app = FastAPI(title=f"Quanyu peer door of {wiring.settings.bureau}", docs_url=None, redoc_url=None, openapi_url=None)
    paths = {kind.path for kind in QUESTIONS.values()}
    asked = Depends(public("the envelope says who asks; it is opened before anything else"))

    @app.post("/peer/v1/{capability}/{question}", dependencies=[asked])
    async def answer(request: Request) -> Response:
        path = request.url.path
        if path not in paths:
            raise NotFound
        reply = await wiring.peer_server.answer(await request.body(), path)
        return _as_response(reply)

    _guard(app, wiring, limit_bytes=PEER_BODY_LIMIT_BYTES)
    return app


def _guard(app: FastAPI, wiring: Wiring, *, limit_bytes: int) -> None:
    """What both doors have around their routes: limits, problems instead of exceptions, metrics, the trace."""
    install_problem_handlers(app)
    app.add_exception_handler(NoKey, _without_key)
    app.add_middleware(BodyLimitMiddleware, limit_bytes=limit_bytes)
    app.add_middleware(UnexpectedErrorMiddleware)
    app.add_middleware(UnkeptMiddleware)
    app.add_middleware(MetricsMiddleware, metrics=wiring.metrics)
    app.add_middleware(TraceMiddleware)


async def _without_key(request: Request, error: Exception) -> Response:
    """No usable key of ours, or of the peer that must be told: nothing was done, an operator must bring a key."""
    problem = Unavailable(N_("no usable key: {reason}"), values={"reason": str(error)}, code="no_key")
    return problem.response(language=preferred_language(request.headers.get("accept-language")))


def _as_response(reply: PeerReply) -> Response:
    headers = {} if reply.retry_after_seconds is None else {"Retry-After": str(reply.retry_after_seconds)}
    return Response(reply.body, reply.status, headers=headers | {"content-type": reply.content_type})


def _serve_trust_lists(app: FastAPI, wiring: Wiring) -> None:
    """Every version, without login: a list proves itself by its roots' signatures."""
    described: dict[int | str, dict[str, Any]] = {
        200: {"description": "JWS in general JSON form", "content": {TRUST_LIST_MEDIA_TYPE: {"schema": {"type": "object"}}}}
    }
    everybody = [Depends(public("a trust list proves itself"))]
    router = APIRouter(tags=["trust"], dependencies=everybody, responses=described, default_response_class=Response)

    @router.get("/.well-known/quanyu/trust-list")
    async def newest() -> Response:
        """The list in force, as signed."""
        return _trust_list(wiring, wiring.node.trust.current.version)

    @router.get("/.well-known/quanyu/trust-list/{version}")
    async def one(version: Annotated[int, Path(ge=1, le=VERSION_MAX)]) -> Response:
        """A list that is or was in force."""
        return _trust_list(wiring, version)

    app.include_router(router)


def _trust_list(wiring: Wiring, version: int) -> Response:
    raw = wiring.node.trust.raw(version)
    if raw is None:
        raise NotFound
    return Response(raw, media_type=TRUST_LIST_MEDIA_TYPE)


def _posts_today(wiring: Wiring) -> Any:
    async def posts() -> list[dict[str, str]]:
        held = await wiring.database.run(
            lambda session: stations.posts_on(session, session.node.business_today()), name="development.posts"
        )
        return [
            {
                "badge_no": one.badge_no,
                "officer_name": one.officer_name,
                "station_name": wiring.unit_names.get(one.station_code, one.station_code),
                "role": one.role,
            }
            for one in held
        ]

    return posts


def _officer_name(wiring: Wiring) -> Any:
    async def name_of(badge_no: str) -> str | None:
        posts = await wiring.posts_of(badge_no, wiring.node.business_today())
        return posts[0].officer_name if posts else None

    return name_of
