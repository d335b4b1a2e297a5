"""The pages of operators and auditors: who may open them, that they count what is there, and what they do to dead letters."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import TextClause
from uuid_utils.compat import uuid7

from services.bureau.console.acts.self_test import WHOLE_SECONDS
from services.bureau.console.pages.charts import line_chart, waterfall
from services.bureau.worker import Worker
from shared.contract.questions import PlaceState, TransferState, TransferStateAnswer
from shared.messaging.bus import Record
from shared.messaging.statements import PEER_ANSWERED, PEER_HEARD, PEER_OPENED, PEER_TRIED
from shared.peers.client import DOOR_ERROR
from shared.peers.lists import LIST_PATH
from tests.node.browser import Browser, form_to
from tests.node.bureau import Bureau
from tests.node.console.letters import from_the_future
from tests.node.transfers.cases import approved, at_origin

OPERATOR, AUDITOR, COUNTER = "D33005", "D33006", "D33001"
OPERATORS_PAGES = ("", "?wall=1", "/peers", "/peers/shanghai", "/outbox", "/inbox", "/owed", "/dlq", "/timers", "/about")
WEIGHT_MAX_BYTES = 60_000


@pytest.fixture
async def browser(zhejiang: Bureau) -> AsyncIterator[Browser]:
    opened = Browser(zhejiang)
    yield opened
    await opened.close()


async def rubbish(zhejiang: Bureau, letters: int) -> None:
    for place in range(letters):
        await zhejiang.deliver(Record("zhejiang.transfers", "k", {"ce_source": "shanghai"}, f"no envelope {place}".encode()))


@pytest.mark.parametrize("path", [f"/ops{one}" for one in OPERATORS_PAGES])
async def test_operators_pages_are_for_operators_in_both_languages(browser: Browser, path: str) -> None:
    joined = "&" if "?" in path else "?"
    assert (await browser.get(path)).headers["location"].startswith("/login")
    for other in (COUNTER, AUDITOR):
        await browser.log_in(other)
        assert (await browser.get(path)).status_code == 403
    await browser.log_in(OPERATOR)
    assert (await browser.get(f"{path}{joined}lang=zh")).status_code == 200
    english = await browser.get(f"{path}{joined}lang=en")
    assert english.status_code == 200
    assert "style=" not in english.text
    assert len(english.content) < WEIGHT_MAX_BYTES


async def test_the_audit_log_is_for_auditors(browser: Browser, zhejiang: Bureau) -> None:
    await browser.log_in(OPERATOR)
    assert (await browser.get("/ops/audit")).status_code == 403
    await browser.log_in(AUDITOR)
    shown = await browser.get("/ops/audit?lang=en&actor=D33005")
    assert shown.status_code == 200
    assert "D33005" in shown.text
    assert len(await zhejiang.audit("audit.read")) == 2  # the operator's denial, and the auditor's search


async def test_a_search_that_cannot_be_read_keeps_what_was_typed(browser: Browser) -> None:
    await browser.log_in(AUDITOR)
    shown = await browser.get("/ops/audit?case=nobody&day=2020-13-01&before=%C2%B2")
    assert shown.status_code == 422
    assert all(f'href="#{name}"' in shown.text for name in ("case", "day", "before"))
    assert 'value="nobody"' in shown.text


async def test_letters_on_the_page_are_those_that_are_there(browser: Browser, zhejiang: Bureau) -> None:
    await rubbish(zhejiang, 3)
    await browser.log_in(OPERATOR)
    page = await browser.get("/ops/dlq")
    assert page.text.count('name="letter"') == (await zhejiang.one("SELECT count(*) AS n FROM dead_letter")).n == 3
    assert "<b>3</b>" in (await browser.get("/ops")).text


async def test_each_chosen_letter_is_replayed_and_what_it_gave_is_listed(browser: Browser, zhejiang: Bureau) -> None:
    await from_the_future(zhejiang)
    zhejiang.machine.offset = timedelta(0)
    await rubbish(zhejiang, 1)
    good, bad = (row.id for row in await zhejiang.rows("SELECT id FROM dead_letter ORDER BY id"))
    await browser.log_in(OPERATOR)
    form = form_to(await browser.get("/ops/dlq"), "/ops/dlq/replay")
    chosen = {**form.fields, "letter": [str(good), str(bad), "999"]}
    first = await browser.send("/ops/dlq/replay", chosen)
    results = re.search(r'role="status">.*?</ul>', first.text, re.DOTALL)
    assert results is not None
    assert "applied" in results[0]
    assert "no_such_letter" in results[0]
    assert results[0].count("<li>") == 3
    again = await browser.send("/ops/dlq/replay", chosen)
    assert results[0] in again.text
    assert len(await zhejiang.rows("SELECT * FROM transfer_case")) == 1


@pytest.mark.parametrize("chosen", [[], ["x"], [str(one) for one in range(1, 102)]])
async def test_a_replay_of_nothing_or_of_too_many_is_refused(browser: Browser, zhejiang: Bureau, chosen: list[str]) -> None:
    await rubbish(zhejiang, 1)
    await browser.log_in(OPERATOR)
    refused = await browser.send("/ops/dlq/replay", {"letter": chosen})
    assert refused.status_code == 422
    assert 'href="#letters"' in refused.text


async def test_a_preview_changes_nothing_and_a_skip_needs_a_reason(browser: Browser, zhejiang: Bureau) -> None:
    await rubbish(zhejiang, 1)
    await browser.log_in(OPERATOR)
    (letter,) = await zhejiang.rows("SELECT id, reason FROM dead_letter")
    page = f"/ops/dlq/{letter.id}"
    assert letter.reason in (await browser.send(f"{page}/preview")).text
    assert (await browser.send(f"{page}/skip", {"reason": " "})).status_code == 422
    form = form_to(await browser.get(page), f"{page}/skip")
    for _ in range(2):
        assert (await browser.send(f"{page}/skip", form.fields | {"reason": "演示"})).status_code == 303
    assert (await zhejiang.one("SELECT resolution FROM dead_letter")).resolution == "skipped"
    assert (await browser.get(page)).status_code == 404


async def test_a_peer_that_does_not_answer_is_red(browser: Browser, zhejiang: Bureau) -> None:
    await browser.log_in(OPERATOR)
    assert "alarm" not in (await browser.get("/ops?wall=1")).text
    await zhejiang.wiring.peers._note("shanghai", "ConnectError")
    page = await browser.get("/ops/peers?lang=en")
    assert "no answer" in page.text
    assert "ConnectError" in page.text
    wall = await browser.get("/ops?wall=1&lang=en")
    assert 'class="alarm"' in wall.text
    assert "0 / 3" in wall.text


async def test_a_peer_with_another_trust_list_is_amber_and_one_with_a_second_of_ours_red(
    browser: Browser, zhejiang: Bureau
) -> None:
    peers, ours = zhejiang.wiring.peers, zhejiang.wiring.node.trust.current
    await browser.log_in(OPERATOR)
    assert (await browser.get("/ops/peers?lang=en")).text.count("not told yet") == 6  # list and clock of three
    await peers.note_list("shanghai", version=ours.version, digest=ours.digest)
    await peers.note_list("jiangsu", version=ours.version + 1, digest="newer")
    await peers.note_list("anhui", version=ours.version, digest="another")
    page = (await browser.get("/ops/peers?lang=en")).text
    assert page.count(f"version {ours.version}</span>") == 1
    assert f"version {ours.version + 1}; here {ours.version}" in page
    assert f"version {ours.version}, but another list than ours" in page
    detail = (await browser.get("/ops/peers/jiangsu?lang=en")).text
    assert f"version {ours.version + 1}; here {ours.version}" in detail
    assert "told <time" in detail


async def test_the_worker_learns_which_list_a_peer_serves(zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = zhejiang.wiring.node.trust.current
    raw = zhejiang.wiring.node.trust.raw(ours.version)

    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.host != "shanghai.invalid":
            raise httpx.ConnectError("the test has cut this line", request=request)
        return httpx.Response(200, content=raw) if request.url.path == LIST_PATH else httpx.Response(404)

    def to(web: str) -> httpx.AsyncClient:
        host = {one.web: one.code for one in ours.bureaus}[web]
        return httpx.AsyncClient(transport=httpx.MockTransport(answers), base_url=f"http://{host}.invalid")

    monkeypatch.setattr("services.bureau.worker.list_client", to)
    worker = Worker(zhejiang.wiring)
    await worker._ask_peers()
    (row,) = await zhejiang.rows("SELECT * FROM peer WHERE list_at IS NOT NULL")
    assert (row.bureau, row.list_version, row.list_digest) == ("shanghai", ours.version, ours.digest)
    assert not worker._all_have_our_list()  # the others have not told: they are asked again soon


async def test_a_signed_answer_tells_how_the_peers_clock_goes(browser: Browser, zhejiang: Bureau) -> None:
    await browser.log_in(OPERATOR)
    zhejiang.peers.ahead |= {"jiangsu": -45, "anhui": 300}
    told = {one: await zhejiang.wiring.enquiries.try_state_of(one, uuid7()) for one in ("shanghai", "jiangsu", "anhui")}
    assert [one for one, answer in told.items() if answer is None] == ["anhui"]  # refused, and why is known
    clocks = {row.bureau: row.clock_ahead_ms for row in await zhejiang.rows("SELECT * FROM peer")}
    for bureau, ahead in (("shanghai", 0), ("jiangsu", -45), ("anhui", 300)):
        assert abs(clocks[bureau] - ahead * 1000) < 2000
    page = (await browser.get("/ops/peers?lang=en")).text
    assert re.search(r'pill green"><span aria-hidden="true">✓</span> [+-][01]\.\d ± 0\.\d s', page)
    assert re.search(r'pill amber"><span aria-hidden="true">!</span> -4[4-6]\.\d ± 0\.\d s', page)
    assert re.search(r'pill red"><span aria-hidden="true">✕</span> \+(299|300|301)\.\d ± 0\.\d s', page)


def steps_of(page: str) -> list[tuple[str, str]]:
    """Of the test's table: the name of each step and the words of its result."""
    rows = re.findall(r'<tr class="step"><td class="nowrap">\d (.*?)</td><td>(.*?)</td>', page)
    return [(name, re.sub(r"<[^>]+>", "", told).strip(" ✓✕○")) for name, told in rows]


