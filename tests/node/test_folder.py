"""What is put into a bureau's folder while its processes run counts without a restart, in each of them."""

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.bureau.app import build_peer_door
from services.bureau.folder import Folder
from services.bureau.process import bind, server_of
from services.bureau.wiring import Overrides
from services.bureau.worker import Worker
from shared.database import Database, DatabaseDown, Session
from shared.envelope import KeyFileError, TrustStore, signing_key, tls_client_context
from shared.envelope.ceremony import BureauEntry, add_bureau, revoke_key, rotate_key
from shared.envelope.keys import read_kek
from shared.envelope.tls import issue_leaf
from shared.messaging.statements import PEER_HEARD
from tests.node.bureau import Bureau
from tests.node.conftest import Yard

LOOPBACK = "127.0.0.1"
DAY_SECONDS = 86400
LOOKS, LOOK_SECONDS = 400, 0.05
FIFTH = BureauEntry("fujian", "fujian", web="http://127.0.0.1:1", peer="https://127.0.0.1:1")


class AwayDatabase(Database):
    away = False

    async def run(self, unit: Any, *, name: str, **options: Any) -> Any:
        if self.away:
            raise DatabaseDown(f"{name}: the test's database is away")
        return await super().run(unit, name=name, **options)


@pytest.fixture
async def node(yard: Yard, tmp_path: Path) -> AsyncIterator[Bureau]:
    """Shanghai with a federation's keys that belong to this test alone."""
    keys = shutil.copytree(yard.ground.keys, tmp_path / "keys")
    seeded = await yard.open("shanghai", tmp_path)
    overrides = Overrides(database_class=AwayDatabase)
    made = yard.start("shanghai", seeded.database_name, tmp_path, overrides, keys_folder=keys / "shanghai")
    yield made
    await made.close()
    await yard.close(seeded)


@pytest.fixture
def keys(node: Bureau) -> Path:
    return node.wiring.settings.keys_folder.parent


@pytest.fixture
async def folder(node: Bureau) -> Folder:
    """As of a process that is the peer door alone."""
    return Folder(node.wiring, serves_peers=True, has_worker=False)


@asynccontextmanager
async def open_door(node: Bureau, folder: Folder) -> AsyncIterator[int]:
    """The peer door on a port of this machine, whose number is given."""
    assert folder.door is not None
    server, sock = server_of(build_peer_door(node.wiring), folder.door.context), bind(LOOPBACK, 0)
    serving = asyncio.create_task(server.serve([sock]))
    try:
        yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def shown(port: int, client: Path) -> dict[str, Any]:
    """The certificate that the door shows to the bureau of that folder. Raises OSError when it lets it not in."""
    context = tls_client_context(client, TrustStore(client / "trust").current)
    reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=context)
    try:
        writer.write(b"GET / HTTP/1.1\r\nhost: door\r\n\r\n")
        if not (await reader.read(1)):  # the door looks at our certificate after we have believed its own
            raise ConnectionResetError
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return dict(connection.getpeercert() or {})
    finally:
        writer.close()


def authority(keys: Path, bureau: str) -> str:
    return f"{bureau}#{next((keys / bureau / 'tls').glob('tls-ca-*.pem')).stem}"


async def test_a_bureau_that_joins_is_let_in_without_a_restart(node: Bureau, folder: Folder, keys: Path) -> None:
    async with open_door(node, folder) as port:
        add_bureau(keys, FIFTH, now=int(time.time()))
        with pytest.raises(OSError):
            await shown(port, keys / "fujian")
        await folder.look()
        assert await shown(port, keys / "fujian")
        assert await shown(port, keys / "anhui")


async def test_a_bureau_whose_authority_is_revoked_is_let_in_no_more(node: Bureau, folder: Folder, keys: Path) -> None:
    async with open_door(node, folder) as port:
        assert await shown(port, keys / "anhui")
        revoke_key(keys, authority(keys, "anhui"), now=int(time.time()), reason="stolen")
        await folder.look()
        with pytest.raises(OSError):
            await shown(port, keys / "anhui")
        assert await shown(port, keys / "jiangsu")


