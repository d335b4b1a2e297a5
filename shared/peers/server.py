"""Answering another bureau: read, open, once, decide, answer, audit, commit, and only then tell.

What fails before the signature is verified gets a plain, unsigned problem; everything later is answered sealed, also a refusal.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from shared.audit import AuditEntry, write_audit
from shared.contract.questions import Answer, Asker, Problem, ProblemCode, Question
from shared.contract.registry import ContentError, UnknownContent, decode_question, encode_answer, require_schema, schema_of
from shared.database import Actor, Database, Session
from shared.envelope import NotYet, Opened, Place, Refused, open_envelope, seal
from shared.envelope.form import read_base64_object
from shared.messaging.statements import INSERT_RECEIPT, PEER_HEARD
from shared.peers.pace import Pace

SIGNED_CHECKS = 5  # a refusal above this check has a verified sender
LAST_TOLD_CHECK = 7  # later ones mean a broken envelope: nothing that a sealed answer could explain better
RETRY_AFTER_SECONDS = 5
UNPROVEN = ""  # whose questions those are that nobody of ours is proven to have asked
CONTENT_TYPE = "application/jose"
PROBLEM_TYPE = "application/problem+json"

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Who asks: the bureau that signed, and on whose behalf it says it asks."""

    peer: str
    asker: Asker
    event_id: UUID
    key: str


Answerer = Callable[[Session, Any, Inquiry], Awaitable[Answer]]
Preparation = Callable[[Any], Awaitable[None]]  # what must be asked of others before the answer's transaction begins


