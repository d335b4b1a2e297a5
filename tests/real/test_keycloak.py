"""Login at the real Keycloak, with each bureau's realm as delivered: what the node gets, what it takes, and what it refuses.

The officers are added to the realms here; those that are delivered have none.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2 as httpx
import pytest

from services.harness.network import BUREAUS
from services.harness.processes import Federation
from services.harness.registers import profile_of
from services.harness.stack.keycloak import KeycloakServer, delivered_realm
from tests.real.logins import PASSWORD, Browser, code_of_the_authenticator, parts_of, told, user
from tests.real.people import PLACES, Place
from tests.real.waiting import Measured

pytestmark = pytest.mark.keycloak

ADMINISTRATOR = "D00001"  # of the realm's users; no officer
TOKEN_SECONDS = 300
CASES = "/api/v1/transfers"
ANSWER_SECONDS = 10.0


def stranger(bureau: str) -> str:
    """The realm knows him; he holds no post."""
    return PLACES[bureau].counter[:3] + "999"


def populated(bureau: str) -> dict[str, Any]:
    """The bureau's realm with officers, and with who may add some."""
    place = PLACES[bureau]
    officers = [user(badge_no) for badge_no in (place.counter, place.verifier, place.office, stranger(bureau))]
    administrator = user(ADMINISTRATOR) | {"clientRoles": {"realm-management": ["manage-users"]}}
    return delivered_realm(bureau) | {"users": [*officers, administrator]}


