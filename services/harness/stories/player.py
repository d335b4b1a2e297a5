"""Plays a story through the officers' API, as a careful client would, and measures what follows at the other bureau.

An act that got no answer is sent again with the same Idempotency-Key, so a node that dies meanwhile does no harm: the story waits
for it. Every wait has an end.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx2 as httpx
from uuid_utils.compat import uuid7

from services.bureau.access.callers import Post
from services.bureau.access.calls import KEY_HEADER, POST_HEADER
from services.bureau.access.development import GRANT_TYPE
from services.bureau.transfers.states import TERMINAL, TRANSFER, Side, State
from services.harness.network import OFFICER_TOKEN_PATH
from services.harness.stories.acts import ROUTE
from services.harness.stories.script import Effect, Part, Script
from services.harness.stories.stage import Stage
from shared.identifiers.texts import N_
from shared.identifiers.unit_code import division_of_unit

PATIENCE_SECONDS = 60.0  # time enough to start a node again by hand
NOT_NOW: Final = frozenset(
    {"counterpart_silent", "no_directory"}
)  # refusals that end by themselves when the other bureau is back
STATIONS_ROUTE = "/api/v1/stations"


class StoryFailed(Exception):
    """The story did not go as it must. `message` is a msgid, `values` fill its places."""

    def __init__(self, message: str, **values: str | int) -> None:
        super().__init__(message.format(**values))
        self.message = message
        self.values = values


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one bureau did, or what followed there. `message`: what its new state says to the other bureau, or the refusal.

    `state`: of the case there, None before it has one. `ms`: machine milliseconds from the act to its effect at the peer; to its
    own answer where no message leaves."""

    bureau: str
    act: str
    state: str | None
    message: str | None
    ms: int


class Audience(Protocol):
    """Who is told while the story goes on."""

    def acts(self, part: Part) -> None:
        """An officer begins an act."""

    def follows(self, row: Row, view: Mapping[str, Any]) -> None:
        """The act has its answer, or its effect has shown at a bureau: the case as it is seen there."""

    def holds(self, message: str, /, **values: str | int) -> None:
        """Something that had to be true in the end is true."""