class QuestionRefused(Exception):
    """The peer is told no, sealed. Raised by answerers; what they had written is rolled back, the refusal is audited."""

    def __init__(self, code: ProblemCode, *, reason: str = "", retry_after: int | None = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.problem = Problem.of(code, retry_after=retry_after)
        self.reason = reason or self.problem.title


@dataclass(frozen=True, slots=True)
class PeerReply:
    """An HTTP answer. `plain` problems are unsigned: to the asker they mean "no answer", never "no"."""

    status: int
    content_type: str
    body: bytes
    retry_after_seconds: int | None = None


class PeerServer:
    """Answers for one bureau. `answers` maps a question's class to its slice's function."""

    def __init__(
        self,
        database: Database,
        answers: Mapping[type[Question], Answerer],
        preparations: Mapping[type[Question], Preparation],
        seen: dict[str, int],
    ) -> None:
        """`seen`: the highest incarnation by bureau, shared with the receiver."""
        self._database = database
        self._answers = answers
        self._preparations = preparations
        self._seen = seen
        self._pace = Pace()
        self.unknown_key = asyncio.Event()

    async def answer(self, raw: bytes, path: str) -> PeerReply:
        """The reply to what was posted to `path`; raises DatabaseDown when nothing can be said."""
        node = self._database.node
        capability = path.rsplit("/", 2)[-2]
        try:
            opened = open_envelope(
                raw,
                place=Place("question", capability, path=path),
                ring=node.ring,
                trust=node.trust.current,
                seen=self._seen,
                now=int(node.machine_now().timestamp()),
            )
        except NotYet as not_yet:
            self.unknown_key.set()
            return _plain(503, not_yet.reason, str(not_yet), check=not_yet.check, retry_after=RETRY_AFTER_SECONDS)
        except Refused as refused:
            if not await self._pace.turn(UNPROVEN):
                return await self._too_many(UNPROVEN, path)
            await self._audit_refused(refused, path)
            if refused.check <= SIGNED_CHECKS:
                status = 413 if refused.code == "too_large" else 400
                return _plain(status, refused.code, str(refused), check=refused.check)
            return self._sealed_refusal(raw, path, refused)
        if not await self._pace.turn(opened.iss):
            return await self._too_many(opened.iss, path)
        return await self._answer_opened(opened, path)

    async def _too_many(self, peer: str, path: str) -> PeerReply:
        """Said at once, unsigned: to the asker it means "no answer". Audited once a minute: a flood must not fill the log."""
        if self._pace.is_news(peer):
            entry = AuditEntry(action="peers.answer", decision="refused", reason="too many questions", object_kind="question",
                               object_id=path, peer=peer)  # fmt: skip
            await self._database.run(lambda session: write_audit(session, entry), name="too many questions")
            logger.warning("too_many_questions", peer=peer, path=path)
        return _plain(503, "busy", "too many questions", check=SIGNED_CHECKS, retry_after=RETRY_AFTER_SECONDS)

    async def _answer_opened(self, opened: Opened, path: str) -> PeerReply:
        actor = Actor("peer", opened.iss)
        await self._prepare(opened, path)
        try:
            told = await self._database.run(
                lambda session: self._tell(session, opened, path), name=f"answer {path.rsplit('/', 1)[-1]}", actor=actor
            )
        except QuestionRefused as refusal:
            problem, reason = refusal.problem, refusal.reason
            await self._database.run(
                lambda session: self._note_refusal(session, opened, path, reason), name="answer refused", actor=actor
            )
            told = problem
        return self._sealed(told, to=opened.iss, re=opened.jti, path=path, key=opened.key)

    async def _prepare(self, opened: Opened, path: str) -> None:
        try:
            question = decode_question(opened.content, path=path).question
        except (UnknownContent, ContentError):
            return  # refused with its reason inside the transaction
        preparation = self._preparations.get(type(question))
        if preparation is not None:
            await preparation(question)

    async def _tell(self, session: Session, opened: Opened, path: str) -> Answer:
        if not await self._first_time(session, opened, path):
            raise QuestionRefused(ProblemCode.REPLAYED)
        try:
            require_schema(opened.schema, path.rsplit("/", 2)[-2])
            asked = decode_question(opened.content, path=path)
        except UnknownContent as error:
            raise QuestionRefused(ProblemCode.UNKNOWN_QUESTION, reason=str(error)) from None
        except ContentError as error:
            raise QuestionRefused(ProblemCode.CONTENT, reason=str(error)) from None
        inquiry = Inquiry(opened.iss, asked.asker, opened.jti, opened.key)
        session.info["actor"] = Actor("peer", opened.iss, role=asked.asker.role)
        return await self._answers[type(asked.question)](session, asked.question, inquiry)

    async def _first_time(self, session: Session, opened: Opened, path: str) -> bool:
        now = session.node.machine_now()
        receipt = {
            "sender": opened.iss, "event_id": opened.jti, "content_hash": opened.content_hash, "type": opened.type,
            "key": opened.key, "topic": path, "outcome": "applied", "received_at": now, "applied_at": now,
        }  # fmt: skip
        if (await session.execute(INSERT_RECEIPT, receipt)).first() is None:
            return False
        if opened.incarnation > self._seen.get(opened.iss, 0):
            await session.execute(PEER_HEARD, {"bureau": opened.iss, "incarnation": opened.incarnation, "now": now})
            session.after_commit.append(lambda: self._has_seen(opened.iss, opened.incarnation))
        return True

    def _has_seen(self, bureau: str, incarnation: int) -> None:
        self._seen[bureau] = max(incarnation, self._seen.get(bureau, 0))

    async def _note_refusal(self, session: Session, opened: Opened, path: str, reason: str) -> None:
        await self._first_time(session, opened, path)
        entry = AuditEntry(action="peers.answer", decision="denied", reason=reason, object_kind="question", object_id=path,
                           peer=opened.iss, jti=opened.jti)  # fmt: skip
        await write_audit(session, entry)

    async def _audit_refused(self, refused: Refused, path: str) -> None:
        entry = AuditEntry(action="peers.answer", decision="refused", reason=str(refused), object_kind="question", object_id=path)
        await self._database.run(lambda session: write_audit(session, entry), name="answer refused")
        logger.warning("question_refused", path=path, check=refused.check, code=refused.code)

    def _sealed_refusal(self, raw: bytes, path: str, refused: Refused) -> PeerReply:
        if refused.check > LAST_TOLD_CHECK:
            return _plain(400, refused.code, str(refused), check=refused.check)
        header = read_base64_object(raw.split(b".")[1])["h"]  # its signature was verified: the refusal came later
        code = ProblemCode.STALE if refused.code == "stale" else ProblemCode.LOWER_INCARNATION
        now = int(self._database.node.machine_now().timestamp())
        problem = Problem.of(code, detail=refused.detail or None, our_time=now)
        return self._sealed(problem, to=header["iss"], re=UUID(header["jti"]), path=path, key=header["key"])

    def _sealed(self, told: Answer, *, to: str, re: UUID, path: str, key: str) -> PeerReply:
        node, capability = self._database.node, path.rsplit("/", 2)[-2]
        envelope = seal(
            encode_answer(told),
            place=Place("answer", capability, path=path, key=key),
            to=to,
            ring=node.ring,
            trust=node.trust.current,
            now=int(node.machine_now().timestamp()),
            jti=uuid7(),
            incarnation=node.incarnation,
            schema=schema_of(capability),
            re=re,
        )
        return PeerReply(200, CONTENT_TYPE, envelope)


def _plain(status: int, code: str, title: str, *, check: int, retry_after: int | None = None) -> PeerReply:
    body = {"type": "about:blank", "title": title, "status": status, "code": code, "check": check}
    return PeerReply(status, PROBLEM_TYPE, json.dumps(body).encode(), retry_after)
