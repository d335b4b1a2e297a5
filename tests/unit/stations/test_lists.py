"""The lists of a province: what is read, and each thing that can be wrong."""

from datetime import date
from pathlib import Path

import pytest

import services
from services.bureau.access.callers import OFFICER_ROLES
from services.bureau.stations.rules import ListRefused, is_registration_station, read_posts, read_stations
from shared.identifiers.bureau import provinces

BUREAUS = [province.bureau for province in provinces().values()]
STATION_HEADER = "code,name,address,division_code,longitude,latitude,valid_from,valid_until,successor\n"
POST_HEADER = "badge_no,name,station_code,role,valid_from,valid_until\n"
STATION = "310116910000,吕巷派出所,演示路1号,310116,121.20,30.85,1996-07-01,,\n"
POST = "D31001,安宁,310116910000,counter,2015-01-01,\n"


def faults_of_stations(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ListRefused) as caught:
        read_stations(text, bureau="shanghai")
    return [(fault.field, fault.rule) for fault in caught.value.faults]


def faults_of_posts(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ListRefused) as caught:
        read_posts(text, stations=read_stations(STATION_HEADER + STATION, bureau="shanghai"))
    return [(fault.field, fault.rule) for fault in caught.value.faults]


@pytest.mark.parametrize("bureau", BUREAUS)
def test_each_province_lists_stations_and_an_officer_for_every_role(bureau: str) -> None:
    folder = Path(services.__file__).parent / bureau
    stations = read_stations((folder / "stations.csv").read_text(encoding="utf-8"), bureau=bureau)
    posts = read_posts((folder / "posts.csv").read_text(encoding="utf-8"), stations=stations)
    assert sum(is_registration_station(one.code) for one in stations) >= 5
    assert {one.role for one in posts} == set(OFFICER_ROLES)
    by_badge = [one.badge_no for one in posts]
    assert any(by_badge.count(badge_no) == 2 for badge_no in by_badge)
    assert all("DEMO" in one.address for one in stations)
    assert all("演示" in one.name for one in posts)


def test_a_list_is_read_in_order_of_codes_whatever_the_order_of_lines() -> None:
    second = STATION.replace("310116910000", "310116920000")
    assert read_stations(STATION_HEADER + STATION + second, bureau="shanghai") == read_stations(
        "# a comment\n" + STATION_HEADER + second + STATION, bureau="shanghai"
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("310116910000", "330482910000", [("2.code", "other_bureau"), ("2.code", "unit_division")]),
        ("310116910000", "31011691", [("2.code", "form")]),
        ("310116,", "310115,", [("2.code", "unit_division")]),
        ("310116,", "310199,", [("2.division_code", "unknown_division")]),
        ("121.20", "221.20", [("2.longitude", "less_than_equal")]),
        ("1996-07-01", "1996-07-32", [("2.valid_from", "date_parsing")]),
        (",,\n", ",1990-01-01,\n", [("2", "before_start")]),
        (",,\n", ",2019-12-31,310116990000\n", [("successor", "successor")]),
        (",,\n", ",,310116910000\n", [("successor", "successor")]),
        ("吕巷派出所", "", [("2.name", "missing")]),
        ("吕巷派出所", "吕" * 200_000, [("2", "csv")]),
        (",30.85", "", [("2", "width")]),
    ],
)
def test_a_wrong_line_refuses_the_whole_list(old: str, new: str, expected: list[tuple[str, str]]) -> None:
    assert faults_of_stations(STATION_HEADER + STATION.replace(old, new)) == expected


def test_a_station_twice_and_a_wrong_header_are_refused() -> None:
    assert faults_of_stations(STATION_HEADER + STATION + STATION) == [("3.code", "station_twice")]
    assert faults_of_stations("code,name\n" + STATION) == [("1", "header")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("310116910000", "310116920000", [("2.station_code", "unknown_station")]),
        ("counter", "chief", [("2.role", "unknown_role")]),
        ("counter", "node", [("2.role", "unknown_role")]),
        ("D31001", "", [("2.badge_no", "length")]),
        ("安宁", "", [("2.name", "missing")]),
        ("2015-01-01,", "2015-01-01,2014-01-01", [("2.valid_until", "before_start")]),
        ("2015-01-01,", "2015-01-01,never", [("2.valid_until", "date_parsing")]),
        ("2015-01-01,", "soon,", [("2.valid_from", "date_parsing")]),
    ],
)
def test_a_wrong_post_refuses_the_whole_list(old: str, new: str, expected: list[tuple[str, str]]) -> None:
    assert faults_of_posts(POST_HEADER + POST.replace(old, new)) == expected


def test_one_officer_may_hold_two_posts_but_none_twice() -> None:
    stations = read_stations(STATION_HEADER + STATION, bureau="shanghai")
    two = read_posts(POST_HEADER + POST + POST.replace("counter", "verifier"), stations=stations)
    assert [(one.badge_no, one.role, one.valid_from) for one in two] == [
        ("D31001", "counter", date(2015, 1, 1)),
        ("D31001", "verifier", date(2015, 1, 1)),
    ]
    assert faults_of_posts(POST_HEADER + POST + POST) == [("3.badge_no", "post_twice")]