async def test_the_certificate_is_renewed_in_time_and_shown_without_a_restart(node: Bureau, folder: Folder, keys: Path) -> None:
    own = keys / "shanghai"
    async with open_door(node, folder) as port:
        first = await shown(port, keys / "anhui")
        long_ago = int(time.time()) - 61 * DAY_SECONDS
        issue_leaf(own, "shanghai", kek=read_kek(own), now=long_ago, hosts=(LOOPBACK,))
        (own / "tls" / "leaf.key.new").touch()  # left by a process that was killed at it
        await folder.look()
        renewed = await shown(port, keys / "anhui")
        assert renewed["serialNumber"] != first["serialNumber"]
        assert ssl.cert_time_to_seconds(renewed["notAfter"]) > time.time() + 89 * DAY_SECONDS


async def test_a_certificate_that_cannot_be_read_leaves_the_one_before_in_use(node: Bureau, folder: Folder, keys: Path) -> None:
    async with open_door(node, folder) as port:
        (keys / "shanghai" / "tls" / "leaf.pem").write_bytes(b"garbage")
        with pytest.raises(KeyFileError):
            await folder.look()
        assert await shown(port, keys / "anhui")


@pytest.mark.parametrize("serves_peers", [True, False], ids=["peer door", "web door"])
async def test_a_new_key_and_list_count_in_the_process_of_each_door(node: Bureau, keys: Path, serves_peers: bool) -> None:
    watched = Folder(node.wiring, serves_peers=serves_peers, has_worker=False)
    kid = rotate_key(keys, "shanghai", "sig", now=int(time.time()), nbf=int(time.time()))
    await watched.look()
    held = node.wiring.node
    assert held.trust.current.version == 2
    assert signing_key(held.ring, held.trust.current, int(time.time()))[0].kid == kid


async def test_what_cannot_be_read_is_named_until_it_can(
    node: Bureau, folder: Folder, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.bureau.folder.LOOK_SECONDS", LOOK_SECONDS)
    broken, loops = keys / "shanghai" / "keys" / "sig-broken.key", node.wiring.health.loops
    broken.touch(0o600)
    watching = asyncio.create_task(folder.watch())
    try:
        await until(lambda: "folder" in loops and loops["folder"].error is not None)
        assert "sig-broken.key" in str(loops["folder"].error)
        broken.unlink()
        await until(lambda: loops["folder"].error is None)
    finally:
        watching.cancel()


async def test_a_door_alone_knows_the_incarnations_that_the_worker_has_heard(node: Bureau, folder: Folder) -> None:
    async def heard(session: Session) -> None:
        await session.execute(PEER_HEARD, {"bureau": "jiangsu", "incarnation": 3, "now": session.node.machine_now()})

    await node.wiring.database.run(heard, name="test")
    await folder.look()
    seen = node.wiring.receiver.seen
    assert seen["jiangsu"] == 3
    seen["jiangsu"] = 4  # heard by the door itself, not committed yet
    await folder.look()
    assert seen["jiangsu"] == 4


async def test_a_list_that_comes_while_the_database_is_away_is_taken_up_when_it_is_back(node: Bureau, keys: Path) -> None:
    wiring, worker = node.wiring, Worker(node.wiring)
    database = wiring.bus_database
    assert isinstance(database, AwayDatabase)
    worker._asked_at = float("inf")  # the peers' own lists are not this test's
    database.away = True
    revoke_key(keys, authority(keys, "anhui"), now=int(time.time()), reason="stolen")
    wiring.node.trust.reload()
    taking = asyncio.create_task(worker._supervise("trust", worker._trust))
    worker._prepared.set()
    try:
        await until(lambda: wiring.health.loops["trust"].restarts > 1 if "trust" in wiring.health.loops else False)
        database.away = False
        await until(lambda: wiring.health.loops["trust"].error is None)
        assert [row.version for row in await node.rows("SELECT version FROM trust_list")] == [2]
    finally:
        taking.cancel()


async def until(condition: Any) -> None:
    for _ in range(LOOKS):
        if condition():
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError("never")
