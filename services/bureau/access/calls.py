"""One request of an officer: authenticate, choose the post, declare the action, and run it in one transaction.

    CallDep = Annotated[Call, Depends(act("transfers.seal"))]

`act` lets pass who may do the action to some object; whether to this one, the slice decides inside the unit, when it has
loaded the object: `call.decide(Facts(...))` or `rules.decide(call.officer, ...)`. Every route has one `act`, or says with
`public` why it needs none; `declared_action` finds it, and a test walks all routes.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, NoReturn, Protocol, TypeVar
from uuid import UUID

import structlog
from fastapi import Header, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field
from pydantic_core import to_json
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert
from starlette.responses import Response

from services.bureau.access.callers import Officer, Post, PostsOf
from services.bureau.access.login import Claims, StepUpRequired, TokenVerifier
from services.bureau.access.rules import (
    ACTIONS,
    PURPOSES,
    Denied,
    Facts,
    Grant,
    NoOpenCase,
    NoPurpose,
    NotSteppedUp,
    decide,
    reach,
)
from services.bureau.access.tables import KeptAnswer, answered_request
from shared.audit import AuditEntry, write_audit
from shared.database import Actor, Database, NodeContext, Session
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.web import BadRequest, Forbidden, InvalidInput, Terms

T = TypeVar("T")

POST_HEADER = "Quanyu-Post"
PURPOSE_HEADER = "Quanyu-Purpose"
CASE_HEADER = "Quanyu-Case"
KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
SOURCE = "Quanyu API"
KEY_LIMIT_CHARACTERS = 128  # a UUID has 36; longer keys would only make the table heavy
ANSWERS_KEPT_DAYS = 7  # longer than any client keeps on trying

# Only describes the login in the OpenAPI document; `login.py` verifies.
BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="access token of this bureau's login provider (RFC 9068)")

logger = structlog.get_logger(__name__)

CLAIM_KEY = (
    insert(answered_request)
    .values(
        officer=bindparam("officer"),
        key=bindparam("key"),
        action=bindparam("action"),
        request_hash=bindparam("request_hash"),
        at=bindparam("at"),
    )
    .on_conflict_do_nothing(index_elements=["officer", "key"])
    .returning(answered_request.c.key)
)
KEPT_ANSWER = select(
    (answered_request.c.request_hash == bindparam("request_hash")).label("same_request"),
    answered_request.c.status,
    answered_request.c.answer,
).where(answered_request.c.officer == bindparam("officer"), answered_request.c.key == bindparam("key"))
KEEP_ANSWER = (
    answered_request.update()
    .where(answered_request.c.officer == bindparam("b_officer"), answered_request.c.key == bindparam("b_key"))
    .values(status=bindparam("status"), answer=bindparam("answer"))
)
FORGET_ANSWERS = answered_request.delete().where(answered_request.c.at < bindparam("before"))


class NodeWiring(Protocol):
    """What a call needs of `app.state.wiring`."""

    @property
    def node(self) -> NodeContext: ...
    @property
    def database(self) -> Database: ...
    @property
    def tokens(self) -> TokenVerifier: ...
    @property
    def posts_of(self) -> PostsOf: ...


@dataclass(frozen=True)
class Call:
    """An authenticated request for one action. `wiring` is the node's whole `Wiring`; its type lives above this slice."""

    action: str
    officer: Officer
    case: UUID | None
    idempotency_key: str | None
    request_hash: str
    path: str
    wiring: Any

    @property
    def purpose(self) -> str | None:
        """What `Quanyu-Purpose` says, else what the rule assumes."""
        return self.officer.purpose

    def decide(self, facts: Facts) -> Grant:
        """May the caller do this to the object of `facts`? Raises Denied."""
        return decide(self.officer, self.action, facts, self.wiring.node.business_today())

    def reach(self) -> Grant:
        """What a list may show to the caller: filter rows by `Grant.scope`. Raises Denied."""
        return reach(self.officer, self.action, self.wiring.node.business_today())

    async def once(self, unit: Callable[[Session], Awaitable[Any]], *, status: int = 200) -> Response:
        """Do the act in one transaction, committed before the answer; sent again with the same key, only answer again.

        `unit` gives what the answer's JSON is made of (pydantic model, dataclass, dict ...). What it refuses is not kept.
        """

        async def claimed(session: Session) -> Response:
            if self.idempotency_key is None:
                return _json(to_json(await unit(session)), status)
            kept = await self._claim_key(session)
            if kept is not None:
                return kept
            body = to_json(await unit(session))
            await self._keep_answer(session, status, body)
            return _json(body, status)

        return await self._run(claimed)

    async def answered(self) -> Response | None:
        """The kept answer, when this request was done already: for acts that ask another bureau before their transaction."""
        return None if self.idempotency_key is None else await self._run(self._kept_answer)

    async def read(self, unit: Callable[[Session], Awaitable[T]]) -> T:
        """Read in one transaction, which also holds the audit row of the read; committed before the answer."""
        return await self._run(unit)

    async def _run(self, unit: Callable[[Session], Awaitable[T]]) -> T:
        try:
            return await self.wiring.database.run(unit, name=self.action, actor=self._actor)  # type: ignore[no-any-return]
        except Denied as denied:
            await deny(self.wiring, denied, DeniedRequest(self._actor, self.path, self.purpose, self.case))

    @property
    def _actor(self) -> Actor:
        return replace(self.officer.actor, case=self.case)

    async def _claim_key(self, session: Session) -> Response | None:
        """Take the key for this transaction, or give the kept answer; a concurrent request with the key waits here."""
        claim = self._named() | {"action": self.action, "at": session.node.machine_now()}
        if (await session.execute(CLAIM_KEY, claim)).first() is not None:
            return None
        return await self._kept_answer(session)

    async def _kept_answer(self, session: Session) -> Response | None:
        kept = (await session.execute(KEPT_ANSWER, self._named())).first()
        if kept is None:
            return None
        if not kept.same_request:
            message = N_("this key was used for another request; a new request needs a new key")
            raise InvalidInput(faults=[Fault(KEY_HEADER, "key_used_before", SOURCE, message, {})], code="key_used_before")
        return _json(kept.answer.body.encode(), kept.status, {REPLAYED_HEADER: "true"})

    def _named(self) -> dict[str, str | None]:
        return {"officer": self.officer.badge_no, "key": self.idempotency_key, "request_hash": self.request_hash}

    async def _keep_answer(self, session: Session, status: int, body: bytes) -> None:
        await session.execute(
            KEEP_ANSWER,
            {
                "b_officer": self.officer.badge_no,
                "b_key": self.idempotency_key,
                "status": status,
                "answer": KeptAnswer(body=body.decode()),
            },
        )


