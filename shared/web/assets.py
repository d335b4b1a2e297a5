"""Style and script of the pages: a few files joined when the process starts, named by their content, kept by browsers for ever.

One script, because two deferred ones race: htmx looks for its extension before the second has arrived (ui.md 4.1).
"""

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from shared.web.problems import NotFound

BUNDLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "app.css": (*("css/tokens.css", "css/base.css", "css/forms.css"), *("css/citizen.css", "css/desk.css", "css/cases.css")),
        "ops.css": ("css/ops.css",),
        "wall.css": ("css/wall.css",),
        "shield.svg": ("shield.svg",),
        "app.js": ("vendor/htmx.min.js", "vendor/hx-sse.min.js", "js/drafts.js", "js/keys.js", "js/live.js", "js/intake.js"),
    }
)
TYPES = MappingProxyType({"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"})
HASH_CHARACTERS = 12
FOR_EVER = "public, max-age=31536000, immutable"
FOLDER = "/static"


@cache
def _built() -> Mapping[str, bytes]:
    """Name with hash -> content."""
    folder, built = files("shared.web") / "static", {}
    for name, parts in BUNDLES.items():
        content = b"\n".join((folder / part).read_bytes() for part in parts)
        stem, _, kind = name.partition(".")
        built[f"{stem}.{hashlib.sha256(content).hexdigest()[:HASH_CHARACTERS]}.{kind}"] = content
    return MappingProxyType(built)


@cache
def _packed(name: str) -> bytes:
    return gzip.compress(_built()[name], mtime=0)


def asset(name: str) -> str:
    """The address of a bundle: `asset("app.css")`. KeyError when there is no such bundle."""
    stem, _, kind = name.partition(".")
    for built in _built():
        if built.startswith(f"{stem}.") and built.endswith(f".{kind}"):
            return f"{FOLDER}/{built}"
    raise KeyError(name)


def assets_router() -> APIRouter:
    """Serves the bundles; declared public by the application that includes it."""
    router = APIRouter(include_in_schema=False)

    @router.get(FOLDER + "/{name}")
    async def serve(name: str, request: Request) -> Response:
        content = _built().get(name)
        if content is None:
            raise NotFound
        headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            content, headers = _packed(name), headers | {"Content-Encoding": "gzip"}
        return Response(content, headers=headers, media_type=TYPES[name.rpartition(".")[2]])

    return router
