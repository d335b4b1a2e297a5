"""Where a story is played: four bureaus in this process, or four as processes. The player does not know which."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import httpx2 as httpx

from services.harness.network import Network
from services.harness.processes import Federation, Progress, no_progress
from services.harness.registers import Register
from shared.contract.questions import Answer, Asker, Question
from shared.database import Clock, Database
from shared.envelope import tls_client_context
from shared.identifiers.texts import N_
from shared.peers import PeerClient

POLL_SECONDS = 0.01  # what an officer's page would do on a hint; short, so that the milliseconds told are nearly the machine's
ANSWER_SECONDS = 15.0  # sealing asks the peer first, which may take five


class Stage(Protocol):
    """Four bureaus that work."""

    @property
    def registers(self) -> Mapping[str, Register]:
        """Their registers, as only the harness sees them."""

    @property
    def business_clock(self) -> Clock | None:
        """The clock of the stage; None: the one in the registers' clock files."""

    def web(self, bureau: str) -> httpx.AsyncClient:
        """The bureau's web door."""

    async def ask(self, asking: str, asked: str, question: Question, *, asker: Asker, answer: type[Answer]) -> Answer:
        """A sealed question from one bureau to another. Raises PeerError."""

    def set_clock(self, at: datetime) -> None:
        """The business clock of all bureaus shows `at`."""

    async def turn(self) -> None:
        """Let messages move, and a little time pass."""


class NetworkStage:
    """Four bureaus in this process: messages move when `turn` settles them."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.business_clock = network.clock

    @property
    def registers(self) -> Mapping[str, Register]:
        settings = {bureau: node.wiring.settings for bureau, node in self._network.nodes.items()}
        return {bureau: Register(bureau, told.database_url, told.keys_folder) for bureau, told in settings.items()}

    def web(self, bureau: str) -> httpx.AsyncClient:
        return self._network.nodes[bureau].web

    async def ask(self, asking: str, asked: str, question: Question, *, asker: Asker, answer: type[Answer]) -> Answer:
        return await self._network.nodes[asking].wiring.peers.ask(asked, question, asker=asker, answer=answer)

    def set_clock(self, at: datetime) -> None:
        self._network.clock.at = at

    async def turn(self) -> None:
        await self._network.settle()
        await asyncio.sleep(0)


class ProcessStage:
    """Four bureaus as processes. `progress` is told when a node has ended by itself, and how to start it again."""

    business_clock = None

    def __init__(self, federation: Federation, progress: Progress = no_progress) -> None:
        self._federation = federation
        self._progress = progress
        self._told: set[int] = set()
        self._webs: dict[str, httpx.AsyncClient] = {}
        self._asking: dict[str, tuple[Database, PeerClient]] = {}

    @property
    def registers(self) -> Mapping[str, Register]:
        return self._federation.registers()

    def web(self, bureau: str) -> httpx.AsyncClient:
        if bureau not in self._webs:
            address = self._federation.nodes[bureau].web
            # No proxy of the machine's environment: these are addresses of this very machine.
            self._webs[bureau] = httpx.AsyncClient(base_url=address, timeout=ANSWER_SECONDS, trust_env=False)
        return self._webs[bureau]

    async def ask(self, asking: str, asked: str, question: Question, *, asker: Asker, answer: type[Answer]) -> Answer:
        if asking not in self._asking:
            register = self.registers[asking]
            database = register.open()
            trust = database.node.trust
            client = PeerClient(database, lambda: tls_client_context(register.keys_folder, trust.current))
            self._asking[asking] = (database, client)
        return await self._asking[asking][1].ask(asked, question, asker=asker, answer=answer)

    def set_clock(self, at: datetime) -> None:
        self._federation.set_business_clock(at)

    async def turn(self) -> None:
        tell_ended(self._federation, self._told, self._progress)
        await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        for web in self._webs.values():
            await web.aclose()
        for database, client in self._asking.values():
            await client.close()
            await database.close()


def tell_ended(federation: Federation, told: set[int], progress: Progress) -> None:
    """Say once of each node that has ended by itself how it ended, the end of its log, and how to start it again."""
    for bureau, node in federation.nodes.items():
        if node.process is None or node.ended is None or node.process.pid in told:
            continue
        told.add(node.process.pid)
        message = N_("the node of {bureau} has ended (exit code {code}); the end of its log {log}:")
        progress(message, bureau=bureau, code=node.ended, log=str(node.log))
        progress("{tail}", tail=node.tail())
        progress(N_("start it again with: quanyu node {bureau} --folder {folder}"), bureau=bureau, folder=str(federation.folder))
