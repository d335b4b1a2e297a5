"""Citizens at their browsers: the number and the query code of the receipt prove one case, for a quarter of an hour.

NotProved         422     this number and this code do not belong together; which of them is wrong, nobody is told
TooManyTries      429     after some wrong proofs a wait that doubles, by case number and by address of the network
NoProof           401     nothing is proved at this browser, or no longer
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from starlette.responses import Response

from services.bureau.access.callers import Citizen
from services.bureau.access.calls import Declares, NodeWiring
from services.bureau.access.page_calls import require_own_page
from services.bureau.access.rules import ACTIONS, reach
from services.bureau.access.sessions import TOKEN_BYTES, cookie_name, hash_of
from services.bureau.access.tables import citizen_session, citizen_try
from shared.audit import AuditEntry, write_audit
from shared.database import Actor, Session
from shared.identifiers.errors import Fault
from shared.identifiers.texts import N_
from shared.web import InvalidInput, TooManyRequests, Unauthorized

T = TypeVar("T")

TRIES = 5  # a citizen mistypes; who guesses among 2^50 codes gets nowhere in five
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)  # 24 guesses a day; longer would let a stranger keep a citizen from his case
TRIES_FORGOTTEN_AFTER = timedelta(hours=2)  # longer than the longest wait
PROVED_FOR = timedelta(minutes=15)
IPV6_PREFIX = 64  # one subscriber
TRACK = "transfers.track"
TRACK_PATH = "/c/track"
SOURCE = "Quanyu"

SUBJECT = citizen_try.c.subject == bindparam("a_subject", type_=citizen_try.c.subject.type)
COUNT_FROM_NOW = upsert(citizen_try).values(failures=0).on_conflict_do_nothing()
TRIED = select(citizen_try.c.failures, citizen_try.c.last_at, citizen_try.c.wait_until).where(SUBJECT).with_for_update()
FAILED = (
    update(citizen_try)
    .where(SUBJECT)
    .values(failures=bindparam("new_failures"), last_at=bindparam("now"), wait_until=bindparam("until"))
)
FORGET_SUBJECT = delete(citizen_try).where(SUBJECT)
FORGET_TRIES = delete(citizen_try).where(citizen_try.c.last_at < bindparam("before"))
BEGIN = insert(citizen_session)
FIND = select(citizen_session.c.apply_no, citizen_session.c.began_at).where(citizen_session.c.token_hash == bindparam("hash"))
END = delete(citizen_session).where(citizen_session.c.token_hash == bindparam("hash"))
END_OF_NUMBER = delete(citizen_session).where(citizen_session.c.apply_no == bindparam("a_number"))
FORGET_SESSIONS = delete(citizen_session).where(citizen_session.c.began_at < bindparam("before"))

IsProof = Callable[[Session, str, str], Awaitable[bool]]
"""(session, case number, query code) -> whether the code is that of a receipt of the case; the slice of the case knows."""


class NotProved(InvalidInput):
    """This number and this code do not belong together."""

    code = "not_proved"


class TooManyTries(TooManyRequests):
    """Wrong proofs: nobody is asked again before `until`."""

    code = "too_many_tries"

    def __init__(self, until: datetime, now: datetime) -> None:
        super().__init__()
        self.until = until
        self.seconds = int((until - now).total_seconds()) + 1


class NoProof(Unauthorized):
    """Nothing is proved at this browser, or no longer."""

    code = "no_proof"
    title = N_("show the case number and the query code of the receipt")
    headers: ClassVar[Mapping[str, str]] = {}

    def page_instead(self, request: Request) -> str | None:
        return f"{TRACK_PATH}?{urlencode({'again': 'yes'})}"


@dataclass(frozen=True, slots=True)
class CitizenCall:
    """A request of a citizen who has proved one case."""

    citizen: Citizen
    wiring: Any

    async def read(self, unit: Callable[[Session], Awaitable[T]]) -> T:
        """Read in one transaction, which also holds the audit row of the read."""
        return await self.wiring.database.run(unit, name=TRACK, actor=self.citizen.actor)  # type: ignore[no-any-return]


class CitizenPage(Declares):
    """A FastAPI dependency that returns the call of a citizen, or raises; made by `citizen_page`."""

    def __init__(self, action: str) -> None:
        self.action = action

    async def __call__(self, request: Request) -> CitizenCall:
        wiring: NodeWiring = request.app.state.wiring
        require_own_page(request)
        token = request.cookies.get(_cookie(request, wiring.node.bureau))
        citizen = await wiring.database.run(lambda session: _proved(session, token), name="access.citizen")
        reach(citizen, self.action, wiring.node.business_today())
        return CitizenCall(citizen, wiring)


def citizen_page(action: str) -> CitizenPage:
    """Declare the action of a page that a citizen opens with a proved case. KeyError: no rule has the action."""
    if action not in ACTIONS:
        raise KeyError(f"no rule of access/rules.py allows {action!r} to anybody")
    return CitizenPage(action)


async def prove(request: Request, *, apply_no: str, query_code: str, is_proof: IsProof) -> str:
    """The token of a session for this case. Raises NotProved, TooManyTries.

    Number and code that are wrong take the same statements and the same words; a wrong proof counts before anybody is told."""
    wiring: NodeWiring = request.app.state.wiring
    subjects = (f"address:{_network(request)}", f"number:{apply_no}")  # always in this order: two requests never deadlock

    async def unit(session: Session) -> str | None:
        failures = [await _failures(session, subject) for subject in subjects]
        proved = await is_proof(session, apply_no, query_code)
        entry = AuditEntry(action=f"{TRACK}.prove", object_kind="case number", object_id=apply_no)
        if proved:
            await write_audit(session, entry)
            await session.execute(FORGET_SUBJECT, {"a_subject": subjects[1]})  # the network's count stays: others are behind it
            return await _begin(session, apply_no)
        await write_audit(session, replace(entry, decision="denied", reason="wrong proof"))
        for subject, before in zip(subjects, failures, strict=True):
            await _fail(session, subject, before + 1)
        return None

    token = await wiring.database.run(unit, name=f"{TRACK}.prove", actor=Actor("citizen", "unproved", "citizen"))
    if token is None:
        message = N_("this case number and this query code do not belong together")
        raise NotProved(faults=[Fault("apply_no", "proof", "", message, {})])
    return token


async def _failures(session: Session, subject: str) -> int:
    """Wrong proofs of late, the row locked so that proofs at once count one after the other. Raises TooManyTries."""
    now = session.node.machine_now()
    await session.execute(COUNT_FROM_NOW, {"subject": subject, "last_at": now})
    row = (await session.execute(TRIED, {"a_subject": subject})).one()
    if row.wait_until is not None and row.wait_until > now:
        raise TooManyTries(row.wait_until, now)
    return 0 if now - row.last_at > TRIES_FORGOTTEN_AFTER else int(row.failures)


async def _fail(session: Session, subject: str, failures: int) -> None:
    now = session.node.machine_now()
    until = None if failures < TRIES else now + wait_after(failures)
    await session.execute(FAILED, {"a_subject": subject, "new_failures": failures, "now": now, "until": until})


def wait_after(failures: int) -> timedelta:
    """How long nobody is asked again: nothing before the fifth wrong proof, then twice as long each time, an hour at most."""
    if failures < TRIES:
        return timedelta(0)
    doublings = min(failures - TRIES, (LONGEST_WAIT // FIRST_WAIT).bit_length())
    wait: timedelta = FIRST_WAIT * 2**doublings
    return min(wait, LONGEST_WAIT)


def _network(request: Request) -> str:
    """Where the request comes from: an IPv4 address, or the 64-bit network that one IPv6 subscriber has to himself."""
    host = "" if request.client is None else request.client.host
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, IPV6_PREFIX), strict=False))
        address = address.ipv4_mapped  # on a port that listens on IPv6: without this all of IPv4 would be one network
    return str(address)


async def _begin(session: Session, apply_no: str) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    await session.execute(BEGIN, {"token_hash": hash_of(token), "apply_no": apply_no, "began_at": session.node.machine_now()})
    return token


async def _proved(session: Session, token: str | None) -> Citizen:
    row = None if not token else (await session.execute(FIND, {"hash": hash_of(token)})).one_or_none()
    if row is None or session.node.machine_now() - row.began_at > PROVED_FOR:
        raise NoProof
    return Citizen(row.apply_no)


async def end_proof(request: Request) -> None:
    """The citizen's session at this browser ends."""
    wiring: NodeWiring = request.app.state.wiring
    token = request.cookies.get(_cookie(request, wiring.node.bureau))
    if token:
        await wiring.database.run(lambda session: session.execute(END, {"hash": hash_of(token)}), name=f"{TRACK}.end")


