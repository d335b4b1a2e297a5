"""A token says who is calling, or why it does not."""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx2 as httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey
from joserfc.registry import HeaderParameter

from services.bureau.access.development import TOKEN_SECONDS, DevelopmentProvider
from services.bureau.access.login import (
    KEYS_FRESH_SECONDS,
    KEYS_KEPT_SECONDS,
    LEEWAY_SECONDS,
    REFETCH_SECONDS,
    TokenFault,
    TokenVerifier,
    Unauthenticated,
    jwks_from,
)
from shared.web import Unavailable

ISSUER = "http://127.0.0.1:8031/dev"
Forge = Callable[..., str]


@pytest.fixture
def forge(provider: DevelopmentProvider, clock: Any) -> Forge:
    """A token of the provider with some claims or header members replaced (None: left out)."""

    def make(key: ECKey | None = None, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        now = int(clock.now().timestamp())
        payload = {"iss": ISSUER, "aud": "quanyu-shanghai", "sub": "D31001", "iat": now, "exp": now + 600, **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        signer = key or provider._key
        return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": provider._key.kid, **(header or {})}, payload, signer)

    return make


async def reason_for(tokens: TokenVerifier, authorization: str | None) -> TokenFault:
    with pytest.raises(Unauthenticated) as refused:
        await tokens.verify(authorization)
    assert refused.value.status == 401
    assert refused.value.faults[0].rule == refused.value.reason
    return refused.value.reason


async def test_token_of_the_provider_says_who_is_calling(tokens: TokenVerifier, provider: DevelopmentProvider) -> None:
    issued = provider.issue("D31001", name="张三（演示）")
    claims = await tokens.verify(f"Bearer {issued['access_token']}")
    assert (claims.badge_no, claims.name) == ("D31001", "张三（演示）")
    assert issued["expires_in"] == TOKEN_SECONDS


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic RDMxMDAxOng=", "D31001"])
async def test_request_without_bearer_token_is_refused(tokens: TokenVerifier, authorization: str | None) -> None:
    assert await reason_for(tokens, authorization) is TokenFault.MISSING


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "e30.e30.e30", "Bearer", "ü.ü.ü", "a" * 9000])
async def test_what_is_no_token_is_refused(tokens: TokenVerifier, token: str) -> None:
    assert await reason_for(tokens, f"Bearer {token}") is TokenFault.MALFORMED


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "http://127.0.0.1:8033/dev"}, TokenFault.OTHER_ISSUER),
        ({"iss": None}, TokenFault.OTHER_ISSUER),
        ({"aud": "quanyu-zhejiang"}, TokenFault.WRONG_AUDIENCE),
        ({"aud": ["quanyu-zhejiang", "quanyu-anhui"]}, TokenFault.WRONG_AUDIENCE),
        ({"aud": None}, TokenFault.WRONG_AUDIENCE),
        ({"exp": None}, TokenFault.MALFORMED),
        ({"exp": "tomorrow"}, TokenFault.MALFORMED),
        ({"iat": None}, TokenFault.MALFORMED),
        ({"sub": None}, TokenFault.MALFORMED),
        ({"sub": ""}, TokenFault.MALFORMED),
        ({"sub": 31001}, TokenFault.MALFORMED),
    ],
)
async def test_token_with_a_wrong_claim_is_refused(
    tokens: TokenVerifier, forge: Forge, claims: dict[str, Any], reason: TokenFault
) -> None:
    assert await reason_for(tokens, f"Bearer {forge(**claims)}") is reason


async def test_token_for_several_services_is_accepted_if_ours_is_among_them(tokens: TokenVerifier, forge: Forge) -> None:
    assert (await tokens.verify(f"Bearer {forge(aud=['portal', 'quanyu-shanghai'])}")).badge_no == "D31001"


@pytest.mark.parametrize("acr", [None, "", "password", "2", "Stepup", "stepup password", ["stepup"], True])
async def test_only_the_providers_own_word_is_a_login_with_a_second_factor(tokens: TokenVerifier, forge: Forge, acr: Any) -> None:
    assert not (await tokens.verify(f"Bearer {forge(acr=acr)}")).stepped_up
    assert (await tokens.verify(f"Bearer {forge(acr='stepup')}")).stepped_up


async def test_token_expires_by_the_machine_clock(tokens: TokenVerifier, forge: Forge, clock: Any) -> None:
    token = forge()
    clock.advance(seconds=600 + LEEWAY_SECONDS - 1)
    assert (await tokens.verify(f"Bearer {token}")).badge_no == "D31001"
    clock.advance(seconds=1)
    assert await reason_for(tokens, f"Bearer {token}") is TokenFault.EXPIRED


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_token_of_the_future_is_refused(tokens: TokenVerifier, forge: Forge, clock: Any, claim: str) -> None:
    now = int(clock.now().timestamp())
    assert (await tokens.verify(f"Bearer {forge(**{claim: now + LEEWAY_SECONDS})}")).badge_no == "D31001"
    assert await reason_for(tokens, f"Bearer {forge(**{claim: now + LEEWAY_SECONDS + 1})}") is TokenFault.NOT_YET_VALID