class Player:
    """Plays one script on one stage."""

    def __init__(self, stage: Stage, script: Script, audience: Audience, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._stage = stage
        self._script = script
        self._audience = audience
        self._patience = patience_seconds
        self._tokens: dict[tuple[str, str], str] = {}
        self._states: dict[tuple[str, str], str] = {}  # (bureau, case) -> as seen last
        self.case_ids: dict[str, str] = {}
        self.rows: list[Row] = []

    async def play(self) -> list[Row]:
        """Every step in its order. Raises StoryFailed at the first that goes otherwise."""
        await self._directories()
        for part in self._script.parts:
            self._stage.set_clock(part.step.at)
            self._audience.acts(part)
            await self._play(part)
        return self.rows

    async def _play(self, part: Part) -> None:
        step, began = part.step, time.perf_counter()
        body = dict(self._script.cases[step.case].application) if part.act.name == "open" else step.body
        path = part.act.path(self.case_ids.get(step.case, ""))
        answer = await self.send(part, part.act.method, path, body if part.act.method == "POST" else None)
        own_ms = _since(began)
        if step.refused is not None:
            self._refused(part, answer, own_ms)
            return
        view = self._taken(part, answer)
        said = part.act.asks or self._says(step.bureau, step.case, step.state)
        if step.state is not None:
            self._states[step.bureau, step.case] = step.state.value
        first = Row(bureau=step.bureau, act=step.act, state=self._seen(part), message=said, ms=own_ms)
        self._audience.follows(first, view)
        rows = [first]
        for effect in step.effects:
            rows.append(await self._effect(part, effect, began, rows[-1].message))
        at_peer = next((row.ms for row in rows[1:] if row.bureau != step.bureau), own_ms)
        self.rows += [Row(bureau=first.bureau, act=first.act, state=first.state, message=said, ms=at_peer), *rows[1:]]

    def _refused(self, part: Part, answer: httpx.Response, ms: int) -> None:
        refusal, problem = part.step.refused, _json(answer)
        if refusal is None:
            raise AssertionError("called only for a step that must be refused")
        detail = str(problem.get("detail", ""))
        unsaid = [text for text in refusal.says if text not in detail]
        if answer.status_code != refusal.status or unsaid:
            message = N_("step {number} ({act}): must be refused with {status} naming {says}; the answer was {actual}: {detail}")
            says = ", ".join(refusal.says)
            about: dict[str, str | int] = {"number": part.number, "act": part.step.act, "status": refusal.status, "says": says}
            raise StoryFailed(message, **about, actual=answer.status_code, detail=detail)
        row = Row(bureau=part.step.bureau, act=part.step.act, state=self._seen(part), message=detail, ms=ms)
        self.rows.append(row)
        self._audience.follows(row, {})

    def _taken(self, part: Part, answer: httpx.Response) -> Mapping[str, Any]:
        """The answer of an act that must succeed, and lead to its state."""
        body, step = _json(answer), part.step
        if not answer.is_success:
            detail = body.get("detail", answer.text)
            message = N_("step {number} ({act}) was refused with {status}: {detail}")
            raise StoryFailed(message, number=part.number, act=step.act, status=answer.status_code, detail=str(detail))
        if part.act.name == "open":
            self.case_ids[step.case] = str(body["case"])
        if body.get("findings"):
            message = N_("step {number}: the register speaks against the move: {findings}")
            raise StoryFailed(message, number=part.number, findings="; ".join(one["zh"] for one in body["findings"]))
        if step.state is not None and body.get("states") != [step.state]:
            message = N_("step {number} ({act}): the case is {actual}, not {expected}")
            actual = ", ".join(body.get("states", []))
            raise StoryFailed(message, number=part.number, act=step.act, actual=actual, expected=step.state.value)
        return body

    async def _effect(self, part: Part, effect: Effect, began: float, cause: str | None) -> Row:
        """Wait until the message has done its work at the bureau."""
        case, ends_at, seen = part.step.case, time.monotonic() + self._patience, "-"
        reader = self._reader(effect.bureau, case)
        side = self._side(effect.bureau, case)
        while time.monotonic() < ends_at:
            answer = await self.send(reader, "GET", f"{ROUTE}/{self.case_ids[case]}", None)
            view = _json(answer) if answer.is_success else {}
            states = view.get("states", [])
            if states == [effect.state]:
                self._states[effect.bureau, case] = effect.state.value
                said = self._says(effect.bureau, case, effect.state)
                row = Row(bureau=effect.bureau, act=f"receive {cause}", state=effect.state, message=said, ms=_since(began))
                self._audience.follows(row, view)
                return row
            seen = ", ".join(states) or str(answer.status_code)
            if states and all(State(state) in TERMINAL[side] for state in states):
                break
            await self._stage.turn()
        message = N_("step {number} ({act}): {bureau} is {actual}, not {expected}, {seconds} s after the act")
        seconds = _since(began) // 1000
        values: dict[str, str | int] = {"bureau": effect.bureau, "actual": seen, "expected": effect.state.value}
        raise StoryFailed(message, number=part.number, act=part.step.act, seconds=seconds, **values)

    async def send(self, part: Part, method: str, path: str, body: Any) -> httpx.Response:
        """One request of a part's officer, repeated with one key until it is answered; gives any answer but "not now"."""
        bureau, officer = part.step.bureau, part.step.officer
        post = Post(part.post.station_code, part.post.role, division_of_unit(part.post.station_code))
        headers, ends_at, why = {KEY_HEADER: str(uuid7()), POST_HEADER: post.header}, time.monotonic() + self._patience, ""
        while time.monotonic() < ends_at:
            try:
                headers["Authorization"] = f"Bearer {await self._token(bureau, officer)}"
                answer = await self._stage.web(bureau).request(method, path, json=body, headers=headers)
                why = _not_now(answer)
                if not why:
                    return answer
            except httpx.TransportError as error:
                why = type(error).__name__
            await self._stage.turn()
        message = N_("{bureau} does not answer: {why}; {seconds} s were waited for it")
        raise StoryFailed(message, bureau=bureau, why=why, seconds=int(self._patience))

    async def _token(self, bureau: str, officer: str) -> str:
        if (bureau, officer) not in self._tokens:
            form = {"grant_type": GRANT_TYPE, "officer": officer}
            answer = await self._stage.web(bureau).post(OFFICER_TOKEN_PATH, data=form)
            if not answer.is_success:
                raise httpx.ReadError(f"no token: {answer.status_code}")
            self._tokens[bureau, officer] = answer.json()["access_token"]
        return self._tokens[bureau, officer]

    async def _directories(self) -> None:
        """Until the destinations know the origins' stations: a fresh federation's bureaus have only just told each other."""
        for case in self._script.cases.values():
            reader = self._reader(case.destination, case.name)
            ends_at = time.monotonic() + self._patience
            while case.origin not in {one["bureau"] for one in (await self.send(reader, "GET", STATIONS_ROUTE, None)).json()}:
                if time.monotonic() > ends_at:
                    raise StoryFailed(N_("{bureau} has no directory of {origin}"), bureau=case.destination, origin=case.origin)
                await self._stage.turn()

    def _reader(self, bureau: str, case: str) -> Part:
        """Whose eyes see what follows at a bureau: the officer who acts there in this case, before or later."""
        found = next((part for part in self._script.parts if (part.step.bureau, part.step.case) == (bureau, case)), None)
        if found is None:
            raise StoryFailed(
                N_("no officer of {bureau} acts in case {case}: nobody could see it there"), bureau=bureau, case=case
            )
        return found

    def _seen(self, part: Part) -> str | None:
        """The state of the part's case at its bureau, as last seen: an act may leave it as it is."""
        return self._states.get((part.step.bureau, part.step.case))

    def _side(self, bureau: str, case: str) -> Side:
        return Side.DESTINATION if self._script.cases[case].destination == bureau else Side.ORIGIN

    def _says(self, bureau: str, case: str, state: State | None) -> str | None:
        word = None if state is None else TRANSFER.says(self._side(bureau, case), state)
        return None if word is None else word.value


def _since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _not_now(answer: httpx.Response) -> str:
    """Why the same request may succeed soon; "" when the answer counts."""
    if answer.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.BAD_GATEWAY):
        return str(answer.status_code)
    problem = _json(answer)
    rules = {problem.get("code"), *(one.get("rule") for one in problem.get("errors", []))}
    return next(iter(sorted(NOT_NOW & {rule for rule in rules if isinstance(rule, str)})), "")
