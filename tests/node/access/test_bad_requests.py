"""Whatever is sent, a node answers with a problem that says what is wrong, in both languages; never a 500, nothing half-done."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.node.access.expected import OFFICERS, ROUTES, Route
from tests.node.bureau import Bureau, faults
from tests.node.people import WANG
from tests.node.transfers.cases import CASES, COUNTER, application

KIB = 1024
CASE = "01936e00-0000-7000-8000-000000000001"
WITH_BODY = [route for route in ROUTES if route.method == "POST"]
DEEP = 100_000


def nested(levels: int) -> bytes:
    return b'{"category":' + b"[" * levels + b"]" * levels + b"}"


def padded(size: int) -> bytes:
    """The application with a surprise that makes it exactly so many bytes."""
    text = json.dumps(application() | {"surprise": ""})
    return json.dumps(application() | {"surprise": "x" * (size - len(text))}).encode()


BODIES: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"category=KINSHIP",
    "half a JSON": b'{"category": "KIN',
    "not UTF-8": b'{"reason": "\xff\xfe"}',
    "a byte order mark": b'\xef\xbb\xbf{"reason": "a"}',
    "a NUL byte": b'{"reason": "a\x00b"}',
    "an escaped NUL": b'{"reason": "a\\u0000b", "missing": "a\\u0000b", "code": "a\\u0000"}',
    "half a surrogate": b'{"reason": "\\ud800", "missing": "\\ud800"}',
    "half a surrogate as a name": b'{"\\ud800": 1}',
    "null": b"null",
    "a list": b"[]",
    "a number": b"1e999",
    "not a number": b"NaN",
    "infinity": b'{"letters": [Infinity], "signed": [-Infinity]}',
    "a huge number": b'{"letters": [' + b"9" * 4000 + b'], "signed": [' + b"9" * 4000 + b"]}",
    "a number past all limits": b'{"letters": [' + b"9" * 5000 + b'], "signed": [' + b"9" * 5000 + b"]}",
    "past bigint": b'{"letters": [9223372036854775808], "signed": [9223372036854775808]}',
    "deeply nested": nested(900),
    "far too deeply nested": nested(DEEP),
    "unknown members": b'{"surprise": {"a": [1, {"b": null}]}}',
    "many unknown members": json.dumps({f"surprise{number}": number for number in range(3000)}).encode(),
    "a member twice": b'{"reason": "a", "reason": 1, "missing": 1, "code": 1}',
}


def path_of(route: Route) -> str:
    return route.path.replace("{case}", CASE).replace("{letter}", "1").replace("{hold_id}", CASE)


def officer_of(route: Route) -> str:
    side = "O" if route.about.startswith("O") else "D"
    return OFFICERS[side][sorted(route.allowed)[0]]


def bureau_of(route: Route, shanghai: Bureau, zhejiang: Bureau) -> Bureau:
    return zhejiang if route.about.startswith("O") else shanghai


@pytest.mark.parametrize("body", BODIES, ids=lambda name: name)
async def test_no_body_breaks_any_route(quiet_shanghai: Bureau, quiet_zhejiang: Bureau, body: str) -> None:
    for route in WITH_BODY:
        bureau = bureau_of(route, quiet_shanghai, quiet_zhejiang)
        answer = await bureau.ask(officer_of(route), "POST", path_of(route), BODIES[body])
        assert 400 <= answer.status_code < 500, f"{route.name}: {answer.status_code} {answer.text}"
        faults(answer)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_wrong_media_type_is_no_form(quiet_shanghai: Bureau, media_type: str) -> None:
    body = json.dumps(application()).encode()
    answer = await quiet_shanghai.ask(COUNTER, "POST", CASES, body, Content_Type=media_type)
    assert (answer.status_code, faults(answer)) == (422, [("Content-Type", "content_type")])
    assert await quiet_shanghai.rows("SELECT * FROM transfer_case") == []


async def test_what_is_no_json_is_said_as_such(quiet_shanghai: Bureau) -> None:
    broken = await quiet_shanghai.ask(COUNTER, "POST", CASES, b'{"category": KIN')
    assert (broken.status_code, faults(broken)) == (422, [("", "json_invalid")])
    assert "第 13 个字符" in broken.json()["detail"]
    deep = await quiet_shanghai.ask(COUNTER, "POST", CASES, nested(DEEP))
    assert (deep.status_code, faults(deep)) == (400, [("", "body")])


async def test_a_wrong_method_is_told_the_right_ones(quiet_shanghai: Bureau) -> None:
    answer = await quiet_shanghai.ask(COUNTER, "DELETE", CASES)
    assert (answer.status_code, faults(answer)) == (405, [("", "method")])
    assert "POST" in answer.json()["detail"] or "GET" in answer.json()["detail"]


# ---- size ---------------------------------------------------------------------------------------------------------------


async def test_five_hundred_kib_are_read_and_judged(quiet_shanghai: Bureau) -> None:
    answer = await quiet_shanghai.ask(COUNTER, "POST", CASES, padded(500 * KIB))
    assert (answer.status_code, faults(answer)) == (422, [("surprise", "extra_forbidden")])


@pytest.mark.parametrize("size", [500 * KIB + 1, 501 * KIB, 5000 * KIB])
async def test_more_is_too_large(quiet_shanghai: Bureau, size: int) -> None:
    answer = await quiet_shanghai.ask(COUNTER, "POST", CASES, padded(size))
    assert (answer.status_code, faults(answer)) == (413, [("", "body_too_large")])
    assert "500 KiB" in answer.json()["errors"][0]["zh"]
    assert await quiet_shanghai.rows("SELECT * FROM transfer_case") == []


async def test_more_is_too_large_also_when_nobody_says_how_much_it_is(quiet_shanghai: Bureau) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        body = padded(501 * KIB)
        for start in range(0, len(body), 64 * KIB):
            yield body[start : start + 64 * KIB]

    headers = {"Authorization": f"Bearer {await quiet_shanghai.token(COUNTER)}", "Content-Type": "application/json"}
    answer = await quiet_shanghai.web.post(CASES, content=chunks(), headers=headers)
    assert (answer.status_code, faults(answer)) == (413, [("", "body_too_large")])


async def test_size_is_judged_before_anybody_is_asked_who_he_is(quiet_shanghai: Bureau) -> None:
    answer = await quiet_shanghai.web.post(CASES, content=padded(501 * KIB), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


# ---- addresses and headers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/nothing", "/api/v1/transfers/", "/api/v2/transfers", "/%00", "/.env"])
async def test_an_unknown_address_is_not_found(quiet_shanghai: Bureau, path: str) -> None:
    answer = await quiet_shanghai.ask(COUNTER, "GET", path)
    assert answer.status_code in (307, 404)
    if answer.status_code == 404:
        faults(answer)


@pytest.mark.parametrize(("method", "path"), [("PUT", CASES), ("DELETE", f"{CASES}/{CASE}"), ("PATCH", "/api/v1/holds")])
async def test_an_unknown_method_is_said(quiet_shanghai: Bureau, method: str, path: str) -> None:
    answer = await quiet_shanghai.ask(COUNTER, method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"]


@pytest.mark.parametrize("number", ["0", "-1", "9" * 18, "9" * 400, "9" * 5000, "one", "1.5", "%00"])
@pytest.mark.parametrize("path", ["/.well-known/quanyu/trust-list/{}", "/api/v1/operations/dead-letters?after={}"])
async def test_no_number_in_an_address_breaks_it(quiet_shanghai: Bureau, path: str, number: str) -> None:
    answer = await quiet_shanghai.ask("D31005", "GET", path.format(number))
    assert answer.status_code in (200, 404, 422), answer.text


@pytest.mark.parametrize("number", ["0", "9223372036854775807", "9223372036854775808", "9" * 400, "one"])
@pytest.mark.parametrize("act", ["preview", "skip"])
async def test_no_number_of_a_letter_breaks_it(quiet_shanghai: Bureau, act: str, number: str) -> None:
    path = f"/api/v1/operations/dead-letters/{number}/{act}"
    answer = await quiet_shanghai.ask("D31005", "POST", path, {"reason": "演示"} if act == "skip" else None)
    assert answer.status_code in (404, 422), answer.text
    faults(answer)


@pytest.mark.parametrize(
    ("headers", "field", "rule"),
    [
        ({"Quanyu_Purpose": "curiosity"}, "Quanyu-Purpose", "unknown_purpose"),
        ({"Quanyu_Purpose": ""}, "Quanyu-Purpose", "unknown_purpose"),
        ({"Quanyu_Case": "QY310116"}, "Quanyu-Case", "case_form"),
        ({"Quanyu_Case": ""}, "Quanyu-Case", "case_form"),
    ],
)
async def test_a_header_that_cannot_be_read_is_named(
    quiet_shanghai: Bureau, headers: dict[str, str], field: str, rule: str
) -> None:
    answer = await quiet_shanghai.ask(COUNTER, "GET", CASES, **headers)
    assert (answer.status_code, faults(answer)) == (400, [(field, rule)])


@pytest.mark.parametrize(
    "query",
    [
        "citizen_id_no=",
        "citizen_id_no=1",
        "citizen_id_no=%00",
        "citizen_id_no=" + "9" * 6000,
        "citizen_id_no=330482199003070288",  # its check digit is wrong
        "citizen_id_no=%ff%fe",
        "",
    ],
)
async def test_no_query_breaks_the_search_for_a_person(quiet_shanghai: Bureau, query: str) -> None:
    headers = {"Quanyu_Purpose": "household_transfer", "Quanyu_Case": CASE}
    answer = await quiet_shanghai.ask(COUNTER, "GET", f"/api/v1/residents?{query}", **headers)
    assert answer.status_code == 422, answer.text
    assert [field for field, _ in faults(answer)] == ["citizen_id_no"]


async def test_no_problem_repeats_what_was_entered(quiet_shanghai: Bureau) -> None:
    secret = application() | {"applicant": {"citizen_id_no": WANG.citizen_id_no[:-1] + "0", "name": ["王演示"]}}
    answer = await quiet_shanghai.ask(COUNTER, "POST", CASES, secret)
    assert answer.status_code == 422
    assert WANG.citizen_id_no[:-1] not in answer.text
    assert "王演示" not in answer.text


@pytest.mark.parametrize("language", ["en", "zh-CN,zh;q=0.9", "en;q=0.1, zh", "xx", "en;q=oops", "", "en" * 4000])
async def test_no_wish_for_a_language_breaks_a_problem(quiet_shanghai: Bureau, language: str) -> None:
    answer: Any = await quiet_shanghai.ask(COUNTER, "POST", CASES, {}, Accept_Language=language)
    assert answer.status_code == 422
