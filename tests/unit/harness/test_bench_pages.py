"""What is judged of pages: growth beside the small bed, the late ones, the slowest."""

import pytest

from services.harness.bench import loads
from services.harness.bench.figures import Figures
from services.harness.bench.pages import LARGE, SMALL, Times, show


@pytest.mark.parametrize(("small", "large", "late", "missed"), [
    (0.010, 0.012, 0.012, []),
    (0.010, 0.014, 0.014, ["case: p50"]),
    (0.060, 0.070, 0.070, ["slowest p50, case"]),
    (0.010, 0.012, 9.000, ["case: p99"]),
])  # fmt: skip
def test_each_page_is_judged_by_growth_and_by_its_late_ones(small: float, large: float, late: float, missed: list[str]) -> None:
    figures, times = Figures("pages"), Times()
    for number in range(50):
        times.add(SMALL, "case", small)
        times.add(LARGE, "case", late if number == 0 else large)
        times.add(SMALL, "trace", 0.001)
        times.add(LARGE, "trace", 0.001)
    show(figures, times)
    assert [one.name for one in figures.figures if not one.ok] == missed


def test_residents_and_cases_are_copied_into_households_of_different_numbers() -> None:
    numbers = loads.FIRST_HOUSEHOLD_NO
    assert not any("$first" in one for one in (*loads.residents(9), *loads.finished_cases(9, like="0199")))
    assert any(str(numbers["residents"]) in one for one in loads.residents(9))
    assert any(str(numbers["cases"]) in one for one in loads.finished_cases(9, like="0199"))
