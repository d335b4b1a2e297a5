"""Which station works under a code on a day: closed ones lead to their successors."""

from datetime import date

import pytest

from services.bureau.stations.rules import follow, predecessors
from shared.contract.records import Station
from shared.identifiers.errors import Fault

DAY = date(2020, 11, 20)


def station(code: str, *, until: date | None = None, successor: str | None = None, opens: date = date(1996, 7, 1)) -> Station:
    return Station(
        code=code,
        name=code,
        address="演示路1号",
        division_code=code[:6],
        longitude=121.2,
        latitude=30.9,
        valid_from=opens,
        valid_until=until,
        successor=successor,
    )


FIRST, SECOND, THIRD, OFFICE = "310116910000", "310116920000", "310116930000", "310116000000"
CLOSED_ON = date(2019, 12, 31)


def outcome(code: str, *stations: Station, day: date = DAY) -> str:
    found = follow({one.code: one for one in stations}, code, day)
    return found.rule if isinstance(found, Fault) else found.code


def test_an_open_station_is_itself() -> None:
    assert outcome(FIRST, station(FIRST)) == FIRST


def test_a_closed_station_leads_to_its_successor_s_successor() -> None:
    chain = (station(FIRST, until=CLOSED_ON, successor=SECOND), station(SECOND, until=CLOSED_ON, successor=THIRD), station(THIRD))
    assert outcome(FIRST, *chain) == THIRD


def test_on_its_last_day_a_station_still_works() -> None:
    chain = (station(FIRST, until=CLOSED_ON, successor=SECOND), station(SECOND))
    assert outcome(FIRST, *chain, day=CLOSED_ON) == FIRST


@pytest.mark.parametrize(
    ("stations", "code", "rule"),
    [
        ((), FIRST, "unknown_station"),
        ((station(FIRST, until=CLOSED_ON),), FIRST, "station_closed"),
        ((station(FIRST, opens=date(2021, 1, 1)),), FIRST, "station_not_open"),
        ((station(OFFICE),), OFFICE, "not_a_station"),
        (
            (station(FIRST, until=CLOSED_ON, successor=SECOND), station(SECOND, until=CLOSED_ON, successor=FIRST)),
            FIRST,
            "successors",
        ),
    ],
)
def test_otherwise_the_fault_says_why(stations: tuple[Station, ...], code: str, rule: str) -> None:
    assert outcome(code, *stations) == rule


def test_a_station_has_the_work_of_everything_that_was_closed_into_it() -> None:
    closed = {FIRST: SECOND, "310116940000": SECOND, SECOND: THIRD, "310116950000": "310116960000"}
    assert predecessors(closed, THIRD) == {SECOND, FIRST, "310116940000"}
    assert predecessors(closed, SECOND) == {FIRST, "310116940000"}
    assert predecessors(closed, FIRST) == frozenset()


def test_predecessors_that_lead_in_a_circle_end() -> None:
    assert predecessors({FIRST: SECOND, SECOND: FIRST}, FIRST) == {SECOND}
