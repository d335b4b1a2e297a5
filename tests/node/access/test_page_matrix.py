"""Every page of a case x every post: who may not is refused and changes nothing; nobody is shown a whole id number unasked."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.node.access.expected import OFFICERS, PAGES, POSTS, ROUTES
from tests.node.access.test_matrix import BEGINS, BODIES
from tests.node.browser import Browser
from tests.node.bureau import Bureau
from tests.node.people import FAMILY, LI, ZHOU, mover
from tests.node.transfers.cases import application, at_destination, at_origin, opened, permit_for, talent

HOLDERS = frozenset({"counter own", "verifier own", "office own", "hrss own"})
STEP_UP = {"seal", "settle", "void", "reissue"}
ALLOWED = {route.path.rpartition("/")[2]: route.allowed for route in ROUTES if "/transfers/{case}" in route.path}
ALLOWED |= {"{case}": ALLOWED["{case}"], "compare": ALLOWED["findings"], "reveal": ALLOWED["{case}"] - {"operator"}}
ALLOWED |= {"trace": ALLOWED["{case}"], "audit": frozenset({"auditor"}), "take": HOLDERS, "hand-over": HOLDERS}
ALLOWED |= {"decide": ALLOWED["refuse"], "review": ALLOWED["return"], "{name}": ALLOWED["{case}"] - {"operator"}}
CASE_PAGES = [name for name in PAGES if name.partition(" ")[2].startswith("/w/case/{case}")]
ORIGIN = {"compare", "review", "seal", "return", "ask-cancel", "reissue", "restore"}
STATES = BEGINS | {"decide": "UNDER_REVIEW", "look-up": "UNDER_REVIEW", "{name}": "CERTIFIED"}
OTHER_ROWS = {"login_session"}  # a look at a page keeps its session alive


def act_of(name: str) -> str:
    return name.rpartition("/")[2]


@pytest.fixture(scope="module")
async def browsers(quiet_shanghai: Bureau, quiet_zhejiang: Bureau) -> AsyncIterator[dict[tuple[str, str], Browser]]:
    """Every post at both bureaus, with a second factor."""
    made: dict[tuple[str, str], Browser] = {}
    for side, bureau in (("D", quiet_shanghai), ("O", quiet_zhejiang)):
        for post in POSTS:
            made[side, post] = Browser(bureau)
            await made[side, post].log_in(OFFICERS[side][post], step_up=True)
    yield made
    for browser in made.values():
        await browser.close()


async def ready(name: str, number: int, bureau: Bureau) -> tuple[str, list[str]]:
    """A case in the state where the act of the page begins, and the id numbers of its people."""
    act = act_of(name)
    if act == "approve-talent":
        bureau.on(2021, 3, 1)
        case = await opened(bureau, talent(mover(number)))
        for step in ("accept", "submit"):
            await bureau.done("D31001", case, step)
        return case, [mover(number).citizen_id_no]
    if act in ORIGIN:
        if act == "review":  # a head of a household whose others stay
            return await at_origin(bureau, "RECEIVED", permit_for(ZHOU)), [one.citizen_id_no for one, _ in FAMILY]
        return await at_origin(bureau, STATES.get(act, "RECEIVED"), permit_for(mover(number))), [mover(number).citizen_id_no]
    case = await at_destination(bureau, STATES.get(act, "DRAFT"), application(mover(number)))
    return case, [mover(number).citizen_id_no, LI.citizen_id_no]


@pytest.mark.parametrize(("number", "name"), list(enumerate(CASE_PAGES)), ids=CASE_PAGES)
async def test_a_page_of_a_case_is_for_who_may(
    quiet_shanghai: Bureau, quiet_zhejiang: Bureau, browsers: dict[tuple[str, str], Browser], number: int, name: str
) -> None:
    method, _, path = name.partition(" ")
    act = act_of(name)
    side, bureau = ("O", quiet_zhejiang) if act in ORIGIN else ("D", quiet_shanghai)
    case, numbers = await ready(name, number, bureau)
    path = path.replace("{case}", case).replace("{name}", "permit")
    body: dict[str, Any] = {"version": "1", "once": "a-key", "badge_no": OFFICERS[side]["counter own"], **BODIES.get(act, {})}
    before = await bureau.fingerprint()
    told: dict[str, int] = {}
    for post in sorted(POSTS, key=lambda post: post in ALLOWED[act]):
        browser = browsers[side, post]
        answer = await (browser.get(path) if method == "GET" else browser.send(path, body))
        told[post] = answer.status_code
        if post in ALLOWED[act]:
            assert answer.status_code in {200, 303, 409, 422}, f"{post}: {answer.text}"
        else:
            assert answer.status_code == (404 if act == "{name}" and post == "operator" else 403), f"{post}: {answer.text}"
        if post not in ALLOWED[act] or method == "GET":
            after = await bureau.fingerprint()
            assert {one for one in after if after[one] != before[one]} <= OTHER_ROWS, post
        if method == "GET":
            assert not [one for one in numbers if one in answer.text], post
    assert method == "POST" or act == "wait" or 200 in told.values()  # wait: the permit has to end first


@pytest.mark.parametrize("name", [name for name in CASE_PAGES if name.startswith("POST") and act_of(name) in STEP_UP])
async def test_who_sends_without_his_second_factor_does_nothing(
    quiet_shanghai: Bureau, quiet_zhejiang: Bureau, browsers: dict[tuple[str, str], Browser], name: str
) -> None:
    act = act_of(name)
    side, bureau = ("O", quiet_zhejiang) if act in ORIGIN else ("D", quiet_shanghai)
    case, _ = await ready(name, 55 - sorted(STEP_UP).index(act), bureau)
    for post in ALLOWED[act]:
        browser = Browser(bureau)
        await browser.log_in(OFFICERS[side][post])
        before = await bureau.fingerprint()
        body = {"version": "1", "once": "a-key", **BODIES.get(act, {})}
        answer = await browser.send(f"/w/case/{case}/{act}", body)
        assert (answer.status_code, "step_up=yes" in answer.text) == (401, True)
        after = await bureau.fingerprint()
        assert {one for one in after if after[one] != before[one]} <= OTHER_ROWS
        await browser.close()
