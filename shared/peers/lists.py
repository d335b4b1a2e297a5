"""Trust lists as peers serve them, without login: a list proves itself by its roots' signatures."""

import asyncio
from dataclasses import dataclass

import httpx2 as httpx  # the maintained continuation of httpx

from shared.envelope import TrustListRefused
from shared.envelope.trust_list import LIST_LIMIT_BYTES, claimed
from shared.peers.client import AS_SENT, read_at_most

LIST_PATH = "/.well-known/quanyu/trust-list"
LIST_SECONDS = 5.0  # for one list, whole
VERSION_MAX = 2**31 - 1  # of a column; a list a minute would reach it in four thousand years


@dataclass(frozen=True, slots=True)
class ListTold:
    """Which list a peer serves as its newest. With our version and digest it is ours; else it is only what the peer says."""

    version: int
    digest: str


def list_client(web: str) -> httpx.AsyncClient:
    """For the lists of the node at this address."""
    return httpx.AsyncClient(base_url=web, timeout=LIST_SECONDS, trust_env=False, headers=AS_SENT)


async def fetch_list(client: httpx.AsyncClient, version: int) -> bytes | None:
    """The file of that version, or None when the peer has it not. Raises TooLarge, httpx.HTTPError, TimeoutError."""
    return await _fetch(client, f"{LIST_PATH}/{version}")


async def newest_list(client: httpx.AsyncClient) -> ListTold | None:
    """None when the peer tells none. Raises TooLarge, TrustListRefused (no list), httpx.HTTPError, TimeoutError."""
    raw = await _fetch(client, LIST_PATH)
    if raw is None:
        return None
    told = claimed(raw)
    if told.version > VERSION_MAX:
        raise TrustListRefused("form", f"version {told.version}")
    return ListTold(told.version, told.digest)


async def _fetch(client: httpx.AsyncClient, path: str) -> bytes | None:
    async with asyncio.timeout(LIST_SECONDS), client.stream("GET", path) as answer:
        return await read_at_most(answer, LIST_LIMIT_BYTES) if answer.status_code == httpx.codes.OK else None
