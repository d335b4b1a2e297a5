"""The queues: the cases of the own station, region or bureau, longest in their state first; never a person."""

from typing import Any

import pytest

from tests.node.bureau import Bureau, faults
from tests.node.people import AT_FENGJING, mover
from tests.node.transfers.cases import AUDITOR, CASES, COUNTER, OFFICE, OPERATOR, application, opened


@pytest.fixture(scope="module")
async def busy(quiet_shanghai: Bureau) -> Bureau:
    """Three cases at Lvxiang, in two states, and one at Fengjing, in the same region."""
    for number in (1, 2, 3):
        case = await opened(quiet_shanghai, application(mover(number)))
    await quiet_shanghai.done(COUNTER, case, "accept")
    sponsor = {"name": AT_FENGJING.name, "citizen_id_no": AT_FENGJING.citizen_id_no}
    form = application(mover(4), sponsor=sponsor)
    assert (await quiet_shanghai.ask("D31011", "POST", CASES, form)).status_code == 201
    return quiet_shanghai


async def listed(bureau: Bureau, officer: str, query: str = "") -> Any:
    answer = await bureau.ask(officer, "GET", f"{CASES}{query}")
    assert answer.status_code == 200, answer.text
    assert "演示" not in answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("officer", "count"),
    [
        (COUNTER, 3),  # own station
        ("D31011", 1),  # the other station of the region
        (OFFICE, 4),  # the region
        ("D31023", 0),  # another region
        (OPERATOR, 4),  # the bureau
    ],
)
async def test_everybody_sees_the_cases_of_his_area(busy: Bureau, officer: str, count: int) -> None:
    assert len((await listed(busy, officer))["items"]) == count


async def test_the_longest_waiting_comes_first(busy: Bureau) -> None:
    items = (await listed(busy, COUNTER))["items"]
    assert [item["state"] for item in items] == ["DRAFT", "DRAFT", "ACCEPTED"]
    assert [item["since"] for item in items] == sorted(item["since"] for item in items)
    assert {"case", "counterpart", "side", "apply_no", "category", "station_code", "state", "members", "since"} == set(items[0])


async def test_one_state_can_be_asked_for(busy: Bureau) -> None:
    items = (await listed(busy, COUNTER, "?state=ACCEPTED"))["items"]
    assert [item["state"] for item in items] == ["ACCEPTED"]


async def test_pages_follow_each_other_to_the_end(busy: Bureau) -> None:
    first = await listed(busy, COUNTER, "?most=2")
    second = await listed(busy, COUNTER, f"?most=2&after={first['next']}")
    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)
    assert len({item["case"] for item in first["items"] + second["items"]}) == 3


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ("state=LOST", "state", "enum"),
        ("after=-1", "after", "greater_than_equal"),
        ("after=9223372036854775808", "after", "less_than_equal"),
        ("after=1e3", "after", "int_parsing"),
        ("most=0", "most", "greater_than_equal"),
        ("most=201", "most", "less_than_equal"),
    ],
)
async def test_a_bad_query_is_named(busy: Bureau, query: str, field: str, rule: str) -> None:
    answer = await busy.ask(COUNTER, "GET", f"{CASES}?{query}")
    assert (answer.status_code, faults(answer)) == (422, [(field, rule)])


async def test_the_auditor_has_no_queue(busy: Bureau) -> None:
    assert (await busy.ask(AUDITOR, "GET", CASES)).status_code == 403
