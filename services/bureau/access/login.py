"""Who an access token speaks of: OIDC access tokens (JWT, RFC 9068) of this bureau's own provider. Access's only I/O.

Unauthenticated 401      the token does not say who is calling; `reason` is one of TokenFault
StepUpRequired  401      who is calling is known, and must show his second factor for what he wants
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import httpx2 as httpx
import structlog
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from shared.database import Clock
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.web import Unauthorized, Unavailable

ALGORITHM = "ES256"
TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
TOKEN_LIMIT_BYTES = 8 * 1024  # a header line that is longer does not pass most proxies either
LEEWAY_SECONDS = 60  # clocks of provider and node
REFETCH_SECONDS = 60  # an unknown key id makes us look again at most so often: anybody can invent key ids
KEYS_KEPT_SECONDS = 3600  # a key that the provider has withdrawn counts no longer than this
KEYS_FRESH_SECONDS = KEYS_KEPT_SECONDS // 2  # then we look again, so that a provider that restarts ends nobody's work
FETCH_SECONDS = 5  # somebody stands at the counter
SOURCE = "RFC 9068"
STEP_UP = "stepup"  # the `acr` of a login with a second factor; the provider must be asked for it, and may give less

logger = structlog.get_logger(__name__)

JwksSource = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gives the provider's present keys (JWK Set, RFC 7517); raises OSError or httpx.HTTPError when it cannot be reached."""


class TokenFault(StrEnum):
    MISSING = "missing"
    MALFORMED = "malformed"
    OTHER_ISSUER = "other_issuer"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"


_TEXTS: Mapping[TokenFault, str] = {
    TokenFault.MISSING: N_("an access token is needed: Authorization: Bearer …"),
    TokenFault.MALFORMED: N_("this is no access token (JWT of type at+jwt, signed with ES256)"),
    TokenFault.OTHER_ISSUER: N_("this token was issued by {issuer}; this bureau accepts only those of {expected}"),
    TokenFault.UNKNOWN_KEY: N_("the token was signed with a key that the provider does not have"),
    TokenFault.BAD_SIGNATURE: N_("the signature of the token is wrong"),
    TokenFault.WRONG_AUDIENCE: N_("this token is for another service"),
    TokenFault.EXPIRED: N_("the token has expired; log in again"),
    TokenFault.NOT_YET_VALID: N_("the token is not valid yet; a clock may be wrong"),
}


class Unauthenticated(Unauthorized):
    """The token does not say who is calling."""

    def __init__(self, reason: TokenFault, **values: str | int) -> None:
        super().__init__(code=reason, faults=[Fault("Authorization", reason, SOURCE, _TEXTS[reason], values)])
        self.reason = reason


