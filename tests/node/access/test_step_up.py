"""What an officer may do only after a login with a second factor, through HTTP; all else his password is enough for."""

from uuid import uuid4

import pytest

from tests.node.access.expected import OFFICERS, POSTS, ROUTES, Route
from tests.node.access.test_matrix import BODIES
from tests.node.bureau import Bureau

STEP_UP = {"settle", "void", "seal", "reissue"}
ACTS = [route for route in ROUTES if "{case}/" in route.path]


@pytest.mark.parametrize("route", ACTS, ids=lambda route: route.name)
async def test_act_asks_for_the_second_factor_or_does_not(route: Route, quiet_shanghai: Bureau, quiet_zhejiang: Bureau) -> None:
    side = "O" if route.about.startswith("O") else "D"
    bureau, act = {"O": quiet_zhejiang, "D": quiet_shanghai}[side], route.path.rpartition("/")[2]
    officer = OFFICERS[side][next(post for post in POSTS if post in route.allowed)]
    path = route.path.replace("{case}", str(uuid4()))  # there is no such case: whoever gets so far is told
    authorization = f"Bearer {await bureau.token_without_second_factor(officer)}"
    before = len(await bureau.audit(decision="denied"))
    answer = await bureau.ask(officer, route.method, path, BODIES.get(act), Authorization=authorization)
    if act not in STEP_UP:
        assert answer.status_code == 404, answer.text
        return
    assert (answer.status_code, answer.json()["code"]) == (401, "step_up_required")
    assert 'acr_values="stepup"' in answer.headers["www-authenticate"]
    (row,) = (await bureau.audit(decision="denied"))[before:]
    assert (row.actor, row.action) == (officer, route.action)
    assert (await bureau.ask(officer, route.method, path, BODIES.get(act))).status_code == 404


def test_every_act_of_the_list_has_a_route() -> None:
    assert {route.path.rpartition("/")[2] for route in ACTS} >= STEP_UP
