"""What a bench tells: figures with their floor, ratio and target; honest when a target is missed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import quantiles
from typing import Literal

Bench = Literal["deliver", "transfer", "post", "growth", "pages"]


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` in `unit`, `floor` likewise, `ratio` = value / floor; `target` bounds the ratio, else the value."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio: float | None = None
    target: str = ""
    ok: bool = True


@dataclass(slots=True)
class Figures:
    """The figures of one bench, in the order in which they were measured."""

    bench: Bench
    figures: list[Figure] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        floor: float | None = None,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> Figure:
        """Note a figure; `at_most` and `at_least` bound the ratio where there is a floor, else the value."""
        ratio = None if floor is None else value / floor
        judged = value if ratio is None else ratio
        ok = (at_most is None or judged <= at_most) and (at_least is None or judged >= at_least)
        bounds = [f"<= {at_most:g}" if at_most is not None else "", f">= {at_least:g}" if at_least is not None else ""]
        target = " ".join(bound for bound in bounds if bound)
        self.figures.append(Figure(name, round(value, 3), unit, _rounded(floor), _rounded(ratio), target, ok))
        return self.figures[-1]

    @property
    def ok(self) -> bool:
        return all(figure.ok for figure in self.figures)

    def last_line(self) -> str:
        """The machine's line: {"bench", "ok", "figures"}."""
        return json.dumps({"bench": self.bench, "ok": self.ok, "figures": [asdict(figure) for figure in self.figures]})


def p50(samples: Sequence[float]) -> float:
    return quantiles(samples, n=100, method="inclusive")[49]


def p99(samples: Sequence[float]) -> float:
    return quantiles(samples, n=100, method="inclusive")[98]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
