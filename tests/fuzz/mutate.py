"""Wrong inputs out of right ones, seeded: by characters, by JSON members, and inside the segments of a compact JWS."""

import base64
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any, TypeVar

T = TypeVar("T", bytes, str)
Mutation = Callable[[Random, Sequence[Any]], Any]
"""Makes one input out of the samples."""

UNTOUCHED = 0.01  # so many inputs are samples as they are
LONG = 5_000  # more digits than Python turns into a number, more nesting than it follows
SHORT, VERY_LONG = 20, 10_000  # a stretch of at most 20 is also repeated so often: more than a field of a CSV file may have
TOKENS = (
    *(
        "",
        " ",
        "\t",
        "\r\n",
        "\n",
        "\0",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufeff",
        "\u202e",
        "\udc80",
        "\u00e9",
        "e\u0301",
        "\uff11",
        "\u0661",
        "²",
    ),
    *("王", "㐀", "𠮷", "\U0010ffff", "ß", "İ", "ſ", "K", "，", "·"),
    *(
        "0",
        "-0",
        "-1",
        "1e9",
        "1.5",
        "9" * 20,
        "9" * LONG,
        str(2**31),
        str(2**53),
        str(2**63),
        str(-(2**63) - 1),
        "NaN",
        "-Infinity",
    ),
    *(
        "null",
        "true",
        "[]",
        "{}",
        '""',
        "[" * LONG,
        '{"a":' * LONG,
        '"',
        "'",
        "\\",
        "\\u0000",
        "\\ud800",
        "{0}",
        "{a.__class__}",
        "%s",
    ),
    *(".", ",", ";", ":", "=", "#", "-", "_", "--", "..", "/", "//", "..", "eyJ9", "AAAA", "====", "q=", "Bearer "),
    *("0000-00-00", "9999-12-31", "2024-02-29", "2020-12-28T10:15:00+08:00", "00000000-0000-0000-0000-000000000000", "x" * 300),
)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, -(2**63) - 1, 10**400, 1.5, 1e308, float("nan"), float("inf")),
    *([], {}, [[]], [None] * 60, {"": ""}, {"a": {"b": [1]}}),
    *TOKENS,
)


def by_character(random: Random, samples: Sequence[T]) -> T:
    """One to six changes: a bit, a cut, a doubled stretch, a token, a stretch of another sample."""
    text = random.choice(samples)
    if random.random() < UNTOUCHED:
        return text
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        text = _changed(random, text, samples)
    return text


def _changed(random: Random, text: T, samples: Sequence[T]) -> T:
    start = random.randrange(len(text) + 1)
    end = min(len(text), start + random.choice((0, 1, 1, 2, 4, 16, 1000)))
    again = random.choice((2, 3, 50, VERY_LONG if end - start <= SHORT else 1))
    match random.randrange(7):
        case 0 if start < len(text):
            return text[:start] + _flipped(random, text, start) + text[start + 1 :]
        case 1:
            return text[:start]
        case 2:
            return text[:start] + text[end:]
        case 3:
            return text[:start] + text[start:end] * again + text[end:]
        case 4:
            other = random.choice(samples)
            begin = random.randrange(len(other) + 1)
            return text[:start] + other[begin : begin + random.choice((1, 8, 64, 4096))] + text[end:]
        case 5 if isinstance(text, bytes):
            return text[:start] + random.randbytes(random.choice((1, 2, 8))) + text[end:]
        case _:
            return text[:start] + _as(text, random.choice(TOKENS)) + text[end:]


def _flipped(random: Random, text: T, at: int) -> T:
    if isinstance(text, bytes):
        return bytes([text[at] ^ 1 << random.randrange(8)])
    return chr((ord(text[at]) ^ 1 << random.randrange(17)) % 0x110000)


def _as(like: T, token: str) -> T:
    return token.encode("utf-8", "surrogatepass") if isinstance(like, bytes) else token


def members(random: Random, value: Any, samples: Sequence[Any]) -> Any:
    """A JSON value in which one to three members are replaced, taken out, added, or exchanged for another sample's."""
    value = deepcopy(value)
    for _ in range(random.choice((1, 1, 2, 3))):
        places = list(_places(value))
        if not places:
            return deepcopy(random.choice(ODD_VALUES))
        holder, name = random.choice(places)
        match random.randrange(6):
            case 0:
                del holder[name]
            case 1 if isinstance(holder, dict):
                holder[random.choice(TOKENS)] = deepcopy(random.choice(ODD_VALUES))
            case 2 if isinstance(holder[name], str):
                holder[name] = by_character(random, [holder[name]])
            case 3:
                other, theirs = random.choice(list(_places(random.choice(samples))) or [(holder, name)])
                holder[name] = deepcopy(other[theirs])
            case 4 if isinstance(holder, list):
                holder.extend(deepcopy(holder[:60]))
            case _:
                holder[name] = deepcopy(random.choice(ODD_VALUES))
    return value


def _places(value: Any) -> Any:
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield value, name
            yield from _places(value[name])


def by_member(random: Random, samples: Sequence[bytes]) -> bytes:
    """A JSON text: its members changed, or, one time in four, its characters."""
    if random.random() < 0.25:
        return by_character(random, samples)
    values = [json.loads(one) for one in random.choices(samples, k=2)]
    return written(members(random, values[0], values))


def written(value: Any) -> bytes:
    """As JSON; lone surrogates escaped, as a careless sender's library would."""
    return json.dumps(value).encode()


def by_segment(random: Random, samples: Sequence[bytes]) -> bytes:
    """A compact token: the JSON in one of its segments changed and encoded again, or, one time in four, its characters."""
    if random.random() < 0.25:
        return by_character(random, samples)
    segments = random.choice(samples).split(b".")
    at = random.randrange(len(segments))
    try:
        inside = unbase64(segments[at])
        segments[at] = base64url(by_member(random, [inside]))
    except ValueError:  # what is signature or ciphertext
        segments[at] = by_character(random, [segments[at]])
    return b".".join(segments)


def base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def unbase64(segment: bytes) -> bytes:
    return base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
