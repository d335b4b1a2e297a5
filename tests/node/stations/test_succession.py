"""A station that closes hands everything it had under way to its successor: cases, queue, people."""

import pytest

from services.bureau.stations import acts
from services.harness.network import SERVICES
from shared.database import Session
from tests.node.bureau import Bureau
from tests.node.people import XINDAI, ZHAPU, ZHOU
from tests.node.transfers.cases import CASES, O_VERIFIER, at_origin, received, sealed

FOLDER = SERVICES / "zhejiang"
LAST_DAY = "2020-12-28"
AT_XINDAI, SUCCESSOR, ELSEWHERE = "D33012", "D33012", "D33021"
RESIDENT = f"/api/v1/residents?citizen_id_no={ZHOU.citizen_id_no}"


async def close_zhapu(zhejiang: Bureau, *, last_day: str = LAST_DAY) -> None:
    """From the next day on Xindai does the work of Zhapu."""
    listed = (FOLDER / "stations.csv").read_text().splitlines()
    text = "\n".join(f"{line[: line.rindex(',,')]},{last_day},{XINDAI}" if line.startswith(ZHAPU) else line for line in listed)

    async def unit(session: Session) -> None:
        await acts.load_own(session, stations_csv=text, posts_csv=(FOLDER / "posts.csv").read_text())

    await zhejiang.wiring.database.run(unit, name="test")


async def test_the_successors_officer_finishes_what_the_closed_station_had_under_way(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    assert (await zhejiang.act(SUCCESSOR, case, "seal", {"applicant_confirms": True})).status_code == 403
    await close_zhapu(zhejiang)
    zhejiang.on(2020, 12, 29)
    queue = await zhejiang.ask(SUCCESSOR, "GET", CASES)
    assert [item["case"] for item in queue.json()["items"]] == [case]
    told = await zhejiang.done(SUCCESSOR, case, "seal", {"applicant_confirms": True})
    assert told["states"] == ["SEALED"]


async def test_people_of_the_closed_station_are_read_and_held_by_the_successor(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    await close_zhapu(zhejiang)
    zhejiang.on(2020, 12, 29)
    read = await zhejiang.ask(SUCCESSOR, "GET", RESIDENT, Quanyu_Purpose="household_transfer", Quanyu_Case=case)
    assert read.status_code == 200
    wanted = {"citizen_id_no": ZHOU.citizen_id_no, "kind": "OTHER_BUSINESS", "reason": "演示"}
    assert (await zhejiang.ask(SUCCESSOR, "POST", "/api/v1/holds", wanted)).status_code == 201


async def test_a_permit_is_not_at_the_wrong_station_because_its_station_was_closed(zhejiang: Bureau) -> None:
    case = await received(zhejiang)
    await close_zhapu(zhejiang)
    zhejiang.on(2020, 12, 29)
    found = await zhejiang.ask(SUCCESSOR, "GET", f"{CASES}/{case}/findings")
    assert (found.status_code, found.json()) == (200, {"findings": []})


@pytest.mark.parametrize("state", ["SEALED", "RESTORED"])
async def test_on_its_last_day_the_station_still_works_alone(zhejiang: Bureau, state: str) -> None:
    case = await at_origin(zhejiang, state)
    await close_zhapu(zhejiang, last_day="2020-12-31")
    assert (await zhejiang.ask(SUCCESSOR, "GET", f"{CASES}/{case}")).status_code == 403
    assert (await zhejiang.ask(O_VERIFIER, "GET", f"{CASES}/{case}")).status_code == 200


async def test_a_third_station_has_no_part_in_it(zhejiang: Bureau) -> None:
    case, _ = await sealed(zhejiang)
    await close_zhapu(zhejiang)
    assert (await zhejiang.ask(ELSEWHERE, "GET", f"{CASES}/{case}")).status_code == 403