async def test_token_signed_by_another_key_is_refused(tokens: TokenVerifier, forge: Forge) -> None:
    thief = ECKey.generate_key("P-256")
    assert await reason_for(tokens, f"Bearer {forge(thief)}") is TokenFault.BAD_SIGNATURE


async def test_token_with_an_unknown_critical_header_is_refused(
    tokens: TokenVerifier, provider: DevelopmentProvider, clock: Any
) -> None:
    registry = jws.JWSRegistry({"zone": HeaderParameter("anything", "str")})
    header = {"alg": "ES256", "typ": "at+jwt", "kid": provider._key.kid, "crit": ["zone"], "zone": "x"}
    now = int(clock.now().timestamp())
    claims = {"iss": ISSUER, "aud": "quanyu-shanghai", "sub": "D31001", "iat": now, "exp": now + 600}
    token = jwt.encode(header, claims, provider._key, registry=registry)
    assert await reason_for(tokens, f"Bearer {token}") is TokenFault.BAD_SIGNATURE


async def test_changed_token_is_refused(tokens: TokenVerifier, forge: Forge) -> None:
    head, _, signature = forge().split(".")
    other = forge(sub="D31002").split(".")[1]
    assert await reason_for(tokens, f"Bearer {head}.{other}.{signature}") is TokenFault.BAD_SIGNATURE


@pytest.mark.parametrize("typ", ["JWT", "", "logout+jwt"])
async def test_id_token_is_no_access_token(tokens: TokenVerifier, forge: Forge, typ: str) -> None:
    assert await reason_for(tokens, f"Bearer {forge(header={'typ': typ})}") is TokenFault.MALFORMED


async def test_unsigned_token_is_refused(tokens: TokenVerifier, provider: DevelopmentProvider, forge: Forge) -> None:
    header = {"alg": "none", "typ": "at+jwt", "kid": provider._key.kid}
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    assert await reason_for(tokens, f"Bearer {head}.{forge().split('.')[1]}.") is TokenFault.MALFORMED


async def test_token_signed_with_the_public_key_as_a_secret_is_refused(
    tokens: TokenVerifier, provider: DevelopmentProvider, forge: Forge
) -> None:
    secret = OctKey.import_key(json.dumps(provider.jwks()["keys"][0]))
    header = {"alg": "HS256", "typ": "at+jwt", "kid": provider._key.kid}
    payload = jws.extract_compact(forge().encode()).payload
    assert await reason_for(tokens, f"Bearer {jws.serialize_compact(header, payload, secret)}") is TokenFault.MALFORMED


async def test_unknown_key_id_makes_us_look_again_at_most_once_a_minute(
    provider: DevelopmentProvider, forge: Forge, clock: Any
) -> None:
    asked = 0

    async def jwks() -> Mapping[str, Any]:
        nonlocal asked
        asked += 1
        return provider.jwks()

    tokens = TokenVerifier(ISSUER, audience="quanyu-shanghai", jwks_source=jwks, clock=clock)
    for _ in range(5):
        assert await reason_for(tokens, f"Bearer {forge(header={'kid': 'invented'})}") is TokenFault.UNKNOWN_KEY
    assert asked == 1
    assert (await tokens.verify(f"Bearer {forge()}")).badge_no == "D31001"
    clock.advance(seconds=REFETCH_SECONDS)
    assert await reason_for(tokens, f"Bearer {forge(header={'kid': 'invented'})}") is TokenFault.UNKNOWN_KEY
    assert asked == 2


async def test_new_key_of_the_provider_is_found(provider: DevelopmentProvider, forge: Forge, clock: Any) -> None:
    keys = provider.jwks()

    async def jwks() -> Mapping[str, Any]:
        return keys

    tokens = TokenVerifier(ISSUER, audience="quanyu-shanghai", jwks_source=jwks, clock=clock)
    await tokens.verify(f"Bearer {forge()}")
    new = ECKey.generate_key("P-256", {"kid": "next"})
    keys["keys"].append(new.as_dict(private=False))
    clock.advance(seconds=REFETCH_SECONDS)
    assert (await tokens.verify(f"Bearer {forge(new, {'kid': 'next'})}")).badge_no == "D31001"


