"""Every route of a node under requests made from its own OpenAPI document: no 5xx, and every answer is one that it describes."""

from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure, FailureGroup

from tests.fuzz.conftest import Count
from tests.fuzz.routes import CONFORMS, World, document_of, examples, made_world, operations_of, request_of, sent, with_truth
from tests.node.access.expected import ROUTES
from tests.node.bureau import Bureau

EXAMPLES = {GenerationMode.POSITIVE: 60, GenerationMode.NEGATIVE: 20}  # of each route, by officers of every role
ENOUGH = 3  # successes of an act that uses cases up: others need them too
Open = Callable[[str], Awaitable[Bureau]]


def made(operation: Any, mode: GenerationMode, seed: int) -> list[Any]:
    try:
        return examples(operation, mode, most=EXAMPLES[mode], seed=seed)
    except Unsatisfiable:  # a route without parameters and body cannot be asked wrongly
        return []


async def fuzzed(world: World, operation: Any, seed: int, failures: dict[str, str]) -> Counter[int]:
    """How often the operation gave which status; what must not be goes to `failures`, once a kind, with its request."""
    statuses: Counter[int] = Counter()
    world.sparing = False
    for mode in EXAMPLES:
        for case in made(operation, mode, seed):
            await world.look()
            asked, officer = with_truth(world, operation, case), world.officer_for(operation.label)
            answer = await sent(world, asked, officer)
            statuses[answer.status_code] += 1
            world.sparing = sum(statuses[status] for status in (200, 201)) >= ENOUGH
            try:
                asked.validate_response(answer, checks=CONFORMS)
            except (Failure, FailureGroup) as found:
                what = f"{operation.label} as {officer}: {answer.status_code}: {found}\nas sent: {request_of(asked, None)}"
                failures.setdefault(f"{operation.label} {type(found).__name__} {answer.status_code}", what)
    return statuses


def must_succeed(bureau: str) -> set[str]:
    side = "O" if bureau == "zhejiang" else "D"
    return {route.name for route in ROUTES if route.about.startswith(side) or (side == "D" and route.about == "-")}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("code", ["shanghai", "zhejiang"])
async def test_no_route_breaks_and_every_answer_is_as_described(open_bureau: Open, code: str, seed: int, count: Count) -> None:
    world = await made_world(await open_bureau(code), Random(seed))
    document, failures = await document_of(world.bureau), dict[str, str]()
    statuses = {one.label: await fuzzed(world, one, seed, failures) for one in operations_of(document)}
    assert not failures, "\n\n".join(failures.values())

    assert statuses.keys() == {f"{method.upper()} {path}" for path, found in document["paths"].items() for method in found}
    never = {label for label, told in statuses.items() if not any(status < 300 for status in told)}
    never_right = sorted(never & must_succeed(code))
    assert never_right == [], "these were never answered with what they are for"
    count("requests", sum(told.total() for told in statuses.values()))
    if code == "shanghai":  # both have the same
        count("operations, all exercised", len(statuses))
    count("answers 2xx", sum(number for told in statuses.values() for status, number in told.items() if status < 300))


async def test_a_planted_500_and_an_undescribed_answer_are_found(open_bureau: Open, seed: int) -> None:
    bureau = await open_bureau("shanghai")
    world = World(bureau, Random(seed), ("D31001",), {})
    await bureau.token("D31001")

    async def broken(session: Any, badge_no: str, day: Any) -> Any:
        raise RuntimeError("planted")

    await bureau.rewire(posts_of=broken)
    document = await document_of(bureau)
    document["paths"]["/metrics"]["get"]["responses"]["200"] = {"description": "planted", "content": {"application/json": {}}}
    found = {one.label: one for one in operations_of(document)}
    failures: dict[str, str] = {}
    await fuzzed(world, found["GET /api/v1/owed"], seed, failures)
    assert "Server error" in "".join(failures.values())

    failures.clear()
    await fuzzed(world, found["GET /metrics"], seed, failures)
    assert "Undocumented Content-Type" in "".join(failures.values())
