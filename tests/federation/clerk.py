"""What officers do, over the JSON API, each act by an officer whose it is; and after each step 0/0."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
from sqlalchemy import select

from services.bureau.population.tables import resident
from services.bureau.stations.acts import stations_of
from services.bureau.transfers.states import Side
from services.bureau.transfers.tables import transfer_member
from services.harness.network import Network
from shared.contract.records import Station
from shared.database import Session
from shared.identifiers.unit_code import division_of_unit
from shared.messaging.tables import outbox, owed
from tests.federation.gauge import Watch
from tests.federation.people import HEAD, SON, SPOUSE, STATIONS, People, Person, read_officers, register
from tests.federation.wire import Wire

DESTINATION, ORIGIN = Side.DESTINATION, Side.ORIGIN
BRANCH = "000000"
# act -> (the side at which it is done, the role that does it)
ACTS: Mapping[str, tuple[Side, str]] = {
    "accept": (DESTINATION, "counter"),
    "ask-supplement": (DESTINATION, "counter"),
    "supplemented": (DESTINATION, "counter"),
    "submit": (DESTINATION, "counter"),
    "approve": (DESTINATION, "population_office"),
    "refuse": (DESTINATION, "population_office"),
    "withdraw": (DESTINATION, "counter"),
    "void": (DESTINATION, "counter"),
    "wait": (DESTINATION, "counter"),
    "look-up": (DESTINATION, "counter"),
    "settle": (DESTINATION, "counter"),
    "request-reissue": (DESTINATION, "counter"),
    "seal": (ORIGIN, "verifier"),
    "return": (ORIGIN, "verifier"),
    "ask-cancel": (ORIGIN, "verifier"),
    "reissue": (ORIGIN, "verifier"),
    "restore": (ORIGIN, "verifier"),
}
BODIES: Mapping[str, Mapping[str, Any]] = {
    "ask-supplement": {"missing": "结婚证原件"},
    "approve": {},
    "refuse": {"reason": "不符合条件"},
    "withdraw": {"reason": "申请人撤回"},
    "void": {"reason_code": "WITHDRAWN"},
    "wait": {"reason": "申请人要求继续等待"},
    "request-reissue": {"reason": "迁移证遗失"},
    "seal": {"applicant_confirms": True},
    "ask-cancel": {"reason": "申请人不再迁移"},
    "restore": {"reason": "迁入地已作废"},
}
READS = frozenset({"look-up"})  # asked anew each time: there is no answer to keep

_owed_of_case = select(owed.c.kind, owed.c.direction, owed.c.asks, owed.c.since, owed.c.next_ask_at).order_by(owed.c.kind)
_row = select(resident.c.id, resident.c.kind, resident.c.epoch, resident.c.restoration_due)
_members = select(transfer_member.c.counterpart, transfer_member.c.place, transfer_member.c.state).order_by(
    transfer_member.c.place
)


@dataclass(frozen=True)
class Application:
    """What somebody applies for. `relations`: to the head of the new household, by mover."""

    movers: list[Person]
    origin: str
    destination: str
    origin_station: str | None = None
    station: str | None = None
    relations: Sequence[str] = ()
    new_household: bool = False
    previous: "Transfer | None" = None

    @property
    def at(self) -> str:
        return self.station or STATIONS[self.destination]

    @property
    def formerly(self) -> str:
        return self.origin_station or STATIONS[self.origin]

    @property
    def path(self) -> str:
        return "/api/v1/transfers" + ("" if self.previous is None else f"?previous_case={self.previous.case}")

    def form(self, sponsor: Person, household_no: str) -> Mapping[str, Any]:
        others = len(self.movers) - 1
        relations = self.relations or ((HEAD, *[SON] * others) if self.new_household else (SPOUSE, *["28"] * others))
        persons = [
            {"citizen_id_no": one.number, "name": one.name, "relation_to_head_code": code}
            for one, code in zip(self.movers, relations, strict=True)
        ]
        destination = {"division_code": division_of_unit(self.at), "address": "演示路2号"}
        return {
            "category": "KINSHIP",
            "reason_code": "SPOUSE",
            "applicant": persons[0],
            "members": [one | {"relation_to_applicant_code": SON} for one in persons[1:]],
            "origin": {"division_code": division_of_unit(self.formerly), "address": "演示路1号", "station_code": self.formerly},
            "destination": destination if self.new_household else destination | {"household_no": household_no},
            "sponsor": {"name": sponsor.name, "citizen_id_no": sponsor.number},
            "notice_signed": True,
        }


class Clerk:
    """All officers of the four bureaus. `twice`: every act is sent again with its key, and must give the same answer."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.watch = Watch(network)
        self.wire = Wire(network, self.watch.check)
        self.people = People()
        self.twice = False
        self.clocks_agree = True  # so that times of different bureaus may be compared
        self._officers = dict(read_officers())
        self._sponsors: dict[str, tuple[Person, str]] = {}
        self._tokens: dict[tuple[str, str, timedelta], str] = {}

    # ---- the register ---------------------------------------------------------------------------------------------------

    async def resident(self, bureau: str = "zhejiang", *, station: str | None = None, epoch: int = 1) -> Person:
        """Somebody who lives alone."""
        (person,) = await self.household(bureau, (HEAD,), station=station, epoch=epoch)
        return person

    async def household(
        self, bureau: str, relations: Sequence[str], *, station: str | None = None, epoch: int = 1
    ) -> list[Person]:
        """A household by its members' relations to the head, the head first."""
        at = station or STATIONS[bureau]
        made = [self.people.make(division_of_unit(at), sex="1" if relation == "20" else "2") for relation in relations]
        await register(self.network.nodes[bureau], at, list(zip(made, relations, strict=True)), epoch=epoch)
        self.watch.add(made)
        return made

    async def sponsor(self, station: str, bureau: str) -> tuple[Person, str]:
        """A resident of the station whom others join, and the household's number."""
        if station not in self._sponsors:
            person = self.people.make(division_of_unit(station), sex="1")
            number = await register(self.network.nodes[bureau], station, [(person, HEAD)])
            self._sponsors[station] = person, number
            self.watch.add([person])
        return self._sponsors[station]

    # ---- calls ----------------------------------------------------------------------------------------------------------

    def officer(self, station: str, role: str) -> str:
        unit = division_of_unit(station) + BRANCH if role == "population_office" else station
        return self._officers[unit, role]

    def add_officer(self, station: str, role: str, badge_no: str) -> None:
        """Somebody who is not on the lists that the provinces start with."""
        self._officers[station, role] = badge_no

    async def send(
        self, bureau: str, officer: str, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> httpx.Response:
        node = self.network.nodes[bureau]
        named = {"Authorization": f"Bearer {await self._token(bureau, officer)}"} | headers
        if key is not None:
            named["Idempotency-Key"] = key
        return await node.web.request(method, path, json=body, headers=named)

    async def _token(self, bureau: str, officer: str) -> str:
        """A fresh access token whenever the machine's clock has been moved: they live for minutes."""
        key = bureau, officer, self.network.machine[bureau].offset
        if key not in self._tokens:
            self._tokens[key] = await self.network.nodes[bureau].token(officer)
        return self._tokens[key]

    async def call(self, bureau: str, officer: str, path: str, body: Any, *, expect: int, key: str | None = None) -> Any:
        """One act, under an idempotency key (a fresh one when None); the answer's JSON. Checks the gauge."""
        key = key or f"{uuid4()}"
        answer = await self.send(bureau, officer, "POST", path, body, key=key)
        assert answer.status_code == expect, answer.text
        await self.watch.check()
        if self.twice and path.rsplit("/", 1)[-1] not in READS and answer.status_code < httpx.codes.BAD_REQUEST:
            again = await self.send(bureau, officer, "POST", path, body, key=key)
            assert (again.status_code, again.content) == (answer.status_code, answer.content)
            assert again.headers["Idempotency-Replayed"] == "true"
            await self.watch.check()
        return answer.json()

    async def read(self, bureau: str, officer: str, path: str, **headers: str) -> Any:
        answer = await self.send(bureau, officer, "GET", path, **headers)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    async def rows(self, bureau: str, statement: Any) -> list[Any]:
        """What a query finds in one bureau's database."""

        async def unit(session: Session) -> list[Any]:
            return list((await session.execute(statement)).all())

        return await self.network.nodes[bureau].wiring.database.run(unit, name="test.rows")

    async def row_of(self, bureau: str, person: Person) -> Any:
        """The person's row in one bureau's register."""
        (row,) = await self.rows(bureau, _row.where(resident.c.citizen_id_index == person.number))
        return row

    async def stations(self, at: str, bureau: str) -> list[Station]:
        """The stations of one bureau as another knows them."""
        database = self.network.nodes[at].wiring.database
        return await database.run(lambda session: stations_of(session, bureau), name="test.stations")

    async def change(self, bureau: str, statement: Any) -> None:
        """What no act of the product does, done to one bureau's database."""

        async def unit(session: Session) -> None:
            await session.execute(statement)

        await self.network.nodes[bureau].wiring.database.run(unit, name="test.change")

    # ---- transfers ------------------------------------------------------------------------------------------------------

    async def apply(
        self,
        movers: Person | Sequence[Person],
        origin: str = "zhejiang",
        destination: str = "shanghai",
        *,
        key: str | None = None,
        **more: Any,
    ) -> "Transfer":
        """An application taken as a draft; `more` as for `Application`."""
        asked = Application([movers] if isinstance(movers, Person) else list(movers), origin, destination, **more)
        answer = await self.call(destination, *await self._counter(asked), expect=201, key=key)
        return Transfer(self, str(answer["case"]), origin, destination, asked.formerly, asked.at, asked.movers, answer)

    async def send_application(self, mover: Person, **more: Any) -> httpx.Response:
        """The bare answer to an application, for one that may be refused."""
        asked = Application([mover], "zhejiang", "shanghai", **more)
        officer, path, form = await self._counter(asked)
        return await self.send(asked.destination, officer, "POST", path, form)

    async def _counter(self, asked: "Application") -> tuple[str, str, Mapping[str, Any]]:
        """(officer, path, form) of an application."""
        sponsor, household_no = await self.sponsor(asked.at, asked.destination)
        return self.officer(asked.at, "counter"), asked.path, asked.form(sponsor, household_no)

    async def approved(self, movers: Person | Sequence[Person], *places: str, **more: Any) -> "Transfer":
        """Applied for, accepted, submitted and approved; nothing has been delivered yet."""
        transfer = await self.apply(movers, *places, **more)
        for act in ("accept", "submit", "approve"):
            await transfer.do(act)
        return transfer

    async def received(self, movers: Person | Sequence[Person], *places: str, **more: Any) -> "Transfer":
        """The permit lies at the origin."""
        transfer = await self.approved(movers, *places, **more)
        await self.wire.settle()
        return transfer

    async def certified(self, movers: Person | Sequence[Person], *places: str, **more: Any) -> "Transfer":
        """Sealed, the migration certificate matched at the destination: the citizen may come and sign."""
        transfer = await self.received(movers, *places, **more)
        await transfer.do("seal")
        await self.wire.settle()
        return transfer

    async def settled(self, movers: Person | Sequence[Person], *places: str, **more: Any) -> "Transfer":
        """A whole transfer."""
        transfer = await self.certified(movers, *places, **more)
        await transfer.do("settle")
        await self.wire.settle()
        return transfer


@dataclass
class Transfer:
    """One case, and whatever officers do to it at either end."""

    clerk: Clerk
    case: str
    origin: str
    destination: str
    origin_station: str
    station: str
    people: list[Person]
    opened: Mapping[str, Any]

    def where(self, act: str) -> tuple[str, str]:
        """(bureau, officer) of an act."""
        side, role = ACTS[act]
        if side is DESTINATION:
            return self.destination, self.clerk.officer(self.station, role)
        return self.origin, self.clerk.officer(self.origin_station, role)

    async def do(self, act: str, body: Mapping[str, Any] | None = None, *, expect: int = 200, key: str | None = None) -> Any:
        """The act by the officer whose it is, with its usual body or with `body` beside it; the answer's JSON."""
        bureau, officer = self.where(act)
        return await self.clerk.call(bureau, officer, self._path(act), self._body(act, body), expect=expect, key=key)

    async def attempt(self, act: str, body: Mapping[str, Any]) -> bool:
        """The act, which may be refused (4xx) because the case stands elsewhere; whether it was done."""
        bureau, officer = self.where(act)
        answer = await self.clerk.send(bureau, officer, "POST", self._path(act), self._body(act, body))
        await self.clerk.watch.check()
        assert answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR, answer.text
        return answer.is_success

    def _path(self, act: str) -> str:
        return f"/api/v1/transfers/{self.case}/{act}"

    def _body(self, act: str, body: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        usual = {"signed": [*range(1, len(self.people) + 1)]} if act == "settle" else BODIES.get(act)
        return usual if body is None else {**(usual or {}), **body}

    async def ask_again(self, side: Side) -> list[str]:
        """Press "ask again" at one end; gives what was asked for."""
        bureau, station, role = (
            (self.destination, self.station, "counter") if side is DESTINATION else (self.origin, self.origin_station, "verifier")
        )
        path = f"/api/v1/transfers/{self.case}/ask-again"
        answer = await self.clerk.call(bureau, self.clerk.officer(station, role), path, None, expect=200)
        return list(answer["asked"])

    async def at_destination(self) -> Any:
        path = f"/api/v1/transfers/{self.case}"
        return await self.clerk.read(self.destination, self.clerk.officer(self.station, "counter"), path)

    async def at_origin(self) -> Any:
        path = f"/api/v1/transfers/{self.case}"
        return await self.clerk.read(self.origin, self.clerk.officer(self.origin_station, "verifier"), path)

    async def states(self) -> tuple[list[str], list[str]]:
        """(the members' states at the destination, at the origin), by place; [] where the case is unknown. Asks nobody."""
        return await self._states(self.destination, self.origin), await self._states(self.origin, self.destination)

    async def _states(self, bureau: str, counterpart: str) -> list[str]:
        rows = await self.clerk.rows(bureau, _members.where(transfer_member.c.case_id == UUID(self.case)))
        return [row.state for row in rows if row.counterpart == counterpart]

    async def owed(self, bureau: str) -> dict[str, Any]:
        """kind -> owed row of the case at a bureau."""
        return {row.kind: row for row in await self.clerk.rows(bureau, _owed_of_case.where(owed.c.case_id == UUID(self.case)))}

    async def said(self) -> int:
        """Messages about the case in all outboxes, sent or not."""
        statement = select(outbox.c.event_id).where(outbox.c.key == self.case)
        return sum([len(await self.clerk.rows(bureau, statement)) for bureau in self.clerk.network.nodes])
