"""Relations to the head: the order of the booklet, and what a new head makes of them."""

from collections.abc import Callable
from datetime import date

import pytest

from services.bureau.population.rules import ResidentRow, booklet_order, can_be_head, relation_to_new_head
from services.bureau.population.tables import RowKind

MakeRow = Callable[..., ResidentRow]


def test_the_booklet_lists_members_in_the_order_of_the_form_and_the_elder_first(make_row: MakeRow) -> None:
    codes = ["79", "97", "62", "52", "41", "30", "12", "02"]
    family = [make_row(code) for code in codes]
    elder = make_row("20", born_on=date(1984, 1, 1))
    listed = booklet_order([*family, elder])
    assert [row.relation_code for row in listed] == ["02", "12", "20", "30", "41", "52", "62", "79", "97"]


@pytest.mark.parametrize(
    ("new_head", "member", "sex", "expected"),
    [
        ("12", "02", "1", "11"),  # the wife takes over: the old head is her husband
        ("11", "02", "2", "12"),
        ("12", "20", "1", "20"),  # their children stay children
        ("12", "30", "2", "30"),
        ("12", "51", "1", "97"),  # her husband's father: not said by the old codes
        ("12", "28", "1", "97"),  # a son-in-law is not a child
        ("20", "02", "1", "51"),  # a son takes over: the old head is his father
        ("20", "02", "2", "52"),
        ("20", "12", "2", "52"),
        ("20", "30", "2", "70"),  # his sister
        ("20", "51", "1", "60"),
        ("51", "02", "1", "20"),  # the father takes over
        ("51", "52", "2", "12"),
        ("51", "73", "1", "20"),
        ("51", "20", "1", "40"),
        ("73", "02", "1", "70"),  # a brother takes over
        ("73", "52", "2", "52"),
        ("41", "02", "2", "60"),
        ("61", "02", "1", "40"),
        ("99", "02", "1", "97"),  # somebody unrelated takes over
    ],
)
def test_a_new_head_changes_what_the_others_are(make_row: MakeRow, new_head: str, member: str, sex: str, expected: str) -> None:
    assert relation_to_new_head(make_row(member, sex=sex), make_row(new_head)) == expected


def test_the_new_head_is_the_head(make_row: MakeRow) -> None:
    head = make_row("12")
    assert relation_to_new_head(head, head) == "02"


@pytest.mark.parametrize("kind", list(RowKind))
def test_only_who_is_registered_and_stays_can_be_head(make_row: MakeRow, kind: RowKind) -> None:
    assert can_be_head(make_row(kind=kind)) is (kind is RowKind.ACTIVE)
