"""Geometry of charts: numbers to SVG paths; the templates draw them."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 480, 190  # of the drawing area, in units of the viewBox
TICKS = 3


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines in one scale; `ticks`: height in the drawing and what it stands for; `aim`: height of what is aimed at."""

    lines: Sequence[tuple[str, str]]
    ticks: Sequence[tuple[float, str]]
    aim: float | None = None
    width: int = WIDTH
    height: int = HEIGHT


def line_chart(series: Sequence[tuple[str, Sequence[float | None]]], *, least: float, aim: float | None = None) -> Chart:
    """Lines of values from the oldest to the newest; a gap where there is none. `least`: the top of the scale at least.

    `aim`: what no value should be above; drawn where the scale reaches it."""
    top = _round_up(max([least, *(value for _, values in series for value in values if value is not None)]))
    ticks = [(HEIGHT - HEIGHT * step / TICKS, f"{top * step / TICKS:g}") for step in range(TICKS + 1)]
    aim_at = None if aim is None or aim > top else HEIGHT - HEIGHT * aim / top
    return Chart([(name, _path(values, top)) for name, values in series], ticks, aim_at)


def sparkline(values: Sequence[float | None]) -> Chart:
    """One line without a scale: how it went, not how much it was."""
    return Chart([("spark", _path(values, max([1e-9, *(value for value in values if value is not None)])))], ())


def _path(values: Sequence[float | None], top: float) -> str:
    """Neighbours are joined; a value alone is a short dash, that it be seen."""
    step, drawn, pen_down = WIDTH / max(1, len(values) - 1), "", False
    for place, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        x, y = place * step, HEIGHT - HEIGHT * value / top
        drawn += f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}"
        if not pen_down and (place + 1 == len(values) or values[place + 1] is None):
            drawn += f"h{-4 if place else 4}"
        pen_down = True
    return drawn


def _round_up(top: float) -> float:
    """The next of 3, 6, 9, 15, 30, 60 ... whose thirds are round numbers."""
    size = 0.3
    while True:
        for factor in (1, 2, 3, 5):
            if size * factor >= top:
                return round(size * factor, 6)
        size *= 10


def waterfall(moments: Sequence[float]) -> list[tuple[float, float]]:
    """Of events at these seconds: where each bar begins and how long it is until the next, in hundredths of the whole."""
    if not moments:
        return []
    whole = max(moments[-1] - moments[0], 0.001)
    starts = [(moment - moments[0]) / whole * 99 for moment in moments]
    return [(start, max(1.0, after - start)) for start, after in zip(starts, [*starts[1:], 100.0], strict=True)]
