"""The development login: for development only, and the same over restarts."""

import stat
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.bureau import access
from services.bureau.access.development import (
    GRANT_TYPE,
    KEY_FILE,
    DevelopmentLogin,
    DevelopmentProvider,
    NotDevelopment,
    build_development_provider,
)
from services.bureau.access.login import TokenVerifier
from shared.web import Pages

TEMPLATES = Path(access.__file__).parent / "templates"
CHROME = {
    "bureau": "shanghai", "bureau_names": {"shanghai": "上海"}, "bureau_badges": {"shanghai": "沪"}, "officer": None,
    "navigation": [], "home": "/", "business_date": None, "development": True, "login_again": "", "step_up": "", "path_back": "/",
}  # fmt: skip
ISSUER = "http://127.0.0.1:8031/dev"


@pytest.fixture
def dev(provider: DevelopmentProvider) -> TestClient:
    """The provider as the node mounts it."""

    async def officer_name(badge_no: str) -> str | None:
        return {"D31001": "张三（演示）"}.get(badge_no)

    async def posts() -> list[dict[str, str]]:
        return [{"badge_no": "D31001", "officer_name": "张三（演示）", "station_name": "吕巷派出所", "role": "counter"}]

    app, pages = FastAPI(), Pages({"access": TEMPLATES}, chrome=lambda request: CHROME)
    app.mount("/dev", build_development_provider(provider, officer_name=officer_name, posts=posts, pages=pages))
    return TestClient(app)


@pytest.mark.parametrize("environment", ["production", "", "Development", "test"])
def test_refuses_to_start_outside_of_development(tmp_path: Path, clock: Any, environment: str) -> None:
    login = DevelopmentLogin(environment=environment, issuer=ISSUER, audience="quanyu-shanghai", folder=tmp_path)
    with pytest.raises(NotDevelopment):
        DevelopmentProvider(login, clock=clock)
    assert list(tmp_path.iterdir()) == []


async def test_token_for_an_officer_is_accepted_by_the_node(dev: TestClient, tokens: TokenVerifier) -> None:
    answer = dev.post("/dev/token", data={"grant_type": GRANT_TYPE, "officer": "D31001"})
    token = answer.json()
    assert (answer.status_code, token["token_type"]) == (200, "Bearer")
    assert answer.headers["cache-control"] == "no-store"
    claims = await tokens.verify(f"Bearer {token['access_token']}")
    assert (claims.badge_no, claims.name, claims.stepped_up) == ("D31001", "张三（演示）", True)


async def test_token_can_pass_as_a_login_without_second_factor(dev: TestClient, tokens: TokenVerifier) -> None:
    answer = dev.post("/dev/token", data={"grant_type": GRANT_TYPE, "officer": "D31001", "acr_values": "password"})
    assert not (await tokens.verify(f"Bearer {answer.json()['access_token']}")).stepped_up


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": GRANT_TYPE, "officer": "D31999"}, "invalid_grant"),
        ({"grant_type": GRANT_TYPE}, "invalid_grant"),
        ({"grant_type": "password", "officer": "D31001"}, "unsupported_grant_type"),
        ({}, "unsupported_grant_type"),
    ],
)
def test_token_for_anybody_else_is_refused(dev: TestClient, form: dict[str, str], error: str) -> None:
    answer = dev.post("/dev/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_discovery_leads_to_the_keys(dev: TestClient) -> None:
    configuration = dev.get("/dev/.well-known/openid-configuration").json()
    assert configuration["issuer"] == ISSUER
    [key] = dev.get(configuration["jwks_uri"].removeprefix("http://127.0.0.1:8031")).json()["keys"]
    assert (key["kty"], key["crv"], "d" in key) == ("EC", "P-256", False)


def test_key_survives_a_restart_and_is_for_its_owner_only(provider: DevelopmentProvider, clock: Any) -> None:
    again = DevelopmentProvider(provider.login, clock=clock)
    assert again.jwks() == provider.jwks()
    assert [file.name for file in provider.login.folder.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((provider.login.folder / KEY_FILE).stat().st_mode) == 0o600


def test_damaged_key_file_says_what_to_do(provider: DevelopmentProvider, clock: Any) -> None:
    (provider.login.folder / KEY_FILE).write_text("{}")
    with pytest.raises(ValueError, match="delete it"):
        DevelopmentProvider(provider.login, clock=clock)
