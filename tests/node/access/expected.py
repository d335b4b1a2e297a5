"""The matrix that was written down by hand: `expected_routes.csv` for programs, `expected_pages.csv` for browsers."""

import csv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
POSTS = (
    *("counter own", "counter near", "counter far", "verifier own", "verifier near", "verifier far"),
    *("office own", "office far", "hrss own", "hrss far", "operator", "auditor"),
)
# Who holds which post, seen from Lvxiang (310116910000) and from Zhapu (330482910000): posts.csv of both provinces.
OFFICERS = {
    "D": dict(
        zip(
            POSTS,
            (
                "D31001",
                "D31011",
                "D31013",
                "D31002",
                "D31012",
                "D31014",
                "D31003",
                "D31023",
                "D31004",
                "D31024",
                "D31005",
                "D31006",
            ),
            strict=True,
        )
    ),
    "O": dict(
        zip(
            POSTS,
            (
                "D33001",
                "D33011",
                "D33013",
                "D33002",
                "D33012",
                "D33014",
                "D33003",
                "D33019",
                "D33004",
                "D33020",
                "D33005",
                "D33006",
            ),
            strict=True,
        )
    ),
}


@dataclass(frozen=True)
class Route:
    """One line: the route, its action, whose case or person it is about, and the posts that may."""

    name: str
    action: str
    about: str
    allowed: frozenset[str]

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.name.partition(" ")[2]


def _read() -> tuple[Route, ...]:
    lines = [line for line in (HERE / "expected_routes.csv").read_text().splitlines() if not line.startswith("#")]
    return tuple(
        Route(row["route"], row["action"], row["case"], frozenset(post for post in POSTS if row[post] == "y"))
        for row in csv.DictReader(lines)
    )


ROUTES = _read()


def _read_pages() -> dict[str, str]:
    lines = [line for line in (HERE / "expected_pages.csv").read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    pages = {row["route"]: row["action"] for row in rows}
    if len(pages) != len(rows):
        raise ValueError("a page is listed twice in expected_pages.csv")
    return pages


PAGES = _read_pages()
"""Route -> action, or "public"."""
