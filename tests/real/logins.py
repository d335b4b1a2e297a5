"""Officers who log in at Keycloak as a browser does: its forms, a password, and the code of an authenticator."""

import base64
import hashlib
import hmac
import html
import json
import re
import secrets
import struct
import time
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx

CLIENT = "quanyu"
PASSWORD = "演示-a-long-passphrase"  # of officers who exist in a realm of the tests only
AUTHENTICATOR = "quanyu-demo-authenticator"  # the same for all of them: the secret they share with Keycloak
ANSWER_SECONDS = 30.0  # the first login of a JVM takes long
PERIOD_SECONDS = 30
DIGITS = 6
ACTION = re.compile(r'<form[^>]*\baction="([^"]+)"')


def user(badge_no: str, *, second_factor: bool = True) -> dict[str, Any]:
    """An officer as a realm's import has him."""
    otp = {
        "type": "otp",
        "secretData": json.dumps({"value": AUTHENTICATOR}),
        "credentialData": json.dumps(
            {"subType": "totp", "digits": DIGITS, "counter": 0, "period": PERIOD_SECONDS, "algorithm": "HmacSHA1"}
        ),
    }
    return {
        "username": badge_no,
        "enabled": True,
        "attributes": {"badge_no": [badge_no]},
        "lastName": "（演示）",
        "firstName": badge_no,
        "email": f"{badge_no.lower()}@example.invalid",
        "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}, *([otp] if second_factor else [])],
    }


def code_of_the_authenticator(*, periods_ahead: int = 0) -> str:
    """RFC 6238. Keycloak takes each code once, and also the next one: who logs in twice in a period shows that."""
    counter = struct.pack(">Q", int(time.time()) // PERIOD_SECONDS + periods_ahead)
    digest = hmac.digest(AUTHENTICATOR.encode(), counter, "sha1")
    (number,) = struct.unpack(">I", digest[(at := digest[-1] & 0xF) : at + 4])
    return f"{(number & 0x7FFFFFFF) % 10**DIGITS:0{DIGITS}}"


class Browser:
    """One officer's browser at one realm: keeps its cookies, follows no redirect. `port`: of the node it comes from."""

    def __init__(self, issuer: str, *, port: int) -> None:
        # Keycloak marks its cookies Secure, also on plain HTTP; a browser sends them to the loopback all the same.
        cookies = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self._client = httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS, cookies=cookies)
        self._endpoints = f"{issuer}/protocol/openid-connect"
        self._redirect = f"http://localhost:{port}/login"
        self._verifier = secrets.token_urlsafe(48)

    async def authorize(self, **asked: str) -> httpx.Response:
        """Ask for a code with PKCE; `asked`: more parameters, or others ("" leaves one out)."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        request = {"client_id": CLIENT, "response_type": "code", "scope": "openid", "redirect_uri": self._redirect}
        request |= {"state": "s", "nonce": "n", "code_challenge": challenge, "code_challenge_method": "S256"} | asked
        return await self._client.get(f"{self._endpoints}/auth", params={name: value for name, value in request.items() if value})

    async def open(self, address: str) -> httpx.Response:
        """Where a node has sent the browser."""
        return await self._client.get(address)

    async def fill(self, page: httpx.Response, **fields: str) -> httpx.Response:
        """Post the page's form."""
        found = ACTION.search(page.text)
        assert found, f"no form: {page.status_code} {page.headers.get('location')} {page.text[:500]}"
        return await self._client.post(html.unescape(found[1]), data=fields)

    async def log_in(self, badge_no: str, **asked: str) -> httpx.Response:
        """The answer to badge number and password: the way back to the node, or what is asked next."""
        return await self.fill(await self.authorize(**asked), username=badge_no, password=PASSWORD)

    async def step_up(self, page: httpx.Response, *, periods_ahead: int = 0) -> httpx.Response:
        """The answer to the authenticator's code."""
        return await self.fill(page, otp=code_of_the_authenticator(periods_ahead=periods_ahead))

    async def exchange(self, way_back: httpx.Response, **other: str) -> httpx.Response:
        """The code for tokens; `other`: parameters to send instead."""
        form = {"grant_type": "authorization_code", "client_id": CLIENT, "redirect_uri": self._redirect}
        return await self.ask_for_token(**form | {"code": code_in(way_back), "code_verifier": self._verifier} | other)

    async def ask_for_token(self, **form: str) -> httpx.Response:
        return await self._client.post(f"{self._endpoints}/token", data=form)

    async def access_token(self, way_back: httpx.Response) -> str:
        answer = await self.exchange(way_back)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def close(self) -> None:
        await self._client.aclose()


def told(way_back: httpx.Response) -> Mapping[str, str]:
    """What the redirect to the node says."""
    assert way_back.status_code == 302, way_back.text[:500]
    return {name: values[0] for name, values in parse_qs(urlsplit(way_back.headers["location"]).query).items()}


def code_in(way_back: httpx.Response) -> str:
    return told(way_back)["code"]


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(header, claims) of a token; believed by nobody."""
    header, claims, _signature = token.split(".")
    read = [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (header, claims)]
    return read[0], read[1]