def _json(body: bytes, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers=headers, media_type="application/json")


class CallHeaders(BaseModel):
    """The headers of a call, as the OpenAPI document shows them; what they say is judged one by one, each with its problem."""

    quanyu_post: str | None = Field(
        None, description="post to act in, <station code>:<role>; needed by who holds several", examples=["310116910000:counter"]
    )
    quanyu_purpose: str | None = Field(None, description=f"why a person is looked up: {', '.join(sorted(PURPOSES))}")
    quanyu_case: str | None = Field(None, description="the case (UUID) for which a person is looked up")
    idempotency_key: str | None = Field(
        None, description=f"1 to {KEY_LIMIT_CHARACTERS} characters; an act sent again with its key is done once, with one answer"
    )


class Declares:
    """What a route says of its callers: everyone that serves must have one."""


class Act(Declares):
    """A FastAPI dependency that returns the call for one action, or raises; made by `act`."""

    def __init__(self, action: str) -> None:
        self.action = action

    async def __call__(
        self, request: Request, headers: Annotated[CallHeaders, Header()], described: Annotated[object, Security(BEARER)]
    ) -> Call:
        wiring: NodeWiring = request.app.state.wiring
        claims = await wiring.tokens.verify(request.headers.get("authorization"))
        purpose, case = _purpose(headers.quanyu_purpose), _case(headers.quanyu_case)
        named = request.headers.get(POST_HEADER)
        officer = replace(await officer_of(wiring, claims, named, for_action=self.action, path=request.url.path), purpose=purpose)
        call = Call(
            action=self.action,
            officer=officer,
            case=case,
            idempotency_key=checked_key(headers.idempotency_key),
            request_hash=request_hash(request, officer.post, await request.body()),
            path=request.url.path,
            wiring=wiring,
        )
        try:
            grant = call.reach()
        except Denied as denied:
            await deny(wiring, denied, DeniedRequest(officer.actor, call.path, purpose, case))
        return replace(call, officer=replace(officer, purpose=grant.purpose))


async def officer_of(wiring: NodeWiring, claims: Claims, named: str | None, *, for_action: str, path: str) -> Officer:
    """Who is calling, in the post `named` (station:role), or in his only one. Raises Forbidden, BadRequest."""
    posts = await wiring.posts_of(claims.badge_no, wiring.node.business_today())
    held = [post for post in posts if named in (None, post.header)]
    if not held:
        reason = "the named post is not the officer's" if posts else "the officer holds no post today"
        actor = Actor("officer", claims.badge_no)
        await deny(wiring, Denied(reason, action=for_action), DeniedRequest(actor, path, None, None))
    if len(held) > 1:
        raise _post_required([post.header for post in held])
    post = held[0]
    return Officer(claims.badge_no, wiring.node.bureau, post.officer_name or claims.name, post, stepped_up=claims.stepped_up)


def act(action: str) -> Act:
    """Declare a route's action; use it as `Annotated[Call, Depends(act("transfers.seal"))]`. KeyError: no rule has it."""
    if action not in ACTIONS:
        raise KeyError(f"no rule of access/rules.py allows {action!r} to anybody")
    return Act(action)


