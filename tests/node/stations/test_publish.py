"""Our own list: taken up at the node's start, and told to every peer once a version."""

from services.bureau.stations import acts
from services.harness.network import SERVICES
from shared.contract.messages import DirectoryPublished
from shared.database import Session
from tests.node.bureau import Bureau
from tests.node.transfers.cases import COUNTER

FOLDER = SERVICES / "shanghai"
NEW_LINE = "310116940000,廊下派出所,廊下镇演示路1号（DEMO）,310116,121.19,30.79,1996-07-01,,\n"


async def load(shanghai: Bureau, more: str = "", posts: str = "") -> bool:
    stations_csv = (FOLDER / "stations.csv").read_text() + more
    posts_csv = (FOLDER / "posts.csv").read_text() + posts

    async def unit(session: Session) -> bool:
        changed = await acts.load_own(session, stations_csv=stations_csv, posts_csv=posts_csv)
        await acts.publish_directory(session)
        return changed

    return await shanghai.wiring.database.run(unit, name="test")


async def test_every_peer_is_told_our_list_once(shanghai: Bureau) -> None:
    assert await load(shanghai) is False  # the same list as before
    sent = await shanghai.news()
    assert sorted(one.to for one in sent) == ["anhui", "jiangsu", "zhejiang"]
    for one in sent:
        assert isinstance(one.message, DirectoryPublished)
        assert (one.message.bureau, one.key) == ("shanghai", "shanghai")
        assert "吕巷派出所" in {station.name for station in one.message.stations}
    await load(shanghai)
    assert await shanghai.news() == []


async def test_a_new_station_is_a_line_of_data_and_a_higher_version(shanghai: Bureau) -> None:
    await load(shanghai)
    before = (await shanghai.news())[0].message.version
    assert await load(shanghai, NEW_LINE) is True
    sent = await shanghai.news()
    assert len(sent) == 3
    assert sent[0].message.version > before
    assert "310116940000" in {station.code for station in sent[0].message.stations}
    assert (await shanghai.audit("stations.list_replaced", object_id="shanghai"))[-1].change["stations"] == 13


async def test_a_new_officer_is_a_line_of_data(shanghai: Bureau) -> None:
    token_before = await shanghai.web.post("/dev/token", data={"grant_type": "urn:quanyu:grant:development", "officer": "D31099"})
    assert token_before.status_code == 400
    await load(shanghai, posts="D31099,新来者（演示）,310116910000,counter,2020-01-01,\n")
    assert (await shanghai.ask("D31099", "GET", "/api/v1/transfers")).status_code == 200
    assert (await shanghai.ask(COUNTER, "GET", "/api/v1/transfers")).status_code == 200