DOOR, TLS, QUESTION = "connection", "TLS, both certificates", "sealed question and answer"


async def test_the_link_test_says_which_step_failed_and_what_to_do(browser: Browser) -> None:
    await browser.log_in(OPERATOR)
    tested = await browser.send("/ops/peers/shanghai/test?lang=en")
    assert tested.status_code == 200
    expected = [
        (DOOR, "failed"),
        (TLS, "not tried"),
        (QUESTION, "not tried"),
        ("bus between us", "well"),
        ("trust list", "failed"),
    ]
    assert steps_of(tested.text) == expected
    assert "Call its operators" in tested.text
    assert WHOLE_SECONDS <= 5
    assert (await browser.send("/ops/peers/zhejiang/test")).status_code == 404


async def test_the_link_test_goes_through_all_that_is_well(
    browser: Browser, zhejiang: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, served = zhejiang.wiring.node.trust.current, [zhejiang.wiring.node.trust.raw(1)]
    writer: Any = SimpleNamespace(close=lambda: None)

    async def opens(*_: Any, **__: Any) -> tuple[None, Any]:
        return None, writer

    lists = httpx.MockTransport(lambda request: httpx.Response(200, content=served[0]))
    monkeypatch.setattr("services.bureau.console.acts.self_test.asyncio.open_connection", opens)
    monkeypatch.setattr(
        "services.bureau.console.acts.self_test.list_client", lambda web: httpx.AsyncClient(transport=lists, base_url=web)
    )
    await browser.log_in(OPERATOR)
    tested = await browser.send("/ops/peers/shanghai/test?lang=en")
    assert steps_of(tested.text) == [(name, "well") for name in (DOOR, TLS, QUESTION, "bus between us", "trust list")]
    assert "s ahead of ours" in tested.text
    assert f"version {ours.version}; here" not in tested.text
    (row,) = await zhejiang.rows("SELECT list_version, clock_at FROM peer WHERE bureau = 'shanghai'")
    assert (row.list_version, row.clock_at is not None) == (ours.version, True)
    served[0] = b"no list"
    assert steps_of((await browser.send("/ops/peers/shanghai/test?lang=en")).text)[4] == ("trust list", "failed")


async def test_the_link_test_says_when_the_bus_told_last(browser: Browser, zhejiang: Bureau) -> None:
    await at_origin(zhejiang, "RECEIVED")
    await browser.log_in(OPERATOR)
    told = r"last message from it\s+<time"
    assert re.search(told, (await browser.send("/ops/peers/shanghai/test?lang=en")).text)
    assert not re.search(told, (await browser.send("/ops/peers/anhui/test?lang=en")).text)


def test_charts_scale_to_what_they_show_and_leave_gaps() -> None:
    drawn = line_chart([("a", [0.0, 0.3, None, 0.15])], least=0.3)
    assert [text for _, text in drawn.ticks] == ["0", "0.1", "0.2", "0.3"]
    assert drawn.lines == [("a", "M0.0 190.0L160.0 0.0M480.0 95.0h-4")]


def test_bars_of_a_way_follow_each_other() -> None:
    assert waterfall([]) == []
    assert waterfall([10.0, 11.0, 12.0]) == [(0.0, 49.5), (49.5, 49.5), (99.0, 1.0)]


@pytest.fixture
async def operator(shanghai: Bureau) -> AsyncIterator[Browser]:
    opened = Browser(shanghai)
    await opened.log_in("D31005")
    yield opened
    await opened.close()


async def test_what_is_owed_stands_on_owed_timers_overview_and_wall(operator: Browser, shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    page = await operator.get("/ops/owed")
    assert page.text.count("/ask-again") == len(await shanghai.rows("SELECT * FROM owed WHERE direction = 'by_them'")) == 1
    for path in ("/ops", "/ops/timers"):
        assert f"/ops/cases/{case}" in (await operator.get(path)).text
    assert (await operator.get("/ops?wall=1")).text.count('class="deadline ') == 1
    waiting = (await shanghai.one("SELECT count(*) AS n FROM outbox WHERE sent_at IS NULL")).n
    assert f"共 {waiting} 条" in (await operator.get("/ops/outbox?lang=zh")).text


async def test_asking_again_sends_one_message_however_often_the_form_is_sent(operator: Browser, shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    address = f"/ops/owed/{case}/ask-again"
    form, before = form_to(await operator.get("/ops/owed"), address), len(await shanghai.sent())
    for _ in range(2):
        assert (await operator.send(address, form.fields)).status_code == 303
    assert len(await shanghai.sent()) == before + 1


async def test_the_way_of_a_case_has_its_steps_and_no_persons(operator: Browser, shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    page = await operator.get(f"/ops/cases/{case}?lang=en")
    assert page.status_code == 200
    steps = await shanghai.rows("SELECT action FROM audit WHERE case_id = :case AND action <> 'transfers.read'", case=case)
    assert page.text.count('class="fall"') == len(steps) > 1
    assert "transfers." not in page.text  # said in words
    assert "It knows no such case with us." in page.text  # what the peer of these tests answers
    assert "D31001" not in page.text
    assert (await operator.get("/ops/cases/00000000-0000-7000-8000-000000000000")).status_code == 404


async def test_the_way_of_a_case_says_in_words_how_it_stands_at_the_other_bureau(operator: Browser, shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    states = (PlaceState(place=1, state="RECEIVED"), PlaceState(place=2, state="UNHEARD_OF"))
    shanghai.peers.answers[TransferState] = lambda question: TransferStateAnswer(side="origin", states=states)
    page = await operator.get(f"/ops/cases/{case}?lang=en")
    assert re.search(r"member 1:\s*Move-out being verified<", page.text)
    assert re.search(r"member 2:\s*UNHEARD_OF<", page.text)  # of a later version: as it was told


async def test_looks_at_a_case_are_folded_away_from_its_way(operator: Browser, shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    before = await operator.get(f"/ops/cases/{case}?lang=en")
    for _ in range(3):
        assert (await shanghai.ask("D31001", "GET", f"/api/v1/transfers/{case}")).status_code == 200
    page = await operator.get(f"/ops/cases/{case}?lang=en")
    assert page.text.count('class="fall"') == before.text.count('class="fall"')
    looks = await shanghai.rows("SELECT id FROM audit WHERE case_id = :case AND action = 'transfers.read'", case=case)
    assert page.text.count('class="look"') == len(looks) >= 3
    assert f"Looked at {len(looks)} times" in page.text
    assert "<details" in page.text
    assert "<details open" not in page.text


async def test_the_way_of_a_case_has_when_its_messages_left_and_came(operator: Browser, shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    unsent = await operator.get(f"/ops/cases/{case}?lang=en")
    assert unsent.text.count('class="sent"') == len(await shanghai.rows("SELECT * FROM outbox WHERE key = :key", key=str(case)))
    assert "waits to be sent" in unsent.text
    assert 'class="received"' not in unsent.text
    await shanghai.rows("UPDATE outbox SET sent_at = now() RETURNING seq")
    assert "waits to be sent" not in (await operator.get(f"/ops/cases/{case}?lang=en")).text


async def test_the_way_of_a_case_has_what_was_received(browser: Browser, zhejiang: Bureau) -> None:
    case = await at_origin(zhejiang, "RECEIVED")
    await browser.log_in(OPERATOR)
    page = await browser.get(f"/ops/cases/{case}?lang=en")
    rows = await zhejiang.rows("SELECT outcome FROM receipt WHERE key = :key", key=str(case))
    assert page.text.count('class="received"') == len(rows) > 0


async def test_counts_are_of_all_rows_and_not_of_those_that_are_shown(operator: Browser, shanghai: Bureau) -> None:
    await shanghai.rows(
        "INSERT INTO owed (case_id, kind, peer, direction, since, business_since, due_at, asks)"
        " SELECT gen_random_uuid(), 'transfers.certificate', 'zhejiang', 'by_them', now(), now(), '2001-01-01', 0"
        " FROM generate_series(1, 777) RETURNING case_id"
    )
    for path in ("/ops?lang=en", "/ops?wall=1&lang=en"):
        page = await operator.get(path)
        assert "<b>777</b>" in page.text
        assert "777 overdue" in page.text
    for path in ("/ops/owed", "/ops/timers"):
        page = await operator.get(f"{path}?lang=en")
        assert '<span class="pill">777</span>' in page.text
        assert "Only the first 500 of 777 are shown." in page.text
    assert '<td class="number">777</td>' in (await operator.get("/ops/peers")).text


async def test_a_list_that_is_shown_whole_says_nothing_of_that(operator: Browser, shanghai: Bureau) -> None:
    await approved(shanghai)
    for path in ("/ops/owed", "/ops/timers", "/ops/inbox", "/ops/dlq"):
        assert "Only the first" not in (await operator.get(f"{path}?lang=en")).text


async def test_of_many_letters_and_receipts_the_page_says_how_many_it_shows(operator: Browser, shanghai: Bureau) -> None:
    await shanghai.rows(
        'INSERT INTO dead_letter (topic, partition, "offset", raw_key, raw_value, raw_headers, reason, error, first_seen)'
        " SELECT 'shanghai.transfers', 0, n, 'k', '', '{}', 'malformed', 'x', now() FROM generate_series(1, 123) n RETURNING id"
    )
    await shanghai.rows(
        "INSERT INTO receipt (sender, event_id, content_hash, type, key, topic, outcome, next_try_at, received_at)"
        " SELECT 'zhejiang', gen_random_uuid(), 'x', 'x', 'k', 'shanghai.transfers', 'not_yet', now(), now()"
        " FROM generate_series(1, 234) RETURNING event_id"
    )
    for path, shown, total in (("/ops/dlq", 100, 123), ("/ops/inbox", 200, 234), ("/ops/timers", 200, 234)):
        assert f"Only the first {shown} of {total} are shown." in (await operator.get(f"{path}?lang=en")).text


async def test_about_says_which_program_and_schema_run(operator: Browser, shanghai: Bureau) -> None:
    page = await operator.get("/ops/about?lang=en")
    assert f"quanyu {version('quanyu')}" in page.text
    schema = await shanghai.one("SELECT version_num FROM alembic_version")
    assert f"revision {schema.version_num}" in page.text


async def test_a_found_row_of_a_case_leads_to_the_cases_audit(shanghai: Bureau) -> None:
    case, _ = await approved(shanghai)
    auditor = Browser(shanghai)
    await auditor.log_in("D31006")
    assert f'href="/w/case/{case}/audit"' in (await auditor.get(f"/ops/audit?case={case}")).text
    assert (await auditor.get(f"/w/case/{case}/audit")).status_code == 200
    await auditor.close()


async def test_a_peer_passes_for_up_until_it_is_tried_in_vain_and_when_it_is_heard_or_opens_again(zhejiang: Bureau) -> None:
    async def changed(statement: TextClause, **more: Any) -> bool | None:
        row = {"bureau": "anhui"} | more
        told = await zhejiang.wiring.database.run(lambda session: session.execute(statement, row), name="test")
        return told.scalar_one_or_none() if told.returns_rows else None

    now = zhejiang.wiring.node.machine_now()
    shut: dict[str, Any] = {"now": now, "error": f"{DOOR_ERROR}: refused"}
    opened: dict[str, Any] = {"error": None, "door_error": DOOR_ERROR}
    assert [await changed(PEER_TRIED, **shut), await changed(PEER_TRIED, **shut)] == [True, False]
    await changed(PEER_HEARD, incarnation=0, now=now)
    assert [await changed(PEER_TRIED, **shut), await changed(PEER_OPENED, **opened)] == [True, True]
    assert await changed(PEER_OPENED, **opened) is None
    assert await changed(PEER_TRIED, now=now, error="no answer within 5 s") is True
    assert await changed(PEER_OPENED, **opened) is None  # a door that opens is no answer yet
    assert [await changed(PEER_ANSWERED), await changed(PEER_ANSWERED)] == [True, None]
