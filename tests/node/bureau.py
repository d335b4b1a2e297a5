"""One bureau on a database of its own, as a test sees it: its officers' requests, its rows, what it says and what it is told."""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Select, text
from uuid_utils.compat import uuid7

from services.bureau.app import build_peer_door, build_web
from services.bureau.wiring import Wiring
from services.harness.network import SkewedClock, StoryClock
from shared.contract.messages import Message
from shared.contract.questions import Answer, Asked, Asker, Question
from shared.contract.registry import decode, decode_answer, encode, encode_question, schema_of
from shared.database import CHINA, Session
from shared.envelope import Place, Ring, TrustList, open_envelope, seal, transport_headers
from shared.messaging import Handler
from shared.messaging.bus import Delivered, Record
from shared.messaging.record import place_of
from tests.node.peers import PeerStandIn

GRANT = "urn:quanyu:grant:development"
DIGEST = "SELECT '{table}' AS name, md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS digest FROM {table} t"
KEPT_TABLES = "audit", "audit_salt", "peer"  # a refused request may add to these


@dataclass(frozen=True)
class Federation:
    """What the test knows of all four: their keys, so that it can speak for each of them and read what each is told."""

    keys: Path
    rings: Mapping[str, Ring]
    trust: TrustList


@dataclass(frozen=True)
class Sent:
    """A row of the outbox, opened with its recipient's key."""

    seq: int
    to: str
    message: Any
    event_id: UUID
    key: str
    headers: Mapping[str, str]
    sealed: bytes


