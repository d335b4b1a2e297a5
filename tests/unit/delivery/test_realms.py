"""The realms of Keycloak against what a node wants of a token (access/login.py): one file a bureau, alike but for its names."""

import json
from typing import Any

import pytest

from services.bureau.access.login import ALGORITHM, TOKEN_TYPES
from services.harness.network import BUREAUS
from services.harness.registers import profile_of
from services.harness.stack.keycloak import VERSION
from tests.unit.delivery.conftest import DEPLOY, compose


def realm(bureau: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((DEPLOY / "keycloak" / f"{bureau}.json").read_text())
    return read


def test_each_bureau_has_a_realm_and_nobody_else() -> None:
    assert {file.stem for file in (DEPLOY / "keycloak").glob("*.json")} == set(BUREAUS)


@pytest.mark.parametrize("bureau", BUREAUS)
def test_a_token_of_the_realm_is_one_that_the_node_accepts(bureau: str) -> None:
    [client] = realm(bureau)["clients"]
    config = [mapper["config"] for mapper in client["protocolMappers"]]
    subjects = [one for one in config if one.get("claim.name") == "sub"]
    audiences = [one["included.custom.audience"] for one in config if "included.custom.audience" in one]
    # An attribute of its own: Keycloak writes user names in small letters, and a badge number has capitals (seen on 26.7.3).
    assert [(one["user.attribute"], one["access.token.claim"]) for one in subjects] == [("badge_no", "true")]
    assert "badge_no" in json.dumps(realm(bureau)["components"])
    assert "basic" not in client["defaultClientScopes"]  # it would write Keycloak's own id into `sub`
    assert audiences == [f"quanyu-{bureau}"]
    assert client["attributes"]["access.token.signed.response.alg"] == ALGORITHM
    assert client["attributes"]["access.token.header.type.rfc9068"] == "true"  # typ at+jwt
    assert "at+jwt" in TOKEN_TYPES


@pytest.mark.parametrize("bureau", BUREAUS)
def test_the_client_logs_in_by_code_and_pkce_alone(bureau: str) -> None:
    [client] = realm(bureau)["clients"]
    assert (client["clientId"], client["publicClient"], client["standardFlowEnabled"]) == ("quanyu", True, True)
    assert client["attributes"]["pkce.code.challenge.method"] == "S256"
    others = ("implicitFlowEnabled", "directAccessGrantsEnabled", "serviceAccountsEnabled")
    assert [client[flow] for flow in others] == [False] * 3
    assert client["redirectUris"] == [f"http://localhost:{profile_of(bureau).web_port}/*"]


@pytest.mark.parametrize("bureau", BUREAUS)
def test_a_second_factor_is_asked_for_when_the_node_wants_step_up(bureau: str) -> None:
    wanted = realm(bureau)
    levels = {one["alias"]: one["config"] for one in wanted["authenticatorConfig"]}
    flows = {flow["alias"]: flow["authenticationExecutions"] for flow in wanted["authenticationFlows"]}
    steps = [(one.get("authenticator", one.get("flowAlias")), one["requirement"]) for one in flows[wanted["browserFlow"]]]
    assert steps == [("auth-cookie", "ALTERNATIVE"), ("quanyu forms", "ALTERNATIVE")]
    assert [one["requirement"] for one in flows["quanyu forms"]] == ["CONDITIONAL"] * 2
    asked = []
    for one in flows["quanyu forms"]:
        condition, form = flows[one["flowAlias"]]
        assert (condition["authenticator"], condition["requirement"]) == ("conditional-level-of-authentication", "REQUIRED")
        level = levels[condition["authenticatorConfig"]]
        asked.append((condition["authenticatorConfig"], level["loa-condition-level"], form["authenticator"], form["requirement"]))
    assert asked == [("password", "1", "auth-username-password-form", "REQUIRED"), ("stepup", "2", "auth-otp-form", "REQUIRED")]
    assert {name: level for name, level, _, _ in asked} == json.loads(wanted["attributes"]["acr.loa.map"])
    assert levels["stepup"]["loa-max-age"] == "0"  # each time
    assert levels["password"]["loa-max-age"] == str(wanted["ssoSessionMaxLifespan"])


@pytest.mark.parametrize("bureau", BUREAUS)
def test_step_up_lasts_as_long_as_one_token(bureau: str) -> None:
    [client] = realm(bureau)["clients"]
    assert client["attributes"]["use.refresh.tokens"] == "false"  # a refreshed token would keep its acr (seen on 26.7.3)
    assert client["optionalClientScopes"] == []  # no offline_access
    assert realm(bureau)["accessTokenLifespan"] <= 300


@pytest.mark.parametrize("bureau", BUREAUS)
def test_a_new_officer_sets_up_his_second_factor_at_his_first_login(bureau: str) -> None:
    actions = {one["alias"]: (one["enabled"], one["defaultAction"]) for one in realm(bureau)["requiredActions"]}
    assert actions["CONFIGURE_TOTP"] == (True, True)


def test_the_version_that_is_tested_is_the_version_that_runs() -> None:
    assert compose()["services"]["keycloak"]["image"] == f"keycloak/keycloak:{VERSION}"


@pytest.mark.parametrize("bureau", BUREAUS)
def test_the_issuer_of_the_nodes_settings_is_the_realm(bureau: str) -> None:
    assert realm(bureau)["realm"] == bureau
    settings = (DEPLOY / "compose" / "full" / f"{bureau}.env").read_text()
    outside = compose()["services"]["keycloak"]["environment"]["KC_HOSTNAME"]
    assert f"QUANYU_OIDC_ISSUER={outside}/realms/{bureau}\n" in settings
    assert f"/realms/{bureau}/protocol/openid-connect/certs\n" in settings


def test_the_realms_are_alike_but_for_the_bureau() -> None:
    def without_names(bureau: str) -> str:
        read = realm(bureau)
        read.pop("displayName")
        return json.dumps(read).replace(bureau, "BUREAU").replace(str(profile_of(bureau).web_port), "PORT")

    assert len({without_names(bureau) for bureau in BUREAUS}) == 1


def test_no_realm_has_a_user_or_a_secret() -> None:
    for bureau in BUREAUS:
        text = json.dumps(realm(bureau))
        assert "users" not in realm(bureau)
        assert "secret" not in text.lower()
        assert "credentials" not in text
