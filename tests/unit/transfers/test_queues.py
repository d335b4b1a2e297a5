"""The queues: no open case is in none, and each has its own time and its one action."""

from datetime import UTC, date, datetime

import pytest

from services.bureau.access.callers import Role
from services.bureau.transfers.rules.queues import QUEUES, Dates, begins_at, deadline_of, queue_of
from services.bureau.transfers.states import Side
from services.bureau.transfers.tables import OPEN_STATES
from shared.database import CHINA

MONDAY = datetime(2020, 12, 28, 10, 0, tzinfo=CHINA)
DATES = Dates(MONDAY, date(2020, 11, 20), date(2021, 2, 6), date(2021, 1, 28))


def test_every_open_state_stands_in_a_queue_of_somebody() -> None:
    listed = {(one.side, state.value) for queues in QUEUES.values() for one in queues for state in one.states if not one.only}
    assert {(side, state) for side in Side for state in OPEN_STATES[side]} <= listed


def test_no_role_has_two_queues_of_one_name_and_each_says_its_own_time_and_action() -> None:
    for role, queues in QUEUES.items():
        assert len({one.name for one in queues}) == len(queues), role
        assert all(one.time_label and one.action and one.label for one in queues)
        assert all(queue_of(role, one.name) is one for one in queues)
    assert queue_of(Role.OPERATOR, "drafts") is None
    assert queue_of(Role.COUNTER, "verify") is None


@pytest.mark.parametrize(
    ("until", "day"),
    [
        ("decision", date(2020, 12, 18)),  # twenty working days after 20 November
        ("origin", date(2020, 12, 29)),
        ("permit", date(2021, 2, 6)),
        ("certificate", date(2021, 1, 28)),
    ],
)
def test_a_time_ends_with_its_day_in_china(until: str, day: date) -> None:
    due = deadline_of(until, DATES)  # type: ignore[arg-type]
    assert due is not None
    assert due.tzinfo is UTC
    assert due.astimezone(CHINA).date() == day
    assert (due.astimezone(CHINA).hour, due.astimezone(CHINA).minute) == (23, 59)
    assert begins_at(until, DATES) < due  # type: ignore[arg-type]


def test_where_nothing_ends_there_is_no_deadline() -> None:
    assert deadline_of("", DATES) is None
    assert deadline_of("permit", Dates(MONDAY, None, None, None)) is None
    assert begins_at("permit", Dates(MONDAY, None, None, None)) == MONDAY
