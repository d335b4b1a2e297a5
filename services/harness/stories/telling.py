"""How a story is told: for people line by line in two languages, for programs one JSON object a step."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TextIO

from services.bureau.access.calls import ROLE_NAMES
from services.harness.gauge import Reading
from services.harness.stories.player import Row, StoryFailed
from services.harness.stories.script import Part, Script
from shared.database import CHINA
from shared.identifiers.bureau import province_of_bureau
from shared.identifiers.texts import N_
from shared.web.texts import Language, Texts

INDENT = "      "
SHOWN_AS_THEY_ARE = "\n\t\u3000"  # the last is the space of Chinese texts


class Teller:
    """Says texts of ours in both languages, the reader's first."""

    def __init__(self, language: Language = "zh", out: TextIO | None = None) -> None:
        self.language = language
        self.out = out or sys.stdout

    def say(self, message: str, /, **values: str | int) -> None:
        """Two languages on one line; where it has several lines, one after the other."""
        first, second = self._both(message, values)
        if first == second:
            self.write(first)
        elif "\n" in first:
            self.write(first)
            self.write(second)
        else:
            self.write(f"{first} / {second}")

    def write(self, line: str = "") -> None:
        print(visible(line), file=self.out, flush=True)

    def _both(self, message: str, values: Mapping[str, str | int]) -> tuple[str, str]:
        texts = (Texts.zh(message, values), Texts.en(message, values))
        return texts if self.language == "zh" else (texts[1], texts[0])


def visible(text: str) -> str:
    """What no terminal should obey, but show: control characters, say of a file that is no text, as their codes."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in SHOWN_AS_THEY_ARE else one.encode("unicode_escape").decode() for one in text
    )


class StoryTeller(Teller):
    """Tells a story to people: who does what where, the state and message that follow, and how long the machines took."""

    def begins(self, script: Script) -> None:
        self.write()
        self.write(f"■ {script.story.title} / {script.story.title_en}")

    def acts(self, part: Part) -> None:
        step, post = part.step, part.post
        role = ROLE_NAMES.get(post.role, post.role)
        at = step.at.astimezone(CHINA)
        zh = f"{_name(step.bureau)} · {part.station_name} {post.name}（{Texts.zh(role)}）：{Texts.zh(part.act.told)}"
        en = f"{step.bureau.capitalize()}, {post.badge_no} ({role}) {part.act.told}"
        first, second = (zh, en) if self.language == "zh" else (en, zh)
        self.write()
        self.write(f"{at:%Y-%m-%d %H:%M}  {first}")
        self.write(f"{INDENT}{second}")

    def follows(self, row: Row, view: Mapping[str, Any]) -> None:
        if row.state is None and row.message is None:
            return
        label: Mapping[str, Any] = next(iter(view.get("members", [])), {})
        state = f"{row.state or ''} {label.get('label_zh', '')} {label.get('label_en', '')}".strip()
        message = f" ── {row.message} ──▶" if row.message and view else f" ✗ {row.message}" if row.message else ""
        self.write(f"{INDENT}→ {_name(row.bureau)} {row.bureau.capitalize()}: {state}{message}{self._learnt(view)} · {row.ms} ms")

    def _learnt(self, view: Mapping[str, Any]) -> str:
        """What the answer says beside the case: findings at the origin, or what the origin's register told the destination."""
        if view.get("findings") == []:
            return " " + " / ".join(self._both(N_("nothing speaks against the move"), {}))
        told = [one.get("standing", {}).get("kind", one.get("no_answer", "")) for one in view.get("people", [])]
        return " " + ", ".join(told) if told else ""

    def holds(self, message: str, /, **values: str | int) -> None:
        first, second = self._both(message, values)
        self.write(f"✓ {first}")
        self.write(f"  {second}")

    def measured(self, reading: Reading) -> None:
        """What the gauge has seen in all."""
        message = N_(
            "gauge: {samples} instants, {residents} registrations in the end: answered for by nobody {none}, by several {many}"
        )
        self.holds(message, samples=reading.samples, residents=reading.residents, **reading.counts())

    def ended(self, failure: StoryFailed | None) -> None:
        self.write()
        if failure is None:
            self.say(N_("■ the story is complete"))
        else:
            first, second = self._both(failure.message, failure.values)
            self.write(f"✗ {first}\n  {second}")


class JsonTeller(StoryTeller):
    """Tells programs: one JSON object a step on standard error; what people read goes there too, as {"told": …}."""

    def __init__(self, language: Language = "zh") -> None:
        super().__init__(language, sys.stderr)

    def write(self, line: str = "") -> None:
        if line.strip():
            print(json.dumps({"told": line.strip()}, ensure_ascii=False), file=self.out, flush=True)

    def begins(self, script: Script) -> None:
        return

    def acts(self, part: Part) -> None:
        return

    def follows(self, row: Row, view: Mapping[str, Any]) -> None:
        print(json.dumps(asdict(row), ensure_ascii=False), file=self.out, flush=True)


def last_line(story: str, rows: list[Row], reading: Reading | None, failure: StoryFailed | None) -> str:
    """The result for programs, on one line; `error` only where the story failed, `gauge` null where nothing was measured."""
    told: dict[str, Any] = {
        "story": story,
        "ok": failure is None,
        "steps": [asdict(row) for row in rows],
        "gauge": None if reading is None else reading.counts(),
    }
    if failure is not None:
        texts = (Texts.zh(failure.message, failure.values), Texts.en(failure.message, failure.values))
        told["error"] = " / ".join(dict.fromkeys(texts))
    return json.dumps(told, ensure_ascii=False)


def _name(bureau: str) -> str:
    province = province_of_bureau(bureau)
    return bureau if province is None else province.name
