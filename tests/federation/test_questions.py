"""Questions between bureaus: what each row answers, what a question settles on the spot, and whom nobody tells anything."""

from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from joserfc import jws
from sqlalchemy import select

from services.harness.network import Network
from shared.audit import audit
from shared.contract.codes import Standing
from shared.contract.questions import (
    Asker,
    PersonStatus,
    ResidentForTransfer,
    ResidentForTransferAnswer,
    TransferState,
    TransferStateAnswer,
)
from shared.envelope.form import read_base64_object
from shared.peers import PeerDown, PeerRefused
from tests.federation.asking import COUNTER, NODE, standing
from tests.federation.clerk import Clerk, Transfer
from tests.federation.people import SPOUSE


async def state_of(clerk: Clerk, transfer: Transfer, *, by: str, asked: str) -> TransferStateAnswer:
    """The node asks its counterpart about a case; what the answer brings goes through the ordinary receive."""
    return await clerk.network.nodes[by].wiring.enquiries.state_of(asked, UUID(transfer.case))


async def denied(clerk: Clerk, bureau: str) -> list[tuple[str, str]]:
    """(peer, reason) of the questions that a bureau would not answer, from its audit log."""
    statement = select(audit.c.peer, audit.c.reason).where(audit.c.action == "peers.answer", audit.c.decision == "denied")
    return [(row.peer, row.reason) for row in await clerk.rows(bureau, statement)]


# ---- PersonStatus: each row of protocol.md 3 ------------------------------------------------------------------------------