class StepUpRequired(Unauthorized):
    """The act needs a login with a second factor (RFC 9470)."""

    code = "step_up_required"
    title = N_("log in again with your second factor: this act needs it")
    headers: ClassVar[Mapping[str, str]] = {
        "WWW-Authenticate": f'Bearer error="insufficient_user_authentication", acr_values="{STEP_UP}"'
    }


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says: whose it is, and how he logged in. What he may do is said by his posts, never by the token."""

    badge_no: str
    name: str
    stepped_up: bool


class TokenVerifier:
    """Verifies the tokens of one provider for one bureau, by the machine clock."""

    def __init__(self, issuer: str, *, audience: str, jwks_source: JwksSource, clock: Clock) -> None:
        self.issuer = issuer
        self.audience = audience
        self._jwks_source = jwks_source
        self._clock = clock
        self._keys: Mapping[str, ECKey] = {}
        self._fetched_at: float | None = None  # when the provider last told its keys
        self._tried_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def verify(self, authorization: str | None) -> Claims:
        """The claims of the bearer token in this header; raises Unauthenticated, or Unavailable without any keys."""
        token = _bearer(authorization)
        unverified = _read(token)
        claims = _claims(unverified)
        if claims.get("iss") != self.issuer:  # before the key: another bureau's key is unknown, which would say less
            raise Unauthenticated(TokenFault.OTHER_ISSUER, issuer=str(claims.get("iss", "?")), expected=self.issuer)
        key = await self._key(str(unverified.protected.get("kid", "")))
        if not _is_signed(unverified, key):
            raise Unauthenticated(TokenFault.BAD_SIGNATURE)
        return self._checked(claims)

    def _checked(self, claims: Mapping[str, Any]) -> Claims:
        now = self._clock.now().timestamp()
        audience = claims.get("aud")
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise Unauthenticated(TokenFault.WRONG_AUDIENCE)
        times = [claims.get("exp"), claims.get("iat"), claims.get("nbf", 0)]
        badge_no = claims.get("sub")
        if not all(isinstance(time, int | float) for time in times) or not isinstance(badge_no, str) or not badge_no:
            raise Unauthenticated(TokenFault.MALFORMED)
        if claims["exp"] + LEEWAY_SECONDS <= now:
            raise Unauthenticated(TokenFault.EXPIRED)
        if max(claims["iat"], claims.get("nbf", 0)) - LEEWAY_SECONDS > now:
            raise Unauthenticated(TokenFault.NOT_YET_VALID)
        return Claims(badge_no=badge_no, name=str(claims.get("name", "")), stepped_up=claims.get("acr") == STEP_UP)

    async def _key(self, kid: str) -> ECKey:
        if kid not in self._keys or not self._are_younger(KEYS_FRESH_SECONDS):
            await self._refetch()
        if not self._are_younger(KEYS_KEPT_SECONDS):
            raise Unavailable(N_("the login provider does not answer"), code="login_provider_down")
        if kid not in self._keys:
            raise Unauthenticated(TokenFault.UNKNOWN_KEY)
        return self._keys[kid]

    def _are_younger(self, seconds: float) -> bool:
        return self._fetched_at is not None and 0 <= self._clock.now().timestamp() - self._fetched_at < seconds

    async def _refetch(self) -> None:
        """Look at the provider, at most every REFETCH_SECONDS; whoever comes meanwhile waits for the same look."""
        now = self._clock.now().timestamp()
        if self._fetching is None:
            if self._tried_at is not None and 0 <= now - self._tried_at < REFETCH_SECONDS:
                return
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch(now))
        await asyncio.shield(self._fetching)  # a caller that goes away must not end it for the others

    async def _fetch(self, now: float) -> None:
        try:
            key_set = KeySet.import_key_set(dict(await self._jwks_source()))  # type: ignore[arg-type]  # checked by joserfc
        except (httpx.HTTPError, OSError, JoseError, ValueError, KeyError) as error:
            await logger.aerror("keys of the login provider cannot be had", issuer=self.issuer, error=type(error).__name__)
            if not self._are_younger(KEYS_KEPT_SECONDS):
                self._tried_at = None  # nobody can work: the next request tries again
        else:
            self._keys = {key.kid: key for key in key_set.keys if isinstance(key, ECKey) and key.kid}
            self._fetched_at = now
        finally:
            self._fetching = None


def jwks_from(url: str, client: httpx.AsyncClient) -> JwksSource:
    """Fetch the keys over HTTP, as from Keycloak's certs endpoint."""

    async def fetch() -> Mapping[str, Any]:
        answer = await client.get(url, timeout=FETCH_SECONDS)
        answer.raise_for_status()
        keys: Mapping[str, Any] = answer.json()
        return keys

    return fetch


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(TokenFault.MISSING)
    return token.strip()


def _read(token: str) -> jws.CompactSignature:
    """Take the token apart; nothing in it is believed yet."""
    if len(token) > TOKEN_LIMIT_BYTES:
        raise Unauthenticated(TokenFault.MALFORMED)
    try:
        unverified = jws.extract_compact(token.encode())
    except (JoseError, ValueError):
        raise Unauthenticated(TokenFault.MALFORMED) from None
    header = unverified.protected
    if str(header.get("typ", "")).lower() not in TOKEN_TYPES or header.get("alg") != ALGORITHM:
        raise Unauthenticated(TokenFault.MALFORMED)
    return unverified


def _is_signed(unverified: jws.CompactSignature, key: ECKey) -> bool:
    try:
        return jws.validate_compact(unverified, key, algorithms=[ALGORITHM])
    except JoseError:  # a critical header we do not know, a key of another curve
        return False


def _claims(unverified: jws.CompactSignature) -> Mapping[str, Any]:
    try:
        claims = json.loads(unverified.payload)
    except (ValueError, RecursionError):
        raise Unauthenticated(TokenFault.MALFORMED) from None
    if not isinstance(claims, dict):
        raise Unauthenticated(TokenFault.MALFORMED)
    return claims
