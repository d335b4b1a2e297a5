"""Every route of both doors declares its rule, or says why it needs none."""

import re
from dataclasses import replace
from urllib.parse import urlencode

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from services.bureau.access.calls import Act, Declares, Public, declared_action
from services.bureau.access.citizens import CitizenPage
from services.bureau.access.rules import ACTIONS
from services.bureau.app import build_peer_door, build_web
from tests.node.access.expected import PAGES, ROUTES
from tests.node.bureau import Bureau
from tests.node.conftest import Browse

# What FastAPI serves by itself: the document of the officers' API, which holds no persons.
DOCUMENTS = {"/openapi.json"}
PUBLIC = {
    "/health/live",
    "/health/ready",
    "/metrics",
    "/.well-known/quanyu/trust-list",
    "/.well-known/quanyu/trust-list/{version}",
}
SOME = "01999999-0000-7000-8000-000000000001"  # what stands for any name in a path: nobody is logged in, so nothing is looked up
DEVELOPMENT = {"/dev/.well-known/openid-configuration", "/dev/jwks", "/dev/token", "/dev/authorize"}


def declared(app: FastAPI) -> dict[tuple[str, str], Declares | None]:
    """What each route of the application and of what is mounted in it declares, by method and path."""
    found: dict[tuple[str, str], Declares | None] = {}
    for context in iter_route_contexts(app.routes):
        if context.path in DOCUMENTS:
            continue
        dependant = getattr(context.route, "dependant", None)
        for method in sorted((getattr(context, "methods", None) or {"MOUNT"}) - {"HEAD"}):
            found[method, str(context.path)] = None if dependant is None else declared_action(context.dependant)
    return found


def test_every_route_of_the_web_door_declares_the_action_that_was_written_down(quiet_shanghai: Bureau) -> None:
    found = declared(build_web(quiet_shanghai.wiring))
    actions = {f"{method} {path}": said.action for (method, path), said in found.items() if isinstance(said, Act | CitizenPage)}
    assert {name: action for name, action in actions.items() if name not in PAGES} == {one.name: one.action for one in ROUTES}
    everybody = {f"{method} {path}": "public" for (method, path), said in found.items() if isinstance(said, Public)}
    assert {name: said for name, said in (actions | everybody).items() if name in PAGES} == PAGES
    assert {name for name in everybody if name not in PAGES} == {f"GET {path}" for path in PUBLIC}
    undeclared = {name for name, said in found.items() if said is None}
    assert undeclared <= {("MOUNT", "/dev")}, undeclared


def test_every_route_of_the_peer_door_says_who_authenticates(quiet_shanghai: Bureau) -> None:
    found = declared(build_peer_door(quiet_shanghai.wiring))
    assert set(found) == {("POST", "/peer/v1/{capability}/{question}")}
    for said in found.values():
        assert isinstance(said, Public)
        assert "envelope" in said.reason


def test_every_route_of_the_development_login_is_declared(quiet_shanghai: Bureau) -> None:
    app = build_web(quiet_shanghai.wiring)
    (mounted,) = [getattr(route, "app", None) for route in app.routes if getattr(route, "path", "") == "/dev"]
    assert isinstance(mounted, FastAPI)
    found = declared(mounted)
    assert {f"/dev{path}" for _, path in found} == DEVELOPMENT
    assert all(isinstance(said, Public) for said in found.values())


def test_every_officers_action_of_the_rule_table_has_a_route() -> None:
    of_officers = {action for action in ACTIONS if ".question." not in action}
    assert of_officers == {route.action for route in ROUTES} | (set(PAGES.values()) - {"public"})


async def test_a_page_is_for_who_is_logged_in(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser = await browse(quiet_shanghai)
    for name, action in PAGES.items():
        method, _, path = name.partition(" ")
        if action == "public":
            continue
        path = re.sub(r"{\w+}", SOME, path)
        answer = await (browser.get(path) if method == "GET" else browser.send(path))
        door = "/c/track?again=yes" if path.startswith("/c/") else f"/login?{urlencode({'next': path})}"
        wanted = (303, door) if method == "GET" else (401, None)
        assert (answer.status_code, answer.headers.get("location")) == wanted, name


@pytest.mark.parametrize("path", ["/dev/token", "/dev/jwks"])
async def test_outside_development_there_is_no_development_login(quiet_shanghai: Bureau, path: str) -> None:
    app = build_web(replace(quiet_shanghai.wiring, development=None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shanghai.invalid") as web:
        assert (await web.post(path)).status_code == 404
