"""Requests to the officers' door out of its own OpenAPI document, with enough truth in them that they reach what lies behind."""

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2 as httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from shared.messaging.bus import Record
from tests.fuzz.mutate import by_character, members
from tests.node.access.expected import OFFICERS, ROUTES
from tests.node.bureau import Bureau
from tests.node.people import MOVERS, mover
from tests.node.transfers import cases

CONFORMS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
TRUE_OFTEN = 0.7  # how often what is named in a request exists
AT_DESTINATION = (
    *("DRAFT", "ACCEPTED", "SUPPLEMENT_REQUIRED", "UNDER_REVIEW", "REFUSED", "WITHDRAWN"),
    *("APPROVED", "CERTIFIED", "SETTLING", "HERE", "VOID"),
)
AT_ORIGIN = ("RECEIVED", "RETURNED", "VOID", "SEALED", "CANCELLING", "GONE", "RESTORED")
RIGHT: dict[str, dict[str, Any]] = {
    "ask-supplement": {"missing": "结婚证原件"},
    "withdraw": {"reason": "申请人撤回"},
    "refuse": {"reason": "不符合条件"},
    "approve-talent": {"hrss_approval_no": "沪人社〔2021〕0042号"},
    "wait": {"reason": "演示"},
    "void": {"reason_code": "WITHDRAWN"},
    "settle": {"signed": [1], "late_reason": "因病"},
    "request-reissue": {"reason": "遗失"},
    "issue-query-code": {"identity_checked": True},
    "seal": {"applicant_confirms": True},
    "return": {"code": "R06", "reason_text": "本人否认"},
    "ask-cancel": {"reason": "本人不迁了"},
    "skip": {"reason": "演示"},
}
"""A body that is right, by the last part of the address."""
ROUNDS = 3  # cases in each state: acts use them up
LETTERS = 40
HELD = range(40, 50)  # movers of whom no case is under way
ENDS = ("void", "withdraw", "refuse", "return", "ask-cancel", "skip", "replay")  # acts after which nothing can be done
EARLY, LATE = (2021, 1, 4), (2021, 3, 1)  # papers are still valid; talents may move


@dataclass
class World:
    """A bureau with cases in every state, residents and dead letters, and the numbers by which requests can name them."""

    bureau: Bureau
    random: Random
    officers: tuple[str, ...]
    allowed: dict[str, tuple[str, ...]]
    named: dict[str, list[Any]] = field(default_factory=dict)
    sparing: bool = False
    """Name only the first cases."""

    def officer_for(self, label: str) -> str | None:
        """Often one who may, at the station in question; else anybody, or nobody who has logged in."""
        may = self.allowed.get(label)
        return self.random.choice(may if may and self.true() else (*self.officers, None))

    def pick(self, name: str) -> Any:
        known = self.named[name]
        return self.random.choice(known[:2] if self.sparing and name == "case" else known)

    def true(self) -> bool:
        return self.random.random() < TRUE_OFTEN


async def made_world(bureau: Bureau, random: Random) -> World:
    side = "O" if bureau.code == "zhejiang" else "D"
    posts = OFFICERS[side]
    allowed = {
        one.name: tuple(posts[post] for post in sorted(one.allowed) if not post.endswith(("near", "far"))) for one in ROUTES
    }
    world = World(bureau, random, tuple(posts.values()), allowed)
    found: list[str] = []
    states = (
        AT_ORIGIN * ROUNDS + ("RECEIVED", "SEALED") * 6
        if side == "O"
        else AT_DESTINATION * ROUNDS + ("APPROVED", "CERTIFIED", "UNDER_REVIEW") * 5
    )
    for number, state in enumerate(states):
        who = mover(number)
        if side == "O":
            found.append(await cases.at_origin(bureau, state, cases.permit_for(who)))
        else:
            found.append(await cases.at_destination(bureau, state, cases.application(who)))
    talent = [await _talent(bureau, number) for number in range(ROUNDS)] if side == "D" else []
    await _rubbish(bureau, random)
    letters = [row.id for row in await bureau.rows("SELECT id FROM dead_letter")]
    people = [mover(number).citizen_id_no for number in range(MOVERS)]
    world.named = {"case": found + talent, "letter": letters, "version": [1], "citizen_id_no": people}
    world.named["hold_id"] = await _holds(world) if side == "O" else found[:1]
    return world


