"""Figures beside their floors: what is judged, and that a missed target is said."""

import json

import pytest

from services.harness.bench.figures import Figures, p50, p99
from services.harness.bench.runs import shown
from tests.unit.harness.conftest import Quanyu


def test_with_a_floor_the_ratio_is_judged() -> None:
    figures = Figures("deliver")
    figures.add("near", 20.0, "ms", floor=10.0, at_most=2.5)
    figures.add("far", 30.0, "ms", floor=10.0, at_most=2.5)
    figures.add("slow", 50.0, "messages/s", floor=100.0, at_least=0.75)
    assert [(one.ratio, one.ok) for one in figures.figures] == [(2.0, True), (3.0, False), (0.5, False)]
    assert not figures.ok


def test_without_a_floor_the_value_is_judged_and_without_a_target_nothing() -> None:
    figures = Figures("transfer")
    figures.add("p99", 299.0, "ms", at_most=300)
    figures.add("p50", 5000.0, "ms")
    assert figures.ok
    assert [one.target for one in figures.figures] == ["<= 300", ""]


def test_the_last_line_is_what_a_program_reads() -> None:
    figures = Figures("deliver")
    figures.add("act to commit", 12.3456, "ms", floor=5.0, at_most=2.5)
    told = json.loads(figures.last_line())
    assert (told["bench"], told["ok"]) == ("deliver", True)
    assert told["figures"] == [
        {"name": "act to commit", "value": 12.346, "unit": "ms", "floor": 5.0, "ratio": 2.469, "target": "<= 2.5", "ok": True}
    ]


def test_people_see_which_target_was_missed() -> None:
    figures = Figures("deliver")
    missed = figures.add("sustained", 50.0, "messages/s", floor=100.0, at_least=0.75)
    assert "MISSED" in shown(missed)
    assert "0.50 x 100.00" in shown(missed)


def test_quantiles_lie_between_the_samples() -> None:
    samples = [float(number) for number in range(101)]
    assert (p50(samples), p99(samples)) == (50.0, 99.0)


@pytest.mark.parametrize("name", ["sealing", ""])
def test_a_bench_that_there_is_not_is_wrong_use(quanyu: Quanyu, name: str) -> None:
    ran = quanyu("bench", name)
    assert ran.code == 2
    assert "deliver, transfer, post, growth, pages" in ran.err
