"""The other bureaus as a node meets them when it asks: their real keys, and answers that the test gives."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
from uuid_utils.compat import uuid7

from shared.contract.codes import Standing
from shared.contract.questions import (
    Answer,
    Asked,
    PersonStatus,
    PersonStatusAnswer,
    Question,
    ResidentForTransfer,
    ResidentForTransferAnswer,
    TransferState,
    TransferStateAnswer,
)
from shared.contract.registry import decode_question, encode_answer, schema_of
from shared.envelope import Place, Ring, TrustList, open_envelope, seal


def _nothing_known() -> dict[type[Question], Callable[[Any], Answer]]:
    return {
        TransferState: lambda question: TransferStateAnswer(),
        PersonStatus: lambda question: PersonStatusAnswer(kind=Standing.ABSENT),
        ResidentForTransfer: lambda question: ResidentForTransferAnswer(found=False),
    }


@dataclass
class PeerStandIn:
    """Answers questions for every bureau of the federation. `down`: whose line is cut; `ahead`: seconds, of their clocks."""

    rings: Mapping[str, Ring]
    trust: TrustList
    down: set[str] = field(default_factory=set)
    ahead: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, Asked]] = field(default_factory=list)
    answers: dict[type[Question], Callable[[Any], Answer]] = field(default_factory=_nothing_known)

    def transport_to(self, bureau: str) -> httpx.AsyncBaseTransport:
        return _Line(self, bureau)

    async def through(self, bureau: str, request: httpx.Request) -> httpx.Response:
        if bureau in self.down:
            raise httpx.ConnectError("the test has cut this line", request=request)
        path, now, ring = request.url.path, int(time.time()), self.rings[bureau]
        capability = path.split("/")[3]
        place = Place("question", capability, path=path)
        opened = open_envelope(await request.aread(), place=place, ring=ring, trust=self.trust, seen={}, now=now)
        asked = decode_question(opened.content, path=path)
        self.asked.append((bureau, asked))
        envelope = seal(
            encode_answer(self.answers[type(asked.question)](asked.question)),
            place=Place("answer", capability, path=path, key=opened.key),
            to=opened.iss,
            ring=ring,
            trust=self.trust,
            now=now + self.ahead.get(bureau, 0),
            jti=uuid7(),
            incarnation=1,
            schema=schema_of(capability),
            re=opened.jti,
        )
        return httpx.Response(200, content=envelope, headers={"content-type": "application/jose"})


class _Line(httpx.AsyncBaseTransport):
    def __init__(self, stand_in: PeerStandIn, bureau: str) -> None:
        self._stand_in, self._bureau = stand_in, bureau

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._stand_in.through(self._bureau, request)
