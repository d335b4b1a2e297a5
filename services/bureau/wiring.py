"""What a node is made of, from its settings: keys, clocks, databases, bus, peers, and the tables that join slices to the kit.

Both `app.py` and `worker.py` begin here; tests replace parts by name (`Overrides`), nothing else is replaced.
"""

import hashlib
import hmac
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2 as httpx

from services.bureau.access.callers import Post, PostsOf, RememberedPosts
from services.bureau.access.development import DevelopmentLogin, DevelopmentProvider
from services.bureau.access.login import TokenVerifier, jwks_from
from services.bureau.access.rules import Denied
from services.bureau.clocks import BusinessClock, MachineClock
from services.bureau.consequences import Consequences
from services.bureau.health import Health
from services.bureau.population.acts import HoldPlaced
from services.bureau.rulebook import RuleBook, read_rulebook
from services.bureau.settings import BureauProfile, Settings
from services.bureau.stations import acts as stations
from services.bureau.stations.inbound import on_directory_published, on_maintenance_announced
from services.bureau.stations.rules import read_stations
from services.bureau.transfers import acts as transfers
from services.bureau.transfers import questions
from services.bureau.transfers.inbound import HANDLERS as TRANSFER_HANDLERS
from services.bureau.transfers.questions import Enquiries
from shared.contract.messages import DirectoryPublished, MaintenanceAnnounced, Message
from shared.contract.questions import PersonStatus, ProblemCode, Question
from shared.contract.registry import CAPABILITIES, topic
from shared.database import Clock, Database, NodeContext, Session, Vault
from shared.envelope import Keyring, TrustStore, load_vault_keys, read_kek, tls_client_context
from shared.messaging import Ask, Handler, Receiver, Relay, SayAnew
from shared.messaging.bus import Bus
from shared.messaging.kafka import KafkaBus
from shared.messaging.local import LocalBus
from shared.peers import Answerer, Inquiry, PeerClient, PeerServer, QuestionRefused
from shared.telemetry import NodeMetrics
from shared.web import Hints

WEB_POOL, WEB_OVERFLOW = 10, 5
BUS_POOL, BUS_OVERFLOW = 4, 2  # a pool of its own: a burst at the web door must not starve the bus
INCARNATION = 1  # raised only by a restore, which is not built yet
BUSINESS_CLOCK_FILE = "business-clock.json"
PSEUDONYM_CHARACTERS = 32

HANDLERS: Mapping[type[Message], Handler] = {
    DirectoryPublished: on_directory_published,
    MaintenanceAnnounced: on_maintenance_announced,
    **TRANSFER_HANDLERS,
}
ASKS: Mapping[str, Ask] = {"transfers": transfers.ask_by_timer}
SAY_ANEW: Mapping[str, SayAnew] = {"transfers": transfers.say_anew, "node": stations.tell_anew}
CONSEQUENCES = Consequences({HoldPlaced: [transfers.note_hold]})


