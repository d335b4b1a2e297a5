"""A code of the development provider: once, for who asked, in time."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.bureau.access.development import CODE_SECONDS, Asked, DevelopmentProvider, s256

VERIFIER = "v" * 43
BACK = "http://127.0.0.1:8031/login/callback"
ASKED = {
    "response_type": "code", "client_id": "quanyu", "redirect_uri": BACK, "state": "s", "nonce": "n",
    "code_challenge": s256(VERIFIER), "code_challenge_method": "S256",
}  # fmt: skip


def asked(**changes: str) -> Asked:
    return Asked.model_validate(ASKED | changes)


def test_a_code_is_exchanged_once(provider: DevelopmentProvider) -> None:
    code = provider.new_code("D31001", asked(acr_values="stepup"))
    redeemed = provider.redeem(code, redirect_uri=BACK, verifier=VERIFIER)
    assert redeemed is not None
    assert (redeemed[0], redeemed[1].acr) == ("D31001", "stepup")
    assert provider.redeem(code, redirect_uri=BACK, verifier=VERIFIER) is None


@pytest.mark.parametrize(
    ("where", "verifier"), [(BACK, "w" * 43), (BACK, ""), ("http://127.0.0.1:8033/login/callback", VERIFIER), ("", VERIFIER)]
)
def test_a_code_is_for_who_asked_and_is_gone_after_a_wrong_try(provider: DevelopmentProvider, where: str, verifier: str) -> None:
    code = provider.new_code("D31001", asked())
    assert provider.redeem(code, redirect_uri=where, verifier=verifier) is None
    assert provider.redeem(code, redirect_uri=BACK, verifier=VERIFIER) is None


def test_a_code_ends(provider: DevelopmentProvider, clock: Any) -> None:
    late, just = provider.new_code("D31001", asked()), provider.new_code("D31002", asked())
    clock.advance(seconds=CODE_SECONDS - 1)
    assert provider.redeem(just, redirect_uri=BACK, verifier=VERIFIER) is not None
    clock.advance(seconds=1)
    assert provider.redeem(late, redirect_uri=BACK, verifier=VERIFIER) is None


def test_an_unknown_code_is_nobodys(provider: DevelopmentProvider) -> None:
    assert provider.redeem("", redirect_uri="", verifier="") is None


@pytest.mark.parametrize(
    "changes",
    [{"code_challenge_method": "plain"}, {"code_challenge": "short"}, {"response_type": "token"}, {"acr_values": "root"}],
)
def test_a_weaker_flow_cannot_be_asked_for(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        asked(**changes)


def test_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    assert s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
