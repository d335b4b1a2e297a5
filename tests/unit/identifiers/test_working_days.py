from datetime import date

import pytest

from shared.identifiers.working_days import (
    MAX_WORKING_DAYS,
    add_working_days,
    calendar_known,
    is_working_day,
    working_days_between,
)


def test_the_article_waits_26_working_days_for_the_decision() -> None:
    assert working_days_between(date(2020, 11, 20), date(2020, 12, 28)) == 26  # domain.md 3.1 H05
    assert add_working_days(date(2020, 11, 20), 26) == date(2020, 12, 28)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        (date(2021, 1, 1), False),  # the day Ms Wang is settled is a public holiday
        (date(2021, 2, 7), True),  # a Sunday worked for the Spring Festival
        (date(2021, 2, 11), False),  # New Year's Eve
        (date(2021, 2, 20), True),  # a Saturday worked
        (date(2020, 12, 28), True),
        (date(2020, 12, 26), False),
    ],
)
def test_holidays_and_worked_weekends(day: date, worked: bool) -> None:
    assert is_working_day(day) is worked


def test_one_working_day_over_the_new_year() -> None:
    assert add_working_days(date(2020, 12, 31), 1) == date(2021, 1, 4)
    assert add_working_days(date(2020, 12, 31), 0) == date(2020, 12, 31)


def test_counting_backwards_is_negative() -> None:
    assert working_days_between(date(2020, 12, 28), date(2020, 11, 20)) == -26
    assert working_days_between(date(2020, 12, 28), date(2020, 12, 28)) == 0


def test_outside_the_calendar_only_weekends_are_off_and_that_is_told() -> None:
    assert calendar_known(date(2026, 11, 24))
    assert calendar_known(date(2004, 1, 1))
    assert not calendar_known(date(2099, 1, 1))
    assert not calendar_known(date(2003, 12, 31))
    assert is_working_day(date(2099, 1, 1))  # a Thursday
    assert not is_working_day(date(2099, 1, 3))
    assert add_working_days(date(2099, 1, 1), 5) == date(2099, 1, 8)


@pytest.mark.parametrize("days", [-1, MAX_WORKING_DAYS + 1])
def test_a_nonsense_number_of_days_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="working days"):
        add_working_days(date(2020, 1, 1), days)