@dataclass
class Bureau:
    """A node without its loops. Nothing moves unless the test moves it."""

    code: str
    wiring: Wiring
    federation: Federation
    clock: StoryClock
    machine: SkewedClock
    peers: PeerStandIn
    database_name: str
    web: httpx.AsyncClient = field(init=False)
    door: httpx.AsyncClient = field(init=False)
    _tokens: dict[str, str] = field(default_factory=dict)
    _offsets: "itertools.count[int]" = field(default_factory=itertools.count)
    _read_up_to: int = 0
    _digests: str = ""

    def __post_init__(self) -> None:
        self.web = _client(build_web(self.wiring), self.code)
        self.door = _client(build_peer_door(self.wiring), self.code)

    async def rewire(self, **parts: Any) -> None:
        """The web door anew, with parts of its wiring replaced."""
        await self.web.aclose()
        self.wiring = replace(self.wiring, **parts)
        self.web = _client(build_web(self.wiring), self.code)

    async def close(self) -> None:
        await self.web.aclose()
        await self.door.aclose()
        await self.wiring.relay.close()
        await self.wiring.close()

    def on(self, year: int, month: int, day: int, hour: int = 10) -> None:
        """Set the business clock."""
        self.clock.at = datetime(year, month, day, hour, tzinfo=CHINA)

    # ---- officers ---------------------------------------------------------------------------------------------------

    async def token(self, officer: str) -> str:
        if officer not in self._tokens:
            answer = await self.web.post("/dev/token", data={"grant_type": GRANT, "officer": officer})
            answer.raise_for_status()
            self._tokens[officer] = str(answer.json()["access_token"])
        return self._tokens[officer]

    async def token_without_second_factor(self, officer: str) -> str:
        form = {"grant_type": GRANT, "officer": officer, "acr_values": "password"}
        answer = await self.web.post("/dev/token", data=form)
        return str(answer.json()["access_token"])

    async def ask(self, officer: str, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """A request of an officer; header names with "_" for "-". `body`: JSON, or the very bytes."""
        sent = {"Authorization": f"Bearer {await self.token(officer)}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes):
            sent.setdefault("Content-Type", "application/json")
            return await self.web.request(method, path, content=body, headers=sent)
        return await self.web.request(method, path, json=body, headers=sent)

    async def act(self, officer: str, case: object, act: str, body: Any = None, **headers: str) -> httpx.Response:
        """An act on a case: POST /api/v1/transfers/{case}/{act}."""
        return await self.ask(officer, "POST", f"/api/v1/transfers/{case}/{act}", body, **headers)

    async def done(self, officer: str, case: object, act: str, body: Any = None, **headers: str) -> dict[str, Any]:
        """An act that must succeed; the case as it then stands."""
        answer = await self.act(officer, case, act, body, **headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    # ---- rows -------------------------------------------------------------------------------------------------------

    async def rows(self, statement: str | Select[Any], **values: Any) -> list[Any]:
        """Rows of this bureau's database, read as the node would; `statement` as text or built from the tables."""
        built = text(statement) if isinstance(statement, str) else statement

        async def unit(session: Session) -> list[Any]:
            return list(await session.execute(built, values))

        return await self.wiring.database.run(unit, name="test")

    async def one(self, statement: str | Select[Any], **values: Any) -> Any:
        found = await self.rows(statement, **values)
        assert len(found) == 1, found
        return found[0]

    async def audit(self, action: str | None = None, **values: Any) -> list[Any]:
        """Audit rows, oldest first; `values`: columns that must be equal."""
        wanted = values | ({} if action is None else {"action": action})
        conditions = " AND ".join(f"{name} = :{name}" for name in wanted) or "true"
        return await self.rows(f"SELECT * FROM audit WHERE {conditions} ORDER BY id", **wanted)  # noqa: S608  # our own names

    async def states(self, case: object) -> dict[int, str]:
        rows = await self.rows("SELECT place, state FROM transfer_member WHERE case_id = :c", c=UUID(str(case)))
        return {row.place: row.state for row in rows}

    async def owed(self, case: object) -> dict[str, Any]:
        rows = await self.rows("SELECT * FROM owed WHERE case_id = :c", c=UUID(str(case)))
        return {row.kind: row for row in rows}

    async def resident(self, citizen_id_no: str) -> Any:
        """The person's row, or None."""
        index = self.wiring.database.engine.dialect.quanyu_vault.blind_index(  # type: ignore[attr-defined]
            "resident.citizen_id_no", citizen_id_no
        )
        found = await self.rows("SELECT * FROM resident WHERE citizen_id_index = :index", index=index)
        return found[0] if found else None

    async def fingerprint(self) -> dict[str, str]:
        """A digest of every table that a refused request must leave as it was."""
        if not self._digests:
            names = await self.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
            self._digests = " UNION ALL ".join(DIGEST.format(table=name) for (name,) in names if name not in KEPT_TABLES)
        return {row.name: row.digest for row in await self.rows(self._digests)}

    # ---- what it says -----------------------------------------------------------------------------------------------

    async def sent(self) -> list[Sent]:
        """Everything in the outbox, oldest first."""
        rows = await self.rows("SELECT * FROM outbox ORDER BY seq")
        return [self._open(row) for row in rows]

    async def news(self) -> list[Sent]:
        """What is in the outbox since this was asked last."""
        fresh = [one for one in await self.sent() if one.seq > self._read_up_to]
        self._read_up_to = max((one.seq for one in fresh), default=self._read_up_to)
        return fresh

    async def said(self, kind: type[Message], *, to: str) -> Any:
        """The one message that is new in the outbox: it must be of that kind, for that bureau."""
        fresh = await self.news()
        assert [(type(one.message), one.to) for one in fresh] == [(kind, to)]
        return fresh[0].message

    def _open(self, row: Any) -> Sent:
        to, _, capability = row.topic.partition(".")
        opened = open_envelope(
            row.sealed,
            place=Place("message", capability, topic=row.topic, key=row.key),
            headers={name: value for name, value in row.headers.items() if name.startswith("ce_")},
            ring=self.federation.rings[to],
            trust=self.federation.trust,
            seen={},
            now=int(self.machine.now().timestamp()),
        )
        assert (opened.iss, opened.jti) == (self.code, row.event_id)
        return Sent(row.seq, to, decode(opened.content), row.event_id, row.key, row.headers, row.sealed)

    # ---- what it is told --------------------------------------------------------------------------------------------

    def sealed(self, message: Message, *, by: str, event_id: UUID | None = None, ahead_s: int = 0) -> Record:
        """The record that the bus would bring: `message` sealed by another bureau with its real keys, at its time."""
        jti, now, place = event_id or uuid7(), int(time.time()) + ahead_s, place_of(message, self.code)
        schema = schema_of(message.capability)
        envelope = seal(
            encode(message),
            place=place,
            to=self.code,
            ring=self.federation.rings[by],
            trust=self.federation.trust,
            now=now,
            jti=jti,
            incarnation=1,
            schema=schema,
        )
        headers = transport_headers(place, iss=by, jti=jti, iat=now, schema=schema)
        return Record(str(place.topic), place.key, headers, envelope)

    async def deliver(self, *records: Record) -> None:
        """As the consumer does: a batch from the bus."""
        batch = [Delivered(record, 0, next(self._offsets)) for record in records]
        await self.wiring.receiver.receive(batch)

    def handle(self, patch: pytest.MonkeyPatch, kind: type[Message], handler: Handler) -> None:
        """Let `handler` take the messages of a kind until the test ends."""
        patch.setitem(cast("dict[type[Message], Handler]", self.wiring.receiver._handlers), kind, handler)

    async def told(self, message: Message, *, by: str, event_id: UUID | None = None) -> None:
        await self.deliver(self.sealed(message, by=by, event_id=event_id))

    # ---- what it is asked -------------------------------------------------------------------------------------------

    def sealed_question(self, question: Question, asker: Asker, *, by: str, key: str = "", jti: UUID | None = None) -> bytes:
        return seal(
            encode_question(Asked(question, asker)),
            place=Place("question", question.capability, path=question.path, key=key),
            to=self.code,
            ring=self.federation.rings[by],
            trust=self.federation.trust,
            now=int(time.time()),
            jti=jti or uuid7(),
            incarnation=1,
            schema=schema_of(question.capability),
        )

    async def answers(self, question: Question, asker: Asker, *, by: str, key: str = "", jti: UUID | None = None) -> Answer:
        """What it tells another bureau, opened there: the answer or a sealed Problem."""
        jti = jti or uuid7()
        envelope = self.sealed_question(question, asker, by=by, key=key, jti=jti)
        answer = await self.door.post(question.path, content=envelope)
        assert answer.status_code == 200, answer.text
        opened = open_envelope(
            answer.content,
            place=Place("answer", question.capability, path=question.path, key=key),
            ring=self.federation.rings[by],
            trust=self.federation.trust,
            seen={},
            now=int(time.time()),
            expect_re=jti,
            expect_iss=self.code,
        )
        return decode_answer(opened.content, question=type(question))


def faults(answer: httpx.Response) -> Sequence[tuple[str, str]]:
    """(field, rule) of each fault of a problem, which must be one in both languages."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["title_zh"]
    for fault in problem["errors"]:
        assert fault["source"], fault
        assert fault["en"], fault
        assert fault["zh"], fault
        assert any("一" <= character <= "鿿" for character in fault["zh"]), fault
    return [(fault["field"], fault["rule"]) for fault in problem["errors"]]


def _client(app: Any, bureau: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{bureau}.invalid")
