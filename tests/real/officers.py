"""The officers of the four bureaus, at the API of their own bureau's node.

Their client does what a careful client does: an act that got no answer, or "not now", is sent again with the same key.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx2 as httpx
from uuid_utils.compat import uuid7

from services.bureau.access.calls import KEY_HEADER, REPLAYED_HEADER
from tests.real.people import PLACES

ACT_SECONDS = 60.0  # an act is repeated so long: a broker or database that was killed is back in a third of it
AGAIN_SECONDS = 0.1
ANSWER_SECONDS = 10.0
NOT_NOW = frozenset({"counterpart_silent"})  # conflicts that end by themselves when the other bureau is back


class Officers:
    """`addresses`: bureau -> the address of its web door. `answered`: how many acts were done."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._clients = {
            bureau: httpx.AsyncClient(base_url=address, timeout=ANSWER_SECONDS, trust_env=False)
            for bureau, address in addresses.items()
        }
        self._tokens: dict[tuple[str, str], str] = {}
        self.answered = 0

    async def act(self, bureau: str, officer: str, path: str, body: Any = None) -> httpx.Response:
        """One act of an officer, repeated with one key until it is answered. AssertionError: refused, or never answered."""
        key, ends_at = str(uuid7()), time.monotonic() + ACT_SECONDS
        why = ""
        while time.monotonic() < ends_at:
            try:
                answer = await self.post(bureau, officer, path, body, key=key)
            except httpx.TransportError as error:
                why = type(error).__name__
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if answer.is_success:
                self.answered += 1
                return answer
            problem = answer.json()
            why = f"{answer.status_code} {problem}"
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE and problem.get("code") not in NOT_NOW:
                raise AssertionError(f"{bureau} {path}: {why}")
            await asyncio.sleep(AGAIN_SECONDS)
        raise AssertionError(f"{bureau} {path}: no answer in {ACT_SECONDS:.0f} s: {why}")

    def has_answered(self, count: int) -> bool:
        """So many acts were done since the beginning."""
        return self.answered >= count

    async def post(self, bureau: str, officer: str, path: str, body: Any, *, key: str | None = None) -> httpx.Response:
        """Once. Raises httpx.TransportError."""
        headers = {"Authorization": f"Bearer {await self.token(bureau, officer)}", KEY_HEADER: key or str(uuid7())}
        return await self._clients[bureau].post(path, json=body, headers=headers)

    async def token(self, bureau: str, officer: str) -> str:
        if (bureau, officer) not in self._tokens:
            form = {"grant_type": "urn:quanyu:grant:development", "officer": officer}
            answer = await self._clients[bureau].post("/dev/token", data=form)
            if not answer.is_success:
                raise httpx.ReadError(f"no token: {answer.status_code}")
            self._tokens[bureau, officer] = answer.json()["access_token"]
        return self._tokens[bureau, officer]

    async def health(self, bureau: str) -> dict[str, Any]:
        """What the node says of itself; {} when it says nothing."""
        try:
            report: dict[str, Any] = (await self._clients[bureau].get("/health/ready")).json()
        except httpx.TransportError:
            return {}
        return report

    async def is_degraded(self, bureau: str, part: str) -> bool:
        parts: dict[str, dict[str, str]] = (await self.health(bureau)).get("parts", {})
        return parts.get(part, {}).get("status") == "degraded"

    async def is_ok(self, bureau: str) -> bool:
        return (await self.health(bureau)).get("status") == "ok"

    async def works(self, bureau: str) -> bool:
        """Its loops carry messages, too."""
        parts: dict[str, dict[str, str]] = (await self.health(bureau)).get("parts", {})
        return all(parts.get(f"loop.{name}", {}).get("status") == "ok" for name in ("prepare", "relay", "consumer"))

    async def is_refused(self, bureau: str) -> bool:
        """Officers are told "not now"."""
        try:
            answer = await self._clients[bureau].get("/api/v1/transfers", headers=await self._counter(bureau))
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE

    async def serves(self, bureau: str) -> bool:
        """An officer gets the list of cases."""
        try:
            answer = await self._clients[bureau].get("/api/v1/transfers", headers=await self._counter(bureau))
        except httpx.TransportError:
            return False
        return answer.is_success

    async def _counter(self, bureau: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.token(bureau, PLACES[bureau].counter)}"}

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()


def was_replayed(answer: httpx.Response) -> bool:
    """The answer was kept from an earlier execution of the same act."""
    return answer.headers.get(REPLAYED_HEADER) == "true"
