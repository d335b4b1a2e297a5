"""Requests over TCP, through uvicorn as a node starts it: a proxy says where a client is, the client himself does not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest

from services.bureau.access.citizens import TRIES
from services.bureau.app import build_web
from services.bureau.process import bind, server_of
from shared.identifiers.apply_no import new_apply_no
from shared.identifiers.query_code import new_query_code
from tests.conftest import STORY_BEGINS
from tests.node.bureau import Bureau

OWN = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
LOOPBACK = ("127.0.0.1/32", "10.0.0.0/24")
Serve = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def serve(shanghai: Bureau, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """A web door on a port of its own, and who asks there; `proxies`: whom it believes."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own setting, which nobody here shall need to know
    opened = []

    async def start(proxies: Sequence[str] = ()) -> httpx.AsyncClient:
        sock, server = bind("127.0.0.1", 0), server_of(build_web(shanghai.wiring), proxies=proxies)
        serving = asyncio.create_task(server.serve([sock]))
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{sock.getsockname()[1]}", trust_env=False)
        opened.append((server, serving, client))
        return client

    yield start
    for server, serving, client in opened:
        await client.aclose()
        server.should_exit = True
        await serving


async def guess(web: httpx.AsyncClient, **headers: str) -> int:
    """A wrong proof; the status of its answer."""
    form = {"apply_no": new_apply_no("310116", STORY_BEGINS.date()), "query_code": new_query_code()}
    sent = OWN | {name.replace("_", "-"): value for name, value in headers.items()}
    return (await web.post("/c/track", data=form, headers=sent)).status_code


async def test_who_guesses_cannot_say_from_where(serve: Serve) -> None:
    web = await serve()
    told = [await guess(web, X_Forwarded_For=f"192.0.2.{number}") for number in range(TRIES + 1)]
    assert told == [422] * TRIES + [429]


async def test_behind_a_proxy_each_client_has_his_own_count_and_cannot_change_it(serve: Serve) -> None:
    """A proxy appends the address that it saw: only the last one that is no proxy's counts."""
    web = await serve(LOOPBACK)
    told = [await guess(web, X_Forwarded_For=f"192.0.2.{number}, 198.51.100.7, 10.0.0.9") for number in range(TRIES + 1)]
    assert told == [422] * TRIES + [429]
    assert await guess(web, X_Forwarded_For="198.51.100.8, 10.0.0.9") == 422


@pytest.mark.parametrize(("proxies", "scheme"), [((), "http"), (LOOPBACK, "https"), (("192.0.2.1/32",), "http")])
async def test_the_scheme_of_a_login_is_that_of_the_proxy_if_it_is_believed(
    serve: Serve, proxies: Sequence[str], scheme: str
) -> None:
    web = await serve(proxies)
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    sent = await web.get("/login", headers=headers)
    back = parse_qs(urlsplit(sent.headers["location"]).query)["redirect_uri"]
    assert back == [f"{scheme}://{web.base_url.host}:{web.base_url.port}/login/callback"]
