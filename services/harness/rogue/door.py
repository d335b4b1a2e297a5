"""What a rogue asks at the peer door, kind by kind, and what it is told. A plain problem is unsigned and means "no answer"."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2 as httpx
from pydantic_core import from_json
from uuid_utils.compat import uuid7

from services.harness.rogue.bus import message, void
from services.harness.rogue.forge import OLD, STOLEN, Forgery, Loot, Rogue, encode_unchecked
from shared.contract.questions import PersonStatus, Question, ResidentForTransfer, TransferState
from shared.envelope import Place, open_envelope
from shared.envelope.form import canonical, read_base64_object

OFFICER: Final = {"officer": "0123456789abcdef", "role": "counter", "purpose": "household_transfer"}
NODE: Final = {"role": "node", "purpose": "household_transfer"}
STALE_SECONDS: Final = 90
HUGE_BYTES: Final = 3 * 1024 * 1024

Post = tuple[str, bytes]  # path and body
Make = Callable[[Rogue, Loot], Sequence[Post]]


@dataclass(frozen=True)
class Told:
    """An answer as the rogue reads it; `code` of the problem, or the name of the answer."""

    status: int
    code: str
    body: Mapping[str, Any]

    @classmethod
    def of(cls, answer: httpx.Response, body: bytes, rogue: Rogue, path: str) -> "Told":
        """The answer, opened if it is sealed."""
        if answer.headers.get("content-type") != "application/jose":
            plain = from_json(body)
            return cls(answer.status_code, plain["code"], plain)
        h = read_base64_object(body.split(b".")[1])["h"]
        place = Place("answer", path.split("/")[3], path=path)
        opened = open_envelope(
            body, place=place, ring=rogue.ring, trust=rogue.trust, seen={}, now=h["iat"], expect_re=UUID(h["re"])
        )
        told = from_json(opened.content)
        return cls(told["body"].get("status", answer.status_code), told["body"].get("code", told["name"]), told["body"])


@dataclass(frozen=True)
class DoorKind:
    """`status` and `code` of the last answer; `reason`: part of the last audit row's, whose decision is `decision`."""

    name: str
    make: Make
    check: str
    status: int
    code: str
    decision: str
    reason: str

    def __str__(self) -> str:
        return self.name


def question(loot: Loot, asked: Question, *, asker: Mapping[str, Any], **more: Any) -> Forgery:
    """Right in every part, signed by the rogue."""
    content = canonical(from_json(encode_unchecked(asked)) | {"asker": dict(asker)})
    place = Place("question", asked.capability, path=asked.path, key=more.pop("key", ""))
    return Forgery(content=more.pop("content", content), place=place, to=more.pop("to", loot.victim), **more)


def state(loot: Loot, **more: Any) -> Forgery:
    """How does the case of two others stand? Everything about the envelope is right."""
    return question(loot, TransferState(case=loot.case), asker=NODE, **more)


def standing(loot: Loot, **asker: Any) -> Forgery:
    """Who answers for a person that the rogue has no business with."""
    return question(loot, PersonStatus(citizen_id_no=number_of(loot)), asker={**OFFICER, **asker})


def number_of(loot: Loot) -> str:
    return str(loot.permit.permit.members[0].citizen_id_no)


def asked(make: Callable[[Rogue, Loot], Forgery]) -> Make:
    def posts(rogue: Rogue, loot: Loot) -> Sequence[Post]:
        made = make(rogue, loot)
        return [(str(made.place.path), made.envelope(rogue))]

    return posts


def with_key(name: str) -> Make:
    return asked(lambda rogue, loot: state(loot, kid=f"{rogue.bureau}#{name}", secret=rogue.secret(name)))


def foreign_key(rogue: Rogue, loot: Loot) -> Forgery:
    return state(loot, iss=loot.counterpart, kid=rogue.kid(loot.counterpart))


def at_another_path(rogue: Rogue, loot: Loot) -> Sequence[Post]:
    return [(PersonStatus.path, state(loot).envelope(rogue))]


def replayed(rogue: Rogue, loot: Loot) -> Sequence[Post]:
    said = standing(loot, case=str(uuid4())).envelope(rogue)
    return [(PersonStatus.path, said)] * 2


def message_at_the_door(rogue: Rogue, loot: Loot) -> Sequence[Post]:
    return [(TransferState.path, message(loot).envelope(rogue))]


def overheard_message(rogue: Rogue, loot: Loot) -> Sequence[Post]:
    return [(TransferState.path, loot.overheard.value)]


def answer_at_the_door(rogue: Rogue, loot: Loot) -> Sequence[Post]:
    place = Place("answer", "transfers", path=TransferState.path)
    return [(TransferState.path, state(loot, h={"re": str(uuid7())}).but(place=place).envelope(rogue))]


def huge(rogue: Rogue, loot: Loot) -> Sequence[Post]:
    return [(TransferState.path, b"A" * HUGE_BYTES)]


