"""Who is calling: an access token of this bureau's own provider, and nothing else."""

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tests.node.access.tokens import claims_of, signed
from tests.node.bureau import Bureau, faults

PATH = "/api/v1/transfers"
COUNTER = "D31001"
HOUR = timedelta(hours=1)


async def ask(bureau: Bureau, authorization: str | None) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return await bureau.web.get(PATH, headers=headers)


def refused_as(answer: Any, reason: str) -> bool:
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert faults(answer) == [("Authorization", reason)]
    return answer.json()["code"] == reason  # type: ignore[no-any-return]


async def test_a_good_token_opens_the_door(quiet_shanghai: Bureau) -> None:
    token = signed(quiet_shanghai, await claims_of(quiet_shanghai, COUNTER))
    assert (await ask(quiet_shanghai, f"Bearer {token}")).status_code == 200
    assert (await ask(quiet_shanghai, f"bearer {token}")).status_code == 200


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic ZGVtbzpkZW1v"])
async def test_no_token_is_said_to_be_missing(quiet_shanghai: Bureau, authorization: str | None) -> None:
    assert refused_as(await ask(quiet_shanghai, authorization), "missing")


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "....", "A" * 9000, "eyJhbGciOiJub25lIn0.e30."])
async def test_garbage_is_malformed(quiet_shanghai: Bureau, token: str) -> None:
    answer = await quiet_shanghai.web.get(PATH, headers=[(b"Authorization", b"Bearer " + token.encode())])
    assert refused_as(answer, "malformed")


async def test_another_bureaus_token_is_of_another_issuer(quiet_shanghai: Bureau, quiet_zhejiang: Bureau) -> None:
    answer = await ask(quiet_shanghai, f"Bearer {await quiet_zhejiang.token('D33001')}")
    assert refused_as(answer, "other_issuer")
    assert "8033" in answer.json()["errors"][0]["en"]
    assert "8031" in answer.json()["errors"][0]["en"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"aud": "quanyu-zhejiang"}, "wrong_audience"),
        ({"aud": []}, "wrong_audience"),
        ({"aud": None}, "wrong_audience"),
        ({"sub": ""}, "malformed"),
        ({"sub": 31001}, "malformed"),
        ({"exp": "tomorrow"}, "malformed"),
        ({"iat": None}, "malformed"),
        ({"iss": None}, "other_issuer"),
    ],
)
async def test_claims_must_be_ours(quiet_shanghai: Bureau, change: dict[str, Any], reason: str) -> None:
    token = signed(quiet_shanghai, await claims_of(quiet_shanghai, COUNTER) | change)
    assert refused_as(await ask(quiet_shanghai, f"Bearer {token}"), reason)


async def test_a_token_may_name_several_audiences(quiet_shanghai: Bureau) -> None:
    token = signed(quiet_shanghai, await claims_of(quiet_shanghai, COUNTER) | {"aud": ["account", "quanyu-shanghai"]})
    assert (await ask(quiet_shanghai, f"Bearer {token}")).status_code == 200


async def test_a_token_expires_by_the_machine_clock(shanghai: Bureau) -> None:
    token = await shanghai.token(COUNTER)
    shanghai.machine.offset = 10 * HOUR + timedelta(seconds=50)  # within the leeway of a minute
    assert (await ask(shanghai, f"Bearer {token}")).status_code == 200
    shanghai.machine.offset = 10 * HOUR + timedelta(seconds=61)
    assert refused_as(await ask(shanghai, f"Bearer {token}"), "expired")


async def test_the_business_clock_has_no_say(shanghai: Bureau) -> None:
    token = await shanghai.token(COUNTER)
    shanghai.on(2035, 1, 1)
    assert (await ask(shanghai, f"Bearer {token}")).status_code == 200


async def test_a_token_of_tomorrow_is_not_valid_yet(shanghai: Bureau) -> None:
    token = await shanghai.token(COUNTER)
    shanghai.machine.offset = -HOUR
    assert refused_as(await ask(shanghai, f"Bearer {token}"), "not_yet_valid")


async def test_a_foreign_key_signs_nothing(quiet_shanghai: Bureau) -> None:
    key = ECKey.generate_key("P-256", {"kid": "stranger"}, private=True)
    claims = await claims_of(quiet_shanghai, COUNTER)
    assert refused_as(await ask(quiet_shanghai, f"Bearer {signed(quiet_shanghai, claims, key=key)}"), "bad_signature")
    unknown = signed(quiet_shanghai, claims, key=key, kid="stranger")
    assert refused_as(await ask(quiet_shanghai, f"Bearer {unknown}"), "unknown_key")


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": "id+jwt"}])
async def test_another_type_of_token_is_no_access_token(quiet_shanghai: Bureau, header: dict[str, Any]) -> None:
    token = signed(quiet_shanghai, await claims_of(quiet_shanghai, COUNTER), **header)
    assert refused_as(await ask(quiet_shanghai, f"Bearer {token}"), "malformed")


async def test_changed_claims_break_the_signature(quiet_shanghai: Bureau) -> None:
    header, _, signature = (await quiet_shanghai.token(COUNTER)).split(".")
    other = json.dumps(await claims_of(quiet_shanghai, COUNTER) | {"sub": "D31003"}).encode()
    forged = f"{header}.{urlsafe_b64encode(other).decode().rstrip('=')}.{signature}"
    assert refused_as(await ask(quiet_shanghai, f"Bearer {forged}"), "bad_signature")


async def test_nobody_without_a_post_gets_a_token(quiet_shanghai: Bureau) -> None:
    form = {"grant_type": "urn:quanyu:grant:development", "officer": "D99999"}
    answer = await quiet_shanghai.web.post("/dev/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    answer = await quiet_shanghai.web.post("/dev/token", data=form | {"officer": "D31\x00001"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    answer = await quiet_shanghai.web.post("/dev/token", data=form | {"grant_type": "password"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
