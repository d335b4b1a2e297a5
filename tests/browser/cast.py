"""Who and what the browsers find: the story's people, and a case in every state, brought there through the officers' API."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from services.harness.processes import Federation
from services.harness.registers import import_file
from services.harness.stories.casting import read_script
from shared.database import CHINA
from tests.real.officers import Officers
from tests.real.people import PLACES, Person, Place, application, people_of, register

CLOCK = datetime(2020, 11, 20, 9, 30, tzinfo=CHINA)
HOME, OLD = PLACES["shanghai"], PLACES["zhejiang"]
CASES = "/api/v1/transfers"
PATIENCE_SECONDS, PAUSE_SECONDS = 20.0, 0.05
SPONSOR = Person(HOME, "310116198209269736", "李志远")
RARE = "阿依·𠅤𮧵"  # a separator (U+00B7), Ext-B and Ext-F
AGAIN = "王重试"  # whose intake outlives the node
MISSING, REFUSED = "结婚证原件", "婚龄不足（演示）"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the citizen holds in hand."""

    case: str
    apply_no: str
    query_code: str


@dataclass
class Cast:
    """`receipts`: by the state at the new home in which the case rests. `spare`: likewise, each for one test that moves it on."""

    federation: Federation
    officers: Officers
    receipts: dict[str, Receipt] = field(default_factory=dict)
    spare: dict[str, Receipt] = field(default_factory=dict)
    people: Iterator[Person] = field(default_factory=lambda: people_of(OLD))

    async def newcomer(self, name: str = "王试", *, home: Place = OLD) -> Person:
        """Somebody who is registered at `home`, and has asked for nothing yet."""
        person = replace(next(self.people), name=name, home=home)
        database = self.federation.registers()[home.bureau].open()
        try:
            await database.run(lambda session: register(session, person), name="cast")
        finally:
            await database.close()
        return person

    async def open_case(self, person: Person) -> Receipt:
        answer = await self.officers.act("shanghai", HOME.counter, CASES, application(person, HOME, SPONSOR))
        told = answer.json()
        return Receipt(told["case"], told["apply_no"], told["query_code"])

    async def act(self, bureau: str, officer: str, receipt: Receipt, act: str, body: Any = None) -> None:
        await self.officers.act(bureau, officer, f"{CASES}/{receipt.case}/{act}", body)

    async def until(self, bureau: str, officer: str, receipt: Receipt, state: str) -> None:
        """Wait until a message has brought the case there."""
        ends_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        states: Any = None
        while asyncio.get_running_loop().time() < ends_at:
            states = (await self.standing(bureau, officer, receipt)).get("states")
            if states == [state]:
                return
            await asyncio.sleep(PAUSE_SECONDS)
        raise AssertionError(f"{bureau}: {states} instead of {state}")

    async def standing(self, bureau: str, officer: str, receipt: Receipt) -> Any:
        """The case as the API tells it."""
        headers = {"Authorization": f"Bearer {await self.officers.token(bureau, officer)}"}
        return (await self.officers._clients[bureau].get(f"{CASES}/{receipt.case}", headers=headers)).json()

    async def to_review(self, receipt: Receipt) -> None:
        for act in ("accept", "submit"):
            await self.act("shanghai", HOME.counter, receipt, act)

    async def approved(self, receipt: Receipt) -> None:
        await self.to_review(receipt)
        await self.act("shanghai", HOME.office, receipt, "approve", {})
        await self.until("zhejiang", OLD.verifier, receipt, "RECEIVED")

    async def certified(self, receipt: Receipt) -> None:
        await self.approved(receipt)
        await self.act("zhejiang", OLD.verifier, receipt, "seal", {"applicant_confirms": True})
        await self.until("shanghai", HOME.counter, receipt, "CERTIFIED")

    async def settled(self, receipt: Receipt) -> None:
        await self.certified(receipt)
        await self.act("shanghai", HOME.counter, receipt, "settle", {"signed": [1]})
        await self.until("shanghai", HOME.counter, receipt, "HERE")

    async def returned(self, receipt: Receipt) -> None:
        await self.approved(receipt)
        await self.act("zhejiang", OLD.verifier, receipt, "return", {"code": "R06", "reason_text": "本人来电撤回（演示）"})
        await self.until("shanghai", HOME.counter, receipt, "VOID")


@asynccontextmanager
async def cast_of(federation: Federation) -> AsyncIterator[Cast]:
    """Register everybody, and bring one case into each state in which a case can rest at its new home."""
    script = read_script("wang")
    for bureau, file in script.residents.items():
        await import_file(federation.registers()[bureau], file)
    made = Cast(federation, Officers({bureau: node.web for bureau, node in federation.nodes.items()}))
    try:
        database = federation.registers()["zhejiang"].open()
        movers = [next(made.people) for _ in range(11)]
        for person in movers:
            await database.run(lambda session, person=person: register(session, person), name="cast")
        await database.close()
        receipts = [await made.open_case(person) for person in movers]
        accepted, missing, review, refused, approved, certified, settled, returned = receipts[1:9]
        made.spare = {"DRAFT": receipts[9], "CERTIFIED": receipts[10]}
        await made.certified(receipts[10])
        await made.act("shanghai", HOME.counter, accepted, "accept")
        await made.act("shanghai", HOME.counter, missing, "accept")
        await made.act("shanghai", HOME.counter, missing, "ask-supplement", {"missing": MISSING})
        await made.to_review(review)
        await made.to_review(refused)
        await made.act("shanghai", HOME.office, refused, "refuse", {"reason": REFUSED})
        await made.approved(approved)
        await made.certified(certified)
        await made.settled(settled)
        await made.returned(returned)
        states = ["DRAFT", "ACCEPTED", "SUPPLEMENT_REQUIRED", "UNDER_REVIEW", "REFUSED", "APPROVED", "CERTIFIED", "HERE", "VOID"]
        made.receipts = dict(zip(states, receipts[:9], strict=True))
        yield made
    finally:
        await made.officers.close()