def older_incarnation(rogue: Rogue, loot: Loot) -> Sequence[Post]:
    rogue.incarnation += 1
    newer, older = state(loot), state(loot, h={"inc": rogue.incarnation - 1})
    return [(TransferState.path, newer.envelope(rogue)), (TransferState.path, older.envelope(rogue))]


def wrong_name(rogue: Rogue, loot: Loot) -> Forgery:
    """A number without the name that belongs to it: whose it is must not be told."""
    person = ResidentForTransfer(citizen_id_no=number_of(loot), name="某人")
    return question(loot, person, asker={**OFFICER, "case": str(uuid4())})


def unknown_question(rogue: Rogue, loot: Loot) -> Forgery:
    return state(loot, content=canonical({"name": "EveryResident", "version": 1, "body": {}, "asker": NODE}))


def unknown_version(rogue: Rogue, loot: Loot) -> Forgery:
    return state(loot, content=canonical({"name": "TransferState", "version": 9, "body": {}, "asker": NODE}))


def misfit(rogue: Rogue, loot: Loot) -> Forgery:
    return state(loot, content=canonical({"name": "TransferState", "version": 1, "body": {"case": 1}, "asker": NODE}))


def a_message_asked(rogue: Rogue, loot: Loot) -> Forgery:
    """The content of a message, sealed and posted as a question."""
    return state(loot, content=encode_unchecked(void(loot)))


def _ago(rogue: Rogue, loot: Loot) -> Forgery:
    return state(loot, iat=int(time.time()) - STALE_SECONDS)


def _kinds() -> Mapping[str, DoorKind]:
    listed: list[tuple[str, Make, str, int, str, str, str]] = [
        ("question: huge body", huge, "body limit", 413, "body_too_large", "", ""),
        ("question: no envelope", lambda r, p: [(TransferState.path, b"\xff" * 99)], "check 2", 400, "not_an_envelope",
         "refused", "check 2"),
        ("question: zip", asked(lambda r, p: state(p, jwe={"zip": "DEF"})), "check 1", 400, "zip", "refused", "check 1"),
        ("question: a message posted", message_at_the_door, "check 3", 400, "wrong_door", "refused", "check 3"),
        ("question: another's message posted", overheard_message, "check 3", 400, "wrong_door", "refused", "check 3"),
        ("question: an answer posted", answer_at_the_door, "check 3", 400, "wrong_door", "refused", "check 3"),
        ("question: at another path", at_another_path, "check 3", 400, "wrong_door", "refused", "check 3"),
        ("question: meant for a third bureau", asked(lambda r, p: state(p, to="jiangsu")), "check 3", 400, "wrong_audience",
         "refused", "check 3"),
        ("question: key expired", with_key(OLD), "check 4", 400, "key_expired", "refused", "check 4"),
        ("question: key revoked", with_key(STOLEN), "check 4", 400, "key_revoked", "refused", "check 4"),
        ("question: foreign key", asked(foreign_key), "check 5", 400, "signature", "refused", "check 5"),
        ("question: older incarnation", older_incarnation, "check 6", 409, "lower_incarnation", "refused", "check 6"),
        ("question: stale", asked(_ago), "check 7", 400, "stale", "refused", "check 7"),
        ("question: replayed", replayed, "receipt", 409, "replayed", "denied", "asked before"),
        ("question: unknown name", asked(unknown_question), "check 9", 404, "unknown_question", "denied", "EveryResident"),
        ("question: unknown version", asked(unknown_version), "check 9", 404, "unknown_question", "denied", "version 9"),
        ("question: unknown schema", asked(lambda r, p: state(p, h={"schema": "transfers/9"})), "check 9", 404,
         "unknown_question", "denied", "schema transfers"),
        ("question: does not fit", asked(misfit), "check 9", 422, "content", "denied", "case"),
        ("question: a message's content", asked(a_message_asked), "check 9", 404, "unknown_question", "denied", "Voided"),
        ("question: about a person, no case", asked(lambda r, p: standing(p)), "access", 403, "forbidden", "denied",
         "no open case"),
        ("question: about a person, no such purpose", asked(lambda r, p: standing(p, purpose="curiosity", case=str(uuid4()))),
         "access", 403, "forbidden", "denied", "not for the purpose"),
        ("question: about a person, no such role", asked(lambda r, p: standing(p, role="auditor", case=str(uuid4()))), "access",
         403, "forbidden", "denied", "may not"),
        ("question: another's case", asked(lambda r, p: state(p)), "rule 0", 200, "TransferStateAnswer", "allowed",
         "no such case"),
        ("question: a number without its name", asked(wrong_name), "name and number", 200, "ResidentForTransferAnswer",
         "allowed", ""),
    ]  # fmt: skip
    return MappingProxyType({row[0]: DoorKind(*row) for row in listed})


DOOR_KINDS: Final = _kinds()
