"""A node's process: it ends as it was told, or says why it ended and with what."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from services.bureau import process
from services.bureau.worker import Worker
from services.harness.network import SERVICES
from services.harness.stack.ports import free_ports
from shared.envelope import signing_key
from shared.envelope.ceremony import rotate_key
from tests.node.bureau import Bureau
from tests.node.conftest import Yard

LIMIT_SECONDS = 20.0
LOOKS, LOOK_SECONDS = 400, 0.05


@pytest.fixture
async def node(yard: Yard, shanghai: Bureau, tmp_path: Path) -> Bureau:
    """What a process of Shanghai would be made of, with keys of its own; `serve` closes it."""
    keys, (web, peer) = shutil.copytree(yard.ground.keys, tmp_path / "keys"), free_ports(2)
    return yard.start("shanghai", shanghai.database_name, tmp_path, keys_folder=keys / "shanghai", web_port=web, peer_port=peer)


@pytest.fixture
async def tell_to_end(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """As SIGTERM; the process of the tests keeps its own handlers."""
    told: list[Callable[[], None]] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", lambda _, act: told.append(act))
    return lambda: told[0]()


@pytest.mark.parametrize("only", ["all", "web", "peer", "worker"])
async def test_a_node_that_is_told_to_end_has_been_told(node: Bureau, tell_to_end: Callable[[], None], only: Any) -> None:
    serving = asyncio.create_task(process.serve(node.wiring, only=only))
    await until(lambda: "folder" in node.wiring.health.loops)
    tell_to_end()
    assert await asyncio.wait_for(serving, LIMIT_SECONDS)


@pytest.mark.parametrize("only", ["web", "peer"])
async def test_a_door_alone_signs_with_a_new_key_without_a_restart(
    node: Bureau, tell_to_end: Callable[[], None], monkeypatch: pytest.MonkeyPatch, only: Any
) -> None:
    monkeypatch.setattr("services.bureau.folder.LOOK_SECONDS", LOOK_SECONDS)
    serving, held, now = asyncio.create_task(process.serve(node.wiring, only=only)), node.wiring.node, int(time.time())
    await until(lambda: "folder" in node.wiring.health.loops)
    kid = rotate_key(node.wiring.settings.keys_folder.parent, "shanghai", "sig", now=now, nbf=now)
    await until(lambda: signing_key(held.ring, held.trust.current, int(time.time()))[0].kid == kid)
    tell_to_end()
    assert await asyncio.wait_for(serving, LIMIT_SECONDS)


async def test_a_node_whose_worker_fails_ends_as_a_whole_and_says_why(
    node: Bureau, tell_to_end: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(worker: Worker) -> None:
        raise RuntimeError("the test's worker")

    monkeypatch.setattr(Worker, "run", fail)
    with capture_logs() as logs:
        assert not await asyncio.wait_for(process.serve(node.wiring), LIMIT_SECONDS)
    (failed,) = [entry for entry in logs if entry["event"] == "part_failed"]
    assert (failed["part"], str(failed["exc_info"])) == ("worker", "the test's worker")


async def test_a_node_whose_door_closes_by_itself_ends_as_a_whole_and_says_which(
    node: Bureau, tell_to_end: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def close(server: process._Server, sockets: Any) -> None:
        for one in sockets:
            one.close()

    monkeypatch.setattr(process._Server, "serve", close)
    with capture_logs() as logs:
        assert not await asyncio.wait_for(process.serve(node.wiring, only="web"), LIMIT_SECONDS)
    assert [entry["part"] for entry in logs if entry["event"] == "part_ended"] == [f"port {node.wiring.settings.web_port}"]


@pytest.mark.parametrize(("was_told", "code"), [(True, 0), (False, process.ENDED_BY_ITSELF)])
def test_the_exit_code_says_whether_the_node_was_told(monkeypatch: pytest.MonkeyPatch, was_told: bool, code: int) -> None:
    async def serve(*parts: Any, **options: Any) -> bool:
        return was_told

    given = {"keys_folder": Path(), "database_url": "", "run_folder": Path()}
    monkeypatch.setattr(process, "wire", lambda settings, overrides: None)
    monkeypatch.setattr(process, "serve", serve)
    monkeypatch.setattr(process, "configure_logs", lambda level: None)
    ended = 0
    try:
        process.run_node(SERVICES / "shanghai", **given)
    except SystemExit as end:
        ended = int(str(end.code))
    assert ended == code


@pytest.mark.parametrize("trouble", [ConnectionResetError(), asyncpg.InternalClientError("a farewell half heard")], ids=type)
async def test_a_door_alone_goes_on_ringing_after_its_connection_was_cut(
    node: Bureau, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    rung = 0

    async def ring(url: str, written: asyncio.Event) -> None:
        nonlocal rung
        rung += 1
        raise trouble

    monkeypatch.setattr(process.doorbell, "ring", ring)
    monkeypatch.setattr(process, "RING_PAUSE_SECONDS", LOOK_SECONDS)
    ringing = asyncio.create_task(process._ring(node.wiring))
    await until(lambda: rung > 1)
    ringing.cancel()
    await node.close()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(LOOKS):
        if condition():
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError("never")