class SettingsError(Exception):
    """The settings do not make a node; the text says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Parts that tests put in place of the real ones."""

    machine_clock: Clock | None = None
    business_clock: Clock | None = None
    database_class: type[Database] = Database
    bus: Bus | None = None
    transport_to: Callable[[str], httpx.AsyncBaseTransport | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """One node, ready to serve and to work."""

    settings: Settings
    profile: BureauProfile
    node: NodeContext
    database: Database
    bus_database: Database
    bus: Bus
    relay: Relay
    receiver: Receiver
    peers: PeerClient
    peer_server: PeerServer
    enquiries: Enquiries
    rulebook: RuleBook
    consequences: Consequences
    tokens: TokenVerifier
    development: DevelopmentProvider | None
    hints: Hints
    login_secret: str
    unit_names: Mapping[str, str]
    posts_of: PostsOf
    is_open_case: Callable[[Session, UUID, Sequence[str]], Awaitable[bool]]
    metrics: NodeMetrics
    health: Health
    asks: Mapping[str, Ask] = field(default_factory=lambda: ASKS)

    @property
    def issuer(self) -> str:
        """The login provider's address."""
        return self.tokens.issuer

    @property
    def topics(self) -> Sequence[str]:
        return [topic(self.settings.bureau, capability) for capability in CAPABILITIES]

    async def close(self) -> None:
        """Give back connections; everything that matters is in the database already."""
        await self.peers.close()
        await self.bus.close()
        await self.database.close()
        await self.bus_database.close()


def wire(settings: Settings, overrides: Overrides | None = None) -> Wiring:
    """Build a node. Raises SettingsError, KeyFileError, TrustListRefused; connects to nothing yet."""
    over = overrides or Overrides()
    folder = settings.keys_folder
    kek = read_kek(folder)
    keys = load_vault_keys(folder, kek)
    vault = Vault(keys.data_keys, keys.blind_key)
    trust = TrustStore(folder / "trust")
    wake: list[Callable[[], None]] = []
    node = NodeContext(
        bureau=settings.bureau,
        keyring=Keyring(folder, settings.bureau, kek),
        trust=trust,
        machine_clock=over.machine_clock or MachineClock(),
        business_clock=over.business_clock or BusinessClock(_clock_file(settings)),
        incarnation=INCARNATION,
        wake_relay=lambda: wake[0](),
    )
    make = over.database_class
    database = make(settings.database_url, vault=vault, node=node, pool_size=WEB_POOL, overflow=WEB_OVERFLOW)
    bus_database = make(settings.database_url, vault=vault, node=node, pool_size=BUS_POOL, overflow=BUS_OVERFLOW)
    hints = Hints()
    database.committed = bus_database.committed = hints.committed
    bus = over.bus or _bus(settings)
    relay = Relay(bus_database, bus, holder=f"{settings.bureau}.{settings.replica}", say_anew=SAY_ANEW)
    wake.append(relay.wake.set)
    metrics = NodeMetrics(settings.bureau)
    receiver = Receiver(bus_database, HANDLERS, lambda outcome: metrics.receipts.labels(outcome).inc())
    peers = PeerClient(
        database,
        lambda: tls_client_context(folder, trust.current),
        over.transport_to,
        lambda *labels: metrics.questions.labels(*labels).inc(),
    )
    pseudonym = _pseudonyms(keys.pseudonym_key)
    enquiries = Enquiries(database, peers, receiver, pseudonym)
    tokens, development = _login(settings, node)
    return Wiring(
        settings=settings,
        profile=settings.profile(),
        node=node,
        database=database,
        bus_database=bus_database,
        bus=bus,
        relay=relay,
        receiver=receiver,
        peers=peers,
        peer_server=PeerServer(database, _answers(), {PersonStatus: enquiries.before_person_status}, receiver.seen),
        enquiries=enquiries,
        rulebook=read_rulebook(settings.profile_folder / "rules.toml"),
        consequences=CONSEQUENCES,
        tokens=tokens,
        development=development,
        hints=hints,
        login_secret=hmac.new(keys.pseudonym_key, b"login transaction", hashlib.sha256).hexdigest(),
        unit_names=_unit_names(settings),
        posts_of=RememberedPosts(partial(_posts_of, database)),
        is_open_case=transfers.is_open_case,
        metrics=metrics,
        health=Health(node, database, bus),
    )


def _unit_names(settings: Settings) -> dict[str, str]:
    """Our own units by code, as pages call them; the list changes only with a restart."""
    listed = read_stations((settings.profile_folder / "stations.csv").read_text(), bureau=settings.bureau)
    return {one.code: one.name for one in listed}


async def _posts_of(database: Database, badge_no: str, day: date) -> Sequence[Post]:
    return await database.run(lambda session: stations.posts_of(session, badge_no, day), name="access.posts_of")


def _clock_file(settings: Settings) -> Path | None:
    """Only development has a business clock that can be set."""
    return settings.run_folder / BUSINESS_CLOCK_FILE if settings.environment == "development" else None


def _bus(settings: Settings) -> Bus:
    if settings.kafka_bootstrap:
        client_id = f"{settings.bureau}.{settings.replica}"
        return KafkaBus(settings.kafka_bootstrap, client_id=client_id, ssl_context=_kafka_context(settings))
    if settings.bus_file is not None:
        return LocalBus(settings.bus_file)
    raise SettingsError("no bus: set QUANYU_KAFKA_BOOTSTRAP, or QUANYU_BUS_FILE for the local bus of a laptop")


def _kafka_context(settings: Settings) -> ssl.SSLContext | None:
    try:
        tls = settings.kafka_tls()
        return None if tls is None else tls.context()
    except (OSError, ValueError) as error:  # of OpenSSL's errors only the number is set, and its text is the reason
        raise SettingsError(f"mutual TLS with Kafka: {error}") from error


def _pseudonyms(key: bytes) -> Callable[[str], str]:
    def pseudonym(badge_no: str) -> str:
        return hmac.new(key, badge_no.encode(), hashlib.sha256).hexdigest()[:PSEUDONYM_CHARACTERS]

    return pseudonym


def _login(settings: Settings, node: NodeContext) -> tuple[TokenVerifier, DevelopmentProvider | None]:
    audience, clock = f"quanyu-{settings.bureau}", node.machine_clock
    if settings.oidc_issuer:
        source = jwks_from(settings.oidc_jwks_url, httpx.AsyncClient(trust_env=False))
        return TokenVerifier(settings.oidc_issuer, audience=audience, jwks_source=source, clock=clock), None
    if settings.environment != "development":
        raise SettingsError("no login: set QUANYU_OIDC_ISSUER and QUANYU_OIDC_JWKS_URL")
    port = settings.web_port or settings.profile().web_port
    login = DevelopmentLogin(
        environment=settings.environment,
        issuer=f"http://{settings.host}:{port}/dev",
        audience=audience,
        folder=settings.run_folder / settings.bureau,
    )
    provider = DevelopmentProvider(login, clock=clock)
    return TokenVerifier(login.issuer, audience=audience, jwks_source=provider.jwks_source, clock=clock), provider


def _answers() -> dict[type[Question], Answerer]:
    return {kind: _with_access(answerer) for kind, answerer in questions.ANSWERS.items()}


def _with_access(answerer: Answerer) -> Answerer:
    """A denial of the rule table becomes the sealed "forbidden" of the wire, its reason kept for the audit row."""

    async def answer(session: Session, question: Any, inquiry: Inquiry) -> Any:
        try:
            return await answerer(session, question, inquiry)
        except Denied as denied:
            raise QuestionRefused(ProblemCode.FORBIDDEN, reason=denied.reason) from denied

    return answer
