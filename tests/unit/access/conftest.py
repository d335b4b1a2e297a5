"""A node without a database: requests go through the real dependencies to a fake unit of work."""

import copy
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.bureau.access import calls
from services.bureau.access.callers import Post
from services.bureau.access.development import DevelopmentLogin, DevelopmentProvider
from services.bureau.access.login import TokenVerifier
from shared.audit import audit
from shared.database import CHINA, Actor, NodeContext
from shared.web import install_problem_handlers

LVXIANG = "310116520000"
ISSUER = "http://127.0.0.1:8031/dev"


@dataclass
class SetClock:
    time: datetime

    def now(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass
class FakeRows:
    """As much of a result as access reads."""

    rows: list[Any]

    def first(self) -> Any:
        return self.rows[0] if self.rows else None

    def one(self) -> Any:
        assert len(self.rows) == 1
        return self.rows[0]


@dataclass
class FakeState:
    """What would be in the tables."""

    answers: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    audit: list[dict[str, Any]] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)


class FakeSession:
    def __init__(self, state: FakeState, node: NodeContext, actor: Actor) -> None:
        self.state = state
        self.node = node
        self.actor = actor

    async def execute(self, statement: Any, values: dict[str, Any]) -> FakeRows:
        if statement is calls.CLAIM_KEY:
            place = (values["officer"], values["key"])
            if place in self.state.answers:
                return FakeRows([])
            self.state.answers[place] = dict(values)
            return FakeRows([(values["key"],)])
        if statement is calls.KEPT_ANSWER:
            kept = self.state.answers[values["officer"], values["key"]]
            same = kept["request_hash"] == values["request_hash"]
            return FakeRows([SimpleNamespace(same_request=same, status=kept["status"], answer=kept["answer"])])
        if statement is calls.KEEP_ANSWER:
            self.state.answers[values["b_officer"], values["b_key"]].update(status=values["status"], answer=values["answer"])
            return FakeRows([])
        raise AssertionError("access touches no other table")

    def write_later(self, statement: Any, row: dict[str, Any]) -> None:
        assert statement.table is audit, "access touches no other table"
        self.state.audit.append(row)


class FakeDatabase:
    """Runs a unit on a copy of the state, which counts only if the unit did not raise."""

    def __init__(self, node: NodeContext) -> None:
        self.node = node
        self.state = FakeState()
        self.commits: list[str] = []

    async def run(self, unit: Callable[[Any], Awaitable[Any]], *, name: str, actor: Actor = Actor("node", "node")) -> Any:  # noqa: B008  # frozen
        session = FakeSession(copy.deepcopy(self.state), self.node, actor)
        result = await unit(session)
        self.state = session.state
        self.commits.append(name)
        return result


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2026, 11, 24, 2, 0, tzinfo=UTC))


@pytest.fixture
def provider(tmp_path: Path, clock: SetClock) -> DevelopmentProvider:
    login = DevelopmentLogin(environment="development", issuer=ISSUER, audience="quanyu-shanghai", folder=tmp_path)
    return DevelopmentProvider(login, clock=clock)


@pytest.fixture
def tokens(provider: DevelopmentProvider, clock: SetClock) -> TokenVerifier:
    return TokenVerifier(ISSUER, audience="quanyu-shanghai", jwks_source=provider.jwks_source, clock=clock)


@pytest.fixture
def posts() -> dict[str, list[Post]]:
    """By badge number; tests change it."""
    return {
        "D31001": [Post(LVXIANG, "counter", "310116", "张三（演示）")],
        "D31002": [Post("310116000000", "population_office", "310116", "李四（演示）")],
        "D31003": [Post(LVXIANG, "counter", "310116", "王五（演示）"), Post(LVXIANG, "verifier", "310116", "王五（演示）")],
    }


@pytest.fixture
def wiring(clock: SetClock, tokens: TokenVerifier, posts: dict[str, list[Post]]) -> Any:
    day = datetime(2020, 11, 20, 9, 0, tzinfo=CHINA)
    node: Any = SimpleNamespace(
        bureau="shanghai", machine_now=clock.now, business_now=lambda: day, business_today=lambda: day.date()
    )

    async def posts_of(badge_no: str, day: date) -> list[Post]:
        return posts.get(badge_no, [])

    return SimpleNamespace(node=node, database=FakeDatabase(node), tokens=tokens, posts_of=posts_of)


@pytest.fixture
def app(wiring: Any) -> FastAPI:
    """An application with the node's handlers and no routes: tests add their own."""
    app = FastAPI()
    install_problem_handlers(app)
    app.state.wiring = wiring
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def login(provider: DevelopmentProvider) -> Callable[..., dict[str, str]]:
    """Headers of a logged-in officer, and whatever else the request needs."""

    def headers(badge_no: str, **more: str) -> dict[str, str]:
        token = provider.issue(badge_no, name="")["access_token"]
        return {"authorization": f"Bearer {token}"} | {name.replace("_", "-"): value for name, value in more.items()}

    return headers
