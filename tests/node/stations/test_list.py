"""The stations of all bureaus, as their directories say, for every officer."""

from typing import Any

import pytest

from tests.node.bureau import Bureau, faults
from tests.node.transfers.cases import AUDITOR, COUNTER

STATIONS = "/api/v1/stations"


async def listed(bureau: Bureau, query: str = "", officer: str = COUNTER) -> list[dict[str, Any]]:
    answer = await bureau.ask(officer, "GET", f"{STATIONS}{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_all_four_directories_are_shown_with_their_versions(quiet_shanghai: Bureau) -> None:
    found = await listed(quiet_shanghai)
    assert [one["bureau"] for one in found] == ["anhui", "jiangsu", "shanghai", "zhejiang"]
    assert all(one["version"] >= 1 for one in found)
    assert all(len(one["stations"]) >= 5 for one in found)


async def test_one_bureau_can_be_asked_for(quiet_shanghai: Bureau) -> None:
    (found,) = await listed(quiet_shanghai, "?bureau=zhejiang")
    by_code = {one["code"]: one for one in found["stations"]}
    assert by_code["330482910000"]["name"] == "乍浦派出所"
    assert by_code["330482910000"]["is_registration_station"] is True
    assert by_code["330482000000"]["is_registration_station"] is False  # an office registers nobody


async def test_closed_stations_are_left_out_on_a_day_after_their_last(quiet_shanghai: Bureau) -> None:
    closed = "310116930000"  # until 2019-12-31
    for query, there in (("", True), ("&on=2019-12-31", True), ("&on=2020-01-01", False)):
        (found,) = await listed(quiet_shanghai, f"?bureau=shanghai{query}")
        assert (closed in {one["code"] for one in found["stations"]}) is there


async def test_an_unknown_bureau_has_none(quiet_shanghai: Bureau) -> None:
    assert await listed(quiet_shanghai, "?bureau=fujian") == []


async def test_the_auditor_may_look_too(quiet_shanghai: Bureau) -> None:
    assert len(await listed(quiet_shanghai, officer=AUDITOR)) == 4


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [("bureau=Mars!", "bureau", "string_pattern_mismatch"), ("on=2020-02-30", "on", "date_from_datetime_parsing")],
)
async def test_a_bad_query_is_named(quiet_shanghai: Bureau, query: str, field: str, rule: str) -> None:
    answer = await quiet_shanghai.ask(COUNTER, "GET", f"{STATIONS}?{query}")
    assert (answer.status_code, faults(answer)) == (422, [(field, rule)])
