"""In which post an officer acts: named by a header where he holds several, and only on the days he holds it."""

from typing import Any

import pytest

from tests.node.access.tokens import signed
from tests.node.bureau import Bureau, faults
from tests.node.transfers.cases import CASES, application

TWO_POSTS = "D31007"  # counter at Lvxiang, verifier at Fengjing
LVXIANG_COUNTER, FENGJING_VERIFIER = "310116910000:counter", "310116920000:verifier"


async def test_who_holds_several_must_name_one(quiet_shanghai: Bureau) -> None:
    answer = await quiet_shanghai.ask(TWO_POSTS, "GET", CASES)
    assert (answer.status_code, faults(answer)) == (400, [("Quanyu-Post", "post_required")])
    assert answer.json()["posts"] == [LVXIANG_COUNTER, FENGJING_VERIFIER]


async def test_the_post_named_decides_what_he_may(shanghai: Bureau) -> None:
    made = await shanghai.ask(TWO_POSTS, "POST", CASES, application(), Quanyu_Post=LVXIANG_COUNTER)
    assert made.status_code == 201
    (row,) = await shanghai.audit("transfers.open")
    assert (row.actor, row.role, row.station) == (TWO_POSTS, "counter", "310116910000")
    refused = await shanghai.ask(TWO_POSTS, "POST", CASES, application(), Quanyu_Post=FENGJING_VERIFIER)
    assert refused.status_code == 403
    (row,) = await shanghai.audit(decision="denied")
    assert (row.actor, row.role, row.station) == (TWO_POSTS, "verifier", "310116920000")


@pytest.mark.parametrize("post", ["310116910000:verifier", "310117910000:counter", "330482910000:counter", "x", ""])
async def test_a_post_that_is_not_his_is_refused_and_audited(shanghai: Bureau, post: str) -> None:
    answer = await shanghai.ask(TWO_POSTS, "GET", CASES, Quanyu_Post=post)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    (row,) = await shanghai.audit(decision="denied")
    assert (row.actor, row.role, row.reason) == (TWO_POSTS, "", "the named post is not the officer's")


async def test_who_holds_one_may_name_it(quiet_shanghai: Bureau) -> None:
    assert (await quiet_shanghai.ask("D31001", "GET", CASES, Quanyu_Post=LVXIANG_COUNTER)).status_code == 200
    assert (await quiet_shanghai.ask("D31001", "GET", CASES, Quanyu_Post=FENGJING_VERIFIER)).status_code == 403


async def test_before_the_first_day_of_a_post_nobody_acts_in_it(shanghai: Bureau) -> None:
    await shanghai.token("D31001")
    shanghai.on(2014, 12, 31)  # posts.csv: from 2015-01-01
    answer = await shanghai.ask("D31001", "GET", CASES)
    assert answer.status_code == 403
    assert (await shanghai.audit(decision="denied"))[-1].reason == "the officer holds no post today"


async def test_after_the_last_day_of_a_post_nobody_acts_in_it(shanghai: Bureau) -> None:
    await shanghai.rows("UPDATE post SET valid_until = '2020-11-20' WHERE badge_no = 'D31001' RETURNING badge_no")
    assert (await shanghai.ask("D31001", "GET", CASES)).status_code == 200
    shanghai.on(2020, 11, 21, hour=0)
    assert (await shanghai.ask("D31001", "GET", CASES)).status_code == 403


async def test_a_token_for_somebody_without_any_post_is_no_key(shanghai: Bureau) -> None:
    claims: dict[str, Any] = {
        "iss": shanghai.wiring.tokens.issuer,
        "aud": "quanyu-shanghai",
        "sub": "D99999",
        "iat": int(shanghai.machine.now().timestamp()),
        "exp": int(shanghai.machine.now().timestamp()) + 600,
    }
    headers = {"Authorization": f"Bearer {signed(shanghai, claims)}"}
    assert (await shanghai.web.get(CASES, headers=headers)).status_code == 403
    assert (await shanghai.audit(decision="denied"))[-1].actor == "D99999"