@pytest.fixture(scope="module")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeycloakServer]:
    server = KeycloakServer(tmp_path_factory.mktemp("keycloak"), [populated(bureau) for bureau in BUREAUS])
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def federation(keycloak: KeycloakServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Four nodes as in production: they have no other login."""
    made = Federation(tmp_path_factory.mktemp("federation"))
    try:
        made.start_servers()
        for bureau, node in made.nodes.items():
            issuer = keycloak.issuer(bureau)
            node.environment = dict(node.environment) | {
                "QUANYU_ENVIRONMENT": "production",
                "QUANYU_OIDC_ISSUER": issuer,
                "QUANYU_OIDC_JWKS_URL": f"{issuer}/protocol/openid-connect/certs",
            }
        made.start_nodes()
        made.wait_ready()
        yield made
    finally:
        made.stop()


@dataclass
class Desks:
    """Browsers and programs of officers at the four bureaus."""

    keycloak: KeycloakServer
    federation: Federation
    node: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS))
    _browsers: list[Browser] = field(default_factory=list)

    def browser(self, bureau: str) -> Browser:
        """A fresh one, as at a machine that nobody has used."""
        self._browsers.append(Browser(self.keycloak.issuer(bureau), port=profile_of(bureau).web_port))
        return self._browsers[-1]

    async def token(self, bureau: str, badge_no: str) -> str:
        """Of an ordinary login."""
        browser = self.browser(bureau)
        return await browser.access_token(await browser.log_in(badge_no))

    async def ask(self, bureau: str, token: str, method: str = "GET", path: str = CASES, body: Any = None) -> httpx.Response:
        address = self.federation.nodes[bureau].web
        return await self.node.request(method, address + path, json=body, headers={"Authorization": f"Bearer {token}"})

    async def seal(self, bureau: str, token: str) -> httpx.Response:
        """An act of high risk on a case that does not exist: whoever is let through gets a 404."""
        return await self.ask(bureau, token, "POST", f"{CASES}/{uuid4()}/seal", {"applicant_confirms": True})

    async def close(self) -> None:
        await self.node.aclose()
        for browser in self._browsers:
            await browser.close()


@pytest.fixture(scope="module")
async def desks(keycloak: KeycloakServer, federation: Federation) -> AsyncIterator[Desks]:
    made = Desks(keycloak, federation)
    yield made
    await made.close()


@pytest.fixture(params=BUREAUS)
def place(request: pytest.FixtureRequest) -> Place:
    """Each bureau in its turn."""
    return PLACES[request.param]


@pytest.mark.parametrize("asked", [{"code_challenge": "", "code_challenge_method": ""}, {"code_challenge_method": "plain"}])
async def test_without_pkce_nobody_gets_as_far_as_the_form(asked: dict[str, str], place: Place, desks: Desks) -> None:
    back = told(await desks.browser(place.bureau).authorize(**asked))
    assert (back["error"], back["state"], "code" in back) == ("invalid_request", "s", False)


async def test_another_address_to_return_to_is_refused(place: Place, desks: Desks) -> None:
    other = f"http://localhost:{profile_of(place.bureau).web_port + 1}/login"
    answer = await desks.browser(place.bureau).authorize(redirect_uri=other)
    assert (answer.status_code, "location" in answer.headers) == (400, False)


async def test_a_code_is_for_who_asked_for_it_and_for_once(place: Place, desks: Desks) -> None:
    browser = desks.browser(place.bureau)
    stolen = await browser.exchange(await browser.log_in(place.office), code_verifier="a" * 64)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    way_back = await browser.authorize()
    assert (await browser.exchange(way_back)).status_code == 200
    again = await browser.exchange(way_back)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


async def test_a_password_alone_is_not_taken_at_the_token_endpoint(place: Place, desks: Desks) -> None:
    form = {"grant_type": "password", "client_id": "quanyu", "username": place.counter, "password": PASSWORD}
    answer = await desks.browser(place.bureau).ask_for_token(**form)
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


async def test_a_wrong_password_leads_back_to_the_form(place: Place, desks: Desks) -> None:
    browser = desks.browser(place.bureau)
    page = await browser.fill(await browser.authorize(), username=stranger(place.bureau), password=PASSWORD + "x")
    assert page.status_code == 200
    way_back = await browser.fill(page, username=stranger(place.bureau), password=PASSWORD)
    assert told(way_back)["code"]


async def test_the_token_says_what_the_node_needs(place: Place, desks: Desks, measured: Measured) -> None:
    browser, started = desks.browser(place.bureau), time.monotonic()
    answer = (await browser.exchange(await browser.log_in(place.counter))).json()
    measured(f"login at {place.bureau}'s realm, ms", (time.monotonic() - started) * 1000)
    header, claims = parts_of(answer["access_token"])
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    assert claims["iss"] == desks.keycloak.issuer(place.bureau)
    assert (claims["aud"], claims["azp"]) == (f"quanyu-{place.bureau}", "quanyu")
    assert (claims["sub"], claims["acr"]) == (place.counter, "password")
    assert claims["exp"] - claims["iat"] == TOKEN_SECONDS
    assert claims["auth_time"] <= claims["iat"]
    assert not {"realm_access", "resource_access", "roles", "groups"} & claims.keys()  # what he may do is said by his posts
    assert "refresh_token" not in answer  # it would keep a step-up alive
    header, claims = parts_of(answer["id_token"])
    assert (header["alg"], header["typ"]) == ("ES256", "JWT")
    assert (claims["sub"], claims["aud"], claims["nonce"], claims["acr"]) == (place.counter, "quanyu", "n", "password")


async def test_an_officer_with_a_post_works_with_his_token(place: Place, desks: Desks) -> None:
    answer = await desks.ask(place.bureau, await desks.token(place.bureau, place.counter))
    assert answer.status_code == 200, answer.text
    assert answer.json()["items"] == []


async def test_an_id_token_opens_nothing(place: Place, desks: Desks) -> None:
    browser = desks.browser(place.bureau)
    answer = (await browser.exchange(await browser.log_in(place.counter))).json()
    refused = await desks.ask(place.bureau, answer["id_token"])
    assert (refused.status_code, refused.json()["code"]) == (401, "malformed")


async def test_a_token_for_another_client_of_the_realm_opens_nothing(place: Place, desks: Desks) -> None:
    """Keycloak gives every realm a client that takes a password and a code without any form."""
    badge_no, code = stranger(place.bureau), code_of_the_authenticator()
    form = {"grant_type": "password", "client_id": "admin-cli", "username": badge_no, "password": PASSWORD, "totp": code}
    answer = await desks.browser(place.bureau).ask_for_token(**form)
    refused = await desks.ask(place.bureau, answer.json()["access_token"])
    assert (refused.status_code, refused.json()["code"]) == (401, "malformed")  # no at+jwt, and not for this audience


async def test_another_bureaus_token_is_refused(place: Place, desks: Desks) -> None:
    for other in set(BUREAUS) - {place.bureau}:
        refused = await desks.ask(place.bureau, await desks.token(other, PLACES[other].counter))
        assert (refused.status_code, refused.json()["code"]) == (401, "other_issuer")


async def test_an_officer_without_a_post_is_refused(place: Place, desks: Desks) -> None:
    refused = await desks.ask(place.bureau, await desks.token(place.bureau, stranger(place.bureau)))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_sealing_asks_for_the_second_factor_and_takes_it(place: Place, desks: Desks) -> None:
    browser = desks.browser(place.bureau)
    token = await browser.access_token(await browser.log_in(place.verifier))
    assert (await desks.ask(place.bureau, token)).status_code == 200
    refused = await desks.seal(place.bureau, token)
    assert (refused.status_code, refused.json()["code"]) == (401, "step_up_required")
    wanted = re.search(r'acr_values="(\w+)"', refused.headers["www-authenticate"])
    assert wanted is not None
    page = await browser.authorize(acr_values=wanted[1])
    assert 'name="otp"' in page.text
    assert 'name="password"' not in page.text  # he is logged in: that is not asked again
    stepped_up = await browser.access_token(await browser.step_up(page))
    assert parts_of(stepped_up)[1]["acr"] == "stepup"
    done = await desks.seal(place.bureau, stepped_up)
    assert (done.status_code, done.json()["code"]) == (404, "no_such_case"), done.text
    assert (await desks.seal(place.bureau, token)).status_code == 401  # it is the token that has stepped up, not the officer


async def test_no_way_of_asking_gives_a_step_up_without_the_code(place: Place, desks: Desks) -> None:
    browser = desks.browser(place.bureau)
    assert told(await browser.log_in(place.office))["code"]
    silent = told(await browser.authorize(acr_values="stepup", prompt="none"))
    assert (silent["error"], "code" in silent) == ("login_required", False)
    for asked in ("2", "stepup password", "password stepup"):
        answer = await browser.authorize(acr_values=asked)
        if answer.status_code == 302:
            assert parts_of(await browser.access_token(answer))[1]["acr"] == "password", asked
        else:
            assert 'name="otp"' in answer.text, asked
    page = await browser.fill(await browser.authorize(acr_values="stepup"), otp="000000")
    assert (page.status_code, 'name="otp"' in page.text) == (200, True)


async def test_step_up_ends_with_its_token(place: Place, desks: Desks) -> None:
    browser = desks.browser(place.bureau)
    page = await browser.log_in(place.office, acr_values="stepup")  # at the first login, too
    assert parts_of(await browser.access_token(await browser.step_up(page)))[1]["acr"] == "stepup"
    assert parts_of(await browser.access_token(await browser.authorize()))[1]["acr"] == "password"
    assert 'name="otp"' in (await browser.authorize(acr_values="stepup")).text


async def test_a_code_of_the_authenticator_counts_once(place: Place, desks: Desks) -> None:
    browser, code = desks.browser(place.bureau), code_of_the_authenticator()
    assert told(await browser.fill(await browser.log_in(place.counter, acr_values="stepup"), otp=code))["code"]
    page = await browser.fill(await browser.authorize(acr_values="stepup"), otp=code)
    assert (page.status_code, 'name="otp"' in page.text) == (200, True)
    assert told(await browser.step_up(page, periods_ahead=1))["code"]


async def test_a_password_does_not_set_up_another_authenticator(place: Place, desks: Desks) -> None:
    browser = desks.browser(place.bureau)
    assert told(await browser.log_in(stranger(place.bureau)))["code"]
    page = await browser.authorize(kc_action="CONFIGURE_TOTP")
    assert ('name="otp"' in page.text, "totpSecret" in page.text) == (True, False)  # first the one he has


async def test_a_new_officer_sets_up_his_second_factor_before_anything_else(place: Place, desks: Desks) -> None:
    issuer, newcomer = desks.keycloak.issuer(place.bureau), place.counter[:3] + "998"
    code = code_of_the_authenticator()
    form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMINISTRATOR, "password": PASSWORD, "totp": code}
    token = (await desks.browser(place.bureau).ask_for_token(**form)).json()["access_token"]
    users = f"{issuer.replace('/realms/', '/admin/realms/')}/users"
    headers = {"Authorization": f"Bearer {token}"}
    made = await desks.node.post(users, json=user(newcomer, second_factor=False), headers=headers)
    assert made.status_code == 201, made.text
    answer = await desks.browser(place.bureau).log_in(newcomer)
    assert answer.headers["location"].startswith(f"{issuer}/login-actions/required-action?execution=CONFIGURE_TOTP")


async def test_a_login_provider_that_dies_ends_nobodys_work(desks: Desks, measured: Measured) -> None:
    tokens = {bureau: await desks.token(bureau, place.counter) for bureau, place in PLACES.items()}
    desks.keycloak.kill9()
    for bureau, token in tokens.items():
        assert (await desks.ask(bureau, token)).status_code == 200
    started = time.monotonic()
    await asyncio.to_thread(desks.keycloak.restart)
    measured("Keycloak killed: it answers again after", time.monotonic() - started)
    for bureau, token in tokens.items():  # its keys and sessions are where they were
        assert (await desks.ask(bureau, token)).status_code == 200
        fresh = await desks.token(bureau, PLACES[bureau].counter)
        assert (await desks.ask(bureau, fresh)).status_code == 200


async def through_the_pages(client: httpx.AsyncClient, browser: Browser, badge_no: str, *, step_up: bool) -> httpx.Response:
    """The node's own login: to Keycloak, its forms, and back; the node's answer. `client` is that browser at the node."""
    sent = await client.get("/login", params={"next": "/me"} | ({"step_up": "yes"} if step_up else {}))
    answer = await browser.fill(await browser.open(sent.headers["location"]), username=badge_no, password=PASSWORD)
    if step_up:
        answer = await browser.step_up(answer, periods_ahead=1)
    way = urlsplit(answer.headers["location"])
    return await client.get(f"{way.path}?{way.query}")


@pytest.mark.parametrize("bureau", BUREAUS)
async def test_an_officer_logs_in_at_the_pages_and_steps_up(desks: Desks, bureau: str) -> None:
    badge_no, port = PLACES[bureau].verifier, profile_of(bureau).web_port
    web = desks.federation.nodes[bureau].web
    here = {"host": f"localhost:{port}", "accept": "text/html", "sec-fetch-site": "same-origin"}
    browser, seal = desks.browser(bureau), f"/w/case/{uuid4()}/seal"
    async with httpx.AsyncClient(base_url=web, headers=here, trust_env=False, timeout=ANSWER_SECONDS) as client:
        answer = await through_the_pages(client, browser, badge_no, step_up=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/me")
        assert badge_no in (await client.get("/me")).text
        refused = await client.post(seal, data={"version": "1"})
        assert (refused.status_code, "step_up=yes" in refused.text) == (401, True)
        answer = await through_the_pages(client, browser, badge_no, step_up=True)
        assert answer.status_code == 303
        assert (await client.post(seal, data={"version": "1"})).status_code == 404  # let through: there is no such case
        assert (await client.post("/logout")).status_code == 303
        assert (await client.get("/me")).status_code == 303
