"""Charts: what is drawn of values, and of what is aimed at."""

import pytest

from services.bureau.console.pages.charts import HEIGHT, line_chart


@pytest.mark.parametrize(
    ("values", "aim", "aim_at"),
    [
        ([0.1, 0.2], 5, None),  # far below: the scale does not reach it
        ([0.1, 6.0], 3, HEIGHT / 2),  # the scale ends at 6
        ([0.1, 6.0], None, None),
    ],
)
def test_what_is_aimed_at_is_drawn_where_the_scale_reaches_it(
    values: list[float | None], aim: float | None, aim_at: float | None
) -> None:
    assert line_chart([("line", values)], least=0.3, aim=aim).aim == aim_at


def test_a_gap_is_no_line_and_a_value_alone_is_seen() -> None:
    ((name, path),) = line_chart([("line", [1.0, None, 2.0, 3.0])], least=3).lines
    assert (name, path.count("M"), path.count("h"), path.count("L")) == ("line", 2, 1, 1)
