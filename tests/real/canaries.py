"""Canary persons: recognisable texts that are a person's, and the search for them in bytes, however they are written."""

import base64
import mmap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.identifiers.citizen_id import check_digit

FORMS = ("utf-8", "utf-16-le", "utf-16-be", "gbk")
READ_WHOLE_BYTES = 64  # an empty file cannot be mapped, a tiny one need not be


def _number(first17: str) -> str:
    return first17 + check_digit(first17)


@dataclass(frozen=True)
class Canaries:
    """What is said of two persons and their homes in one transfer, and nowhere else in the world of the tests."""

    id_no: str = _number("33048219871231462")
    name: str = "金丝雀啼"
    phone: str = "13987654321"
    old_address: str = "乍浦镇啼鸣弄七十七号"
    new_address: str = "吕巷镇栖枝巷八十八号"
    reason: str = "因羽毛脱落而投靠"
    remark: str = "此鸟不可外传"
    sponsor_id_no: str = _number("31011619860229451".replace("0229", "0228"))
    sponsor_name: str = "枝头栖雀"

    def texts(self) -> Mapping[str, str]:
        return dict(vars(self))


def written(text: str) -> dict[str, bytes]:
    """The text in every form in which it could lie in a file: name of the form -> its bytes."""
    forms = {form: text.encode(form) for form in FORMS}
    escaped = "".join(f"\\u{ord(one):04x}" for one in text)
    if not text.isascii():
        forms |= {"JSON escapes": escaped.encode(), "JSON escapes, upper case": escaped.upper().replace("\\U", "\\u").encode()}
    raw = text.encode()
    forms |= {"hex": raw.hex().encode(), "hex, upper case": raw.hex().upper().encode()}
    for at in range(3):
        forms |= {f"base64 at {at}": _base64(raw, at), f"base64url at {at}": _base64(raw, at).translate(_URL_SAFE)}
    return forms


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _base64(raw: bytes, at: int) -> bytes:
    """The characters that stand for `raw` alone, when `at` bytes precede it in its group of three."""
    whole = base64.b64encode(bytes(at) + raw)
    first = (0, 2, 3)[at]  # what shares bits with the bytes before
    last = (at + len(raw)) * 8 // 6  # what shares bits with those behind is left out
    return whole[first:last]


@dataclass
class Search:
    """What was looked through, and what was found where."""

    needles: dict[bytes, str]
    files: int = 0
    size_bytes: int = 0
    found: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, canaries: Mapping[str, str]) -> "Search":
        needles: dict[bytes, str] = {}
        for name, text in canaries.items():
            for how, form in written(text).items():
                needles.setdefault(form, f"{name} as {how}")  # one form may be another's too
        return cls(needles)

    def through(self, content: bytes | mmap.mmap, where: str) -> None:
        self.size_bytes += len(content)
        self.found += [f"{what} in {where}" for needle, what in self.needles.items() if content.find(needle) >= 0]

    def through_files(self, files: Iterable[Path], root: Path) -> None:
        for file in files:
            self.files += 1
            with file.open("rb") as opened:
                if file.stat().st_size < READ_WHOLE_BYTES:
                    self.through(opened.read(), str(file.relative_to(root)))
                    continue
                with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    self.through(content, str(file.relative_to(root)))


def files_below(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if file.is_file() and not file.is_symlink())
