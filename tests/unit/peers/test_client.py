"""What a bureau learns of a peer beside its answers: how its clock goes, and when the certificate of its door ends."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.database import Database
from shared.envelope import certificate_end, tls_client_context, tls_server_context
from shared.envelope.ceremony import BureauEntry, current_list, make_federation
from shared.peers import Clock, PeerClient
from shared.peers.client import DOOR_ERROR

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


class Kept:
    """A database that remembers what it was told to keep; `changes`: whether pages would show something else after it."""

    def __init__(self, trust: Any) -> None:
        self.node = SimpleNamespace(trust=SimpleNamespace(current=trust), machine_now=lambda: datetime.now(UTC))
        self.rows: list[dict[str, Any]] = []
        self.changes = True
        self.told: list[str] = []
        self.committed = self.told.append

    async def run(self, unit: Callable[[Any], Awaitable[Any]], *, name: str) -> Any:
        async def execute(statement: Any, row: dict[str, Any]) -> Any:
            self.rows.append({"name": name} | row)
            return SimpleNamespace(returns_rows=name == "peers.note", scalar_one_or_none=lambda: self.changes)

        return await unit(SimpleNamespace(execute=execute))


@pytest.mark.parametrize("ahead", [-40.0, -0.7, 0.0, 0.4, 55.5])
@pytest.mark.parametrize("way_ms", [0, 4, 900])
@pytest.mark.parametrize("fraction_ms", [0, 10, 490, 999])
def test_the_true_difference_lies_within_what_is_said(ahead: float, way_ms: int, fraction_ms: int) -> None:
    asked = NOW + timedelta(milliseconds=fraction_ms)
    signed, answered = asked + timedelta(milliseconds=way_ms), asked + timedelta(milliseconds=2 * way_ms)
    iat = int((signed + timedelta(seconds=ahead)).timestamp())
    clock = Clock.read(iat, asked=asked, answered=answered)
    assert abs(clock.ahead_ms - ahead * 1000) <= clock.within_ms + 1  # rounding
    assert clock.within_ms == 500 + way_ms


async def test_the_door_tells_once_that_it_opens_and_when_its_certificate_ends(tmp_path: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        door = f"https://127.0.0.1:{listening.getsockname()[1]}"
        folder = tmp_path / "federation"
        make_federation(
            folder, [BureauEntry(code, code, "", door) for code in ("zhejiang", "anhui", "jiangsu")], int(time.time())
        )
        trust = current_list(folder)
        server = await asyncio.start_server(
            lambda reader, writer: writer.close(), sock=listening, ssl=tls_server_context(folder / "zhejiang", trust)
        )
        kept = Kept(trust)
        client = PeerClient(cast(Database, kept), lambda: tls_client_context(folder / "anhui", trust))
        async with server:
            await client.look("zhejiang")
            await client.look("zhejiang")
        ends_at = datetime.fromtimestamp(certificate_end(folder / "zhejiang" / "tls" / "leaf.pem"), UTC)
        opened = {"name": "peers.note", "bureau": "zhejiang", "error": None, "door_error": DOOR_ERROR}
        assert kept.rows == [opened, {"name": "peers.certificate", "bureau": "zhejiang", "ends_at": ends_at}]
        assert kept.told == ["peers.door"]  # an earlier process had found it shut
        await client.look("zhejiang")
        assert kept.rows[2]["error"].startswith(DOOR_ERROR)
        assert kept.told == ["peers.door"] * 2
        kept.changes = False  # the operators' pages say so already: nobody is woken again
        await client.look("zhejiang")
        assert len(kept.told) == 2
        kept.changes = True  # heard meanwhile, of what it had said before
        await client.look("zhejiang")
        assert len(kept.told) == 3
