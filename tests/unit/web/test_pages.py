"""What a template puts into a page is escaped, and holds nothing that cannot be seen."""

from pathlib import Path

import pytest
from starlette.requests import Request

from shared.web import Pages

SAID = {"value": '{{ ui.pill(text) }}<p title="{{ text }}">{{ _("since {day}", day=text) }}</p>'}


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    (tmp_path / "one.html").write_text('{% import "web/macros.html" as ui with context %}' + SAID["value"])
    return Pages({"own": tmp_path}, chrome=lambda request: {"bureau_names": {}, "bureau_badges": {}})


def rendered(pages: Pages, text: str) -> str:
    request = Request({"type": "http", "method": "GET", "path": "/w", "query_string": b"", "headers": [], "scheme": "http"})
    return bytes(pages.render(request, "own/one.html", text=text).body).decode()


@pytest.mark.parametrize("text", ['"><script>alert(1)</script>', "' onclick='x", "</p><b>", "&lt;b&gt;", "{{ 7 * 7 }}", "{text}"])
def test_a_text_stays_a_text(pages: Pages, text: str) -> None:
    page = rendered(pages, text)
    assert page.count("<") == rendered(pages, "x").count("<")
    assert ("49" in page, "onclick='" in page, 'title=""' in page) == (False, False, False)


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200b", "\u00ad", "\0", "\x1b", "\u2028", "\U000e0041"])
def test_what_cannot_be_seen_is_shown_as_something(pages: Pages, hidden: str) -> None:
    """A peer's name could turn around what stands behind it: its state, another name."""
    page = rendered(pages, f"王{hidden}演示")
    assert (hidden in page, page.count("王\ufffd演示")) == (False, 3)


@pytest.mark.parametrize("text", ["王演示", "一\n二\t三", "\U00020000\U000e0100", "王\u3000演示", "é"])
def test_names_and_lines_stay_as_they_are(pages: Pages, text: str) -> None:
    assert rendered(pages, text).count(text) == 3
