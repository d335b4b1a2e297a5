"""Bureaus and the provinces whose registers they keep (provinces.csv): data, so that a fifth bureau is a line."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated

from pydantic import StringConstraints

BUREAU_PATTERN = r"^[a-z][a-z0-9-]{1,30}$"
"""First part of a topic name and of a key id: lower case, no dot, no "#"."""

BureauCode = Annotated[str, StringConstraints(pattern=BUREAU_PATTERN)]


@dataclass(frozen=True, slots=True)
class Province:
    digits: str
    """First two digits of its divisions (GB/T 2260)."""
    bureau: str
    name: str
    short: str
    """The one character of its licence plates."""


def read_rows(file: str) -> list[list[str]]:
    """Read a CSV file of this package without its comment (first) and header (second) lines."""
    text = files("shared.identifiers").joinpath(file).read_text(encoding="utf-8")
    return list(csv.reader(text.splitlines()[2:]))


@cache
def provinces() -> Mapping[str, Province]:
    """The provinces by their two digits, in the order of the file."""
    return MappingProxyType({row[0]: Province(*row) for row in read_rows("provinces.csv")})


def bureau_of_province(digits: str) -> str | None:
    """The bureau that keeps the register of this province, or None if it is not in the federation."""
    province = provinces().get(digits)
    return province.bureau if province else None


def province_of_bureau(bureau: str) -> Province | None:
    return next((province for province in provinces().values() if province.bureau == bureau), None)


def short_name(bureau: str) -> str:
    """The character of its licence plates; of a bureau without a province here, its first letter."""
    province = province_of_bureau(bureau)
    return bureau[:1].upper() if province is None else province.short