async def _holds(world: World) -> list[str]:
    bodies = [{"citizen_id_no": mover(number).citizen_id_no, "kind": "OTHER_BUSINESS", "reason": "演示"} for number in HELD]
    answers = [await world.bureau.ask(cases.O_VERIFIER, "POST", "/api/v1/holds", body) for body in bodies]
    return [answer.json()["id"] for answer in answers if answer.status_code == 201]


async def _talent(bureau: Bureau, number: int) -> str:
    bureau.on(*LATE)
    case = await cases.opened(bureau, cases.talent(mover(50 + number)))
    for act in ("accept", "submit"):
        await bureau.done(cases.COUNTER, case, act)
    return case


async def _rubbish(bureau: Bureau, random: Random) -> None:
    """Dead letters of every kind: rubbish, and envelopes that somebody has damaged on the way."""
    good = bureau.sealed(cases.permit_for(mover(59)), by="jiangsu")
    values = [by_character(random, [good.value]) for _ in range(LETTERS)]
    await bureau.deliver(*(Record(good.topic, good.key, good.headers, value) for value in values))


def examples(operation: Any, mode: GenerationMode, *, most: int, seed: int) -> list[Any]:
    """Cases of schemathesis for an operation: as its schema wants them, or not."""
    made: list[Any] = []

    @seeded(seed)
    @settings(max_examples=most, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        made.append(case)

    collect()
    return made


def with_truth(world: World, operation: Any, made: Any) -> Any:
    """The case with names of what exists in place of some that were made up; an application begins as a right one."""
    where = {name: dict(getattr(made, name) or {}) for name in ("path_parameters", "query", "headers")}
    case = operation.Case(**where, body=made.body, media_type=made.media_type)
    for container in (case.path_parameters, case.query, case.headers):
        for name in container or {}:
            known = name.removeprefix("quanyu-")
            if known in world.named and world.true():
                container[name] = str(world.pick(known))
    if case.headers and world.true():
        case.headers["quanyu-purpose"] = "household_transfer"
        case.headers.pop("quanyu-post", None)
    right = _right_body(world, case.path)
    if case.method == "POST" and right and world.true():
        case.body = right if world.true() else members(world.random, right, [right])
    elif isinstance(case.body, dict):
        case.body = dict(case.body)
        for name in case.body.keys() & {"citizen_id_no"}:
            case.body[name] = world.pick(name)
        if "letters" in case.body and world.true():
            case.body["letters"] = [world.pick("letter")]
    return case


def _right_body(world: World, path: str) -> dict[str, Any] | None:
    match path.rpartition("/")[2]:
        case "transfers":
            return cases.application(mover(world.random.randrange(MOVERS)))
        case "holds":
            return {"citizen_id_no": world.pick("citizen_id_no"), "kind": "OTHER_BUSINESS", "reason": "演示"}
        case act:
            return RIGHT.get(act)


def request_of(case: Any, token: str | None) -> tuple[str, str, dict[str, str | bytes], bytes]:
    """Method, address, headers and body as they go over the line."""
    wanted = case.as_transport_kwargs(base_url="http://bureau.invalid")
    if "json" in wanted:  # as careless clients write it, NaN and all
        wanted["data"] = json.dumps(wanted.pop("json"))
    prepared = requests.Request(**wanted).prepare()
    body = prepared.body or b""
    headers = dict(prepared.headers) | ({} if token is None else {"Authorization": f"Bearer {token}"})
    return str(prepared.method), str(prepared.url), headers, body.encode() if isinstance(body, str) else body


async def sent(world: World, case: Any, officer: str | None) -> httpx.Response:
    world.bureau.on(*(EARLY if world.true() else LATE))
    token = None if officer is None else await world.bureau.token(officer)
    method, address, headers, body = request_of(case, token)
    return await world.bureau.web.request(method, address, headers=headers, content=body)


async def document_of(bureau: Bureau) -> dict[str, Any]:
    found: dict[str, Any] = (await bureau.web.get("/openapi.json")).json()
    return found


def operations_of(document: dict[str, Any]) -> list[Any]:
    """What ends a case comes last."""
    schema = schemathesis.openapi.from_dict(document)
    return sorted((found.ok() for found in schema.get_all_operations()), key=lambda one: one.path.endswith(ENDS))
