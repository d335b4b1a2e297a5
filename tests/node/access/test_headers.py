"""Every answer says that nobody shall keep it, whoever gave it: pages, refusals, redirects, the API, the stream."""

import pytest

from shared.web.assets import asset
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.transfers.cases import COUNTER, OPERATOR


@pytest.mark.parametrize(
    "path", ["/w", "/me", "/home", "/login", "/w/queue/none", "/nowhere", "/c/track", "/c/track/QY1", "/w/", "/metrics"]
)
@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_a_page_is_not_kept(quiet_shanghai: Bureau, browse: Browse, path: str, accept: str) -> None:
    browser = await browse(quiet_shanghai, COUNTER)
    answer = await browser.get(path, accept=accept)
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize("path", ["/api/v1/owed", "/api/v1/transfers", "/api/v1/nowhere", "/api/v1/operations/peers"])
async def test_an_answer_to_a_program_is_not_kept(quiet_shanghai: Bureau, path: str) -> None:
    for officer in (COUNTER, OPERATOR):
        answer = await quiet_shanghai.ask(officer, "GET", path)
        assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_style_is_kept(quiet_shanghai: Bureau, browse: Browse) -> None:
    answer = await (await browse(quiet_shanghai)).get(asset("app.css"))
    assert "immutable" in answer.headers["cache-control"]
