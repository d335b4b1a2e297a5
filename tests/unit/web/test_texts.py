"""Two languages, and nothing that is only in one."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

import shared.web
from shared.web.texts import CATALOGUES, Terms, Texts, _chinese, preferred_language

ROOT = Path(shared.web.__file__).parents[2]


def marked_texts() -> dict[str, str]:
    """Every msgid that the program marks with N_, and a file that does."""
    found = {}
    for folder in ("shared", "services"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "N_":
                    [argument] = node.args
                    assert isinstance(argument, ast.Constant), f"{path}: N_ needs a literal text"
                    found[str(argument.value)] = str(path.relative_to(ROOT))
    return found | texts_of_templates()


def texts_of_templates() -> dict[str, str]:
    """Every text that a template says: `_("…")` or `_('…')`, a literal."""
    found = {}
    for folder in ("shared", "services"):
        for path in sorted((ROOT / folder).rglob("templates/**/*.html")):
            for _, text in re.findall(r"""\b_\(\s*(["'])(.+?)(?<!\\)\1""", path.read_text()):
                found[text] = str(path.relative_to(ROOT))
    return found


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_marked_text_has_a_chinese_translation() -> None:
    missing = {msgid: file for msgid, file in marked_texts().items() if msgid not in _chinese()}
    assert missing == {}


def test_translations_have_the_places_of_their_texts() -> None:
    assert {msgid: zh for msgid, zh in _chinese().items() if places(msgid) != places(zh)} == {}


def test_catalogue_holds_nothing_that_nobody_says() -> None:
    assert set(_chinese()) - set(marked_texts()) == set()


def test_translations_are_chinese() -> None:
    assert [zh for zh in _chinese().values() if not any("\u4e00" <= sign <= "\u9fff" for sign in zh)] == []


def test_no_text_is_translated_twice() -> None:
    said: list[str] = []
    for file in sorted((Path(shared.web.__file__).parent / CATALOGUES).glob("*.po")):
        with file.open("rb") as opened:
            said += [str(message.id) for message in read_po(opened, locale="zh", abort_invalid=True) if message.id]
    assert sorted(said) == sorted(set(said))


def test_text_is_filled_in_both_languages() -> None:
    values = {"actual": "8", "expected": "7"}
    msgid = "check digit is {actual}, should be {expected}"
    assert Texts.en(msgid, values) == "check digit is 8, should be 7"
    assert Texts.zh(msgid, values) == "校验码不符：末位应为 7，实为 8"
    assert Texts.both(msgid, values) == "校验码不符：末位应为 7，实为 8 / check digit is 8, should be 7"
    assert Texts.both(msgid, values, first="en") == "check digit is 8, should be 7 / 校验码不符：末位应为 7，实为 8"
    assert Texts.both(msgid, values, source="GB 11643-1999").startswith("校验码不符：末位应为 7，实为 8（GB 11643-1999） / ")


@pytest.mark.parametrize("values", [{}, {"actual": "{expected}"}, {"actual": "%s {0}"}])
def test_missing_value_or_odd_value_does_not_break_a_text(values: dict[str, str]) -> None:
    text = Texts.en("check digit is {actual}, should be {expected}", values)
    assert text == f"check digit is {values.get('actual', '{actual}')}, should be {{expected}}"


def test_unknown_text_stays_english() -> None:
    assert Texts.zh("nobody has translated {this}", {"this": 1}) == "nobody has translated 1"


def test_value_made_of_our_own_texts_is_said_in_the_readers_language() -> None:
    values = {"roles": Terms(("counter officer", "operator"))}
    assert Texts.en("{roles}", values) == "counter officer, operator"
    assert Texts.zh("{roles}", values) == "窗口民警、运维人员"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "zh"),
        ("", "zh"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.5, zh;q=0.4", "en"),
        ("*", "zh"),
        ("en;q=0", "zh"),
        ("de", "zh"),
        ("en;q=high", "zh"),
        (";;,,;q=", "zh"),
    ],
)
def test_chinese_unless_english_is_wanted_more(header: str | None, language: str) -> None:
    assert preferred_language(header) == language
