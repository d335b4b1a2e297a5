"""Both doors under what no schema describes: rubbish for the peer door, headers and tokens that nobody would write."""

from contextlib import suppress
from random import Random
from typing import Any
from uuid import UUID

import pytest
from joserfc import jws

from services.bureau.access.login import Unauthenticated
from services.bureau.console.api import MOST_AUDIT_ROWS
from shared.contract.questions import Asker, TransferState
from shared.contract.registry import QUESTIONS
from tests.fuzz.conftest import Count
from tests.fuzz.mutate import TOKENS, by_character, by_segment, members, written
from tests.node.access.tokens import claims_of
from tests.node.bureau import Bureau
from tests.node.transfers.cases import CASES, COUNTER, at_origin

PEER_BODIES, TOKENS_TRIED, REQUESTS = 500, 5_000, 600
NAMED = ("Quanyu-Post", "Quanyu-Purpose", "Quanyu-Case", "Idempotency-Key", "Accept-Language", "traceparent", "Content-Type")


@pytest.mark.timeout(600)
async def test_no_body_breaks_the_peer_door(zhejiang: Bureau, seed: int, count: Count) -> None:
    random, case = Random(seed), await at_origin(zhejiang, "SEALED")
    asker = Asker(role="node", purpose="household_transfer", case=case)
    good = [zhejiang.sealed_question(TransferState(case=UUID(case)), asker, by=by, key=case) for by in ("shanghai", "anhui")]
    paths = [kind.path for kind in QUESTIONS.values()]
    for _ in range(PEER_BODIES):
        body = by_segment(random, good)
        answer = await zhejiang.door.post(random.choice(paths), content=body)
        busy = answer.status_code == 503 and answer.json()["code"] in ("busy", "unknown_key")
        assert answer.status_code < 500 or busy, f"{answer.status_code} {answer.text}: {body.hex()}"
    count("peer bodies", PEER_BODIES)


@pytest.mark.parametrize("path", ["/peer/v1/transfers/%00", "/peer/v1//", "/peer/v1/../v1/x/y", "/peer", "/", "/peer/v1/a/b/c"])
async def test_no_address_breaks_the_peer_door(zhejiang: Bureau, path: str) -> None:
    assert (await zhejiang.door.post(path, content=b"x")).status_code in (404, 405)


async def test_no_token_breaks_the_login(quiet_shanghai: Bureau, seed: int, count: Count) -> None:
    """Also tokens that the provider itself has signed, whatever they say: it is another's program."""
    random, claims = Random(seed), await claims_of(quiet_shanghai, COUNTER)
    good = [(await quiet_shanghai.token(COUNTER)).encode()]
    taken = 0
    for number in range(TOKENS_TRIED):
        token = _signed(quiet_shanghai, random, claims) if number % 2 else by_segment(random, good).decode("latin-1")
        with suppress(Unauthenticated):  # whatever else it raises is shown with its token by pytest
            await quiet_shanghai.wiring.tokens.verify(f"Bearer {token}")
            taken += 1
    assert taken, "not one token was right"
    count("tokens", TOKENS_TRIED)


def _signed(bureau: Bureau, random: Random, claims: dict[str, Any]) -> str:
    key = bureau.wiring.development._key  # type: ignore[union-attr]  # what a provider that was taken over could do
    header = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid}
    return jws.serialize_compact(header, written(members(random, claims, [claims])), key, algorithms=["ES256"])


@pytest.mark.timeout(600)
async def test_no_header_query_or_address_breaks_a_route(quiet_shanghai: Bureau, seed: int, count: Count) -> None:
    random, token = Random(seed), await quiet_shanghai.token(COUNTER)
    texts = [token for token in TOKENS if len(token) < 300]
    for _ in range(REQUESTS):
        headers = [(b"authorization", f"Bearer {token}".encode())]
        headers += [(name.encode(), _value(random, texts)) for name in random.sample(NAMED, 2)]
        case, limit = _part(random, texts), random.choice((1, MOST_AUDIT_ROWS, _part(random, texts)))
        path = random.choice((CASES, f"{CASES}/{case}", f"{CASES}/{case}/seal", f"/{case}"))
        query = f"after={_part(random, texts)}&most={limit}&state={_part(random, texts)}"
        method = random.choice(("GET", "POST"))
        answer = await quiet_shanghai.web.request(method, f"{path}?{query}", headers=headers)
        assert answer.status_code < 500, f"{answer.status_code} {answer.text}: {method} {path}?{query} {headers[1:]}"
    count("odd requests", REQUESTS)


def _value(random: Random, texts: list[str]) -> bytes:
    """A header's value as a server takes it from the line: any bytes but the ends of lines."""
    odd = by_character(random, [text.encode("utf-8", "surrogatepass") for text in texts])
    return bytes(one for one in odd if one not in b"\r\n\0")


def _part(random: Random, texts: list[str]) -> str:
    """A part of an address, every byte of it escaped, NUL and broken UTF-8 too."""
    return "".join(f"%{one:02x}" for one in random.choice(texts).encode("utf-8", "surrogatepass"))[:1_200]
