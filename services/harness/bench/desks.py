"""Officers at their browsers for `quanyu bench pages`: logged in by the real code flow, with a full page in each queue."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx2 as httpx
from fastapi import FastAPI

from services.harness.bench.bed import PAIR, Bed, call
from services.harness.bench.ground import COUNTER, DESTINATION, OFFICE, ORIGIN, VERIFIER, Person
from services.harness.stack import StackError
from shared.identifiers.texts import N_

IN_A_QUEUE = 25  # as many as a page shows
GROUPS = ("drafts", "accepted", "supplement", "review", "verify", "settle", "reissue", "restore", "settling")
TAKEN_BY = {"review": (DESTINATION, OFFICE), "verify": (ORIGIN, VERIFIER), "settle": (DESTINATION, COUNTER)}
QUEUES = (
    (DESTINATION, COUNTER, ("settle", "drafts", "accepted", "corrections", "peer", "settling", "mine", "recent")),
    (DESTINATION, OFFICE, ("review", "mine")),
    (ORIGIN, VERIFIER, ("verify", "reissue", "restore", "transit", "mine")),
)
ROLES = {COUNTER: "counter", OFFICE: "branch", VERIFIER: "origin"}
CASES_IN_TURN = 10
FORM = re.compile(r'action="(/dev/authorize[^"]*)"')
ROW = re.compile(r"\bdata-row\b")
FROM_OWN_PAGE = {"sec-fetch-site": "same-origin", "accept": "text/html"}
OK, SEE_OTHER = 200, 303
SEARCH = "/w/search"  # one hit leads to its case
APPLY_NO = "SELECT apply_no FROM transfer_case WHERE case_id = $1"
HOME_OF = (
    "SELECT r.household_id FROM transfer_member AS m JOIN resident AS r ON r.citizen_id_index = m.citizen_index"
    " WHERE m.case_id = $1"
)
REFUSED = N_("{bureau} refused {path}: {answer}")
Cases = dict[str, list[UUID]]
"""Open cases by what is to be done with them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One page of one officer; the paths take turns."""

    label: str
    bureau: str
    officer: str
    paths: Sequence[str]


class Desk:
    """The officers of one node."""

    def __init__(self, bureau: str, app: FastAPI, origin: str) -> None:
        self._bureau, self._app, self._origin = bureau, app, origin
        self._cookies: dict[str, str] = {}

    async def log_in(self, officer: str) -> None:
        """/login, the provider's page, a code, the callback. Raises StackError."""
        async with self._client({}) as client:
            choosing = await client.get("/login", params={"next": "/me"}, follow_redirects=True)
            found = FORM.search(choosing.text)
            address = urljoin(str(choosing.url), unescape(found[1])) if found else "/me"
            answer = await client.post(address, data={"officer": officer}, follow_redirects=True)
            if answer.status_code != OK or answer.url.path != "/me":
                raise StackError(REFUSED, bureau=self._bureau, path="/login", answer=answer.text)
            self._cookies[officer] = "; ".join(f"{name}={value}" for name, value in client.cookies.items())

    async def get(self, officer: str, path: str) -> tuple[float, str]:
        """Seconds until the page was there as a whole, and the page. Raises StackError."""
        headers = {**FROM_OWN_PAGE, "cookie": self._cookies[officer]}
        begun = time.perf_counter()
        status, answer = await call(self._app, "GET", path, headers)
        taken = time.perf_counter() - begun
        if status != (SEE_OTHER if path.startswith(SEARCH) else OK):
            raise StackError(REFUSED, bureau=self._bureau, path=path, answer=answer.decode())
        return taken, answer.decode()

    async def send(self, officer: str, path: str) -> str:
        """An empty form; where it leads to. Raises StackError."""
        async with self._client({"cookie": self._cookies[officer]}) as client:
            answer = await client.post(path, data={"once": f"bench-{time.monotonic_ns()}"})
        if answer.status_code != SEE_OTHER:
            raise StackError(REFUSED, bureau=self._bureau, path=path, answer=answer.text)
        return str(answer.headers["location"])

    def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self._app)
        return httpx.AsyncClient(transport=transport, base_url=self._origin, headers={**FROM_OWN_PAGE, **headers})


