"""省 → 市 → 区 → 派出所: so few stations are listed at once, of so many the officer chooses his way."""

from collections.abc import Iterable

from services.bureau.transfers.rules.places import AT_ONCE, Places, narrowed
from tests.unit.transfers.listed import stations

PINGHU, JIASHAN, CHUNAN, JINSHAN, XUHUI = "330482", "330421", "330127", "310116", "310104"


def shown(places: Places) -> int:
    return sum(len(listed) for listed in places.stations.values())


def codes(options: Iterable[str]) -> list[str]:
    return list(options)


def test_few_stations_are_all_listed_and_a_city_only_makes_them_fewer() -> None:
    few = [*stations(PINGHU, 5), *stations(CHUNAN, 3)]
    at_once = narrowed(few, "", "")
    assert (shown(at_once), at_once.wanted) == (8, "")
    assert dict(at_once.prefectures) == {"330100": "杭州市", "330400": "嘉兴市"}
    assert list(at_once.stations) == ["浙江省杭州市淳安县", "浙江省嘉兴市平湖市"]
    assert list(narrowed(few, "330400", "").stations) == ["浙江省嘉兴市平湖市"]


def test_of_many_the_city_comes_first() -> None:
    many = [*stations(PINGHU, AT_ONCE), *stations(CHUNAN, 3)]
    before = narrowed(many, "", "")
    assert (shown(before), before.wanted, before.any_prefecture) == (0, "prefecture", False)
    after = narrowed(many, "330400", "")
    assert (shown(after), codes(after.districts)) == (AT_ONCE, [])


def test_of_many_in_one_city_the_district_comes_next() -> None:
    many = [*stations(PINGHU, AT_ONCE), *stations(JIASHAN, 2), *stations(CHUNAN, 3)]
    before = narrowed(many, "330400", "")
    assert (shown(before), before.wanted) == (0, "district")
    assert dict(before.districts) == {JIASHAN: "嘉善县", PINGHU: "平湖市"}
    assert shown(narrowed(many, "330400", PINGHU)) == AT_ONCE


def test_a_municipality_has_no_cities() -> None:
    many = [*stations(JINSHAN, AT_ONCE), *stations(XUHUI, 20)]
    before = narrowed(many, "", "")
    assert (codes(before.prefectures), codes(before.districts), before.wanted) == ([], [XUHUI, JINSHAN], "district")
    assert shown(narrowed(many, "", JINSHAN)) == AT_ONCE


def test_what_belongs_to_another_choice_above_is_not_chosen() -> None:
    many = [*stations(PINGHU, AT_ONCE), *stations(JIASHAN, 2), *stations(CHUNAN, 3)]
    moved = narrowed(many, "330100", PINGHU)
    assert (moved.prefecture, moved.district, shown(moved)) == ("330100", "", 3)
    assert narrowed(many, "310100", "x").wanted == "prefecture"


def test_a_division_that_our_list_does_not_know_is_shown_by_its_code() -> None:
    found = narrowed([*stations("339999", 1), *stations(PINGHU, 1)], "", "")
    assert found.prefectures["339900"] == "339900"
    assert "339999" in found.stations


def test_a_bureau_without_a_directory_has_nothing_to_choose() -> None:
    nothing = narrowed([], "330400", PINGHU)
    assert (nothing.published, nothing.wanted, shown(nothing)) == (False, "", 0)