async def test_provider_that_is_down_makes_new_logins_impossible_and_leaves_known_keys(
    provider: DevelopmentProvider, forge: Forge, clock: Any
) -> None:
    down = True

    def answer(request: httpx.Request) -> httpx.Response:
        if down:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, json=provider.jwks())

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        source = jwks_from(f"{ISSUER}/jwks", client)
        tokens = TokenVerifier(ISSUER, audience="quanyu-shanghai", jwks_source=source, clock=clock)
        with pytest.raises(Unavailable):
            await tokens.verify(f"Bearer {forge()}")
        down = False
        assert (await tokens.verify(f"Bearer {forge()}")).badge_no == "D31001"
        down = True
        clock.advance(seconds=REFETCH_SECONDS)
        assert await reason_for(tokens, f"Bearer {forge(header={'kid': 'next'})}") is TokenFault.UNKNOWN_KEY
        assert (await tokens.verify(f"Bearer {forge()}")).badge_no == "D31001"


class SlowProvider:
    """Answers when the test lets it; counts how often it is asked."""

    def __init__(self, provider: DevelopmentProvider) -> None:
        self.keys = provider.jwks()
        self.answers = asyncio.Event()
        self.asked = 0
        self.down = False

    async def jwks(self) -> Mapping[str, Any]:
        self.asked += 1
        await self.answers.wait()
        if self.down:
            raise httpx.ConnectError("refused")
        return self.keys


@pytest.fixture
def slow(provider: DevelopmentProvider) -> SlowProvider:
    return SlowProvider(provider)


@pytest.fixture
def verifier(slow: SlowProvider, clock: Any) -> TokenVerifier:
    return TokenVerifier(ISSUER, audience="quanyu-shanghai", jwks_source=slow.jwks, clock=clock)


async def test_first_requests_at_once_wait_for_the_same_keys(slow: SlowProvider, verifier: TokenVerifier, forge: Forge) -> None:
    waiting = [asyncio.create_task(verifier.verify(f"Bearer {forge()}")) for _ in range(3)]
    await asyncio.sleep(0)
    slow.answers.set()
    assert [claims.badge_no for claims in await asyncio.gather(*waiting)] == ["D31001"] * 3
    assert slow.asked == 1


async def test_first_request_that_goes_away_leaves_the_keys_to_the_others(
    slow: SlowProvider, verifier: TokenVerifier, forge: Forge
) -> None:
    first, second = (asyncio.create_task(verifier.verify(f"Bearer {forge()}")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    slow.answers.set()
    assert (await second).badge_no == "D31001"
    assert slow.asked == 1


async def test_requests_at_once_to_a_provider_that_is_down_wait_once(
    slow: SlowProvider, verifier: TokenVerifier, forge: Forge
) -> None:
    slow.down = True
    waiting = [asyncio.create_task(verifier.verify(f"Bearer {forge()}")) for _ in range(3)]
    await asyncio.sleep(0)
    slow.answers.set()
    refused = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in refused] == [Unavailable] * 3
    assert slow.asked == 1
    slow.down = False
    assert (await verifier.verify(f"Bearer {forge()}")).badge_no == "D31001"


async def test_key_that_the_provider_has_withdrawn_ends(
    slow: SlowProvider, verifier: TokenVerifier, forge: Forge, clock: Any
) -> None:
    slow.answers.set()
    await verifier.verify(f"Bearer {forge()}")
    slow.keys = {"keys": [ECKey.generate_key("P-256", {"kid": "next"}).as_dict(private=False)]}
    clock.advance(seconds=KEYS_FRESH_SECONDS - 1)
    await verifier.verify(f"Bearer {forge()}")
    clock.advance(seconds=1)
    assert await reason_for(verifier, f"Bearer {forge()}") is TokenFault.UNKNOWN_KEY


async def test_keys_of_a_provider_that_is_down_count_for_an_hour_and_no_longer(
    slow: SlowProvider, verifier: TokenVerifier, forge: Forge, clock: Any
) -> None:
    slow.answers.set()
    await verifier.verify(f"Bearer {forge()}")
    slow.down = True
    clock.advance(seconds=KEYS_KEPT_SECONDS - 1)
    assert (await verifier.verify(f"Bearer {forge()}")).badge_no == "D31001"
    clock.advance(seconds=1)
    with pytest.raises(Unavailable):
        await verifier.verify(f"Bearer {forge()}")
    slow.down = False
    clock.advance(seconds=REFETCH_SECONDS)
    assert (await verifier.verify(f"Bearer {forge()}")).badge_no == "D31001"


async def test_other_bureaus_issuer_is_named_in_the_problem(tokens: TokenVerifier, forge: Forge) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await tokens.verify(f"Bearer {forge(iss='http://127.0.0.1:8033/dev')}")
    body = refused.value.body()
    assert "http://127.0.0.1:8033/dev" in body["errors"][0]["zh"]
    assert ISSUER in body["errors"][0]["en"]
