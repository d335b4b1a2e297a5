"""No page shows a whole id number unasked: every page of a case at both sides (ui.md 1.5)."""

import re

import pytest

from tests.node.access.expected import PAGES
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.people import LI, WANG, ZHOU, ZHOU_WIFE
from tests.node.transfers.cases import COUNTER, O_VERIFIER, OFFICE, at_destination, at_origin, permit_for

OF_CASE = [route.removeprefix("GET ") for route in PAGES if route.startswith("GET /w/case/{case}")]
SLIPS = ("acceptance", "interim", "completion", "permit", "certificate")
PEOPLE = (WANG, LI, ZHOU, ZHOU_WIFE)


async def shown(bureau: Bureau, browse: Browse, officer: str, case: str) -> int:
    """How many pages of the case the officer could open; none has a whole number in it, not even where nobody looks."""
    browser, opened = await browse(bureau, officer), 0
    paths = [path.replace("{case}", case) for path in OF_CASE]
    paths = [path.replace("{name}", slip) for path in paths for slip in (SLIPS if "{name}" in path else ("",))]
    for path in [*paths, "/w", "/w/intake", "/w/queue/recent"]:
        page = await browser.get(path)
        opened += page.status_code == 200
        found = [one.citizen_id_no for one in PEOPLE if one.citizen_id_no in page.text]
        assert found == [], path
        assert re.findall(r"(?<![\d-])\d{17}[\dX](?![\d-])", page.text) == [], path
    return opened


@pytest.mark.parametrize("state", ["UNDER_REVIEW", "CERTIFIED", "SETTLING", "HERE"])
async def test_at_the_destination(shanghai: Bureau, browse: Browse, state: str) -> None:
    case = await at_destination(shanghai, state)
    assert await shown(shanghai, browse, COUNTER, case) >= 5
    assert await shown(shanghai, browse, OFFICE, case) >= 3


@pytest.mark.parametrize("state", ["RECEIVED", "SEALED", "RESTORED"])
async def test_at_the_origin(zhejiang: Bureau, browse: Browse, state: str) -> None:
    case = await at_origin(zhejiang, state, permit_for(ZHOU) if state == "RECEIVED" else None)
    assert await shown(zhejiang, browse, O_VERIFIER, case) >= 5
