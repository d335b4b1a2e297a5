"""The document of the officers' API: every route is in it, and what it shows as an example can be sent as it stands."""

from typing import Any

from tests.node.access.expected import ROUTES
from tests.node.bureau import Bureau
from tests.node.transfers.cases import CASES, COUNTER


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


async def test_the_example_of_an_application_is_one(shanghai: Bureau) -> None:
    described = (await document(shanghai))["paths"]["/api/v1/transfers"]["post"]
    examples = described["requestBody"]["content"]["application/json"]["examples"]
    assert examples
    for example in examples.values():
        answer = await shanghai.ask(COUNTER, "POST", CASES, example["value"])
        assert answer.status_code == 201, answer.text


async def test_the_login_is_described(quiet_shanghai: Bureau) -> None:
    schemes = (await document(quiet_shanghai))["components"]["securitySchemes"]
    assert [(scheme["type"], scheme["scheme"]) for scheme in schemes.values()] == [("http", "bearer")]
