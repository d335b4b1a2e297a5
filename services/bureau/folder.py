"""What lies in a bureau's folder and changes while its processes run: trust lists, sealing keys, the certificate of TLS.

Every process of a node looks for itself. Only the key-encryption key and the keys of the database are read once, at the start.
"""

import asyncio

import structlog

from services.bureau.wiring import Wiring
from shared.envelope import KeyFileError, TlsDoor, renew_leaf

LOOK_SECONDS = 5.0  # what `quanyu keys`, or another process of the node, has put there counts so much later
LOOP = "folder"

logger = structlog.get_logger(__name__)


class Folder:
    """One process's view of its bureau's folder, kept up to date by `watch`."""

    def __init__(self, wiring: Wiring, *, serves_peers: bool, has_worker: bool) -> None:
        """`serves_peers`: the peer door is in this process, which alone renews the certificate. Raises KeyFileError."""
        self._wiring = wiring
        self._learns_incarnations = serves_peers and not has_worker  # the worker reads them, and hears of higher ones
        self.door: TlsDoor | None = None
        if serves_peers:
            self._renew_leaf()
            self.door = TlsDoor(wiring.settings.keys_folder, wiring.node.trust.current)
        self._taken_up = self._stamp()

    async def watch(self) -> None:
        """Until cancelled; while something in the folder cannot be read, what was read before stays in use."""
        health = self._wiring.health
        while True:
            try:
                await self.look()
            except Exception as error:
                health.failed(LOOP, error)
                logger.warning("folder_not_taken_up", error=f"{type(error).__name__}: {error}")
            else:
                health.progressed(LOOP)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Take up what has changed. Raises TrustListRefused, KeyFileError, DatabaseDown."""
        wiring = self._wiring
        wiring.node.trust.reload()  # first: a revocation must not wait for a key file that is broken
        if self.door is not None:
            self._renew_leaf()
        if (stamp := self._stamp()) != self._taken_up:
            if self.door is not None:
                self.door.renew(wiring.node.trust.current)
            await wiring.peers.renew()
            self._taken_up = stamp
        wiring.node.keyring.reload()
        if self._learns_incarnations:
            await wiring.receiver.load()

    def _renew_leaf(self) -> None:
        settings = self._wiring.settings
        if renew_leaf(settings.keys_folder, settings.bureau, now=int(self._wiring.node.machine_now().timestamp())):
            logger.info("certificate_renewed", bureau=settings.bureau)

    def _stamp(self) -> tuple[str, int]:
        """What TLS depends on: the list, and the certificate that this process or another one has renewed."""
        leaf = self._wiring.settings.keys_folder / "tls" / "leaf.pem"
        try:
            return self._wiring.node.trust.current.digest, leaf.stat().st_mtime_ns
        except OSError as error:
            raise KeyFileError(f"tls/leaf.pem: {error.strerror}") from error
