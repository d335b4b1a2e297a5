"""Questions that are refused, replayed, held back or led astray: nobody is told anything that the rules do not allow."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import select

from services.harness.network import Network
from shared.audit import audit
from shared.contract.codes import Standing
from shared.contract.questions import Asker, PersonStatus, ResidentForTransfer, TransferState
from shared.envelope import ENVELOPE_LIMIT_BYTES
from shared.peers import PeerDown, PeerRefused
from tests.federation.asking import COUNTER, NODE, standing
from tests.federation.clerk import Clerk

CHUNK_BYTES = 64 * 1024


async def denied(clerk: Clerk, bureau: str) -> list[tuple[str, str]]:
    """(peer, reason) of the questions that a bureau would not answer, from its audit log."""
    statement = select(audit.c.peer, audit.c.reason).where(audit.c.action == "peers.answer", audit.c.decision == "denied")
    return [(row.peer, row.reason) for row in await clerk.rows(bureau, statement)]


# asker, what the audit log of the asked bureau says
REFUSED_ASKERS = [
    (COUNTER.model_copy(update={"role": "auditor"}), "role auditor may not"),
    (COUNTER.model_copy(update={"role": "hrss"}), "role hrss may not"),
    (NODE, "role node may not"),
    (COUNTER.model_copy(update={"purpose": "supervision"}), "not for the purpose supervision"),
    (COUNTER.model_copy(update={"purpose": "curiosity"}), "not for the purpose curiosity"),
    (COUNTER.model_copy(update={"case": None}), "no open case is named"),
]


@pytest.mark.parametrize(("asker", "reason"), REFUSED_ASKERS)
@pytest.mark.parametrize("kind", [PersonStatus, ResidentForTransfer])
async def test_a_wrong_role_or_purpose_or_no_case_is_answered_forbidden_and_audited(
    clerk: Clerk, asker: Asker, reason: str, kind: Any
) -> None:
    person = await clerk.resident("zhejiang")
    peers = clerk.network.nodes["shanghai"].wiring.peers
    about = {"citizen_id_no": person.number} | ({"name": person.name} if kind is ResidentForTransfer else {})
    with pytest.raises(PeerRefused) as refused:
        await peers.ask("zhejiang", kind(**about), asker=asker, answer=kind.answer)
    problem = refused.value.problem
    assert (problem.status, problem.code) == (403, "forbidden")
    assert reason not in f"{problem.title} {problem.detail}"
    assert await denied(clerk, "zhejiang") == [("shanghai", reason)]


async def test_each_answer_about_a_person_is_a_row_in_the_audit_log(clerk: Clerk) -> None:
    await standing(clerk, "zhejiang", await clerk.resident("zhejiang"))
    statement = select(audit.c.actor_kind, audit.c.actor, audit.c.role, audit.c.purpose, audit.c.case_id).where(
        audit.c.action == "population.read"
    )
    (row,) = await clerk.rows("zhejiang", statement)
    assert (row.actor_kind, row.actor, row.role, row.purpose) == ("peer", "jiangsu", "counter", "household_transfer")
    assert str(row.case_id) == COUNTER.case


class Tapped(httpx.AsyncBaseTransport):
    """The line to a bureau, with somebody on it: keeps what was sent, may hold it back."""

    def __init__(self, network: Network, bureau: str) -> None:
        self._network, self._bureau = network, bureau
        self.requests: list[httpx.Request] = []
        self.held_seconds = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        for clock in self._network.machine.values():
            clock.offset += type(clock.offset)(seconds=self.held_seconds)
        return await self._network.through_door(self._bureau, request)

    async def again(self) -> httpx.Response:
        """The last request once more, byte for byte."""
        last = self.requests[-1]
        copy = httpx.Request(last.method, last.url, headers=last.headers, content=last.content)
        return await self._network.through_door(self._bureau, copy)


@pytest.fixture
def line(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> Tapped:
    """Jiangsu's line to Zhejiang, tapped."""
    peers = clerk.network.nodes["jiangsu"].wiring.peers
    tapped = Tapped(clerk.network, "zhejiang")
    monkeypatch.setattr(peers, "_transport_to", lambda bureau: tapped)
    return tapped


async def test_a_question_that_is_replayed_is_told_nothing_but_that(clerk: Clerk, line: Tapped) -> None:
    await standing(clerk, "zhejiang", await clerk.resident("zhejiang"))
    reads = select(audit.c.id).where(audit.c.action == "population.read")
    assert len(await clerk.rows("zhejiang", reads)) == 1
    answer = await line.again()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jose")
    assert await denied(clerk, "zhejiang") == [("jiangsu", "This question was asked before")]
    assert len(await clerk.rows("zhejiang", reads)) == 1