async def test_who_is_registered_is_here(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    told = await standing(clerk, "zhejiang", person)
    assert (told.kind, told.epoch, told.case, told.proof) == (Standing.HERE, 1, None, None)


async def test_who_was_never_here_is_absent(clerk: Clerk) -> None:
    told = await standing(clerk, "shanghai", await clerk.resident("zhejiang"))
    assert (told.kind, told.epoch) == (Standing.ABSENT, None)


async def test_who_is_moved_out_and_not_yet_settled_is_still_here_and_on_the_way(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    told = await standing(clerk, "zhejiang", person)
    assert (told.kind, told.epoch, told.counterpart) == (Standing.IN_TRANSIT, 1, "shanghai")
    assert str(told.case) == transfer.case
    assert (await standing(clerk, "shanghai", person)).kind is Standing.ABSENT


async def test_who_has_moved_is_told_with_the_settlement_that_the_new_bureau_signed(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.settled(person)
    told = await standing(clerk, "zhejiang", person)
    assert (told.kind, told.epoch, told.counterpart) == (Standing.MOVED, 1, "shanghai")
    assert told.since == clerk.network.clock.at.date()
    assert told.proof is not None
    # Anybody with the trust list can check it: signed by the new bureau, about this case, to the bureau that shows it.
    protected, payload, _ = told.proof.encode().split(b".")
    key = clerk.network.nodes["jiangsu"].wiring.node.trust.current.key(read_base64_object(protected)["kid"])
    assert key is not None
    assert (key.bureau, key.use) == ("shanghai", "sig")
    jws.deserialize_compact(told.proof.encode(), key.public, registry=jws.JWSRegistry(algorithms=["Ed25519"]))  # or raises
    header = read_base64_object(payload)["h"]
    assert (header["iss"], header["key"], header["aud"].partition("#")[0]) == ("shanghai", transfer.case, "zhejiang")
    assert header["jti"] == clerk.wire.last("TransferSettled").delivered.record.headers["ce_id"]
    assert (await standing(clerk, "shanghai", person)).kind is Standing.HERE


async def test_who_is_asked_about_while_arriving_is_settled_on_the_spot(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("settle")
    (close,) = await clerk.wire.settle_without("TransferClosed")
    assert await transfer.states() == (["SETTLING"], ["GONE"])
    told = await standing(clerk, "shanghai", person)
    assert (told.kind, told.epoch) == (Standing.HERE, 2)
    assert await transfer.states() == (["HERE"], ["GONE"])
    await clerk.wire.hand_over(close)  # the same close by the bus: no second effect
    await clerk.wire.settle()
    assert await transfer.states() == (["HERE"], ["GONE"])


async def test_who_is_arriving_and_whose_origin_is_silent_is_told_as_arriving(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("settle")
    await clerk.wire.settle_without("TransferClosed", "TransferSettled")
    clerk.network.unreachable.add("zhejiang")
    told = await standing(clerk, "shanghai", person)
    assert (told.kind, told.epoch, told.counterpart) == (Standing.ARRIVING, 2, "zhejiang")
    assert str(told.case) == transfer.case


async def test_who_has_signed_and_is_asked_about_before_the_origin_has_heard_is_arriving(clerk: Clerk) -> None:
    """The settlement itself travels by the bus: a question does not bring it, so the origin still answers."""
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("settle")
    assert (await standing(clerk, "shanghai", person)).kind is Standing.ARRIVING
    assert (await standing(clerk, "zhejiang", person)).kind is Standing.IN_TRANSIT
    assert await clerk.watch.who_answers(person) == "zhejiang"
    await clerk.wire.settle()
    assert (await standing(clerk, "shanghai", person)).kind is Standing.HERE


async def test_who_comes_back_is_arriving_although_the_old_row_says_moved(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    await clerk.settled(person, "zhejiang", "shanghai")
    back = await clerk.certified(person, "shanghai", "zhejiang")
    await back.do("settle")
    told = await standing(clerk, "zhejiang", person)
    assert (told.kind, told.epoch, told.counterpart) == (Standing.ARRIVING, 3, "shanghai")
    assert (await standing(clerk, "shanghai", person)).kind is Standing.IN_TRANSIT
    await clerk.wire.settle()
    assert (await standing(clerk, "zhejiang", person)).epoch == 3


async def test_who_was_restored_is_here(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    transfer = await clerk.certified(person)
    await transfer.do("void")
    await clerk.wire.settle()
    told = await standing(clerk, "zhejiang", person)
    assert (told.kind, told.epoch, told.case) == (Standing.HERE, 1, None)


async def test_the_counter_that_reads_the_case_settles_it_by_asking(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("settle")
    await clerk.wire.settle_without("TransferClosed")
    assert (await transfer.at_destination())["states"] == ["HERE"]


# ---- ResidentForTransfer ------------------------------------------------------------------------------------------------


async def test_an_application_is_shown_the_household_as_registered_and_nothing_more(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", ("02", SPOUSE))
    peers = clerk.network.nodes["shanghai"].wiring.peers
    question = ResidentForTransfer(citizen_id_no=people[1].number)
    told = await peers.ask("zhejiang", question, asker=COUNTER, answer=ResidentForTransferAnswer)
    assert told.resident is not None
    assert (told.resident.name, told.resident.relation_code, told.resident.holds) == (people[1].name, SPOUSE, ())
    assert [one.citizen_id_no for one in told.resident.household] == [one.number for one in people]
    assert told.resident.station_name == "乍浦派出所"


async def test_nobody_is_found_where_nobody_is_registered_or_any_more(clerk: Clerk) -> None:
    person = await clerk.resident("zhejiang")
    peers = clerk.network.nodes["jiangsu"].wiring.peers
    question = ResidentForTransfer(citizen_id_no=person.number)
    assert not (await peers.ask("shanghai", question, asker=COUNTER, answer=ResidentForTransferAnswer)).found
    await clerk.settled(person)
    assert not (await peers.ask("zhejiang", question, asker=COUNTER, answer=ResidentForTransferAnswer)).found
    assert (await peers.ask("shanghai", question, asker=COUNTER, answer=ResidentForTransferAnswer)).found


async def test_a_look_up_shows_standing_and_excerpt_of_everybody_in_the_case(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", ("02", SPOUSE))
    transfer = await clerk.apply(people)
    shown = (await transfer.do("look-up"))["people"]
    assert [(one["place"], one["standing"]["kind"]) for one in shown] == [(1, "HERE"), (2, "HERE")]
    assert [one["resident"]["name"] for one in shown] == [one.name for one in people]


async def test_a_look_up_says_so_when_there_is_no_answer_and_the_case_goes_on(clerk: Clerk) -> None:
    transfer = await clerk.apply(await clerk.resident("zhejiang"))
    clerk.network.unreachable.add("zhejiang")
    shown = (await transfer.do("look-up"))["people"]
    assert shown[0].keys() == {"place", "no_answer"}
    assert "zhejiang" in shown[0]["no_answer"]
    await transfer.do("accept")


# ---- TransferState ------------------------------------------------------------------------------------------------------


async def test_a_seal_asks_first_and_hears_of_a_void_that_the_bus_has_not_brought(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("void")
    await transfer.do("seal", expect=409)
    assert await transfer.states() == (["VOID"], ["VOID"])
    await clerk.wire.settle()
    assert await transfer.states() == (["VOID"], ["VOID"])


async def test_a_seal_without_an_answer_needs_the_officers_word(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    clerk.network.unreachable.add("shanghai")
    silent = await transfer.do("seal", expect=409)
    assert silent["code"] == "counterpart_silent"
    heard = f"{clerk.network.machine['zhejiang'].now():%Y-%m-%d}"
    assert "shanghai" in silent["detail"]
    assert heard in silent["detail"]  # since when it has been silent
    assert await transfer.states() == (["APPROVED"], ["RECEIVED"])
    await transfer.do("seal", {"without_answer": True})
    await clerk.wire.settle()
    assert await transfer.states() == (["CERTIFIED"], ["SEALED"])


async def test_a_question_about_a_case_brings_the_void_that_is_lost_on_the_bus(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    await transfer.do("void")
    await clerk.wire.settle_without("TransferVoided")
    answer = await state_of(clerk, transfer, by="zhejiang", asked="shanghai")
    assert (answer.side, [one.state for one in answer.states], len(answer.sealed)) == ("destination", ["VOID"], 1)
    assert await transfer.states() == (["VOID"], ["RESTORED"])


async def test_a_question_about_a_case_brings_the_return_that_is_lost_on_the_bus(clerk: Clerk) -> None:
    transfer = await clerk.received(await clerk.resident("zhejiang"))
    await transfer.do("return", {"code": "R06"})
    await clerk.wire.settle_without("PermitReturned")
    answer = await state_of(clerk, transfer, by="shanghai", asked="zhejiang")
    assert (answer.side, [one.state for one in answer.states]) == ("origin", ["RETURNED"])
    assert await transfer.states() == (["VOID"], ["RETURNED"])


async def test_a_question_about_a_case_brings_the_close_that_is_lost_on_the_bus(clerk: Clerk) -> None:
    people = await clerk.household("zhejiang", ("02", SPOUSE))
    transfer = await clerk.certified(people)
    await transfer.do("settle", {"signed": [1], "not_signing": [2]})
    await clerk.wire.settle_without("TransferClosed")
    answer = await state_of(clerk, transfer, by="shanghai", asked="zhejiang")
    assert [(one.place, one.state, one.epoch) for one in answer.states] == [(1, "GONE", 2), (2, "RESTORED", 2)]
    assert await transfer.states() == (["HERE", "VOID"], ["GONE", "RESTORED"])


async def test_an_open_case_is_told_as_it_stands_and_brings_nothing(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    answer = await state_of(clerk, transfer, by="shanghai", asked="zhejiang")
    assert ([one.state for one in answer.states], answer.sealed) == (["SEALED"], ())


async def test_a_bureau_that_has_no_part_in_a_case_is_told_that_it_is_unknown(clerk: Clerk) -> None:
    transfer = await clerk.certified(await clerk.resident("zhejiang"))
    answer = await state_of(clerk, transfer, by="anhui", asked="zhejiang")
    assert (answer.side, answer.states, answer.sealed) == (None, (), ())


# ---- refusals -----------------------------------------------------------------------------------------------------------

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
    with pytest.raises(PeerRefused) as refused:
        await peers.ask("zhejiang", kind(citizen_id_no=person.number), asker=asker, answer=kind.answer)
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
    answers: list[httpx.Response] = []

    async def always_the_first(request: httpx.Request) -> httpx.Response:
        answers.append(await asked(request))
        return answers[0]

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


async def test_what_is_no_envelope_is_refused_in_clear(clerk: Clerk) -> None:
    request = httpx.Request("POST", f"https://zhejiang.invalid{TransferState.path}", content=b"not an envelope")
    answer = await clerk.network.through_door("zhejiang", request)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
