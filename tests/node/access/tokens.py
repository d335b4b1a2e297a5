"""Access tokens as a provider could make them, with any claims and any key."""

import json
from base64 import urlsafe_b64decode
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from tests.node.bureau import Bureau


async def claims_of(bureau: Bureau, officer: str) -> dict[str, Any]:
    """What a token of the development provider says."""
    payload = (await bureau.token(officer)).split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def signed(bureau: Bureau, claims: dict[str, Any], *, key: ECKey | None = None, **header: Any) -> str:
    """A token of these claims, by default with the provider's own key."""
    own = bureau.wiring.development._key  # type: ignore[union-attr]  # what a provider that was taken over could do
    made = {"alg": "ES256", "typ": "at+jwt", "kid": own.kid} | header
    return jwt.encode(made, claims, key or own, algorithms=["ES256"])