async def test_the_asker_of_a_replayed_question_reads_a_sealed_409(
    clerk: Clerk, line: Tapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that delivers the same question twice and gives back the second answer."""
    person = await clerk.resident("zhejiang")
    first = line.handle_async_request

    async def twice(request: httpx.Request) -> httpx.Response:
        await first(request)
        return await line.again()

    monkeypatch.setattr(line, "handle_async_request", twice)
    with pytest.raises(PeerRefused) as refused:
        await standing(clerk, "zhejiang", person)
    assert (refused.value.problem.status, refused.value.problem.code) == (409, "replayed")


async def test_an_answer_to_another_question_is_not_believed(clerk: Clerk, line: Tapped, monkeypatch: pytest.MonkeyPatch) -> None:
    person, other = await clerk.resident("zhejiang"), await clerk.resident("jiangsu")
    asked = line.handle_async_request
    answers: list[bytes] = []

    async def always_the_first(request: httpx.Request) -> httpx.Response:
        answers.append(await (await asked(request)).aread())
        return httpx.Response(200, content=answers[0], headers={"content-type": "application/jose"})

    monkeypatch.setattr(line, "handle_async_request", always_the_first)
    assert (await standing(clerk, "zhejiang", person)).kind is Standing.HERE
    with pytest.raises(PeerDown, match="not to the question"):
        await standing(clerk, "zhejiang", other)


async def test_a_question_that_reaches_another_bureau_gets_no_answer(
    clerk: Clerk, line: Tapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_bureau", "anhui")
    with pytest.raises(PeerDown, match="400"):
        await standing(clerk, "zhejiang", await clerk.resident("zhejiang"))


async def test_a_plain_no_is_no_answer(clerk: Clerk, line: Tapped, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not signed is not the bureau's word, whatever its status says."""

    async def forbidden(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, json={"title": "forbidden", "status": 403})

    monkeypatch.setattr(line, "handle_async_request", forbidden)
    with pytest.raises(PeerDown, match="403"):
        await standing(clerk, "zhejiang", await clerk.resident("zhejiang"))


async def test_a_question_that_was_held_back_for_a_minute_is_stale(clerk: Clerk, line: Tapped) -> None:
    person = await clerk.resident("zhejiang")
    line.held_seconds = 90
    with pytest.raises(PeerRefused) as refused:
        await standing(clerk, "zhejiang", person)
    problem = refused.value.problem
    assert (problem.status, problem.code) == (400, "stale")
    assert problem.our_time is not None


async def test_a_question_of_an_older_incarnation_is_refused_sealed(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    clerk.network.nodes["zhejiang"].wiring.receiver.seen["jiangsu"] = 2
    with pytest.raises(PeerRefused) as refused:
        await standing(clerk, "zhejiang", person)
    assert refused.value.problem.code == "lower_incarnation"


async def test_a_peer_that_is_unreachable_gives_no_answer_and_is_found_again(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    clerk.network.unreachable.add("zhejiang")
    with pytest.raises(PeerDown):
        await standing(clerk, "zhejiang", person)
    peers = clerk.network.nodes["jiangsu"].wiring.peers
    assert "zhejiang" in peers.errors
    clerk.network.unreachable.clear()
    assert (await standing(clerk, "zhejiang", person)).kind is Standing.HERE
    assert peers.errors == {}


def keyless(clerk: Clerk, bureau: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bureau's last signature key has ended."""
    keyring = clerk.network.nodes[bureau].wiring.node.keyring
    monkeypatch.setattr(keyring, "_ring", replace(keyring.ring, signing_keys=()))


async def test_a_bureau_that_cannot_sign_gets_no_answer_and_is_told_why(clerk: Clerk, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await clerk.resident("zhejiang")
    keyless(clerk, "jiangsu", monkeypatch)
    with pytest.raises(PeerDown, match="jiangsu has no usable sig key"):
        await standing(clerk, "zhejiang", person)
    assert "no usable sig key" in clerk.network.nodes["jiangsu"].wiring.peers.errors["zhejiang"]


async def test_a_bureau_that_cannot_sign_its_answer_says_so_unsigned(
    clerk: Clerk, line: Tapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await clerk.resident("zhejiang")
    keyless(clerk, "zhejiang", monkeypatch)
    with pytest.raises(PeerDown, match="unsigned problem 503"):
        await standing(clerk, "zhejiang", person)
    answer = await line.again()
    assert (answer.status_code, json.loads(await answer.aread())["code"]) == (503, "no_key")


async def test_an_answer_without_an_end_is_cut_at_the_limit(clerk: Clerk, line: Tapped, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += CHUNK_BYTES
            yield bytes(CHUNK_BYTES)

    async def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless(), headers={"content-type": "application/jose"})

    monkeypatch.setattr(line, "handle_async_request", answer)
    with pytest.raises(PeerDown, match="exceed the limit"):
        await standing(clerk, "zhejiang", await clerk.resident("zhejiang"))
    assert ENVELOPE_LIMIT_BYTES < taken <= ENVELOPE_LIMIT_BYTES + CHUNK_BYTES


async def test_what_is_no_envelope_is_refused_in_clear(clerk: Clerk) -> None:
    request = httpx.Request("POST", f"https://zhejiang.invalid{TransferState.path}", content=b"not an envelope")
    answer = await clerk.network.through_door("zhejiang", request)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
