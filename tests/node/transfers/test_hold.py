"""Who works on a case: taken, handed over, seen by role, audited."""

from uuid import UUID

from services.bureau.transfers import acts
from services.bureau.transfers.acts.cases import load_for_officer
from shared.database import Session
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.transfers.cases import COUNTER, OFFICE, at_destination, opened

COLLEAGUE = "D31007"  # holds the post of the counter at Lvxiang too


async def holders(bureau: Bureau, case: str) -> dict[str, str]:
    async def unit(session: Session) -> dict[str, str]:
        found = await acts.holders_of(session, await load_for_officer(session, UUID(case), lock=False))
        return {role: one.badge_no for role, one in found.items()}

    return await bureau.wiring.database.run(unit, name="test")


async def test_an_officer_takes_a_case_and_hands_it_over(shanghai: Bureau, browse: Browse) -> None:
    case = await opened(shanghai)
    browser = await browse(shanghai, COUNTER)
    answer = await browser.send(f"/w/case/{case}/take", {"once": "1", "next": "/w/queue/drafts"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/w/queue/drafts")
    assert await holders(shanghai, case) == {"counter": COUNTER}
    answer = await browser.send(f"/w/case/{case}/hand-over", {"once": "2", "badge_no": COLLEAGUE})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/w/case/{case}")
    assert await holders(shanghai, case) == {"counter": COLLEAGUE}
    changes = [row.change for row in await shanghai.audit("transfers.hold", decision="allowed")]
    assert changes == [{"from": None, "to": COUNTER}, {"from": COUNTER, "to": COLLEAGUE}]


async def test_each_role_has_its_own_holder(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "UNDER_REVIEW")
    for officer in (COUNTER, OFFICE):
        browser = await browse(shanghai, officer)
        assert (await browser.send(f"/w/case/{case}/take")).status_code == 303
    assert await holders(shanghai, case) == {"counter": COUNTER, "population_office": OFFICE}


async def test_a_case_goes_to_nobody_of_another_post(shanghai: Bureau, browse: Browse) -> None:
    case = await opened(shanghai)
    browser = await browse(shanghai, COUNTER)
    for badge_no in ("D31002", "D31011", COUNTER, "", "D99999"):  # a verifier, another station, himself, nobody
        assert (await browser.send(f"/w/case/{case}/hand-over", {"badge_no": badge_no})).status_code == 422, badge_no
    assert await holders(shanghai, case) == {}


async def test_the_case_of_another_station_and_an_ended_one_are_not_taken(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "WITHDRAWN")
    near, own = await browse(shanghai, "D31011"), await browse(shanghai, COUNTER)
    assert (await near.send(f"/w/case/{case}/take")).status_code == 403
    assert (await own.send(f"/w/case/{case}/take")).status_code == 409
    assert await holders(shanghai, case) == {}
