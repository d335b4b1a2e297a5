"""What may become of a row at the same epoch, and what may not."""

from itertools import product
from uuid import UUID

import pytest

from services.bureau.population.rules import RowRefused, RowState, require_row_change
from services.bureau.population.tables import RowKind

CASE, OTHER_CASE = UUID(int=1), UUID(int=2)
ALLOWED = {("ACTIVE", "IN_TRANSIT"), ("IN_TRANSIT", "MOVED"), ("IN_TRANSIT", "ACTIVE"), ("ACTIVE", "CANCELLED")}


def state(kind: RowKind, *, epoch: int = 1, case: UUID = CASE, counterpart: str = "zhejiang") -> RowState:
    bound = kind in (RowKind.IN_TRANSIT, RowKind.MOVED)
    return RowState(kind, epoch, counterpart if bound else None, case if bound else None)


def refused(old: RowState, new: RowState, *, restoration_due: bool = False) -> str | None:
    try:
        require_row_change(old, new, restoration_due=restoration_due)
    except RowRefused as error:
        return error.fault.rule
    return None


@pytest.mark.parametrize(("old", "new"), [pair for pair in product(RowKind, RowKind) if pair[0] != pair[1]])
def test_only_the_four_changes_of_the_protocol_are_possible(old: RowKind, new: RowKind) -> None:
    expected = None if (old.value, new.value) in ALLOWED else "row_kind"
    assert refused(state(old), state(new)) == expected


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_change_never_touches_the_epoch(epoch: int) -> None:
    assert refused(state(RowKind.ACTIVE), state(RowKind.IN_TRANSIT, epoch=epoch)) == "epoch"


def test_a_row_moves_only_under_the_case_it_was_sealed_for() -> None:
    sealed = state(RowKind.IN_TRANSIT)
    assert refused(sealed, state(RowKind.MOVED, case=OTHER_CASE)) == "row_case"
    assert refused(sealed, state(RowKind.MOVED, counterpart="anhui")) == "row_case"


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (RowState(RowKind.IN_TRANSIT, 1), "sealed without a case"),
        (RowState(RowKind.IN_TRANSIT, 1, None, CASE), "sealed for nobody"),
        (RowState(RowKind.CANCELLED, 1, "zhejiang", CASE), "cancelled, yet in a case"),
    ],
)
def test_exactly_rows_that_leave_have_a_case_and_a_counterpart(new: RowState, why: str) -> None:
    assert refused(state(RowKind.ACTIVE), new) == "row_case", why


def test_a_restored_row_cannot_be_sealed_before_its_restoration_is_entered() -> None:
    assert refused(state(RowKind.ACTIVE), state(RowKind.IN_TRANSIT), restoration_due=True) == "restoration_due"


def test_a_refusal_is_a_conflict_that_names_rule_and_source() -> None:
    with pytest.raises(RowRefused, match="a row that is MOVED cannot become ACTIVE") as caught:
        require_row_change(state(RowKind.MOVED), state(RowKind.ACTIVE), restoration_due=False)
    assert (caught.value.status, caught.value.code) == (409, "row_kind")
    assert [fault.source for fault in caught.value.faults] == ["Quanyu transfer protocol"]