class Public(Declares):
    """Marks a route that needs no caller, with the reason; made by `public`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    async def __call__(self) -> None:
        return None


def public(reason: str) -> Public:
    """Declare that a route is for everybody: `dependencies=[Depends(public("the trust list proves itself"))]`."""
    return Public(reason)


def declared_action(dependant: Dependant) -> Declares | None:
    """What a route (`.dependant` of fastapi.routing.iter_route_contexts' items) declares, at any depth."""
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Declares):
            return dependency.call
        if (deeper := declared_action(dependency)) is not None:
            return deeper
    return None


@dataclass(frozen=True, slots=True)
class DeniedRequest:
    """Of what a denial's audit row speaks."""

    actor: Actor
    path: str
    purpose: str | None
    case: UUID | None


async def deny(wiring: NodeWiring, denied: Denied, request: DeniedRequest) -> NoReturn:
    """Write the denial's audit row in a transaction of its own, then raise Forbidden, which tells only which roles may, or
    BadRequest where the caller has only left out why or for which case, or StepUpRequired."""
    logger.info("access denied", action=denied.action, reason=denied.reason, actor=request.actor.name, role=request.actor.role)
    entry = AuditEntry(
        action=denied.action,
        object_kind="request",
        object_id=request.path,
        decision="denied",
        reason=denied.reason,
        purpose=request.purpose or "",
        case=request.case,
    )
    await wiring.database.run(lambda session: write_audit(session, entry), name="access.denied", actor=request.actor)
    if isinstance(denied, NoPurpose):
        message = N_("say in this header why: {purposes}")
        raise _bad_header(PURPOSE_HEADER, "missing", message, purposes=", ".join(sorted(PURPOSES)))
    if isinstance(denied, NoOpenCase) and request.case is None:
        raise _bad_header(CASE_HEADER, "missing", N_("name in this header the open case for which the person is looked up"))
    if isinstance(denied, NotSteppedUp):
        raise StepUpRequired
    if not denied.roles:
        raise Forbidden(N_("this needs a post that you hold today"))
    raise Forbidden(N_("only these may do it, within their own area: {roles}"), values={"roles": role_names(denied.roles)})


async def forget_answers(session: Session) -> None:
    """Delete the kept answers that nobody will ask for again; the sweeper calls it."""
    before: datetime = session.node.machine_now() - timedelta(days=ANSWERS_KEPT_DAYS)
    await session.execute(FORGET_ANSWERS, {"before": before})


ROLE_NAMES = {
    "counter": N_("counter officer"),
    "population_office": N_("population office"),
    "hrss": N_("human resources and social security window"),
    "verifier": N_("register officer"),
    "operator": N_("operator"),
    "auditor": N_("auditor"),
    "node": N_("a peer's node"),
}


def role_names(roles: tuple[str, ...]) -> Terms:
    """The roles as people call them, in the reader's language."""
    return Terms(tuple(ROLE_NAMES.get(role, role) for role in roles))


def _post_required(posts: list[str]) -> BadRequest:
    message = N_("you hold several posts; name one of them in the header {header}: {posts}")
    fault = Fault(POST_HEADER, "post_required", SOURCE, message, {"header": POST_HEADER, "posts": ", ".join(posts)})
    return BadRequest(code="post_required", faults=[fault], more={"posts": posts})


def _bad_header(name: str, rule: str, message: str, **values: str | int) -> BadRequest:
    return BadRequest(code=rule, faults=[Fault(name, rule, SOURCE, message, values)])


def _purpose(named: str | None) -> str | None:
    if named is not None and named not in PURPOSES:
        purposes = ", ".join(sorted(PURPOSES))
        raise _bad_header(PURPOSE_HEADER, "unknown_purpose", N_("the purpose must be one of {purposes}"), purposes=purposes)
    return named


def _case(named: str | None) -> UUID | None:
    try:
        return UUID(named) if named is not None else None
    except ValueError:
        raise _bad_header(CASE_HEADER, "case_form", N_("must be a UUID")) from None


def checked_key(key: str | None) -> str | None:
    if key is not None and not (0 < len(key) <= KEY_LIMIT_CHARACTERS and key.isascii() and key.isprintable()):
        message = N_("the key must have 1 to {limit} printable ASCII characters")
        raise _bad_header(KEY_HEADER, "key_form", message, limit=KEY_LIMIT_CHARACTERS)
    return key


def request_hash(request: Request, post: Post, body: bytes) -> str:
    """SHA-256 over everything that makes this request this one: where to, in which post, and every byte of the body."""
    named = (request.method, request.url.path, request.url.query, post.header)
    headers = (request.headers.get(PURPOSE_HEADER, ""), request.headers.get(CASE_HEADER, ""))
    digest = hashlib.sha256("\n".join((*named, *headers, "")).encode())
    digest.update(body)
    return digest.hexdigest()