async def end_proofs_of(session: Session, apply_no: str) -> None:
    """Whoever has proved this case must prove it anew: the code that he has shown is no longer one."""
    await session.execute(END_OF_NUMBER, {"a_number": apply_no})


async def forget_citizens(session: Session) -> None:
    """Delete sessions that have ended and wrong proofs that no longer count; the sweeper calls it."""
    now = session.node.machine_now()
    await session.execute(FORGET_SESSIONS, {"before": now - PROVED_FOR})
    await session.execute(FORGET_TRIES, {"before": now - TRIES_FORGOTTEN_AFTER})


def set_proof(response: Response, request: Request, token: str) -> None:
    wiring: NodeWiring = request.app.state.wiring
    secure = request.url.scheme == "https"
    name = _cookie(request, wiring.node.bureau)
    seconds = int(PROVED_FOR.total_seconds())
    response.set_cookie(name, token, max_age=seconds, secure=secure, httponly=True, samesite="lax", path="/")


def drop_proof(response: Response, request: Request) -> None:
    wiring: NodeWiring = request.app.state.wiring
    secure = request.url.scheme == "https"
    response.delete_cookie(_cookie(request, wiring.node.bureau), secure=secure, httponly=True, samesite="lax", path="/")


def _cookie(request: Request, bureau: str) -> str:
    """As that of officers (`sessions.cookie_name`), with a name of its own: both may be open in one browser."""
    return cookie_name(f"{bureau}-citizen", secure=request.url.scheme == "https")
