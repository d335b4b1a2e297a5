"""The document of the officers' API: every route is in it, and what it shows as an example can be sent as it stands."""

from typing import Any

from services.harness.demo import SEED
from services.harness.population import load
from services.harness.registers import population_of
from tests.node.access.expected import ROUTES
from tests.node.bureau import Bureau
from tests.node.transfers.cases import CASES, COUNTER, O_VERIFIER, received

EXAMPLES_AMONG = 800  # the first residents of the demo's population


async def document(bureau: Bureau) -> dict[str, Any]:
    answer = await bureau.web.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_every_route_is_described_with_its_refusals(quiet_shanghai: Bureau) -> None:
    paths = (await document(quiet_shanghai))["paths"]
    for route in ROUTES:
        described = paths[route.path][route.method.lower()]
        assert described.get("description") or described.get("summary"), route.name
        assert any(status.startswith("4") for status in described["responses"]), route.name


async def populate(bureau: Bureau) -> None:
    """As the demo does, with as many residents as the examples need."""
    await load(bureau.wiring.database, population_of(bureau.code, count=EXAMPLES_AMONG, seed=SEED))


async def test_the_example_of_an_application_is_one(shanghai: Bureau) -> None:
    await populate(shanghai)
    described = (await document(shanghai))["paths"]["/api/v1/transfers"]["post"]
    examples = described["requestBody"]["content"]["application/json"]["examples"]
    assert examples
    for example in examples.values():
        answer = await shanghai.ask(COUNTER, "POST", CASES, example["value"])
        assert answer.status_code == 201, answer.text


async def test_the_example_of_a_hold_is_a_person_of_the_demo(zhejiang: Bureau) -> None:
    await populate(zhejiang)
    paths = (await document(zhejiang))["paths"]
    body = paths["/api/v1/holds"]["post"]["requestBody"]["content"]["application/json"]["schema"]["examples"][0]
    assert (await zhejiang.ask(O_VERIFIER, "POST", "/api/v1/holds", body)).status_code == 201
    case = await received(zhejiang)
    found = await zhejiang.ask(
        O_VERIFIER, "GET", f"/api/v1/residents?citizen_id_no={body['citizen_id_no']}",
        Quanyu_Purpose="household_transfer", Quanyu_Case=case,
    )  # fmt: skip
    assert found.status_code == 200


async def test_the_post_that_is_shown_exists(shanghai: Bureau) -> None:
    parameters = (await document(shanghai))["paths"]["/api/v1/transfers"]["get"]["parameters"]
    (post,) = [one for one in parameters if one["name"] == "quanyu-post"]
    example = str(post.get("schema", {}).get("examples", post.get("examples"))[0])
    answer = await shanghai.ask(COUNTER, "GET", CASES, Quanyu_Post=example)
    assert answer.status_code == 200


async def test_the_login_is_described(quiet_shanghai: Bureau) -> None:
    schemes = (await document(quiet_shanghai))["components"]["securitySchemes"]
    assert [(scheme["type"], scheme["scheme"]) for scheme in schemes.values()] == [("http", "bearer")]
