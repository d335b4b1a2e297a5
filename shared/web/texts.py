"""Texts for people, through gettext: English is the key, Chinese stands in the files of locale/zh/LC_MESSAGES."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Formatter
from types import MappingProxyType
from typing import Any, Literal

from babel.messages.pofile import read_po

Language = Literal["zh", "en"]
CATALOGUES = "locale/zh/LC_MESSAGES"


@dataclass(frozen=True, slots=True)
class Terms:
    """A value that is itself made of texts of ours (roles, states), said in the reader's language."""

    msgids: tuple[str, ...]

    def zh(self) -> str:
        return "、".join(Texts.zh(msgid) for msgid in self.msgids)

    def en(self) -> str:
        return ", ".join(self.msgids)


Values = Mapping[str, str | int | Terms]
NO_VALUES: Values = MappingProxyType({})


class _Filling(Formatter):
    """Fills {named} places; a place without a value stays visible, because a text is no reason to fail."""

    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), "{" + str(key) + "}")


class Texts:
    """The two languages. A msgid without translation is shown in English (a test keeps that from happening)."""

    @staticmethod
    def zh(msgid: str, values: Values = NO_VALUES) -> str:
        said = {name: value.zh() if isinstance(value, Terms) else value for name, value in values.items()}
        return _Filling().vformat(_chinese().get(msgid, msgid), (), said)

    @staticmethod
    def en(msgid: str, values: Values = NO_VALUES) -> str:
        said = {name: value.en() if isinstance(value, Terms) else value for name, value in values.items()}
        return _Filling().vformat(msgid, (), said)

    @staticmethod
    def both(msgid: str, values: Values = NO_VALUES, *, first: Language = "zh", source: str = "") -> str:
        """Return "zh / en", or the other way round; `source` (a law or standard) stands behind the Chinese."""
        zh = Texts.zh(msgid, values) + (f"（{source}）" if source else "")
        texts = (zh, Texts.en(msgid, values))
        return " / ".join(texts if first == "zh" else texts[::-1])


@cache
def _chinese() -> Mapping[str, str]:
    """Read once, at the first text that somebody needs; the file is data of the program and does not change."""
    said: dict[str, str] = {}
    for file in (files("shared.web") / CATALOGUES).iterdir():
        if file.name.endswith(".po"):
            with file.open("rb") as opened:
                catalogue = read_po(opened, locale="zh", abort_invalid=True)
            said |= {str(message.id): str(message.string) for message in catalogue if message.id and message.string}
    return MappingProxyType(said)


def preferred_language(accept_language: str | None) -> Language:
    """Chinese, unless `Accept-Language` (RFC 9110 12.5.4) wants English more."""
    weights: dict[str, float] = {}
    for part in (accept_language or "").split(","):
        tag, _, parameters = part.strip().partition(";")
        weight = parameters.strip().removeprefix("q=") or "1"
        if weight.replace(".", "", 1).isdecimal():
            weights.setdefault(tag.lower().partition("-")[0], float(weight))
    return "en" if weights.get("en", 0.0) > weights.get("zh", weights.get("*", 0.0)) else "zh"
