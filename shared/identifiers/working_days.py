"""Working days (工作日) by the State Council's yearly notice: holidays off, some weekends worked.

The notice is known for the years of the package chinesecalendar (2004-2026 in 1.11); outside them only weekends are off,
and `calendar_known` says so, for an alarm.
"""

from datetime import date, timedelta
from functools import cache

import chinese_calendar

MAX_WORKING_DAYS = 2_500  # ten years: no limit of the trade is longer, and a mistyped number must not loop for long
_ONE_DAY = timedelta(days=1)
_SATURDAY = 5


@cache
def _known_years() -> range:
    days = chinese_calendar.constants.holidays
    return range(min(days).year, max(days).year + 1)


def calendar_known(day: date) -> bool:
    """Whether the holidays of that year are in the calendar."""
    return day.year in _known_years()


def is_working_day(day: date) -> bool:
    return bool(chinese_calendar.is_workday(day)) if calendar_known(day) else day.weekday() < _SATURDAY


def add_working_days(start: date, days: int) -> date:
    """The `days`-th working day after `start` (the start day never counts; 0 gives `start` itself).

    Raises ValueError outside 0 to MAX_WORKING_DAYS."""
    if not 0 <= days <= MAX_WORKING_DAYS:
        raise ValueError(f"working days must be 0 to {MAX_WORKING_DAYS}, not {days}")
    day = start
    while days:
        day += _ONE_DAY
        days -= is_working_day(day)
    return day


def working_days_between(start: date, end: date) -> int:
    """How many working days lie after `start`, up to and including `end`; negative if `end` is earlier."""
    if end < start:
        return -working_days_between(end, start)
    return sum(is_working_day(start + timedelta(days=n)) for n in range(1, (end - start).days + 1))
