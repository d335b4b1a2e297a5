"""Dated rules of a province (`rules.toml`): what is open between which bureaus from when to when, and on which legal basis.

A rule is data with validity and basis, never code; a fifth bureau or a new date is a new entry.
"""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import BaseModel, Field


class DatedRule(BaseModel, frozen=True):
    """One opening. Divisions are prefixes (GB/T 2260); an empty tuple means all."""

    id: str
    service: str
    categories: frozenset[str]
    from_bureau: str
    to_bureau: str
    from_divisions: tuple[str, ...] = ()
    to_divisions: tuple[str, ...] = ()
    valid_from: date
    valid_until: date | None = None
    basis: str
    basis_en: str
    assumption: str = Field(default="", description="id of the assumption (domain.md 16), when the date is ours")

    def covers(self, movement: "Movement") -> bool:
        """Whether the rule is about this movement at all, on whatever date."""
        return (
            movement.service == self.service
            and movement.category in self.categories
            and (movement.from_bureau, movement.to_bureau) == (self.from_bureau, self.to_bureau)
            and _within(movement.from_division, self.from_divisions)
            and _within(movement.to_division, self.to_divisions)
        )

    def in_force(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """From where to where, for which service and category."""

    service: str
    category: str
    from_bureau: str
    to_bureau: str
    from_division: str
    to_division: str


@dataclass(frozen=True, slots=True)
class Closed:
    """No rule is in force: `next_rule` is the earliest that will open, if any is known."""

    next_rule: DatedRule | None


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All dated rules that a node applies."""

    rules: tuple[DatedRule, ...]

    def find(self, movement: Movement, day: date) -> DatedRule | Closed:
        """The rule in force on `day` for `movement`, or Closed."""
        about = [rule for rule in self.rules if rule.covers(movement)]
        for rule in about:
            if rule.in_force(day):
                return rule
        later = sorted((rule for rule in about if rule.valid_from > day), key=lambda rule: rule.valid_from)
        return Closed(later[0] if later else None)


class _RuleFile(BaseModel):
    rule: tuple[DatedRule, ...]


def _within(division: str, prefixes: tuple[str, ...]) -> bool:
    return not prefixes or division.startswith(prefixes)


def read_rulebook(file: Path) -> RuleBook:
    """Read `rules.toml`: a table array `[[rule]]`. Raises ValueError; pydantic's ValidationError names what is wrong where."""
    return RuleBook(_RuleFile.model_validate(tomllib.loads(file.read_text())).rule)
