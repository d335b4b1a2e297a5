"""Forms and addresses as no page of ours would send them: refused with words, and nothing breaks."""

import html

import pytest

from tests.node.browser import Browser, form_to
from tests.node.bureau import Bureau
from tests.node.conftest import Browse
from tests.node.console.letters import from_the_future
from tests.node.transfers.cases import AUDITOR, COUNTER, O_OPERATOR, OPERATOR, at_destination, certified

BOUNDARY = "x" * 20
FAR = "9" * 18  # beyond PostgreSQL's integer, and the longest that a form's number may be
FARTHER = "9" * 5000  # beyond what Python reads as a number


def files(charset: str) -> tuple[bytes, dict[str, str]]:
    """A form as one with files is sent, in a charset of the sender's."""
    value = b"\\ud800"
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="apply_no"\r\n\r\n'.encode()
    body = part + value + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}; charset={charset}"
    return body, {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize("charset", ["utf-8", "unicode_escape", "punycode", "idna", "undefined"])
@pytest.mark.parametrize("path", ["/c/track", "/login/post", "/w/search"])
async def test_a_form_with_files_is_not_even_read(quiet_shanghai: Bureau, browse: Browse, path: str, charset: str) -> None:
    browser = await browse(quiet_shanghai, COUNTER)
    body, headers = files(charset)
    answer = await browser.client.post(path, content=body, headers=headers)
    assert (answer.status_code, "带文件的表单" in answer.text) == (422, True)


@pytest.mark.parametrize("seen", ["", "-1", "٣", "2147483648", FAR, FARTHER])
async def test_a_version_that_no_case_has_is_a_case_that_has_changed(shanghai: Bureau, browse: Browse, seen: str) -> None:
    case = await at_destination(shanghai, "DRAFT")
    before = await shanghai.fingerprint()
    browser = await browse(shanghai, COUNTER)
    answer = await browser.send(f"/w/case/{case}/accept", {"version": seen, "once": "a-key"})
    assert answer.status_code == 409
    assert {name for name, digest in (await shanghai.fingerprint()).items() if before[name] != digest} <= {"login_session"}


@pytest.mark.parametrize("place", ["0", "51", FAR, FARTHER, "٣", "-1", ""])
async def test_a_place_that_no_case_has_signs_nothing(shanghai: Bureau, browse: Browse, place: str) -> None:
    case, _ = await certified(shanghai)
    browser = await browse(shanghai, COUNTER, step_up=True)
    path = f"/w/case/{case}/settle"
    form = {name: value for name, value in form_to(await browser.get(path), path).fields.items() if not name.startswith("member")}
    assert (await browser.send(path, form | {f"member-{place}": "signed"})).status_code in (409, 422)
    assert set((await shanghai.states(case)).values()) == {"CERTIFIED"}


@pytest.mark.parametrize("go", [f"remove.{FAR}", f"remove.{FARTHER}", "remove.٣", "remove.", "elsewhere"])
async def test_a_member_that_is_not_there_cannot_be_removed(quiet_shanghai: Bureau, browse: Browse, go: str) -> None:
    browser = await browse(quiet_shanghai, COUNTER)
    begun = await browser.send("/w/intake")
    draft = begun.headers["location"].removesuffix("/applicant")
    answer = await browser.send(f"{draft}/members", {"members.0.name": "周小明", "go": go})
    assert answer.status_code == 303
    assert "周小明" in (await browser.get(f"{draft}/members")).text


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("actor", "\0"), ("action", "\0"), ("actor", "\u202e31001"), ("day", "0001-01-01"), ("day", "9999-12-31"),
        ("day", "1899-12-31"), ("before", FARTHER), ("before", "-1"), ("case", "{0}"),
    ],
)  # fmt: skip
async def test_the_audit_log_is_not_searched_for_what_cannot_be(
    quiet_shanghai: Bureau, browse: Browse, name: str, typed: str
) -> None:
    browser = await browse(quiet_shanghai, AUDITOR)
    answer = await browser.client.get("/ops/audit", params={name: typed})
    assert (answer.status_code, f'href="#{name}"' in answer.text) == (422, True)
    assert (await browser.client.get("/ops/audit", params={"day": "2020-12-28", "actor": "x" * 9000})).status_code == 200


async def test_a_letter_is_not_closed_with_a_reason_that_cannot_be_read(zhejiang: Bureau, browse: Browse) -> None:
    browser = await browse(zhejiang, O_OPERATOR)
    await from_the_future(zhejiang)
    (number,) = [row.id for row in await zhejiang.rows("SELECT id FROM dead_letter")]
    for reason in ("\0", "a\u202eb"):
        assert (await browser.send(f"/ops/dlq/{number}/skip", {"reason": reason})).status_code == 422
    assert (await browser.send(f"/ops/dlq/{number}/skip", {"reason": "一\r\n二"})).status_code == 303


async def test_a_reason_may_have_lines_as_a_browser_sends_them(shanghai: Bureau, browse: Browse) -> None:
    case = await at_destination(shanghai, "ACCEPTED")
    browser = await browse(shanghai, COUNTER)
    path = f"/w/case/{case}/ask-supplement"
    form = form_to(await browser.get(path), path).fields
    answer = await browser.send(path, form | {"missing": "结婚证原件\r\n户口簿"}, follow=True)
    assert (answer.status_code, html.unescape(answer.text).count("结婚证原件\n户口簿")) == (200, 1)


async def test_a_key_stands_for_every_field_also_for_one_that_comes_twice(quiet_shanghai: Bureau, browse: Browse) -> None:
    browser: Browser = await browse(quiet_shanghai, OPERATOR)
    sent = {"once": "a-key-of-letters", "letter": ["7", "8"]}
    assert (await browser.send("/ops/dlq/replay", sent)).status_code == 200
    assert (await browser.send("/ops/dlq/replay", sent)).status_code == 200
    other = await browser.send("/ops/dlq/replay", sent | {"letter": ["6", "8"]})
    assert other.status_code == 422
