"""受理: judged by the dated rules of the day of acceptance, between exactly these two places."""

from typing import Any

import pytest

from tests.node.bureau import Bureau, faults
from tests.node.people import HEFEI, SANXIAOKOU, STRANGER, WANG, ZHESHAN, person
from tests.node.transfers.cases import CASES, COUNTER, application, at_destination, opened, talent
from tests.node.transfers.traces import assert_audited, stored_case

WUHU = person("34020219920101002", "芜演示")
KUNSHAN = person("32058319920101002", "昆演示")
PLACES = {  # where people come from: division, station, who
    "pinghu": ("330482", "330482910000", WANG),
    "kunshan": ("320583", "320583910000", KUNSHAN),
    "hefei": ("340103", SANXIAOKOU, HEFEI),
    "wuhu": ("340202", ZHESHAN, WUHU),
}
CLOSED = [
    # from, category, day, the rule that will open it, its first day, words of its basis, assumption
    ("pinghu", "KINSHIP", "2020-10-13", "pilot-zhejiang-shanghai", "2020-10-14", "2018-05-27", ""),
    ("pinghu", "TALENT", "2021-02-18", "extension-talent-zhejiang-shanghai", "2021-02-19", "三省一市", ""),
    ("kunshan", "KINSHIP", "2020-11-20", "extension-jiangsu-shanghai", "2021-02-19", "三省一市", ""),
    ("kunshan", "TALENT", "2021-02-18", "extension-jiangsu-shanghai", "2021-02-19", "三省一市", ""),
    ("hefei", "KINSHIP", "2021-02-18", "extension-hefei-anhui-shanghai", "2021-02-19", "合肥", ""),
    ("wuhu", "KINSHIP", "2021-02-18", "anhui-anhui-shanghai", "2022-01-01", "跨省通办", "AS-ANHUI-2022"),
    ("wuhu", "TALENT", "2021-12-31", "anhui-anhui-shanghai", "2022-01-01", "跨省通办", "AS-ANHUI-2022"),
]
OPEN = [
    # from, category, the first day
    ("pinghu", "KINSHIP", "2020-10-14"),
    ("pinghu", "TALENT", "2021-02-19"),
    ("kunshan", "KINSHIP", "2021-02-19"),
    ("hefei", "TALENT", "2021-02-19"),
    ("wuhu", "KINSHIP", "2022-01-01"),
]


def form_from(place: str, category: str) -> dict[str, Any]:
    division, station, who = PLACES[place]
    origin = {"division_code": division, "address": "演示路1号", "station_code": station}
    return application(who, origin=origin) if category == "KINSHIP" else talent(who, origin=origin)


def set_day(bureau: Bureau, day: str) -> None:
    year, month, number = map(int, day.split("-"))
    bureau.on(year, month, number)


async def test_an_accepted_case_has_its_day_and_officer(shanghai: Bureau) -> None:
    case = await opened(shanghai)
    told = await shanghai.done(COUNTER, case, "accept")
    assert (told["states"], told["accepted_on"]) == (["ACCEPTED"], "2020-11-20")
    assert await shanghai.states(case) == {1: "ACCEPTED"}
    assert await shanghai.sent() == []
    assert await shanghai.owed(case) == {}
    await assert_audited(shanghai, "accept", case, by=COUNTER, members={1: "ACCEPTED"}, peer="zhejiang")


@pytest.mark.parametrize(("place", "category", "day", "rule", "opens", "basis", "assumption"), CLOSED)
async def test_before_its_day_a_case_is_refused_naming_rule_date_and_basis(
    shanghai: Bureau, place: str, category: str, day: str, rule: str, opens: str, basis: str, assumption: str
) -> None:
    set_day(shanghai, day)
    case = await opened(shanghai, form_from(place, category))
    before = await shanghai.fingerprint()
    answer = await shanghai.act(COUNTER, case, "accept")
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "rule_closed"
    assert faults(answer) == [("origin.division_code", "closed")]
    fault = answer.json()["errors"][0]
    for language in ("zh", "en"):
        assert all(part in fault[language] for part in (rule, opens, day, category)), fault
    assert basis in fault["source"]
    assert " / " in fault["source"]  # the basis in both languages
    assert assumption in fault["source"]
    assert await shanghai.fingerprint() == before


@pytest.mark.parametrize(("place", "category", "day"), OPEN)
async def test_on_its_first_day_a_case_is_accepted(shanghai: Bureau, place: str, category: str, day: str) -> None:
    set_day(shanghai, day)
    case = await opened(shanghai, form_from(place, category))
    assert (await shanghai.done(COUNTER, case, "accept"))["states"] == ["ACCEPTED"]


async def test_the_day_of_acceptance_counts_not_that_of_the_draft(shanghai: Bureau) -> None:
    shanghai.on(2020, 10, 13)
    case = await opened(shanghai)
    shanghai.on(2020, 10, 14, hour=0)
    assert (await shanghai.done(COUNTER, case, "accept"))["accepted_on"] == "2020-10-14"


@pytest.mark.parametrize(
    ("counter", "station", "day", "status"),
    [
        ("D34001", SANXIAOKOU, "2021-02-18", 422),  # Hefei, the day before
        ("D34001", SANXIAOKOU, "2021-02-19", 200),  # Hefei first
        ("D34015", ZHESHAN, "2021-02-19", 422),  # the rest of Anhui not yet
        ("D34015", ZHESHAN, "2022-01-01", 200),  # assumption AS-ANHUI-2022
    ],
)
async def test_into_anhui_only_hefei_is_open_in_2021(open_bureau: Any, counter: str, station: str, day: str, status: int) -> None:
    anhui = await open_bureau("anhui")
    set_day(anhui, day)
    home = {"division_code": station[:6], "address": "演示路9号"}
    made = await anhui.ask(counter, "POST", CASES, talent(STRANGER, destination=home))
    answer = await anhui.act(counter, made.json()["case"], "accept")
    assert answer.status_code == status, answer.text
    if status == 422:
        assert "安徽省" in answer.json()["errors"][0]["zh"]


async def test_a_closed_rule_leaves_the_draft_to_be_accepted_later(shanghai: Bureau) -> None:
    shanghai.on(2021, 2, 18)
    case = await opened(shanghai, talent())
    assert (await shanghai.act(COUNTER, case, "accept")).status_code == 422
    assert (await stored_case(shanghai, case)).accepted_on is None
    shanghai.on(2021, 2, 19)
    await shanghai.done(COUNTER, case, "accept")


async def test_acceptance_is_not_judged_again_later(shanghai: Bureau) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    answer = await shanghai.act(COUNTER, case, "accept")
    assert answer.status_code == 409
    assert answer.json()["code"] == "not_in_this_state"
