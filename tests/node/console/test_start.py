"""The way in: what the demo has written is shown, what is no demo is not, and in production a citizen is meant."""

import json

from services.bureau.console.pages.start import DEMO_FILE
from tests.node.bureau import Bureau
from tests.node.conftest import Browse

TOLD = {"zh": "王女士的户口迁移", "en": "Ms Wang moves"}
DEMO = {
    "title": TOLD,
    "by_hand": False,
    "people": [{"name": "王雨晴", "citizen_id_no": "330482198405129726", "told": TOLD}],
    "form": [[{"zh": "迁入户号", "en": "household"}, "970000001"]],
    "houses": [
        {
            "bureau": "shanghai",
            "web": "http://127.0.0.1:8031",
            "officers": [{"badge_no": "D31001", "name": "孔俊杰（演示）", "post": "吕巷派出所", "role": "counter"}],
        }
    ],
    "scenes": [{"day": "2020-11-20", "bureau": "shanghai", "badge_no": "D31001", "name": "孔俊杰（演示）", "told": TOLD}],
    "followed": {"case": "c1", "apply_no": "QY1", "query_code": "ABC", "destination": "shanghai", "origin": "shanghai"},
}


async def test_the_demo_shows_people_steps_and_the_case_to_follow(shanghai: Bureau, browse: Browse) -> None:
    (shanghai.wiring.settings.run_folder / DEMO_FILE).write_text(json.dumps(DEMO))
    page = await (await browse(shanghai)).get("/?lang=en")
    assert page.status_code == 200
    for text in ("Ms Wang moves", "330482198405129726", "D31001", "970000001", "/w/case/c1", ":8031/w"):
        assert text in page.text
    assert "王女士的户口迁移" not in page.text


async def test_without_a_demo_or_with_half_a_file_there_is_a_plain_way_in(shanghai: Bureau, browse: Browse) -> None:
    for content in (None, "{", json.dumps(DEMO | {"houses": 1})):
        if content is not None:
            (shanghai.wiring.settings.run_folder / DEMO_FILE).write_text(content)
        page = await (await browse(shanghai)).get("/")
        assert page.status_code == 200
        assert 'href="/home"' in page.text
        assert "D31001" not in page.text


async def test_in_production_the_way_in_leads_to_the_citizens_pages(shanghai: Bureau) -> None:
    await shanghai.rewire(development=None)
    answer = await shanghai.web.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/c")
