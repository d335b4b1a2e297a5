"""The commit comes before the answer: what did not commit is never told as done, and leaves nothing behind."""

from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from services.bureau.wiring import Overrides
from shared.database import Database, Session
from tests.node.bureau import Bureau
from tests.node.transfers.cases import CASES, COUNTER, OFFICE, application, permit_for, reviewed

KEY = "commit-1"
ACTS = {"transfers.open", "transfers.approve"}


class Refusing(Database):
    """Its commit of an act fails: the transaction is rolled back."""

    on = False

    async def commit(self, session: Session, name: str) -> None:
        if self.on and name in ACTS:
            raise RuntimeError("the test lets this commit fail")
        await super().commit(session, name)


class Losing(Database):
    """Loses the connection while an act commits: after the commit took effect, or before."""

    on, took_effect = False, True

    async def commit(self, session: Session, name: str) -> None:
        if not (self.on and name in ACTS):
            await super().commit(session, name)
            return
        if self.took_effect:
            await super().commit(session, name)
        raise DBAPIError("COMMIT", {}, OSError("connection lost"), connection_invalidated=True)


async def opened(open_bureau: Any, database_class: type[Database]) -> Bureau:
    bureau: Bureau = await open_bureau("shanghai", Overrides(database_class=database_class))
    return bureau


def switch(bureau: Bureau, **values: bool) -> None:
    for name, value in values.items():
        setattr(bureau.wiring.database, name, value)


async def test_a_commit_that_fails_is_an_error_without_effect(open_bureau: Any) -> None:
    shanghai = await opened(open_bureau, Refusing)
    case = await reviewed(shanghai)
    before = await shanghai.fingerprint()
    switch(shanghai, on=True)
    answer = await shanghai.act(OFFICE, case, "approve", {}, Idempotency_Key=KEY)
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    assert "the test" not in answer.text
    assert await shanghai.fingerprint() == before
    assert await shanghai.audit("transfers.approve") == []
    assert await shanghai.states(case) == {1: "UNDER_REVIEW"}
    switch(shanghai, on=False)
    assert (await shanghai.act(OFFICE, case, "approve", {}, Idempotency_Key=KEY)).status_code == 200
    assert len(await shanghai.sent()) == 1


async def test_every_answer_is_given_after_its_commit(open_bureau: Any) -> None:
    order: list[str] = []

    class Watched(Database):
        async def commit(self, session: Session, name: str) -> None:
            await super().commit(session, name)
            order.append(f"committed {name}")

    shanghai = await opened(open_bureau, Watched)
    for method, path, body in (("POST", CASES, application()), ("GET", CASES, None)):
        await shanghai.ask(COUNTER, method, path, body)
        order.append("answered")
    acts = [one for one in order if one == "answered" or one.startswith("committed transfers.")]
    assert acts == ["committed transfers.open", "answered", "committed transfers.read", "answered"]


@pytest.mark.parametrize("took_effect", [True, False])
async def test_an_unknown_outcome_is_said_and_the_same_key_decides(open_bureau: Any, took_effect: bool) -> None:
    shanghai = await opened(open_bureau, Losing)
    switch(shanghai, on=True, took_effect=took_effect)
    answer = await shanghai.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY)
    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
    assert int(answer.headers["retry-after"]) > 0
    assert "Idempotency-Key" in answer.json()["detail"]
    switch(shanghai, on=False)
    again = await shanghai.ask(COUNTER, "POST", CASES, application(), Idempotency_Key=KEY)
    assert again.status_code == 201
    assert ("idempotency-replayed" in again.headers) is took_effect
    assert len(await shanghai.rows("SELECT * FROM transfer_case")) == 1


async def test_a_message_that_does_not_commit_has_not_happened_and_comes_again(open_bureau: Any) -> None:
    class Failing(Database):
        on = False

        async def commit(self, session: Session, name: str) -> None:
            if self.on and name.startswith("receive"):
                raise RuntimeError("the test lets this commit fail")
            await super().commit(session, name)

    zhejiang: Bureau = await open_bureau("zhejiang", Overrides(database_class=Failing))
    record = zhejiang.sealed(permit_for(), by="shanghai")
    setattr(zhejiang.wiring.bus_database, "on", True)  # noqa: B010  # the class is the test's own
    with pytest.raises(RuntimeError, match="the test"):
        await zhejiang.deliver(record)
    assert await zhejiang.rows("SELECT * FROM receipt") == []
    assert await zhejiang.rows("SELECT * FROM transfer_case") == []
    setattr(zhejiang.wiring.bus_database, "on", False)  # noqa: B010
    await zhejiang.deliver(record)
    assert len(await zhejiang.rows("SELECT * FROM transfer_case")) == 1