async def desks_of(bed: Bed) -> dict[str, Desk]:
    """Of both nodes, their officers logged in."""
    made: dict[str, Desk] = {}
    for bureau in PAIR:
        wiring = bed.network.nodes[bureau].wiring
        made[bureau] = Desk(bureau, bed.network.web_door(wiring), wiring.issuer.removesuffix("/dev"))
    for officer, bureau in ((COUNTER, DESTINATION), (OFFICE, DESTINATION), (VERIFIER, ORIGIN)):
        await made[bureau].log_in(officer)
    return made


async def open_cases(bed: Bed, people: Sequence[Person]) -> Cases:
    """IN_A_QUEUE cases of each group; each was brought there by the acts of its officers, and the messages of both nodes."""
    lots = {name: people[number * IN_A_QUEUE : (number + 1) * IN_A_QUEUE] for number, name in enumerate(GROUPS)}
    cases = {name: await bed.under_review(lot) for name, lot in lots.items() if name not in ("drafts", "accepted", "supplement")}
    cases["drafts"] = await bed.opened(lots["drafts"])
    cases["accepted"] = await bed.opened(lots["accepted"], accepted=True)
    cases["supplement"] = await bed.opened(lots["supplement"], accepted=True)

    async def each(groups: Sequence[str], bureau: str, officer: str, act: str, body: Any) -> None:
        for group in groups:
            for case in cases[group]:
                await bed.act(bureau, officer, case, act, body)

    await each(["supplement"], DESTINATION, COUNTER, "ask-supplement", {"missing": "结婚证原件"})
    sealed = ["settle", "reissue", "restore", "settling"]
    await each(["verify", *sealed], DESTINATION, OFFICE, "approve", {})
    await bed.network.settle()
    await each(sealed, ORIGIN, VERIFIER, "seal", {"applicant_confirms": True})
    await bed.network.settle()
    await each(["reissue"], DESTINATION, COUNTER, "request-reissue", {"reason": "遗失"})
    await each(["restore"], DESTINATION, COUNTER, "void", {"reason_code": "WITHDRAWN"})
    await bed.network.settle()
    await each(["settling"], DESTINATION, COUNTER, "settle", {"signed": [1]})  # and nobody has told the origin yet
    return cases


async def asked_of(bed: Bed, desks: dict[str, Desk], cases: Cases) -> list[Asked]:
    """Every page with what it is asked for. Raises StackError where a queue has no full page."""
    for group, (bureau, officer) in TAKEN_BY.items():
        for case in cases[group]:
            await desks[bureau].send(officer, f"/w/case/{case}/take")
    found = [Asked(f"workbench, {ROLES[officer]}", bureau, officer, ["/w"]) for bureau, officer, _ in QUEUES]
    for bureau, officer, names in QUEUES:
        for name in names:
            path = f"/w/queue/{name}"
            _, page = await desks[bureau].get(officer, path)
            if len(ROW.findall(page)) != IN_A_QUEUE:
                raise StackError(N_("{path} at {bureau} has no full page"), path=path, bureau=bureau)
            found.append(Asked(f"queue {name}, {ROLES[officer]}", bureau, officer, [path]))
    settle, review, verify = (cases[name][:CASES_IN_TURN] for name in ("settle", "review", "verify"))
    at, origin = await bed.look(DESTINATION), await bed.look(ORIGIN)
    numbers = [await at.fetchval(APPLY_NO, case) for case in settle]
    homes = [(await origin.fetchval(HOME_OF, case), case) for case in verify]
    await at.close()
    await origin.close()
    draft = (await desks[DESTINATION].send(COUNTER, "/w/intake")).rpartition("/")[0]
    steps = [f"{draft}/{step}" for step in ("applicant", "matter", "members")]
    return [
        *found,
        Asked("case", DESTINATION, COUNTER, [f"/w/case/{case}" for case in settle]),
        Asked("trace", DESTINATION, COUNTER, [f"/w/case/{case}/trace" for case in settle]),
        Asked("settle", DESTINATION, COUNTER, [f"/w/case/{case}/settle" for case in settle]),
        Asked("decide", DESTINATION, OFFICE, [f"/w/case/{case}/decide" for case in review]),
        Asked("review", ORIGIN, VERIFIER, [f"/w/case/{case}/review" for case in verify]),
        Asked("search by number", DESTINATION, COUNTER, [f"{SEARCH}?q={number}" for number in numbers]),
        Asked("intake", DESTINATION, COUNTER, steps),
        Asked("household", ORIGIN, VERIFIER, [f"/w/household/{home}?case={case}" for home, case in homes]),
    ]
